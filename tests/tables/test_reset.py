"""Rows that begin anew: `EmbeddingTable.reset`."""

import json
import pickle

import numpy as np
import pytest

import lowprec as lp
from lowprec.optimizers import Optimizer
from lowprec.tables import verbs
from tests import naive
from tests.conftest import ROOT
from tests.devices import host
from tests.tables.small import DTYPES, bits, make_table

SIZES = (5, 3, 4)
ROWS = sum(SIZES)
KEYS = np.array([0, 1, -1, 2**63 - 1, -(2**63)])


def fresh(seed, key, column, bound, dtype):
    """A weight, from the specification."""
    drawn = naive.word(naive.row_key(seed, 4, 0, int(key) % 2**64), column)
    signed = drawn - 2**32 if drawn >= 2**31 else drawn
    value = np.float32(signed) * (np.float32(bound) * np.float32(2.0**-31))
    return value if dtype == "float32" else naive.round_nearest(value, dtype)


def trained(dtype="float16", dim=3, step=2, **kwargs):
    """A table as after some updates, without what these would have to compile."""
    table = make_table(SIZES, dim, dtype=dtype, **kwargs)
    verbs.go_back(table, step)
    for array in (table.weight, *table.optimizer_state.values()):
        array[...] = np.random.default_rng(0).uniform(0.5, 1.5, array.shape).astype(array.dtype)
    return table


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [1, 19])
def test_weights_are_the_oracle(dtype, dim):
    table = trained(dtype, dim, seed=2**64 - 3)
    rows = np.array([4, 11, 0, 5, 7])
    expected = host(table.weight).copy()
    for row, key in zip(rows, KEYS, strict=True):
        size = SIZES[np.searchsorted(table.row_offsets, row, "right") - 1]
        for c in range(dim):
            expected[row, c] = fresh(table.seed, key, c, size**-0.5, dtype)
    table.reset(rows, KEYS)
    assert bits(host(table.weight)) == bits(expected)
    assert table.step == 2


@pytest.mark.parametrize(
    "case", json.loads((ROOT / "tests" / "data" / "kwx32_reset.json").read_text())["cases"]
)
def test_known_answers(case):
    seed, key = int(case[0]), int(case[1])
    assert f"{naive.row_key(seed, 4, 0, key):016x}" == case[2]
    table = lp.EmbeddingTable(2, 18, "float32", seed=seed, init_range=0.5)
    table.reset([1], np.array([key], np.uint64))
    words = np.array([int(word, 16) for word in case[3:]], np.uint32).view(np.int32)
    expected = words.astype(np.float32) * np.float32(2.0**-32)
    np.testing.assert_array_equal(host(table.weight)[1][[0, 1, 16, 17]], expected)


def test_a_key_has_one_row_of_weights_everywhere():
    """Whatever the row, the step and the other keys; features of equal sizes."""
    table = make_table((9, 9), 7, seed=3)
    table.reset([0, 1, 2], [5, 6, 7])
    expected = host(table.read([1]))
    verbs.go_back(table, 7)
    table.reset(np.array([12], np.int32), np.array([6], np.uint8))
    np.testing.assert_array_equal(host(table.read([12])), expected)
    table.reset([1, 2, 1], [9, 6, 6])  # of equal rows the last one
    np.testing.assert_array_equal(host(table.read([1, 2])), np.repeat(expected, 2, axis=0))
    other = make_table((9, 9), 7, seed=4)
    other.reset([1], [6])
    assert (host(other.read([1])) != expected).all()


def test_reset_is_uniform_in_the_range():
    """Of 40,000 numbers in [-0.25, 0.25]: mean and variance within 5 standard errors (p < 2e-6).

    And the column and the key of a number say nothing of it: correlations of neighbours, likewise.
    """
    table = lp.EmbeddingTable(2000, 20, "float32", init_range=0.25)
    table.reset(np.arange(2000), np.arange(2000) * 2**40)
    x = host(table.weight).astype(np.float64) * 4
    assert np.abs(x).max() <= 1
    assert np.abs(x).max() > 0.999
    assert abs(x.mean()) < 5 * np.sqrt(1 / 3 / x.size)
    assert abs((x**2).mean() - 1 / 3) < 5 * np.sqrt(4 / 45 / x.size)
    for a, b in ((x[:, 1:], x[:, :-1]), (x[1:], x[:-1])):
        assert abs((3 * a * b).mean()) < 5 / np.sqrt(a.size)


STATES = {
    "momentum": lp.SGD(0.1, momentum=0.5, state_dtype="bfloat16"),
    "Adagrad": lp.Adagrad(0.1, initial_accumulator=0.1, state_dtype="bfloat16"),
    "row-wise": lp.RowWiseAdagrad(0.1, initial_accumulator=0.5),
    "Adam": lp.Adam(0.1, state_dtype={"mean": "float16"}),
    "catch up": lp.LAMB(0.1, weight_decay=0.1, decay="catch_up"),
}


@pytest.mark.parametrize("name", STATES)
def test_states_are_those_of_a_new_table(name):
    table, new = trained(optimizer=STATES[name]), make_table(SIZES, 3, optimizer=STATES[name])
    before = {key: host(array).copy() for key, array in table.optimizer_state.items()}
    assert before
    table.reset([7, 1], [50, 60])
    others = np.setdiff1d(np.arange(ROWS), [1, 7])
    for key, array in table.optimizer_state.items():
        found = host(array)
        assert bits(found[others]) == bits(before[key][others])
        if key == "last":  # nothing is owed for the two steps before
            np.testing.assert_array_equal(found[[1, 7]], [[2], [2]])
        else:
            assert bits(found[[1, 7]]) == bits(host(new.optimizer_state[key])[[1, 7]])
            assert bits(found[[1, 7]]) != bits(before[key][[1, 7]])


def test_no_decay_is_owed():
    """A row that was reset is stepped as one of a new table that has done as many steps."""
    kwargs = {"optimizer": lp.SGD(0.1, weight_decay=0.5, decay="catch_up"), "dtype": "float32"}
    table = trained(step=4, **kwargs)
    table.reset([3], [8])
    weight = host(table.read([3]))
    table.update(np.array([[3, 0, 0]]), np.zeros((1, 3, 3), np.float32))
    np.testing.assert_allclose(host(table.read([3])), weight * np.float32(0.95), rtol=1e-6)


def test_ftrl_starts_at_zero_or_where_it_is_told():
    table = trained(optimizer=lp.FTRL(0.5, l1=0.01))
    assert host(table.weight).any()
    table.reset(np.arange(ROWS), np.arange(ROWS))
    assert not host(table.weight).any()
    assert not host(table.optimizer_state["z"]).any()
    table = trained("float32", optimizer=lp.FTRL(0.5, l1=0.01), init_range=0.5)
    table.reset([2], [3])
    weight = host(table.read([2]))
    assert (np.abs(weight) <= 0.5).all()
    assert weight.all()
    assert not host(table.optimizer_state["n"])[2].any()
    z = -(weight * (1 / 0.5) + np.sign(weight) * 0.01)  # so that the weight is what it is
    np.testing.assert_allclose(host(table.optimizer_state["z"])[2], z[0], rtol=1e-6)


@pytest.mark.parametrize("init_range", [None, 0.125, 0.0])
def test_files_and_copies_keep_the_range(init_range, tmp_path):
    table = trained(init_range=init_range)
    table.save(tmp_path / "t.safetensors")
    twins = [
        lp.load(tmp_path / "t.safetensors", device=table.device),
        table.to(table.device),
        pickle.loads(pickle.dumps(table)),
        table.astype("float16"),
    ]
    for each in (table, *twins):
        each.reset([3, 8], [70, 71])
        assert bits(host(each.weight)) == bits(host(table.weight))
    most = np.abs(host(table.read([3, 8]))).max(axis=1)
    assert (most <= (init_range if init_range is not None else np.array([5, 3]) ** -0.5)).all()
    assert most.all() == (init_range != 0)


@pytest.mark.parametrize("value", [-1.0, "1", [1]])
def test_a_file_with_a_range_that_is_none(value, tmp_path):
    from lowprec.files.writing import write

    table = make_table(SIZES, 3)
    state, arrays = table._contents()
    write(tmp_path / "t.safetensors", "EmbeddingTable", {**state, "init_range": value}, arrays)
    with pytest.raises(lp.CheckpointError, match="init_range must be"):
        lp.load(tmp_path / "t.safetensors")
    del state["init_range"]  # as in files of version 1
    write(tmp_path / "t.safetensors", "EmbeddingTable", state, arrays)
    assert lp.load(tmp_path / "t.safetensors")._init_range is None


@pytest.mark.parametrize(
    ("rows", "keys", "error", "message"),
    [
        ([0, 12], [1, 2], IndexError, r"rows\[1\] = 12 is out of range for a table of 12 rows"),
        ([-1], [1], IndexError, r"rows\[0\] = -1 is out of range"),
        ([1.0], [1], TypeError, "rows must be integers, got float64"),
        ([1], [1.0], TypeError, "keys must be integers, got float64"),
        ([1], ["a"], TypeError, "keys must be integers, got <U1"),
        ([1], [True], TypeError, "keys must be integers, got bool"),
        ([1, 2], [1], ValueError, r"keys must have the shape of rows, \(2,\), got \(1,\)"),
        ([[1]], [[1]], ValueError, "rows must be 1-D"),
    ],
)
def test_bad_rows_and_keys(rows, keys, error, message):
    table = trained()
    before = bits(host(table.weight))
    with pytest.raises(error, match=message):
        table.reset(rows, keys)
    assert bits(host(table.weight)) == before


def test_no_rows_and_frozen_tables():
    table = trained()
    before = bits(host(table.weight))
    table.reset([], [])
    assert bits(host(table.weight)) == before
    table.trainable = False
    table.reset([3], [1])
    assert bits(host(table.weight)) != before


def test_every_state_is_known():
    """A state of another kind needs a thought here: what is it in a row that begins anew?"""
    kinds = {
        field
        for name in lp.__all__
        if isinstance(kind := getattr(lp, name), type) and issubclass(kind, Optimizer)
        for state in kind(0.1, state_dtype="float32").kept_states().values()
        for field in state._fields
    }
    assert kinds == {"initial", "by_row", "square", "counter"}
