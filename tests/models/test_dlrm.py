"""DLRM: what it predicts, its gradients, and its steps, against the loss written out in float64."""

import numpy as np
import pytest

import lowprec as lp
from lowprec.device import get_device
from lowprec.losses import logistic_loss
from lowprec.models.steps import minibatch, stage
from lowprec.models.training import labelled_for
from lowprec.staging import Staging
from lowprec.workspace import Allocator
from tests import naive_models

SIZES = [5, 3, 4]
RATE, DENSE_RATE = 0.5, 0.25
INTERACTION = pytest.mark.parametrize("interaction", ["dot", "cat"])
JAGGED = pytest.mark.parametrize("jagged", [False, True], ids=["one id", "jagged"])
WEIGHTED = pytest.mark.parametrize("weighted", [False, True], ids=["sums", "weighted sums"])


def parameters(model):
    """The table and all dense weights in float64."""
    layers = [array for layer in model.bottom_ + model.top_ for array in layer]
    return [array.astype(np.float64) for array in (model.table_.weight, *layers)]


def fitted(interaction="dot", jagged=False, num_dense=2, sizes=SIZES, weighted=False, **kwargs):
    """A model after one step, with rows as large as the dense vector, and samples for more."""
    X, y = naive_models.samples(12, sizes, num_dense, jagged=jagged, seed=1, weighted=weighted)
    defaults = {
        "embedding_dim": 3,
        "bottom_mlp": (5,),
        "top_mlp": (6, 4),
        "dtype": "float32",
        "standardize": False,
        "optimizer": lp.SGD(RATE),
        "dense_optimizer": lp.SGD(DENSE_RATE),
    }
    model = lp.DLRM(sizes, interaction=interaction, **{**defaults, **kwargs}).fit(X, y)
    rng = np.random.default_rng(2)
    model.table_.weight[:] = rng.normal(size=model.table_.weight.shape)
    return model, X, y


def loss_of(model, X, y):
    """The loss as a function of all parameters, and the parameters."""
    given, sizes = naive_models.in_float64(X), model.table_.num_embeddings
    return lambda values: naive_models.dlrm_loss(
        values, len(model.bottom_), model.interaction, sizes, given, y
    )


def gradients_of(model, X, y):
    """What the model steps along: of the whole table, then of the dense weights."""
    labelled = labelled_for(model, X, y, None, fitted=True, in_parts=True)
    device = get_device(model.device)
    batch = minibatch(model, stage(model, labelled, Staging(device)))
    logits, cache = model._forward(batch, Allocator(device))
    dembeddings, gradients = model._backward(
        logistic_loss(device, logits, batch.y)[1], cache, Allocator(device)
    )
    assert dembeddings.dtype == np.float32
    dtable = np.zeros(model.table_.weight.shape)
    starts = model.table_.row_offsets
    for b in range(len(y)):
        for f in range(len(starts) - 1):
            for index in naive_models.bag(X[1], labelled.samples.offsets, b, f, len(starts) - 1):
                dtable[starts[f] + index] += dembeddings[b, f]
    return [dtable, *gradients]


def slope_errors(model, X, y, gradients, rng):
    """How far slopes along random directions are from the gradients, in gradient lengths."""
    loss, values = loss_of(model, X, y), parameters(model)
    errors = []
    for k, got in enumerate(gradients):
        assert got.shape == values[k].shape
        for _ in range(3):
            direction = rng.normal(size=got.shape)
            slope = naive_models.derivative(
                lambda x, k=k: loss([*values[:k], x, *values[k + 1 :]]), values[k], direction
            )
            length = np.linalg.norm(got)
            assert length > 1e-4  # something is compared
            errors.append(abs((got * direction).sum() - slope) / length)
    return np.array(errors)


@INTERACTION
@JAGGED
@WEIGHTED
def test_predicts_what_the_definition_says(interaction, jagged, weighted):
    model, X, y = fitted(interaction, jagged, weighted=weighted)
    p = model.predict_proba(X)[:, 1]
    expected = loss_of(model, X, y)(parameters(model))
    assert lp.metrics.log_loss(y, p) == pytest.approx(expected, rel=1e-5)


@INTERACTION
@JAGGED
def test_gradients_are_slopes(interaction, jagged):
    model, X, y = fitted(interaction, jagged)
    gradients = gradients_of(model, X, y)
    assert len(gradients) == 1 + 2 * (2 + 3)
    errors = slope_errors(model, X, y, gradients, np.random.default_rng(3))
    assert errors.max() < 1e-5


@INTERACTION
def test_a_wrong_gradient_is_seen(interaction):
    model, X, y = fitted(interaction)
    right = gradients_of(model, X, y)
    for k in range(len(right)):
        wrong = [g.copy() for g in right]
        wrong[k].flat[np.abs(wrong[k]).argmax()] *= 1.01
        errors = slope_errors(model, X, y, wrong, np.random.default_rng(3)).reshape(-1, 3)
        assert errors[k].max() > 1e-4
        assert np.delete(errors, k, axis=0).max() < 1e-5


@INTERACTION
@JAGGED
@WEIGHTED
def test_a_step_goes_down_the_slope(interaction, jagged, weighted):
    """Weights - rate * gradient, every partial derivative by finite differences."""
    model, X, y = fitted(interaction, jagged, weighted=weighted)
    loss, before = loss_of(model, X, y), parameters(model)
    model.partial_fit(X, y)
    for k, got in enumerate(parameters(model)):
        gradient = naive_models.gradient(
            lambda x, k=k: loss([*before[:k], x, *before[k + 1 :]]), before[k]
        )
        rate = DENSE_RATE if k else RATE
        np.testing.assert_allclose(got, before[k] - rate * gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@JAGGED
def test_a_float16_step_goes_to_a_neighbour(jagged, rounding):
    model, X, y = fitted("dot", jagged, dtype="float16", rounding=rounding)
    loss, before = loss_of(model, X, y), parameters(model)
    gradient = naive_models.gradient(lambda x: loss([x, *before[1:]]), before[0])
    expected = before[0] - RATE * gradient
    model.partial_fit(X, y)
    spacing = np.spacing(np.abs(expected).astype(np.float16)).astype(np.float64)
    limit = 1.0 if rounding == "stochastic" else 0.5
    assert (np.abs(model.table_.weight - expected) / spacing).max() < limit + 0.01


@INTERACTION
@pytest.mark.parametrize(
    "kwargs",
    [
        {"num_dense": 0},
        {"bottom_mlp": (), "top_mlp": ()},
        {"num_dense": 0, "bottom_mlp": [], "top_mlp": []},
        {"sizes": [4]},
        {"embedding_dim": 1},
        {"embedding_dim": 17, "bottom_mlp": np.array([2])},
    ],
    ids=str,
)
def test_small_shapes(interaction, kwargs):
    model, X, y = fitted(interaction, **kwargs)
    loss, values = loss_of(model, X, y), parameters(model)
    p = model.predict_proba(X)[:, 1]
    assert lp.metrics.log_loss(y, p) == pytest.approx(loss(values), rel=1e-5)
    before = loss(values)
    model.partial_fit(X, y)
    assert loss(parameters(model)) < before


def test_number_of_one_feature():
    X, y = naive_models.samples(12, [4], 2)
    one, listed = (
        lp.DLRM(sizes, 3, (4,), (4,), seed=5).fit(X, y).decision_function(X) for sizes in (4, [4])
    )
    np.testing.assert_array_equal(one, listed)


def test_initial_weights_follow_the_seed():
    still = lp.SGD(0.0)
    X, y = naive_models.samples(12, SIZES, 2)
    first, again, other = (
        parameters(
            lp.DLRM(SIZES, 3, (4,), (4,), optimizer=still, dense_optimizer=still, seed=s).fit(X, y)
        )
        for s in (5, 5, 6)
    )
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert not np.isin(one, different).any()


def test_interactions_differ_in_the_top_alone():
    dot, cat = fitted("dot")[0], fitted("cat")[0]
    assert dot.top_[0][0].shape == (3 + 6, 6)
    assert cat.top_[0][0].shape == (3 + 3 * 3, 6)
    assert [w.shape for w, _ in dot.bottom_] == [w.shape for w, _ in cat.bottom_]


def test_a_diverging_model_raises():
    X, y = naive_models.samples(200, SIZES, 2)
    rates = {"optimizer": lp.SGD(1e6), "dense_optimizer": lp.SGD(1e6)}
    model = lp.DLRM(SIZES, 3, (5,), (5,), batch_size=10, **rates)
    with pytest.raises(FloatingPointError, match=r"diverged at step \d+.*lower the learning rate"):
        model.fit(X, y)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"embedding_dim": 0}, ValueError, r"embedding_dim must be in \[1, .*, got 0"),
        ({"embedding_dim": 2.0}, TypeError, "embedding_dim must be an int"),
        ({"interaction": "sum"}, ValueError, "interaction must be one of 'dot', 'cat'"),
        ({"interaction": None}, ValueError, "interaction must be one of"),
        ({"bottom_mlp": 5}, TypeError, "bottom_mlp must be a sequence of ints, got 5"),
        ({"bottom_mlp": (4, 0)}, ValueError, r"bottom_mlp\[1\] must be in \[1, .*, got 0"),
        ({"top_mlp": (4.5,)}, TypeError, r"top_mlp\[0\] must be an integer, got 4.5"),
        ({"top_mlp": None}, TypeError, "top_mlp must be a sequence of ints, got None"),
    ],
)
def test_bad_parameters_leave_the_model_as_it_was(kwargs, error, message):
    model, X, y = fitted()
    before, table = [array.tobytes() for array in parameters(model)], model.table_
    with pytest.raises(error, match=message):
        lp.DLRM(SIZES, **kwargs).fit(X, y)
    model.set_params(**kwargs)
    for call in (model.fit, model.partial_fit):
        with pytest.raises(error, match=message):
            call(X, y)
    assert model.table_ is table
    assert [array.tobytes() for array in parameters(model)] == before


def test_set_params_after_fit_waits_for_the_next_fit():
    X, y, _ = lp.datasets.make_clicks(200, [7, 5], seed=0)
    model = lp.DLRM([7, 5], 4, (8,), (8,), batch_size=50, standardize=True).fit(X, y)
    before = model.decision_function(X)
    model.set_params(interaction="cat", standardize=False)
    np.testing.assert_array_equal(model.decision_function(X), before)
    assert not np.array_equal(model.fit(X, y).decision_function(X), before)
