"""Functions, optimizers and files, given what they do not take: a clear error."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import lowprec as lp
from tests import naive_models
from tests.bad_input import F32, SIZES, bits, clear, fitted, make_table, plain, refuses, state
from tests.fuzz.strategies import (
    INT_EDGES,
    LAYOUTS,
    layouts,
    not_arrays,
    not_integers,
    not_numbers,
    not_paths,
    with_mask,
    wrong_dtypes,
    wrong_for_ids,
    wrong_for_numbers,
)

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


# --- rounding ---

ROUNDINGS = [lp.stochastic_round, lp.nearest_round, lp.round_up_probability]
functions = st.sampled_from(ROUNDINGS)


@given(functions, not_arrays | wrong_dtypes.map(lambda d: np.zeros(3, "i4").astype(d)))
def test_rounding_of_what_is_not_float32(function, x):
    refuses(lambda: function(x, "float16"), (TypeError, ValueError))


@given(
    functions,
    not_integers | st.text(max_size=8) | st.sampled_from(["(,)f2", "3,)", "1" * 5000, "\ud800"]),
)
def test_rounding_to_what_is_no_format(function, dtype):
    assume(not isinstance(dtype, np.generic))  # has a dtype, which is meant
    assume(not (isinstance(dtype, str) and dtype in ("e", "f", "f2", "f4")))
    refuses(lambda: function(np.zeros(3, F32), dtype), ValueError)


@given(functions, layouts)
def test_rounding_of_other_layouts(function, layout):
    x = np.linspace(-3, 3, 60, dtype=F32).reshape(6, 10)
    found = function(LAYOUTS[layout](x), "float16")
    assert type(found) is np.ndarray
    assert bits(found) == bits(function(x, "float16"))


@given(functions, not_integers)
def test_bad_seeds_and_devices(function, value):
    refuses(lambda: function(np.zeros(3, F32), "float16", device=value))
    refuses(lambda: lp.stochastic_round(np.zeros(3, F32), "float16", seed=value))


def test_masked_arrays_are_refused():
    """What is behind the mask was taken for a value."""
    for function in ROUNDINGS:
        with pytest.raises(TypeError, match="x has masked entries"):
            function(with_mask(np.zeros(3, F32)), "float16")


# --- optimizers and schedules ---


@given(not_numbers)
def test_rates(value):
    for make in (
        lp.SGD,
        lp.schedules.Constant,
        lambda v: lp.schedules.InverseTime(v, 1.0),
        lambda v: lp.schedules.InverseTime(1.0, v),
        lambda v: lp.schedules.WarmupLinearDecay(v, 1, 2),
    ):
        if make is lp.SGD and callable(value):
            continue
        refuses(lambda make=make: make(value), (TypeError, ValueError))


@given(not_integers)
def test_steps(value):
    for schedule in (
        lp.schedules.Constant(1.0),
        lp.schedules.InverseTime(1.0, 1.0),
        lp.schedules.WarmupLinearDecay(1.0, 1, 2),
    ):
        refuses(lambda schedule=schedule: schedule(value), (TypeError, ValueError))
        refuses(lambda: lp.schedules.WarmupLinearDecay(1.0, value, 2**70), (TypeError, ValueError))


@given(not_numbers)
def test_schedules_that_give_no_rate(value):
    table = make_table(optimizer=lp.SGD(lambda step: value))
    before = state(table)
    refuses(lambda: table.update(**plain()), (TypeError, ValueError))
    assert state(table) == before


# --- metrics and data ---

OF_PROBABILITIES = [lp.metrics.log_loss, lp.metrics.normalized_entropy, lp.metrics.calibration]
OF_USERS = [lp.metrics.recall_at_k, lp.metrics.ndcg_at_k]
no_vector = (
    not_arrays
    | wrong_for_numbers.map(lambda d: np.zeros(2, "i4").astype(d))
    | st.sampled_from([[0.5, np.nan], [[0.5, 0.5]], 0.5])
    | st.just(with_mask(np.array([0.5, 0.5])))
)
no_matrix = (
    not_arrays
    | wrong_for_numbers.map(lambda d: np.zeros((2, 2), "i4").astype(d))
    | st.sampled_from([[[0.5, 0.5], [np.nan, 0.5]], [0.5, 0.5], [[0.5], [0.5]]])
    | st.just(with_mask(np.ones((2, 2))))
)


@given(st.sampled_from([*OF_PROBABILITIES, lp.metrics.roc_auc]), no_vector)
def test_metrics(metric, values):
    refuses(lambda: metric([0, 1], values), (TypeError, ValueError))
    refuses(lambda: metric(values, [0.5, 0.5]), (TypeError, ValueError))
    if values is not None:
        refuses(lambda: metric([0, 1], [0.5, 0.5], values), (TypeError, ValueError))


@given(not_arrays | wrong_dtypes.map(lambda d: np.zeros(2, "i4").astype(d)))
def test_groups(values):
    refuses(lambda: lp.metrics.grouped_roc_auc(values, [0.5, 0.5], [0, 0]), (TypeError, ValueError))
    clear(lambda: lp.metrics.grouped_roc_auc([0, 1], [0.5, 0.5], values))


@given(st.sampled_from(OF_USERS), no_matrix)
def test_rankings(metric, values):
    errors = (TypeError, ValueError, IndexError)
    ones = np.ones((2, 2))
    refuses(lambda: metric(values, ones, 1), errors)
    refuses(lambda: metric(ones, values, 1), errors)
    refuses(lambda: metric(ones, ranked=values), errors)


@given(st.sampled_from(OF_USERS), not_integers)
def test_rankings_of_no_length(metric, k):
    if k is not None:
        clear(lambda: metric(np.ones((2, 2)), np.ones((2, 2)), k))


@given(st.sampled_from([[0.5, 2.0], [0.5, -1], [np.inf, 0]]))
def test_metrics_of_what_is_neither_probability_nor_label(values):
    for metric in OF_PROBABILITIES:
        refuses(lambda: metric([0, 1], values), ValueError)  # noqa: B023 - called at once
    for metric in (*OF_PROBABILITIES, lp.metrics.roc_auc):
        refuses(lambda: metric(values, [0.5, 0.5]), ValueError)  # noqa: B023 - called at once


@given(
    not_arrays
    | wrong_for_ids.map(lambda d: np.zeros((2, 2), "i4").astype(d))
    | st.sampled_from([*INT_EDGES[5:], 2**32 + 1, 2**63]).map(lambda v: np.array([[0, v]]))
    | st.just(with_mask(np.zeros((2, 2), int)))
)
def test_categories(values):
    refuses(lambda: lp.datasets.hash_categories(values, [5, 5]), (TypeError, ValueError))


@given(layouts)
def test_categories_in_other_layouts(layout):
    values = np.arange(12).reshape(4, 3)
    expected = lp.datasets.hash_categories(values, 7)
    found = lp.datasets.hash_categories(LAYOUTS[layout](values), 7)
    assert bits(found) == bits(expected)


@given(not_integers)
def test_sizes_of_data(value):
    bad_sizes = value if not isinstance(value, (list, tuple)) else 0.5
    if not isinstance(bad_sizes, (np.ndarray, dict)):
        refuses(lambda: lp.datasets.hash_categories(np.zeros((1, 2), int), bad_sizes))
        refuses(lambda: lp.datasets.make_clicks(3, bad_sizes), (TypeError, ValueError))
    refuses(lambda: lp.datasets.make_clicks(value, 5), (TypeError, ValueError))
    refuses(lambda: lp.datasets.make_clicks(3, 5, num_dense=value), (TypeError, ValueError))
    refuses(lambda: lp.datasets.make_clicks(3, 5, seed=value), (TypeError, ValueError))


# --- files ---


@given(not_paths)
def test_paths(path):
    table, model = make_table(), fitted(lp.LogisticRegression)
    X, y = naive_models.samples(20, SIZES, 2)
    for call in (
        lambda: table.save(path),
        lambda: model.save(path),
        lambda: lp.load(path),
        lambda: lp.EmbeddingTable.load(path),
        lambda: lp.DLRM.load(path),
        lambda: lp.Checkpoints(path),
        lambda: lp.datasets.load_criteo(path),
        lambda: lp.ParquetReader(path),
        lambda: lp.CsvReader(path),
    ):
        refuses(call, (TypeError, ValueError))
    if path is not None:
        refuses(lambda: model.fit(X, y, resume=path), (TypeError, ValueError))
        refuses(lambda: model.fit_stream([(X, y)], resume=path), (TypeError, ValueError))


def test_files_that_are_no_files(tmp_path):
    import os

    with pytest.raises(ValueError, match="must name a file"):
        make_table().save("/")
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes and devices among its files")
    os.mkfifo(tmp_path / "pipe")  # which nobody writes to
    with pytest.raises(lp.CheckpointError, match="is not a regular file"):
        lp.load(tmp_path / "pipe")
    with pytest.raises(lp.CheckpointError, match="is not a regular file"):
        lp.load("/dev/zero")
