"""Metrics against their definitions."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowprec import metrics
from tests import naive_metrics

METRICS = [metrics.log_loss, metrics.roc_auc, metrics.normalized_entropy]
EPS = 2.0**-52

# A few values often, so that ties and certain predictions come up.
probabilities = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0.0, 1.0)
pairs = st.lists(st.tuples(st.integers(0, 1), probabilities), min_size=1, max_size=40)
pairs_of_both = pairs.filter(lambda rows: len({y for y, _ in rows}) == 2)


@given(pairs)
def test_log_loss_is_its_definition(rows):
    y, p = zip(*rows, strict=True)
    assert metrics.log_loss(y, p) == pytest.approx(naive_metrics.log_loss(y, p), rel=1e-12)


@given(pairs_of_both)
def test_roc_auc_counts_pairs(rows):
    y, p = zip(*rows, strict=True)
    assert metrics.roc_auc(y, p) == naive_metrics.roc_auc(y, p)


@given(pairs_of_both)
def test_normalized_entropy_divides_by_the_entropy_of_the_base_rate(rows):
    y, p = zip(*rows, strict=True)
    rate = sum(y) / len(y)
    entropy = -rate * math.log(rate) - (1 - rate) * math.log(1 - rate)
    expected = naive_metrics.log_loss(y, p) / entropy
    assert metrics.normalized_entropy(y, p) == pytest.approx(expected, rel=1e-12)


@given(pairs_of_both)
def test_roc_auc_of_reversed_labels_is_the_complement(rows):
    y, p = (np.array(column) for column in zip(*rows, strict=True))
    assert metrics.roc_auc(y, p) + metrics.roc_auc(1 - y, p) == pytest.approx(1.0)


def test_known_values():
    assert metrics.log_loss([1, 0], [0.5, 0.5]) == math.log(2)
    assert metrics.roc_auc([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8]) == 1.0
    assert metrics.roc_auc([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5]) == 0.5
    assert metrics.normalized_entropy([0, 1, 1], [2 / 3] * 3) == pytest.approx(1.0)


def test_a_certain_mistake_costs_a_finite_loss():
    assert metrics.log_loss([1], [0.0]) == -math.log(EPS)
    assert metrics.log_loss([0], [1.0]) == -math.log(EPS)
    assert metrics.log_loss([0, 1], [0.0, 1.0]) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float32, np.float64])
def test_labels_of_any_number_type(dtype):
    y, p = np.array([0, 1, 1], dtype), np.array([0.2, 0.3, 0.9], np.float32)
    for metric in METRICS:
        assert metric(y, p) == metric([0, 1, 1], p.astype(np.float64))


def test_float32_probabilities_are_computed_in_float64():
    # 1 - p has 24 bits fewer in float32.
    p = np.array([1e-9], np.float32)
    assert metrics.log_loss([0], p) == pytest.approx(1e-9, rel=1e-6)


SMALL_FLOATS = [
    "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e3m4", "float8_e4m3b11fnuz",
    "float6_e2m3fn", "float4_e2m1fn",
]  # fmt: skip


@pytest.mark.parametrize("dtype", SMALL_FLOATS)
def test_probabilities_and_labels_in_dtypes_of_ml_dtypes(dtype):
    y, p = np.array([0, 1, 1, 0]), np.array([0.5, 1.0, 0.5, 0.0])
    small = np.dtype(getattr(ml_dtypes, dtype))
    for metric in METRICS:
        expected = metric(y, p)
        assert metric(y, p.astype(small)) == expected
        assert metric(y.astype(small), p) == expected
        with pytest.raises(ValueError, match=r"y\[1\] = 2.0 is not 0 or 1"):
            metric(np.array([0, 2]).astype(small), [0.5, 0.5])


@pytest.mark.parametrize("dtype", ["int2", "int4", "uint4"])
def test_labels_in_small_integers(dtype):
    y, p = np.array([0, 1, 1, 0]), np.array([0.5, 1.0, 0.5, 0.0])
    for metric in METRICS:
        assert metric(y.astype(getattr(ml_dtypes, dtype)), p) == metric(y, p)


# --- scores of any size ---

scores = st.sampled_from([-math.inf, -2.0, 0.0, -0.0, 7.0, math.inf]) | st.floats(allow_nan=False)
scored = st.lists(st.tuples(st.integers(0, 1), scores), min_size=2, max_size=40)


@given(scored.filter(lambda rows: len({y for y, _ in rows}) == 2))
def test_roc_auc_of_any_scores_counts_pairs(rows):
    y, p = zip(*rows, strict=True)
    assert metrics.roc_auc(y, p) == naive_metrics.roc_auc(y, p)


@pytest.mark.parametrize(
    "p",
    [
        [-3.0, -1.0, 2.0, 40.0],
        [10, 20, 30, 40],
        np.array([-8, -7, -6, 7], np.int8),
        np.array([2**60, 2**60 + 1, 2**60 + 2, 2**60 + 3]),  # equal in float64
        np.array([2**64 - 4, 2**64 - 3, 2**64 - 2, 2**64 - 1], np.uint64),
        np.array([-2, -1, 1, 2], ml_dtypes.bfloat16),
        np.array([-math.inf, 0, 1, math.inf]),
    ],
)
def test_roc_auc_needs_the_order_alone(p):
    assert metrics.roc_auc([0, 1, 0, 1], p) == metrics.roc_auc([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_nan_is_no_score(dtype):
    with pytest.raises(ValueError, match=r"p\[1\] = nan is no score"):
        metrics.roc_auc([0, 1, 1], np.array([-5.0, np.nan, 3.0], dtype))


def test_roc_auc_of_many_rows_is_exact():
    y = np.tile([0, 1], 100_000)
    p = np.arange(200_000) / 200_000
    assert metrics.roc_auc(y, p) == (100_000 * 100_001 / 2) / 100_000**2


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([0, 1], [[0.2, 0.8], [0.3, 0.7]], r"p must have shape \(n,\), got \(2, 2\).*p\[:, 1\]"),
        ([[0, 1]], [0.2, 0.8], r"y must have shape \(n,\), got \(1, 2\)$"),
        (1, 0.5, r"y must have shape \(n,\), got \(\)"),
        ([0, 1], [0.2], "same length, got 2 and 1"),
        ([], [], "empty"),
        ([0, 2, 3], [0.1, 0.2, 0.3], r"y\[1\] = 2 is not 0 or 1"),
        ([0, 1, -1], [0.1, 0.2, 0.3], r"y\[2\] = -1 is not 0 or 1"),
        ([0, 0.5], [0.1, 0.2], r"y\[1\] = 0.5 is not 0 or 1"),
        ([0, math.nan], [0.1, 0.2], r"y\[1\] = nan is not 0 or 1"),
        ([0, 1], [0.1, math.nan], r"p\[1\] = nan is n"),
        (["a", "b"], [0.5, 0.5], "y must hold numbers, got dtype"),
        ([0, 1], [0.5, None], "p must hold numbers, got dtype object"),
    ],
)
def test_bad_arguments(metric, y, p, message):
    with pytest.raises(ValueError, match=message):
        metric(y, p)


@pytest.mark.parametrize("metric", [metrics.log_loss, metrics.normalized_entropy])
@pytest.mark.parametrize("p", [math.nan, -0.5, 1.5, math.inf, np.nextafter(1, 2), -5e-324])
def test_no_probabilities(metric, p):
    with pytest.raises(ValueError, match=r"p\[1\] = .* is not in \[0, 1\]"):
        metric([0, 1], [0.5, p])


@pytest.mark.parametrize("metric", [metrics.roc_auc, metrics.normalized_entropy])
@pytest.mark.parametrize("label", [0, 1])
def test_one_label_alone(metric, label):
    with pytest.raises(ValueError, match=f"both labels, but all 3 are {label}"):
        metric([label] * 3, [0.1, 0.2, 0.3])


def test_log_loss_needs_one_label_only():
    assert metrics.log_loss([1, 1], [0.5, 0.5]) == math.log(2)
