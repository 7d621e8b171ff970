"""Log loss, normalized entropy and calibration against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowprec import metrics
from tests import naive_metrics

METRICS = [metrics.log_loss, metrics.normalized_entropy, metrics.calibration]
EPS = 2.0**-52

# A few values often, so that ties and certain predictions come up.
probabilities = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0.0, 1.0)
weights = st.sampled_from([0.0, 1.0, 3.0]) | st.floats(0.1, 10.0)
rows = st.lists(st.tuples(st.integers(0, 1), probabilities, weights), min_size=2, max_size=20)
rows_of_both = rows.filter(lambda rows: {y for y, _, w in rows if w > 0} == {0, 1})

every_metric = pytest.mark.parametrize("metric", METRICS)


@every_metric
@given(rows_of_both)
def test_definitions(metric, rows):
    y, p, w = zip(*rows, strict=True)
    naive = getattr(naive_metrics, metric.__name__)
    assert metric(y, p, w) == pytest.approx(naive(y, p, w), rel=1e-12, abs=1e-300)
    if metric is metrics.log_loss or sum(y) not in (0, len(y)):
        assert metric(y, p) == pytest.approx(naive(y, p), rel=1e-12, abs=1e-300)


@every_metric
@given(rows_of_both)
def test_samples_of_weight_0_are_left_out(metric, rows):
    y, p, w = zip(*[row for row in rows if row[2] > 0], strict=True)
    assert metric(*zip(*rows, strict=True)) == pytest.approx(metric(y, p, w), rel=1e-12, abs=1e-300)


@every_metric
@given(rows_of_both, st.lists(st.integers(0, 3), min_size=20, max_size=20))
def test_whole_weights_are_repeated_samples(metric, rows, counts):
    y, p, _ = (np.array(column) for column in zip(*rows, strict=True))
    counts = np.array(counts[: len(rows)]) + (counts[-1] == 0)
    repeated = np.repeat(y, counts), np.repeat(p, counts)
    if set(repeated[0]) == {0, 1}:
        assert metric(y, p, counts) == pytest.approx(metric(*repeated), rel=1e-12, abs=1e-300)


@every_metric
@given(rows_of_both.filter(lambda rows: {y for y, _, _ in rows} == {0, 1}))
def test_equal_weights_change_no_bit(metric, rows):
    y, p, _ = zip(*rows, strict=True)
    expected = metric(y, p)
    for weight in (1, 0.5, 2.0**1000, 2.0**-1060):
        assert metric(y, p, [weight] * len(y)) == expected
    assert metric(y, p, sample_weight=None) == expected


def test_known_values():
    assert metrics.log_loss([1, 0], [0.5, 0.5]) == math.log(2)
    assert metrics.log_loss([1, 1], [0.5, 0.25], [3, 1]) == pytest.approx(1.25 * math.log(2))
    assert metrics.normalized_entropy([0, 1, 1], [2 / 3] * 3) == pytest.approx(1.0)
    assert metrics.normalized_entropy([0, 1], [0.75] * 2, [1, 3]) == pytest.approx(1.0)
    assert metrics.calibration([0, 1], [0.5, 0.5]) == 1.0
    assert metrics.calibration([0, 1], [0.5, 0.5], [3, 1]) == 2.0
    assert metrics.calibration([1, 1], [0.0, 0.0]) == 0.0


def test_a_certain_mistake_costs_a_finite_loss():
    assert metrics.log_loss([1], [0.0]) == -math.log(EPS)
    assert metrics.log_loss([0], [1.0]) == -math.log(EPS)
    assert metrics.log_loss([0, 1], [0.0, 1.0]) == pytest.approx(0.0, abs=1e-15)


def test_float32_probabilities_are_computed_in_float64():
    # 1 - p has 24 bits fewer in float32.
    p = np.array([1e-9], np.float32)
    assert metrics.log_loss([0], p) == pytest.approx(1e-9, rel=1e-6)


def test_log_loss_and_calibration_need_one_label_only():
    assert metrics.log_loss([1, 1], [0.5, 0.5]) == math.log(2)
    assert metrics.calibration([1, 1], [0.5, 0.5]) == 0.5


@pytest.mark.parametrize("weights", [None, [1, 1, 0]])
def test_calibration_needs_a_click(weights):
    with pytest.raises(ValueError, match="y must hold a label 1 of positive weight"):
        metrics.calibration([0, 0, weights is not None], [0.1, 0.2, 0.3], weights)


@every_metric
@pytest.mark.parametrize("p", [math.nan, -0.5, 1.5, math.inf, np.nextafter(1, 2), -5e-324])
def test_no_probabilities(metric, p):
    with pytest.raises(ValueError, match=r"p\[1\] = .* is not in \[0, 1\]"):
        metric([0, 1], [0.5, p])
