"""Decoding of every word, with the hardware's conversion and without."""

import hashlib
import os
import platform
import subprocess
import sys

import numpy as np
from numba import njit

import lowprec as lp
from lowprec.formats import floats
from lowprec.formats.entries import FORMATS
from lowprec.formats.words import decode, word_as_integer
from lowprec.kernels.blocks import load
from tests.children import ANY_CPU
from tests.formats.numbers import all_words, assert_same_floats, every_format


@njit
def decode_all(words, out):
    for i in range(words.size):
        out[i] = decode(load(words, i, 1))


@every_format
def test_decode_of_every_word(fmt):
    words = all_words(fmt)
    out = np.empty(words.size, np.float32)
    decode_all(words, out)
    assert_same_floats(out, words.view(fmt.storage).astype(np.float32))


def test_decode_by_integers_is_that_of_the_hardware(monkeypatch):
    monkeypatch.setattr(floats, "HALF_IN_HARDWARE", False)
    by_integers = floats.decode.__wrapped__(FORMATS[0])  # past those already made

    @njit
    def decode_by_integers(words, out):
        for i in range(words.size):
            out[i] = by_integers(word_as_integer(load(words, i, 1)))

    words = all_words(FORMATS[0])
    out, expected = np.empty(words.size, np.float32), np.empty(words.size, np.float32)
    decode_by_integers(words, out)
    decode_all(words, expected)
    assert_same_floats(out, expected)


def digest():
    """A digest of rounding, an update and a lookup in float16: the same on every CPU."""
    rng = np.random.default_rng(8)
    x = rng.integers(0, 2**32, 5000, dtype=np.uint32).view(np.float32)
    indices = rng.integers(0, 50, (200, 1))
    table = lp.EmbeddingTable([50], 5, seed=3, optimizer=lp.SGD(0.3))
    for _ in range(3):
        table.update(indices, rng.normal(size=(200, 1, 5)).astype(np.float32))
    results = lp.stochastic_round(x, "float16", seed=6), table.weight, table.lookup(indices)
    return hashlib.sha256(b"".join(array.tobytes() for array in results)).hexdigest()


def test_an_older_cpu_gives_the_same_bits(root):
    """Without half conversion and fma in hardware: NUMBA_CPU_NAME compiles for such a CPU."""
    program = (
        "from lowprec.scalar.bits import HALF_IN_HARDWARE\n"
        "from tests.formats.test_decode import digest\n"
        "print(HALF_IN_HARDWARE, digest())"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **ANY_CPU},
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    expected = digest()  # while the child compiles
    output, errors = child.communicate()
    assert child.returncode == 0, errors
    in_hardware, its_digest = output.split()
    # Every 64-bit ARM converts halves.
    assert in_hardware == str(platform.machine().lower() in ("aarch64", "arm64"))
    assert its_digest == expected
