"""The streams for batteries: words and draws of the specification, in the order that is said."""

import io

import numpy as np
import pytest

from benchmarks import streams
from tests import naive


def written(stream, bytes_, words=32, bits=0):
    out = io.BytesIO()
    streams.write(stream, words, bits, bytes_, out)
    assert len(out.getvalue()) == bytes_
    return out.getvalue()


@pytest.mark.parametrize(
    ("stream", "places"),
    [
        # (seed, step, row, position) of the first words
        ("row", [(1, 0, 5, k) for k in range(6)]),
        ("rows", [(1, 0, row, k) for row in range(3) for k in range(2)]),
        ("steps", [(1, step, 5, 17) for step in range(6)]),
        ("seeds", [(seed, 0, 5, 17) for seed in range(6)]),
    ],
)
def test_words(stream, places):
    found = np.frombuffer(written(stream, 24, words=2), "<u4")
    expected = [naive.word(naive.row_key(seed, 0, step, row), k) for seed, step, row, k in places]
    assert found.tolist() == expected


def test_words_of_updates():
    rows = np.unique(np.random.default_rng(0).integers(0, 10_000_000, 64))
    found = np.frombuffer(written("update", 4 * 2 * 65, words=2), "<u4").reshape(-1, 2)
    expected = [[naive.word(naive.row_key(1, 0, 0, int(row)), k) for k in (0, 1)] for row in rows]
    assert found[: len(rows)].tolist() == expected
    assert found[-1].tolist() not in expected  # of the next step


@pytest.mark.parametrize("bits", [13, 16, 20])
def test_draws_are_packed(bits):
    data = int.from_bytes(written("row", 130, bits=bits), "little")
    key = naive.row_key(1, 0, 0, 5)
    for column in range(130 * 8 // bits):
        assert data >> (column * bits) & (2**bits - 1) == naive.draw(key, column, bits)


def test_draws_go_on_over_pieces():
    numbers = np.arange(1000, dtype=np.uint32)
    whole, rest = streams.packed(numbers, 13, np.empty(0, np.uint8))
    first, left = streams.packed(numbers[:777], 13, np.empty(0, np.uint8))
    second, end = streams.packed(numbers[777:], 13, left)
    assert (first + second, end.tolist()) == (whole, rest.tolist())


def test_bad_options(capsys):
    for wrong in (["update", "--bits", "33"], ["update", "--words", "0"], ["nothing"]):
        with pytest.raises(SystemExit):
            streams.main(wrong)
    assert "invalid choice" in capsys.readouterr().err
