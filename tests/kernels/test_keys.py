"""Keys of rows: numbers of a whole table, several tables in one launch, 64 bits."""

import numpy as np
import pytest
from numba import njit

import lowprec as lp
from lowprec.device import get_device
from lowprec.kernels.columns import STATES, WEIGHT
from lowprec.kernels.gradients import Gradients
from lowprec.kernels.keys import RowKeys, first_table, row_key, stream_of
from lowprec.optimizers.rules import rules_of
from lowprec.scalar.xorshift import STREAM_INIT, STREAM_UPDATE
from lowprec.tables.keys import row_keys
from lowprec.workspace import Allocator
from tests import naive
from tests.tables.small import bits, gradient

BOTH = WEIGHT + STATES


@njit
def key_of(keys, step, row):
    low, high = row_key(keys, step, first_table(keys, step), row)
    return np.uint64(low) | (np.uint64(high) << np.uint64(32))


def stacked(*tables):
    """Keys of tables that are stacked in a launch: (seed, stream, rows, first, stride) of each."""
    starts = np.concatenate([[0], np.cumsum([rows for _, _, rows, _, _ in tables])])[:-1]
    return RowKeys(
        np.array([stream_of(seed, stream) for seed, stream, *_ in tables], np.uint64),
        starts.astype(np.int64),
        np.array([first for *_, first, _ in tables], np.int64),
        np.array([stride for *_, stride in tables], np.int64),
    )


def test_keys_are_those_of_the_specification():
    keys = stacked((5, 0, 3, 0, 1), (2**64 - 1, 3, 4, 2, 5), (7, 1, 2, 2**40, 2**33))
    expected = [
        *((5, 0, row) for row in range(3)),
        *((2**64 - 1, 3, 2 + 5 * row) for row in range(4)),
        *((7, 1, 2**40 + 2**33 * row) for row in range(2)),
    ]
    for row, (seed, stream, number) in enumerate(expected):
        for step in (0, 9):
            found = int(key_of(keys, np.uint64(step), row))
            assert found == naive.row_key(seed, stream, step, number)


@pytest.mark.parametrize("dim", [1, 3, 17])
def test_tables_of_one_launch_keep_the_bits_that_they_have_alone(dim):
    """Rows 1, 4, 7, ... of one table, and another table, in one array."""
    device, rng = get_device("cpu"), np.random.default_rng(dim)
    whole = lp.EmbeddingTable(12, dim, seed=3, optimizer=lp.SGD(0.1))
    other = lp.EmbeddingTable(5, dim, seed=8, optimizer=lp.SGD(0.1))
    of_init, of_update = (
        stacked((3, stream, 4, 1, 3), (8, stream, 5, 0, 1))
        for stream in (STREAM_INIT, STREAM_UPDATE)
    )
    weight = np.empty((9, dim), np.float16)
    words = device.words(weight, weight.dtype)
    for first, last, rows in ((0, 4, 12), (4, 9, 5)):
        device.kernels.fill_uniform(words, first, last, np.float32(1 / np.sqrt(rows)), of_init)
    assert bits(weight) == bits(np.concatenate([whole.weight[1::3], other.weight]))

    ids = rng.integers(0, 9, 30).astype(np.uint32)
    grad = gradient(rng, (30, dim))
    in_whole = ids < 4
    whole.update(1 + 3 * ids[in_whole].astype(int), grad[in_whole])
    other.update(ids[~in_whole].astype(int) - 4, grad[~in_whole])
    none, memory = np.empty(0, np.uint32), Allocator(device)
    gradients = Gradients(grad, none, np.empty(0, np.float32))
    limit = np.float32(1e30)
    segments, check = device.kernels.group_and_check(
        ids, none, 9, gradients, limit, True, None, memory
    )
    device.kernels.update_rows(
        rules_of(lp.SGD(0.1), 0), (words,), segments, gradients, of_update, np.uint64(0), BOTH,
        limit, check, memory,
    )  # fmt: skip
    assert bits(weight) == bits(np.concatenate([whole.weight[1::3], other.weight]))


def test_keys_of_one_table():
    """Row 5 of shard 6 of 7 is row 6 + 5 * 7 of the whole."""
    keys = row_keys(get_device("cpu"), 4, 2, lp.Shard(6, 7))
    assert int(key_of(keys, np.uint64(1), 5)) == naive.row_key(4, 2, 1, 41)
