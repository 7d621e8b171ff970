"""Rows of 2, 4 and 8 columns, of which a block steps several: each as if it were alone."""

import numpy as np
import pytest

import lowprec as lp
from lowprec.kernels.cpu.narrow import _ROWS_AT_ONCE, NARROW
from tests.optimizers.cases import CASES, batch, check
from tests.tables.small import bits, make_table

AT_ONCE = int(_ROWS_AT_ONCE)
dims = pytest.mark.parametrize("dim", NARROW)


def table_of(dim, rows=300, **options):
    given = {"optimizer": lp.SGD(0.5), "seed": 2, "on_nonfinite": "skip"}
    table = lp.EmbeddingTable(rows, dim, "float16", **{**given, **options})
    table.write(np.arange(rows), np.random.default_rng(0).normal(size=(rows, dim)))
    return table


@dims
def test_rows_with_many_ids(dim):
    """Their gradients are summed in pieces."""
    optimizer, oracle = CASES["SGD"]
    table = make_table((5, 3, 4), dim, dtype="float16", optimizer=optimizer)
    check(table, oracle, *batch(np.random.default_rng(2), dim, samples=450))


@dims
@pytest.mark.parametrize(
    "rows", [1, 2, 3, 7, 8, 9, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE + 3]
)
def test_any_number_of_rows(rows, dim):
    """Together as one by one: the random bits are those of the row and the step."""
    rng = np.random.default_rng(rows)
    ids, grad = rng.permutation(300)[:rows], rng.normal(size=(rows, dim)).astype(np.float32)
    together, apart = table_of(dim), table_of(dim)
    together.update(ids, grad)
    weight = apart.weight.copy()
    for row in range(rows):
        one = table_of(dim)
        one.update(ids[row : row + 1], grad[row : row + 1])
        weight[ids[row]] = one.weight[ids[row]]
    assert bits(together.weight) == bits(weight)


@dims
def test_rows_whose_gradients_are_not_finite(dim):
    """They are left out, and all others are stepped as without them."""
    rng = np.random.default_rng(dim)
    ids, grad = rng.integers(0, 300, 400), rng.normal(size=(400, dim)).astype(np.float32)
    bad = rng.permutation(300)[:40]
    grad[np.isin(ids, bad), rng.integers(dim)] = np.nan
    table, other = table_of(dim), table_of(dim)
    table.update(ids, grad)
    good = ~np.isin(ids, bad)
    other.update(ids[good], grad[good])
    assert bits(table.weight) == bits(other.weight)
    assert table.skipped_rows == len(np.intersect1d(ids, bad))


@pytest.mark.parametrize("dim", [1, *NARROW])
def test_threads_do_not_matter(dim, monkeypatch):
    """The last block of one thread is often not full, and what is in it is nobody else's."""
    rng = np.random.default_rng(dim)
    batches = [(rng.integers(0, 300, n), rng.normal(size=(n, dim))) for n in range(20, 220)]
    one, several = table_of(dim), table_of(dim)
    for ids, grad in batches:
        one.update(ids, grad)
    monkeypatch.setattr("lowprec.kernels.cpu.launch.NUMBERS_PER_THREAD", 1)
    for ids, grad in batches:
        several.update(ids, grad)
    assert bits(one.weight) == bits(several.weight)
