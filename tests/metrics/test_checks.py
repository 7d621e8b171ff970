"""Labels, probabilities and weights that metrics take, and those that they do not."""

import functools
import math

import ml_dtypes
import numpy as np
import pytest

from lowprec import metrics


def of_one_group(y, p, sample_weight=None):
    return metrics.grouped_roc_auc(y, p, np.zeros(np.shape(y)[:1], int), sample_weight)


METRICS = [
    metrics.log_loss, metrics.roc_auc, metrics.normalized_entropy, metrics.calibration,
    of_one_group,
]  # fmt: skip
every_metric = pytest.mark.parametrize("metric", METRICS)
RELEVANT, SCORES = [[0, 1, 1], [1, 0, 0], [0, 0, 1]], [[3, 2, 1], [1, 3, 2], [1, 2, 3]]


@every_metric
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float32, np.float64])
def test_labels_of_any_number_type(metric, dtype):
    y, p = np.array([0, 1, 1], dtype), np.array([0.2, 0.3, 0.9], np.float32)
    assert metric(y, p) == metric([0, 1, 1], p.astype(np.float64))


SMALL_FLOATS = [
    "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e3m4", "float8_e4m3b11fnuz",
    "float6_e2m3fn", "float4_e2m1fn",
]  # fmt: skip


@every_metric
@pytest.mark.parametrize("dtype", SMALL_FLOATS)
def test_dtypes_of_ml_dtypes(metric, dtype):
    y, p, w = np.array([0, 1, 1, 0]), np.array([0.5, 1.0, 0.5, 0.0]), np.array([1, 0.5, 2, 3])
    small = np.dtype(getattr(ml_dtypes, dtype))
    expected = metric(y, p)
    assert metric(y, p.astype(small)) == expected
    assert metric(y.astype(small), p) == expected
    assert metric(y, p, w.astype(small)) == metric(y, p, w)
    with pytest.raises(ValueError, match=r"y\[1\] = 2.0 is not 0 or 1"):
        metric(np.array([0, 2]).astype(small), [0.5, 0.5])


@every_metric
@pytest.mark.parametrize("dtype", ["int2", "int4", "uint4"])
def test_labels_in_small_integers(metric, dtype):
    y, p = np.array([0, 1, 1, 0]), np.array([0.5, 1.0, 0.5, 0.0])
    assert metric(y.astype(getattr(ml_dtypes, dtype)), p) == metric(y, p)


@every_metric
@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([0, 1], [[0.2, 0.8], [0.3, 0.7]], r"p must have shape \(n,\), got \(2, 2\).*p\[:, 1\]"),
        ([[0, 1]], [0.2, 0.8], r"y must have shape \(n,\), got \(1, 2\)$"),
        (1, 0.5, r"y must have shape \(n,\), got \(\)"),
        ([0, 1], [0.2], "same length, got 2 and 1"),
        ([], [], "empty"),
        ([0, 2, 3], [0.1, 0.2, 0.3], r"y\[1\] = 2 is not 0 or 1; .* y == classes_\[1\]"),
        ([0, 1, -1], [0.1, 0.2, 0.3], r"y\[2\] = -1 is not 0 or 1"),
        ([0, 0.5], [0.1, 0.2], r"y\[1\] = 0.5 is not 0 or 1"),
        ([0, math.nan], [0.1, 0.2], r"y\[1\] = nan is not 0 or 1"),
        ([0, 1], [0.1, math.nan], r"p\[1\] = nan is n"),
        (["a", "b"], [0.5, 0.5], r"y must hold numbers, got dtype .* y == classes_\[1\]"),
        ([0, 1], [0.5, None], "p must hold numbers, got dtype object"),
    ],
)
def test_bad_arguments(metric, y, p, message):
    with pytest.raises(ValueError, match=message):
        metric(y, p)


WEIGHED = [
    *(functools.partial(metric, [0, 1, 1], [0.1, 0.2, 0.3]) for metric in METRICS),
    functools.partial(metrics.recall_at_k, RELEVANT, SCORES, 2),
    functools.partial(metrics.ndcg_at_k, RELEVANT, SCORES, 2),
]


@pytest.mark.parametrize("metric", WEIGHED)
@pytest.mark.parametrize(
    "weights",
    [
        [True, True, False],
        [2, 2, 0],
        np.array([1, 1, 0], np.uint8),
        np.array([1e-45, 1e-45, 0], np.float32),  # subnormal
        np.array([2.0**1023, 2.0**1023, 0]),
        np.array([1, 1, 0], np.longdouble),
        np.array([0, 1, 1], ">f8")[::-1],
    ],
)
def test_weights_of_any_kind(metric, weights):
    assert metric(sample_weight=weights) == metric(sample_weight=[1, 1, 0])


@pytest.mark.parametrize("metric", WEIGHED)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], r"one weight for each (sample|user), 3, got 2"),
        (1, r"sample_weight must have shape \(n,\), got \(\)"),
        ([[1], [1], [1]], r"sample_weight must have shape \(n,\), got \(3, 1\)"),
        ([1, -2, -3], r"sample_weight\[1\] = -2 is not finite and at least 0"),
        ([1, 1, math.nan], r"sample_weight\[2\] = nan is not"),
        ([1, math.inf, 1], r"sample_weight\[1\] = inf is not"),
        ([0, 0, 0], "sample_weight is 0 for all 3"),
        (["a", "b", "c"], "sample_weight must hold numbers"),
        ([1, 1, 1j], "sample_weight must hold numbers"),
    ],
)
def test_bad_weights(metric, weights, message):
    with pytest.raises(ValueError, match=message):
        metric(sample_weight=weights)
