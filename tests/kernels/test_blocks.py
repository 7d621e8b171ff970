"""Columns in blocks and columns one by one give the same bits, at any place of a row."""

import numba
import numpy as np
import pytest

import lowprec as lp
from lowprec.formats.entries import FORMATS
from lowprec.kernels.blocks import load_repeated, load_rows, store, store_rows, transpose

NAMES = [fmt.name for fmt in FORMATS]
WIDTH = 16


def awkward_numbers():
    """Normal, subnormal, halfway, too large, inf, NaN and zeros of both signs, well mixed."""
    rng = np.random.default_rng(0)
    exponents = np.arange(-160, 129, dtype=np.float64)
    mantissas = np.concatenate([[1.0, 1.5, 1 + 2.0**-11, 2 - 2.0**-23], rng.uniform(1, 2, 4)])
    with np.errstate(over="ignore", under="ignore"):
        x = (mantissas[:, None] * 2.0**exponents).astype(np.float32).reshape(-1)
    x = np.concatenate([x, [0.0, np.inf, np.nan, 65504, 65520, 448, 464, 57344, 61440]])
    x = np.concatenate([x, -x]).astype(np.float32)
    return rng.permutation(x)


@pytest.mark.parametrize("round_to", [lp.nearest_round, lp.stochastic_round])
@pytest.mark.parametrize("dtype", NAMES)
def test_rounding_in_blocks_and_one_by_one(dtype, round_to):
    x = awkward_numbers()[: 1024 + 3 * WIDTH]
    more = {"seed": 3} if round_to is lp.stochastic_round else {}
    whole = round_to(x, dtype, **more).view(np.uint8).tobytes()
    for size in [*range(1, 3 * WIDTH), 1000, 1023, 1025, 1024 + WIDTH + 1]:
        part = round_to(x[:size], dtype, **more).view(np.uint8).tobytes()
        assert part == whole[: len(part)]


@pytest.mark.parametrize("dtype", ["float32", *NAMES])
def test_every_word_is_read_alike(dtype):
    """A table of all words of a format, as wide as a block, and the same words in one column."""
    rng = np.random.default_rng(1)
    wide = lp.EmbeddingTable(4096, WIDTH, dtype=dtype)
    words = wide.weight.view(np.uint8)
    if dtype != "float32":
        every = np.arange(2**16, dtype=np.uint16).view(np.uint8)
        words[:] = np.resize(every, words.shape)
    else:
        words[:] = rng.integers(0, 256, words.shape)
    narrow = lp.EmbeddingTable(4096 * WIDTH, 1, dtype=dtype)
    narrow.weight[:] = wide.weight.reshape(-1, 1)
    in_blocks = wide.lookup(np.arange(4096)).reshape(-1)
    one_by_one = narrow.lookup(np.arange(4096 * WIDTH)).reshape(-1)
    np.testing.assert_array_equal(in_blocks.view(np.uint32), one_by_one.view(np.uint32))
    expected = wide.weight.astype(np.float32).reshape(-1)
    np.testing.assert_array_equal(in_blocks, expected)


@numba.njit
def _transpose_four(array, start, stride, to, at, to_stride):
    transpose(array, start, stride, to, at, to_stride, 4)


@numba.njit
def _transpose_sixteen(array, start, stride, to, at, to_stride):
    transpose(array, start, stride, to, at, to_stride, 16)


@pytest.mark.parametrize(("width", "function"), [(4, _transpose_four), (16, _transpose_sixteen)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_transpose(dtype, width, function):
    array = np.arange(400).reshape(20, 20).astype(dtype)
    to = np.zeros((18, 19), dtype)
    function(array.reshape(-1), 2 * 20 + 3, 20, to.reshape(-1), 19 + 2, 19)
    expected = np.zeros_like(to)
    expected[1 : 1 + width, 2 : 2 + width] = array[2 : 2 + width, 3 : 3 + width].T
    np.testing.assert_array_equal(to, expected)


def _move_rows(numbers, lanes):
    """Rows from a table to a block, and back to another table."""

    @numba.njit
    def move(table, places, start, block, to):
        rows = load_rows(table, places, start, numbers, lanes, WIDTH)
        store(rows, block, 0)
        store_rows(rows, to, places, start, lanes)

    return move


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
def test_rows_in_lanes(lanes, dtype):
    rng = np.random.default_rng(lanes)
    table = rng.permutation(256)[: 30 * lanes].reshape(30, lanes).astype(dtype)
    places = rng.permutation(30).astype(np.uint32)
    block, to = np.zeros(WIDTH, dtype), np.zeros_like(table)
    _move_rows(lanes, lanes)(table, places, 3, block, to)
    rows = places[3 : 3 + WIDTH // lanes]
    np.testing.assert_array_equal(block, table[rows].reshape(-1))
    expected = np.zeros_like(table)
    expected[rows] = table[rows]
    np.testing.assert_array_equal(to, expected)


@pytest.mark.parametrize("lanes", [2, 4, 8])
def test_the_only_number_of_a_row_is_in_all_its_lanes(lanes):
    @numba.njit
    def spread(table, places, block, repeated):
        store(load_rows(table, places, 1, 1, lanes, WIDTH), block, 0)
        store(load_repeated(places, 1, lanes, WIDTH), repeated, 0)

    table = np.arange(30, dtype=np.float32).reshape(30, 1) / 7
    places = np.random.default_rng(lanes).permutation(30).astype(np.uint32)
    block, repeated = np.zeros(WIDTH, np.float32), np.zeros(WIDTH, np.uint32)
    spread(table, places, block, repeated)
    rows = places[1 : 1 + WIDTH // lanes]
    np.testing.assert_array_equal(repeated, np.repeat(rows, lanes))
    np.testing.assert_array_equal(block, np.repeat(table[rows, 0], lanes))
