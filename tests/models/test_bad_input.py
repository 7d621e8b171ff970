"""Models, given what they do not take: a clear error, and nothing changed."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import lowprec as lp
from tests import naive_models
from tests.bad_input import (
    BAD_ARGUMENTS,
    F32,
    SIZES,
    bits,
    fitted,
    make_model,
    make_table,
    plain,
    refuses,
    state,
)
from tests.fuzz.strategies import (
    LAYOUTS,
    not_arrays,
    not_integers,
    not_numbers,
    with_mask,
    wrong_for_ids,
    wrong_for_numbers,
)
from tests.fuzz.verdicts import EXPECTED

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


# --- models ---

KINDS = [lp.LogisticRegression, lp.DLRM]


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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda array: array.astype(np.float64), "got one of float64"),
        (lambda array: np.stack([array, array], -1)[..., 0], "C-contiguous"),
        (lambda array: array[:-1], r"shape \(2, 4\), got one of float32, with shape \(1, 4\)"),
    ],
)
def test_dense_parameters_that_no_step_can_take(wrong, message):
    """They are refused before anything is written."""
    X, y, _ = lp.datasets.make_clicks(8, num_embeddings=[5, 3], num_dense=2, seed=0)
    model = lp.DLRM([5, 3], 2, (4,), (), batch_size=4).fit(X, y)
    weight, bias = model.bottom_[0]
    model.bottom_[0] = wrong(weight), bias
    before = model.table_.weight.tobytes(), model.table_.step
    with pytest.raises(ValueError, match=f"bottom.0.weight must be .*{message}"):
        model.partial_fit(X, y)
    assert (model.table_.weight.tobytes(), model.table_.step) == before
    model.bottom_[0] = weight, bias
    model.partial_fit(X, y)
