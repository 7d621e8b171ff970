"""Raw random words on standard output, for batteries such as PractRand and TestU01.

    python -m benchmarks.streams update | RNG_test stdin32
    python -m benchmarks.streams update --bits 13 | RNG_test stdin
    python -m benchmarks.streams rows --words 1024 --gigabytes 4 | RNG_test stdin32

writes the words of one stream of KWX32, little-endian, until nobody reads or `--gigabytes` are
written.  With `--bits`, the draws of that many bits that rounding makes of the words are written
instead, packed without gaps, the first bit of a draw being its lowest.

streams:
  row      the words of one row
  rows     some words of each row, in order (`--words`)
  steps    word 17 of one row at each step
  seeds    word 17 of one row and step for each seed
  update   what updates draw: at each step, some words of 64 rows of 10 million, in ascending order
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lowprec.kernels.keys import stream_of
from lowprec.scalar.xorshift import STREAM_UPDATE, derive, draw, halves_of, mix64, word

_AT_ONCE = 1 << 18  # words
_ROWS, _ROWS_OF_A_STEP, _WORD = 10_000_000, 64, 17
Words = NDArray[np.uint32]


@njit
def _words(keys, first, out, bits):
    """Words or draws of each key, from number `first` on."""
    for row in range(keys.size):
        low, high = halves_of(keys[row])
        for i in range(out.shape[1]):
            at = np.uint32(first + i)
            out[row, i] = word(low, high, at) if bits == 0 else draw(low, high, at, bits)


@njit
def _rows_of_step(stream, step, rows, out):
    key = derive(stream, step)
    for i in range(rows.size):
        out[i] = derive(key, rows[i])


@njit
def _keys_of_steps(stream, first, out):
    for i in range(out.size):
        out[i] = derive(derive(stream, np.uint64(first + i)), 5)


@njit
def _keys_of_seeds(first, out):
    for i in range(out.size):
        out[i] = derive(derive(derive(mix64(np.uint64(first + i)), STREAM_UPDATE), 0), 5)


def _of_keys(keys: NDArray[np.uint64], first: int, words: int, bits: int) -> Words:
    """As many numbers as so many words hold: two columns a word, where draws are short."""
    columns = 2 if 0 < bits <= 16 else 1
    out = np.empty((keys.size, words * columns), np.uint32)
    _words(keys, first * columns, out, bits)
    return out.reshape(-1)


def _keys(step: int, rows: NDArray[np.uint64], seed: int = 1) -> NDArray[np.uint64]:
    out = np.empty(rows.size, np.uint64)
    _rows_of_step(stream_of(seed, STREAM_UPDATE), np.uint64(step), rows, out)
    return out


def of_row(words: int, bits: int) -> Iterator[Words]:
    key = _keys(0, np.array([5], np.uint64))
    for first in range(0, 2**32, _AT_ONCE):
        yield _of_keys(key, first, _AT_ONCE, bits)


def of_rows(words: int, bits: int) -> Iterator[Words]:
    count = max(1, _AT_ONCE // words)
    for first in range(0, 2**40, count):
        yield _of_keys(_keys(0, np.arange(first, first + count, dtype=np.uint64)), 0, words, bits)


def of_steps(words: int, bits: int) -> Iterator[Words]:
    stream = stream_of(1, STREAM_UPDATE)
    for first in range(0, 2**40, _AT_ONCE):
        keys = np.empty(_AT_ONCE, np.uint64)
        _keys_of_steps(stream, first, keys)
        yield _of_keys(keys, _WORD, 1, bits)


def of_seeds(words: int, bits: int) -> Iterator[Words]:
    for first in range(0, 2**40, _AT_ONCE):
        keys = np.empty(_AT_ONCE, np.uint64)
        _keys_of_seeds(first, keys)
        yield _of_keys(keys, _WORD, 1, bits)


def of_updates(words: int, bits: int) -> Iterator[Words]:
    rng = np.random.default_rng(0)
    for step in range(2**40):
        rows = np.unique(rng.integers(0, _ROWS, _ROWS_OF_A_STEP)).astype(np.uint64)
        yield _of_keys(_keys(step, rows), 0, words, bits)


STREAMS: dict[str, Callable[[int, int], Iterator[Words]]] = {
    "row": of_row, "rows": of_rows, "steps": of_steps, "seeds": of_seeds, "update": of_updates,
}  # fmt: skip


def packed(numbers: Words, bits: int, left: NDArray[np.uint8]) -> tuple[bytes, NDArray[np.uint8]]:
    """Draws of so many bits without gaps, after what was `left` of the last: bits, one a byte."""
    alone = np.unpackbits(numbers.astype("<u4").view(np.uint8), bitorder="little")
    alone = np.concatenate([left, alone.reshape(-1, 32)[:, :bits].reshape(-1)])
    whole = alone.size // 8 * 8
    return np.packbits(alone[:whole], bitorder="little").tobytes(), alone[whole:]


def write(stream: str, words: int, bits: int, most: float, out: BinaryIO) -> None:
    """Write `most` bytes of a stream, or all."""
    written, left = 0, np.empty(0, np.uint8)
    for numbers in STREAMS[stream](words, bits):
        data = numbers.astype("<u4").tobytes()
        if bits:
            data, left = packed(numbers, bits, left)
        data = data[: int(min(len(data), most - written))]
        out.write(data)
        written += len(data)
        if written >= most:
            return


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stream", choices=STREAMS)
    parser.add_argument("--words", type=int, default=32, help="of a row, default 32")
    parser.add_argument("--bits", type=int, default=0, help="of a draw, such as 13; 0: raw words")
    parser.add_argument("--gigabytes", type=float, default=float("inf"))
    options = parser.parse_args(argv)
    if not 0 <= options.bits <= 32 or options.words < 1:
        parser.error("--bits must be in [0, 32] and --words positive")
    try:
        write(
            options.stream, options.words, options.bits, options.gigabytes * 1e9, sys.stdout.buffer
        )
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has seen enough


if __name__ == "__main__":
    main()
