"""The area under the ROC curve, of all samples and of groups, against pairs counted one by one."""

import datetime
import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowprec import metrics
from tests import naive_metrics

scores = st.sampled_from([-math.inf, -2.0, 0.0, -0.0, 7.0, math.inf]) | st.floats(allow_nan=False)
weights = st.sampled_from([0.0, 1.0, 3.0]) | st.floats(1e-9, 1e9)
rows = st.lists(
    st.tuples(st.integers(0, 1), scores, weights, st.integers(-2, 2)), min_size=2, max_size=20
)
rows_of_both = rows.filter(lambda rows: {row[0] for row in rows if row[2] > 0} == {0, 1})


@given(rows_of_both)
def test_roc_auc_counts_pairs(rows):
    y, p, w, _ = zip(*rows, strict=True)
    assert metrics.roc_auc(y, p) == naive_metrics.roc_auc(y, p)
    assert metrics.roc_auc(y, p, w) == pytest.approx(naive_metrics.roc_auc(y, p, w), rel=1e-12)


@given(rows)
def test_grouped_roc_auc_counts_pairs_of_each_group(rows):
    y, p, w, groups = zip(*rows, strict=True)
    for given_weights in (None, w):
        if given_weights is not None and not any(w):
            continue
        expected = naive_metrics.grouped_roc_auc(y, p, groups, given_weights)
        if expected is None:
            with pytest.raises(ValueError, match="groups holds both labels"):
                metrics.grouped_roc_auc(y, p, groups, given_weights)
        else:
            got = metrics.grouped_roc_auc(y, p, groups, given_weights)
            assert got == pytest.approx(expected, rel=1e-12)


@given(rows_of_both)
def test_one_group_is_no_group(rows):
    y, p, w, _ = zip(*rows, strict=True)
    for given_weights in (None, w):
        expected = metrics.roc_auc(y, p, given_weights)
        got = metrics.grouped_roc_auc(y, p, ["all"] * len(y), given_weights)
        assert got == pytest.approx(expected, rel=1e-15)


@given(rows_of_both)
def test_roc_auc_of_reversed_labels_is_the_complement(rows):
    y, p, w, _ = (np.array(column) for column in zip(*rows, strict=True))
    assert metrics.roc_auc(y, p, w) + metrics.roc_auc(1 - y, p, w) == pytest.approx(1.0)


@given(rows_of_both, st.lists(st.integers(0, 3), min_size=20, max_size=20))
def test_whole_weights_are_repeated_samples(rows, counts):
    y, p, _, groups = (np.array(column) for column in zip(*rows, strict=True))
    counts = np.array(counts[: len(rows)])
    counts[[np.argmax(y), np.argmin(y)]] = 1
    repeated = [np.repeat(column, counts) for column in (y, p, groups)]
    assert metrics.roc_auc(y, p, counts) == metrics.roc_auc(*repeated[:2])
    if naive_metrics.grouped_roc_auc(*map(tuple, repeated)) is not None:
        expected = metrics.grouped_roc_auc(*repeated)
        assert metrics.grouped_roc_auc(y, p, groups, counts) == pytest.approx(expected, rel=1e-15)


def test_weights_of_any_size():
    y, p, groups = [0, 1, 0, 1], [0.1, 0.9, 0.5, 0.2], [0, 0, 1, 1]
    for weight in (5e-324, 1e-310, 1.0, 1.7e308):
        assert metrics.roc_auc(y, p, [weight] * 4) == 0.75
        assert metrics.grouped_roc_auc(y, p, groups, [weight] * 4) == 0.5
    # the pairs weigh 1, 1e-150, 1e-150 and 1e-300
    assert metrics.roc_auc(y, p, [1, 1, 1e-150, 1e-150]) == 1.0
    assert metrics.grouped_roc_auc(y, p, groups, [1e-150, 1e-150, 1, 1]) == pytest.approx(1e-150)


def test_sums_over_groups_stay_accurate():
    """They would not if a group's sum were the difference of two sums over all groups."""
    rng = np.random.default_rng(0)
    y, p, groups = rng.integers(0, 2, 400), rng.integers(0, 9, 400), np.repeat(range(20), 20)
    w = rng.random(400) * 10.0 ** (groups % 2 * 20)
    expected = naive_metrics.grouped_roc_auc(*(each.tolist() for each in (y, p, groups, w)))
    assert metrics.grouped_roc_auc(y, p, groups, w) == pytest.approx(expected, rel=1e-13)
    light = groups % 2 == 0
    w[~light] = np.where(y[~light], w[~light], 0)  # the heavy groups are left out
    expected = metrics.grouped_roc_auc(y[light], p[light], groups[light], w[light])
    assert metrics.grouped_roc_auc(y, p, groups, w) == pytest.approx(expected, rel=1e-13)


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
def test_the_order_alone_matters(p):
    y, ranks = [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]
    assert metrics.roc_auc(y, p) == metrics.roc_auc(y, ranks)
    groups = [0, 0, 0, 1]
    assert metrics.grouped_roc_auc(y, p, groups) == metrics.grouped_roc_auc(y, ranks, groups)


def test_known_values():
    assert metrics.roc_auc([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8]) == 1.0
    assert metrics.roc_auc([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5]) == 0.5
    assert metrics.roc_auc([1, 0, 0], [2, 1, 3], [5, 3, 1]) == 0.75
    # the AUC of "a" is 1 and counts 2 samples, that of "b" is 1/2 and counts 3
    y, p = [0, 1, 0, 1, 0, 1], [1, 2, 1, 2, 3, 9]
    assert metrics.grouped_roc_auc(y, p, list("aabbbc")) == pytest.approx((2 * 1 + 3 * 0.5) / 5)


def test_roc_auc_of_many_rows_is_exact():
    y = np.tile([0, 1], 100_000)
    p = np.arange(200_000) / 200_000
    assert metrics.roc_auc(y, p) == (100_000 * 100_001 / 2) / 100_000**2


GROUPS = [0, 1, 1, 2, 0]


@pytest.mark.parametrize(
    "groups",
    [
        np.array(GROUPS, np.uint8),
        np.array(GROUPS, np.float32),
        [2**62 + each for each in GROUPS],
        [10**30 + each for each in GROUPS],
        [-each for each in GROUPS],
        [f"user {each}" for each in GROUPS],
        np.array([f"user {each}" for each in GROUPS], object),
        np.array(GROUPS).astype(bytes),
        [datetime.date(2020, 1, 1 + each) for each in GROUPS],
    ],
)
def test_groups_of_any_kind(groups):
    if isinstance(groups, list) and isinstance(groups[0], datetime.date):
        groups = np.array(groups, "M8[D]")
    y, p = [0, 1, 0, 0, 1], [0.5, 0.3, 0.3, 0.1, 0.9]
    assert metrics.grouped_roc_auc(y, p, groups) == 0.75


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("metric", [metrics.roc_auc, metrics.normalized_entropy])
def test_one_label_alone(metric, label):
    with pytest.raises(ValueError, match=f"both labels, but all 3 are {label}"):
        metric([label] * 3, [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=f"all 2 of positive weight are {label}"):
        metric([label, label, 1 - label], [0.1, 0.2, 0.3], [1, 0.5, 0])


@pytest.mark.parametrize("weights", [None, [1, 0, 1]])
def test_no_group_with_both_labels(weights):
    groups = [0, 1, 2] if weights is None else [0, 0, 1]
    with pytest.raises(ValueError, match=r"none of the \d groups holds both labels"):
        metrics.grouped_roc_auc([0, 1, 1], [0.1, 0.2, 0.3], groups, weights)


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ([0, 1], ValueError, r"groups must have shape \(3,\), as y has, got \(2,\)"),
        ([[0, 1, 1]], ValueError, r"got \(1, 3\)"),
        ([0, math.nan, 1], ValueError, r"groups\[1\] = nan is missing"),
        (np.array(["2020", "NaT", "2020"], "M8[D]"), ValueError, r"groups\[1\] = NaT is missing"),
        ([0, 1, 1j], ValueError, "groups must hold numbers or strings, got dtype complex128"),
        ([0, None, 1], TypeError, r"integers alone, got groups\[1\] = None"),
        (np.array(["a", 1, "b"], object), TypeError, r"got groups\[1\] = 1"),
        (np.array(["a", math.nan, "b"], object), TypeError, r"got groups\[1\] = nan"),
        (np.ma.array([0, 1, 1], mask=[0, 0, 1]), TypeError, "groups has masked entries"),
    ],
)
def test_groups_that_are_none(groups, error, message):
    with pytest.raises(error, match=message):
        metrics.grouped_roc_auc([0, 1, 1], [0.1, 0.2, 0.3], groups)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
def test_nan_is_no_score(dtype):
    with pytest.raises(ValueError, match=r"p\[1\] = nan is no score"):
        metrics.roc_auc([0, 1, 1], np.array([-5.0, np.nan, 3.0], dtype))
