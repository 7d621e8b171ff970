"""Diagnostics against what updates then really do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowprec as lp
from tests import naive_precision
from tests.tables.small import DTYPES, bits, gradient, jagged, make_table

LOW = DTYPES[1:]
RNG_SEEDS = st.integers(0, 2**32)


# --- what an update then does ---


def real_update(table, *batch, **more):
    """(weights before, after) of the rows of a batch, by value."""
    before = table.weight.astype(np.float32)
    table.update(*batch, **more)
    return before, table.weight.astype(np.float32)


@settings(max_examples=30)
@given(RNG_SEEDS, st.sampled_from(DTYPES), st.sampled_from([1e-3, 0.1]))
def test_lost_is_what_a_nearest_table_does_not_move(seed, dtype, rate):
    table = make_table(60, 5, dtype=dtype, rounding="nearest", optimizer=lp.SGD(rate), seed=seed)
    rng = np.random.default_rng(seed)
    indices = rng.permutation(60)[:40]
    grad = gradient(rng, (40, 5))
    grad[rng.random(grad.shape) < 0.1] = 0.0
    report = table.diagnose(indices, grad)
    before, after = real_update(table, indices, grad)
    unmoved = (before == after)[indices] & (grad != 0)
    assert report.lost == unmoved.sum()
    assert report.steps == np.count_nonzero(grad)


@settings(max_examples=30)
@given(RNG_SEEDS, st.sampled_from(LOW), st.sampled_from(["stochastic", "nearest"]))
def test_errors_are_of_what_is_stored(seed, dtype, rounding):
    kwargs = {"optimizer": lp.SGD(0.01), "seed": seed}
    table = make_table(60, 5, dtype=dtype, rounding=rounding, **kwargs)
    exact = lp.EmbeddingTable(60, 5, "float32", **kwargs)
    exact.weight[:] = table.weight.astype(np.float32)
    rng = np.random.default_rng(seed)
    indices = rng.permutation(60)[:40]
    grad = gradient(rng, (40, 5))
    report = table.diagnose(indices, grad)
    exact.update(indices, grad)
    after = real_update(table, indices, grad)[1][indices].astype(np.float64)
    wanted = exact.weight[indices].astype(np.float64)
    exponent_bits, mantissa_bits, largest = naive_precision.shape(dtype)
    inside = np.abs(wanted) <= float(largest)
    binade = np.maximum(np.frexp(np.abs(wanted))[1] - 1, 2 - 2 ** (exponent_bits - 1))
    moved = ((after - wanted) / np.ldexp(1.0, binade - mantissa_bits) * -np.sign(grad))[inside]
    assert report.mean_error == pytest.approx(moved.sum() / report.steps, abs=1e-9)
    assert report.rms_error**2 == pytest.approx((moved**2).sum() / report.steps, abs=1e-9)


@pytest.mark.parametrize("across_features", [False, True])
def test_nothing_is_changed(across_features):
    table, twin = (make_table(seed=4) for _ in range(2))
    indices = np.random.default_rng(0).integers(0, [5, 3, 4], (20, 3))
    grad = table.lookup(indices, across_features=across_features)
    for _ in range(3):
        table.diagnose(indices, grad, across_features=across_features)
        assert table.step == twin.step
        assert bits(table.weight) == bits(twin.weight)
        for each in (table, twin):
            each.update(indices, grad, across_features=across_features)
        assert bits(table.weight) == bits(twin.weight)


def test_a_checked_batch_and_bad_arguments():
    table = make_table()
    indices = np.array([[0, 1, 2]])
    grad = np.ones((1, 3, 3), np.float32)
    assert table.diagnose(table.batch(indices), grad) == table.diagnose(indices, grad)
    with pytest.raises(IndexError, match="out of range for feature 0"):
        table.diagnose(np.array([[9, 0, 0]]), grad)
    with pytest.raises(ValueError, match="shape of the lookup"):
        table.diagnose(indices, grad[:, :2])
    with pytest.raises(ValueError, match="beyond float32"):
        table.diagnose(indices, np.full(grad.shape, 1e39))
    with pytest.raises(TypeError, match="grad must hold numbers"):
        table.diagnose(indices, grad.astype(str))
    with pytest.raises(ValueError, match="max_numbers"):
        table.diagnose(indices, grad, max_numbers=0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("with_offsets", [False, True])
def test_parts_of_a_batch_add_up(with_offsets, weighted, monkeypatch):
    """Every k-th row, in turns, is all rows: the same sums, so the same counts."""
    table = make_table([50, 30, 40], 2, optimizer=lp.SGD(1e-3))
    rng = np.random.default_rng(0)
    indices, offsets = rng.integers(0, 30, (100, 3)), None
    if with_offsets:
        indices, offsets = jagged(rng, 300, [50, 30, 40])
    weights = rng.normal(size=indices.shape).astype(np.float32) if weighted else None
    grad = gradient(rng, (100, 3, 2))
    batch = {"offsets": offsets, "per_sample_weights": weights, "pooling": "mean"}
    whole = table.diagnose(indices, grad, **batch)
    parts = []
    for part in range(4):
        monkeypatch.setattr("lowprec.tables.diagnosis.scattered", lambda step, part=part: part)
        parts.append(table.diagnose(indices, grad, **batch, max_numbers=240 // 4))  # 120 rows
    total = parts[0] + parts[1] + parts[2] + parts[3]
    for name in ("rows", "weights", "steps"):
        assert getattr(total, name) == getattr(whole, name)
    for name in DTYPES:
        for key in ("lost", "subnormal", "saturated"):
            assert getattr(total.of(name), key) == getattr(whole.of(name), key)
    assert total.mean_error == pytest.approx(whole.mean_error, abs=1e-12)
    assert max(part.rows for part in parts) < 0.4 * whole.rows
