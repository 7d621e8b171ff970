"""Every public function, given what it does not take: a clear error, and nothing changed.

And given what it takes in another layout: the same result.
"""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import lowprec as lp
from tests import naive_models
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
from tests.fuzz.verdicts import EXPECTED, in_short, is_clear

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

SIZES = [5, 3, 4]
F32 = np.float32


def bits(array):
    return np.ascontiguousarray(array).tobytes()


def refuses(call, expected=EXPECTED):
    """The call raises one of `expected`, in lowprec's own words."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - looked at below
        call()
    assert is_clear(caught.value, expected), in_short(caught.value)


def clear(call):
    """The call works, or raises clearly."""
    try:
        return call()
    except Exception as error:
        assert is_clear(error), in_short(error)  # noqa: PT017
        return None


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


# --- tables ---


def make_table(**kwargs):
    return lp.EmbeddingTable(**{"num_embeddings": SIZES, "embedding_dim": 2, **kwargs})


def plain():
    rng = np.random.default_rng(0)
    return {
        "indices": rng.integers(0, SIZES, (4, 3)),
        "grad": rng.normal(size=(4, 3, 2)).astype(F32),
    }


def jagged():
    return {
        "indices": np.array([4, 0, 2, 1, 1, 3, 0]),
        "offsets": np.array([0, 2, 3, 3, 4, 5, 7]),
        "per_sample_weights": np.linspace(-1, 1, 7, dtype=F32),
        "grad": np.ones((2, 3, 2), F32),
    }


def state(table):
    return bits(table.weight), table.step, table.skipped_rows, dict(table.optimizer_state)


def refuses_batch(batch, expected=EXPECTED):
    """Neither `update` nor `lookup` nor `batch` takes it, and the table stays as it was."""
    table = make_table()
    before = state(table)
    refuses(lambda: table.update(**batch), expected)
    ids = {name: value for name, value in batch.items() if name != "grad"}
    grad_is_bad = not isinstance(clear(lambda: table.lookup(**ids)), type(None))
    if not grad_is_bad:
        refuses(lambda: table.lookup(**ids), expected)
        refuses(lambda: table.batch(**ids), expected)
    assert state(table) == before


batches = st.sampled_from([plain, jagged])


@given(batches, st.data())
def test_arguments_that_are_no_arrays(make, data):
    batch = make()
    name = data.draw(st.sampled_from(list(batch)))
    wrong = wrong_for_ids if name in ("indices", "offsets") else wrong_for_numbers
    value = data.draw(not_arrays | wrong.map(lambda d: np.ones(batch[name].shape).astype(d)))
    assume(not (value is None and name in ("offsets", "per_sample_weights")))
    refuses_batch({**batch, name: value})


@given(batches, st.data())
def test_arguments_of_other_shapes(make, data):
    batch = make()
    name = data.draw(st.sampled_from(list(batch)))
    array = batch[name]
    change = data.draw(st.sampled_from([
        lambda a: a[None], lambda a: a[..., None], lambda a: a[:-1], lambda a: a[:0],
        lambda a: np.concatenate([a, a]), lambda a: a.reshape(-1)[0],
        lambda a: np.broadcast_to(a, (2, *a.shape)),
    ]))  # fmt: skip
    refuses_batch({**batch, name: change(array)})


@given(batches, st.data(), st.sampled_from(INT_EDGES))
def test_ids_out_of_range(make, data, value):
    batch = make()
    place = data.draw(st.integers(0, batch["indices"].size - 1))
    batch["indices"].flat[place] = value
    refuses_batch(batch, IndexError)


@given(st.integers(0, 6), st.sampled_from([*INT_EDGES, 8, -3]), st.sampled_from(["i4", "i8"]))
def test_hostile_offsets(place, value, dtype):
    batch = jagged()
    assume(np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)
    batch["offsets"] = batch["offsets"].astype(dtype)
    batch["offsets"][place] = value
    refuses_batch(batch, ValueError)


@given(batches, st.sampled_from([np.nan, np.inf, -np.inf]), st.data())
def test_numbers_that_are_not_finite(make, value, data):
    batch = make()
    name = data.draw(st.sampled_from([n for n in batch if batch[n].dtype == F32]))
    # of a bag that has ids
    places = np.arange(batch[name].size)
    if name == "grad" and make is jagged:
        places = places[(places // 2) != 2]
    batch[name].flat[data.draw(st.sampled_from(list(places)))] = value
    refuses_batch(batch, (ValueError, FloatingPointError))


@given(batches, st.data())
def test_arguments_in_other_layouts(make, data):
    batch, table, twin = make(), make_table(), make_table()
    given_batch = {
        name: LAYOUTS[data.draw(layouts, label=name)](array) for name, array in batch.items()
    }
    ids = {name: value for name, value in batch.items() if name != "grad"}
    given_ids = {name: value for name, value in given_batch.items() if name != "grad"}
    assert bits(table.lookup(**given_ids)) == bits(twin.lookup(**ids))
    table.update(**given_batch)
    twin.update(**batch)
    assert state(table) == state(twin)


@pytest.mark.parametrize("name", ["indices", "offsets", "per_sample_weights", "grad"])
def test_masked_batches_are_refused(name):
    batch = jagged()
    refuses_batch({**batch, name: with_mask(batch[name])}, TypeError)


def test_ids_of_an_array_without_end():
    """More than positions are counted to, without the memory for them."""
    table = lp.EmbeddingTable(3, 1)
    with pytest.raises(ValueError, match="indices has 4294967296 entries; a batch has at most"):
        table.lookup(np.broadcast_to(np.int64(1), (2**32,)))
    with pytest.raises(ValueError, match="offsets has 4294967297 entries"):
        table.lookup(np.zeros(1, int), np.broadcast_to(np.int64(0), (2**32 + 1,)))


@given(
    st.sampled_from(["pooling", "across_features"]),
    st.sampled_from(
        [None, 3, "max", ["sum"], np.array(["sum", "mean"]), np.ones(2), 1.0, "no", b""]
    ),
)
def test_words_and_flags(name, value):
    refuses_batch({**jagged(), name: value}, (TypeError, ValueError))


MATRIX = np.zeros((4, 2), F32)
BAD_OUTS = {
    "list": [[0.0] * 2] * 4,
    "float64": np.zeros((4, 2)),
    "shape": np.zeros((4, 3), F32),
    "big-endian": np.zeros((4, 2), ">f4"),
    "fortran": np.zeros((2, 4), F32).T,
    "negative strides": MATRIX[::-1],
    "broadcast": np.broadcast_to(MATRIX[0], (4, 2)),
    "unaligned": np.zeros(33, np.uint8)[1:].view(F32).reshape(4, 2),
    "masked": np.ma.zeros((4, 2), F32),
    "text": "out",
}


@pytest.mark.parametrize("name", BAD_OUTS)
def test_bad_outputs(name):
    table = lp.EmbeddingTable(5, 2)
    refuses(lambda: table.lookup(np.arange(4), out=BAD_OUTS[name]), (TypeError, ValueError))


def test_outputs_of_subclasses():
    table = lp.EmbeddingTable(5, 2)
    expected = bits(table.lookup(np.arange(4)))
    with tempfile.TemporaryFile() as file:
        out = np.memmap(file, F32, "w+", shape=(4, 2))
        assert table.lookup(np.arange(4), out=out) is out
        assert bits(out) == expected
    out = np.asmatrix(np.zeros((4, 2), F32))
    table.lookup(np.arange(4), out=out)
    assert bits(out) == expected


def test_outputs_that_are_read_from():
    """Writing to them would have changed the table, or what is looked up next."""
    table = lp.EmbeddingTable(6, 1, "float32")
    before = bits(table.weight)
    with pytest.raises(ValueError, match="out shares memory"):
        table.lookup(np.arange(6)[::-1], out=table.weight)
    weights = np.ones(6, F32)
    with pytest.raises(ValueError, match="out shares memory"):
        table.lookup(np.arange(6), per_sample_weights=weights, out=weights[:, None])
    bounds = np.arange(7)
    with pytest.raises(ValueError, match="out shares memory"):
        table.lookup(np.arange(6), bounds, out=bounds.view(F32)[:6, None])
    assert bits(table.weight) == before


@pytest.mark.parametrize("dim", [1, 2, 20])
def test_gradients_that_are_the_weights(dim):
    """Rows were written while others' gradients were still to be read from them."""
    rows = 1000
    table = lp.EmbeddingTable(rows, dim, "float32", optimizer=lp.SGD(1.0))
    twin = lp.EmbeddingTable(rows, dim, "float32", optimizer=lp.SGD(1.0))
    order = np.random.default_rng(0).permutation(rows)
    table.update(order, table.weight)
    twin.update(order, twin.weight.copy())
    assert bits(table.weight) == bits(twin.weight)
    factors = table.weight[:, 0][:rows]
    grad = np.ones((rows, dim), F32)
    twin.update(order, grad, per_sample_weights=factors.copy())
    table.update(order, grad, per_sample_weights=factors)
    assert bits(table.weight) == bits(twin.weight)


def test_a_batch_that_is_changed_after_its_check():
    """Its offsets were the user's own array: reading with others is reading anywhere."""
    arrays = jagged()
    grad = arrays.pop("grad")
    table, twin = make_table(), make_table()
    batch = table.batch(**arrays)
    before = bits(table.lookup(batch))
    for array in arrays.values():
        array[...] = 2**31 - 1
    assert bits(table.lookup(batch)) == before
    table.update(batch, grad)
    arrays = jagged()
    twin.update(**arrays)
    assert state(table) == state(twin)


def test_the_mean_across_a_single_feature():
    """Raised a ValueError of NumPy: there were no bags to find the sizes of."""
    table, twin = lp.EmbeddingTable(5, 2), lp.EmbeddingTable(5, 2)
    weights, grad = np.array([1, 2, 3], F32), np.ones((3, 2), F32)
    table.update(np.arange(3), grad, None, "mean", weights, across_features=True)
    twin.update(np.arange(3), grad, None, "sum", weights)
    assert bits(table.weight) == bits(twin.weight)


BAD_ARGUMENTS = {
    "num_embeddings": not_integers.filter(lambda v: not isinstance(v, (list, tuple, np.ndarray)))
    | st.sampled_from([[], [[1], [2, 3]], np.ones((2, 2), int), "ab", {5: 1}, [1.0], [2**31] * 2]),
    "embedding_dim": not_integers,
    "dtype": st.sampled_from(["f8", None, {"a": 1}, [("a", 5)], "(,)f2", "\ud800", np.zeros(3)]),
    "rounding": not_integers,
    "optimizer": not_integers.filter(lambda v: v is not None),
    "seed": not_integers,
    "device": not_integers,
    "init_range": not_numbers.filter(lambda v: v is not None),
    "on_nonfinite": not_integers,
}


@settings(max_examples=300)
@given(st.data())
def test_arguments_of_a_table(data):
    name = data.draw(st.sampled_from(list(BAD_ARGUMENTS)))
    value = data.draw(BAD_ARGUMENTS[name])
    assume(not (name in ("num_embeddings", "embedding_dim") and type(value) is np.True_))
    refuses(lambda: make_table(**{name: value}), (TypeError, ValueError))


def test_sizes_that_are_changed_afterwards():
    """The list was the user's own; a file then said what had never been."""
    sizes = [5, 3]
    table = lp.EmbeddingTable(sizes, 2)
    sizes[0] = 100
    with tempfile.TemporaryDirectory() as folder:
        table.save(f"{folder}/t")
        assert lp.load(f"{folder}/t").weight.shape == (8, 2)


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


# --- models ---

KINDS = [lp.LogisticRegression, lp.DLRM]
_fitted = {}


def make_model(kind, **kwargs):
    small = {"embedding_dim": 2, "bottom_mlp": (3,), "top_mlp": (3,)} if kind is lp.DLRM else {}
    return kind(**{"num_embeddings": SIZES, "batch_size": 8, **small, **kwargs})


def fitted(kind):
    if kind not in _fitted:
        _fitted[kind] = make_model(kind).fit(*naive_models.samples(20, SIZES, 2))
    return _fitted[kind]


def state_of_model(model):
    arrays = [model.table_.weight, *model._dense_parameters(), model.dense_mean_]
    return [bits(array) for array in arrays], model.table_.step, model._progress_of_training()


kinds = st.sampled_from(KINDS)
NOT_FLAGS = st.sampled_from(["no", "", None, 2, 1.0, [], np.ones(2)])
BAD_PARAMETERS = {
    "num_embeddings": BAD_ARGUMENTS["num_embeddings"].filter(lambda v: v is not None),
    "dtype": BAD_ARGUMENTS["dtype"],
    "rounding": not_integers,
    "optimizer": BAD_ARGUMENTS["optimizer"],
    "dense_optimizer": BAD_ARGUMENTS["optimizer"],
    "standardize": NOT_FLAGS,
    "shuffle": NOT_FLAGS,
    "verbose": NOT_FLAGS,
    "epochs": not_integers.filter(lambda v: not (type(v) is int and v > 0)),
    "batch_size": not_integers.filter(lambda v: not (type(v) is int and v > 0)),
    "seed": not_integers,
    "device": not_integers,
}
BAD_SIZES = st.sampled_from(
    [3, "ab", None, [0], [-1], [1.5], [2**62], [[1], [2, 3]], {3: 1}, [None]]
)
BAD_OWN = {
    lp.LogisticRegression: {"l2": not_numbers},
    lp.DLRM: {
        "embedding_dim": not_integers, "interaction": not_integers,
        "bottom_mlp": BAD_SIZES, "top_mlp": BAD_SIZES,
    },
}  # fmt: skip


@settings(max_examples=300)
@given(kinds, st.data())
def test_parameters_of_a_model(kind, data):
    parameters = {**BAD_PARAMETERS, **BAD_OWN[kind]}
    name = data.draw(st.sampled_from(list(parameters)))
    model = make_model(kind, **{name: data.draw(parameters[name])})
    X, y = naive_models.samples(20, SIZES, 2)
    refuses(lambda: model.fit(X, y), (TypeError, ValueError))
    refuses(lambda: model.partial_fit(X, y), (TypeError, ValueError))
    refuses(lambda: model.predict(X), ValueError)
    assert not hasattr(model, "table_")


@settings(max_examples=200)
@given(kinds, st.data())
def test_samples_of_a_model(kind, data):
    model = fitted(kind)
    before = state_of_model(model)
    (dense, indices), y = naive_models.samples(20, SIZES, 2)
    name = data.draw(st.sampled_from(["dense", "indices", "offsets", "y", "X"]))
    arrays = {"dense": dense, "indices": indices, "offsets": None, "y": y}
    if name == "X":
        X = data.draw(
            st.sampled_from([None, 3, "ab", dense, {}, (dense,), (dense, indices, None, 1)])
        )
    else:
        like = np.ones(61, int) if name == "offsets" else arrays[name]
        wrong = wrong_for_ids if name in ("indices", "offsets") else wrong_for_numbers
        if name == "y":
            wrong = wrong.filter(lambda d: np.dtype(d) != object)  # such labels may be numbers
        value = data.draw(
            not_arrays
            | wrong.map(lambda d: np.ones(like.shape).astype(d))
            | st.sampled_from([lambda a: a[None], lambda a: a[:-1], lambda a: a[:0]])
            .map(lambda change: change(like))
            | st.just(with_mask(like))
        )  # fmt: skip
        assume(not (name in ("dense", "offsets") and value is None))
        arrays[name] = value
        X, y = (arrays["dense"], arrays["indices"], arrays["offsets"]), arrays["y"]
    if name == "y":
        refuses(lambda: model.partial_fit(X, y), (TypeError, ValueError))
        assert state_of_model(model) == before
        return
    for call in (
        lambda: model.partial_fit(X, y),
        lambda: model.fit(X, y),
        lambda: model.predict_proba(X),
        lambda: model.decision_function(X),
        lambda: model.predict(X),
    ):
        refuses(call, (TypeError, ValueError))
    assert state_of_model(model) == before


@given(kinds, not_arrays | st.sampled_from([[()], [3], [("a", "b")], [([], [])], [{}], "ab"]))
def test_streams_of_a_model(kind, value):
    model = make_model(kind)
    refuses(lambda: model.fit_stream(value), (TypeError, ValueError))
    X, y = naive_models.samples(20, SIZES, 2)
    refuses(lambda: model.fit_stream([(value, y)]), (TypeError, ValueError))
    refuses(lambda: model.fit_stream([(X, value)]), (TypeError, ValueError))
    assert not hasattr(model, "table_")


@given(not_integers)
def test_integers_of_a_stream(value):
    model = make_model(lp.LogisticRegression)
    X, y = naive_models.samples(20, SIZES, 2)
    for epochs in (0, -1, *([] if isinstance(value, (int, np.integer)) else [value])):
        refuses(lambda epochs=epochs: model.fit_stream([(X, y)], epochs), (TypeError, ValueError))
    for name in ("batch_size", "shuffle_window", "seed"):
        refuses(lambda name=name: lp.CriteoReader(__file__, **{name: value}), EXPECTED)


@given(kinds, st.sampled_from([np.nan, np.inf, -np.inf]))
def test_samples_that_are_not_finite(kind, value):
    model = fitted(kind)
    before = state_of_model(model)
    (dense, indices), y = naive_models.samples(20, SIZES, 2)
    dense[3, 1] = value
    refuses(lambda: model.partial_fit((dense, indices), y), ValueError)
    refuses(lambda: model.predict((dense, indices)), ValueError)
    labels = y.astype(np.float64)
    labels[3] = value
    refuses(lambda: model.fit((np.ones_like(dense), indices), labels), ValueError)
    assert state_of_model(model) == before


@pytest.mark.parametrize("kind", KINDS)
def test_samples_in_other_layouts(kind):
    (dense, indices), y = naive_models.samples(20, SIZES, 2)
    expected = state_of_model(make_model(kind).fit((dense, indices), y))
    for name, layout in LAYOUTS.items():
        model = make_model(kind).fit((layout(dense), layout(indices)), layout(y))
        assert state_of_model(model) == expected, name


@pytest.mark.parametrize("kind", KINDS)
def test_logits_that_are_no_numbers(kind):
    """inf - inf was given as a probability."""
    model = make_model(kind, standardize=False).fit(*naive_models.samples(20, SIZES, 2))
    for array in model._dense_parameters():
        array[...] = np.where(np.arange(array.size) % 2, -10, 10).reshape(array.shape)
    model.table_.weight[...] = np.nan
    _, indices = naive_models.samples(20, SIZES, 2)[0]
    with pytest.raises(FloatingPointError, match="the logit of sample 0 is not a number"):
        model.predict_proba((np.full((20, 2), 3e38, F32), indices))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [3, "callback", []])
def test_callbacks(kind, value):
    X, y = naive_models.samples(20, SIZES, 2)
    refuses(lambda: make_model(kind).fit(X, y, callback=value), TypeError)
    refuses(lambda: make_model(kind).fit(X, y, save=value), TypeError)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (lp.LogisticRegression, {"num_embeddings": [9, 9, 9]}),
        (lp.DLRM, {"embedding_dim": 5}),
        (lp.DLRM, {"bottom_mlp": (7,)}),
        (lp.DLRM, {"interaction": "cat"}),
    ],
)
def test_a_model_whose_parameters_were_changed_is_not_saved(kind, change, tmp_path):
    """The file could not be loaded, or was another model: 6 pairs are 3 features of 2 columns."""
    model = make_model(kind).fit(*naive_models.samples(20, SIZES, 2))
    model.set_params(**change)
    with pytest.raises(ValueError, match="the model was made with"):
        model.save(tmp_path / "m")
    assert not list(Path(tmp_path).iterdir())


def test_updates_that_two_calls_would_make_at_once(monkeypatch):
    """They share scratch arrays: one would have sorted into those of the other."""
    table, refused = make_table(), []
    kernels = table._device.kernels
    update_rows = kernels.update_rows

    def beside_another(*args):
        refused.append(refuses(lambda: table.update(**plain()), RuntimeError))
        return update_rows(*args)

    monkeypatch.setattr(kernels, "update_rows", beside_another)
    table.update(**plain())
    assert (table.step, len(refused)) == (1, 1)


def test_ctrl_c_between_the_kernel_and_the_count_of_steps(monkeypatch):
    """The rows were written and the step was not counted: its random bits came twice."""
    import signal

    table, twin = make_table(), make_table()
    kernels = table._device.kernels
    update_rows = kernels.update_rows

    def interrupted(*args):
        skipped = update_rows(*args)
        signal.raise_signal(signal.SIGINT)
        return skipped

    monkeypatch.setattr(kernels, "update_rows", interrupted)
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt, match="the interrupted write was completed first"):
            table.update(**plain())
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
        monkeypatch.undo()
    twin.update(**plain())
    assert state(table) == state(twin)
