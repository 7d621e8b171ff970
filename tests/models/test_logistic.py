"""LogisticRegression: its gradients, its steps and its penalty."""

import numpy as np
import pytest

import lowprec as lp
from tests import naive_models
from tests.models.logistic import parameters, raw

SIZES = [5, 3, 4]
JAGGED = pytest.mark.parametrize("jagged", [False, True], ids=["one id", "jagged"])
WEIGHTED = pytest.mark.parametrize("weighted", [False, True], ids=["sums", "weighted sums"])


def fitted(jagged=False, seed=0, weighted=False, **kwargs):
    """A model after a few steps, and the samples of the next one."""
    X, y = naive_models.samples(30, SIZES, 2, jagged=jagged, seed=seed, weighted=weighted)
    kwargs = {"dtype": "float32", "optimizer": lp.SGD(0.5), "batch_size": 10, **kwargs}
    model = raw(SIZES, seed=seed, **kwargs).fit(X, y)
    more = naive_models.samples(12, SIZES, 2, jagged=jagged, seed=seed + 1, weighted=weighted)
    return model, *more


def naive_gradients(model, X, y, l2=0.0):
    before = parameters(model)

    def gradient_of(k):
        def loss(value):
            changed = [*before[:k], value, *before[k + 1 :]]
            return naive_models.logistic_loss(changed, SIZES, naive_models.in_float64(X), y, l2)

        return naive_models.gradient(loss, before[k])

    return [gradient_of(k) for k in range(len(before))]


# --- gradients and steps ---


@JAGGED
def test_predicts_what_the_definition_says(jagged):
    model, X, y = fitted(jagged, l2=0.1)
    assert model.table_scale_ < 1.0
    p = model.predict_proba(X)[:, 1]
    expected = naive_models.logistic_loss(parameters(model), SIZES, naive_models.in_float64(X), y)
    assert lp.metrics.log_loss(y, p) == pytest.approx(expected, rel=1e-6)


@JAGGED
@WEIGHTED
def test_a_step_goes_down_the_slope(jagged, weighted):
    """One batch without penalty: weights - rate * gradient, the gradient by finite differences."""
    model, X, y = fitted(jagged, weighted=weighted)
    before = parameters(model)
    gradients = naive_gradients(model, X, y)
    assert np.linalg.norm(gradients[0]) > 0.01
    model.set_params(batch_size=len(y)).partial_fit(X, y)
    for got, start, gradient in zip(parameters(model), before, gradients, strict=True):
        np.testing.assert_allclose(got, start - 0.5 * gradient, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@JAGGED
def test_a_float16_step_goes_to_a_neighbour(jagged, rounding):
    model, X, y = fitted(jagged, dtype="float16", rounding=rounding)
    expected = parameters(model)[0] - 0.5 * naive_gradients(model, X, y)[0]
    model.set_params(batch_size=len(y)).partial_fit(X, y)
    spacing = np.spacing(np.abs(expected).astype(np.float16)).astype(np.float64)
    largest = np.abs(parameters(model)[0] - expected) / spacing
    limit = 1.0 if rounding == "stochastic" else 0.5
    assert (largest < limit + 0.01).all()  # the float32 arithmetic before the rounding


@JAGGED
def test_a_step_with_penalty_goes_down_the_slope(jagged):
    model, X, y = fitted(jagged, l2=0.2)
    before = parameters(model)
    gradients = naive_gradients(model, X, y, l2=0.2)
    model.set_params(batch_size=len(y)).partial_fit(X, y)
    for got, start, gradient in zip(parameters(model), before, gradients, strict=True):
        np.testing.assert_allclose(got, start - 0.5 * gradient, rtol=1e-6, atol=1e-6)


def test_the_comparison_sees_a_wrong_gradient():
    model, X, y = fitted()
    right = naive_gradients(model, X, y, l2=0.2)
    wrong = naive_gradients(model, X, y)  # without the penalty
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(right[:2], wrong[:2], strict=True))
    np.testing.assert_allclose(right[2], wrong[2], atol=1e-9)  # the intercept is free


def test_dense_optimizer_steps_the_dense_weights_alone():
    X, y = naive_models.samples(20, SIZES, 2)
    make = lambda **kwargs: raw(SIZES, dtype="float32", optimizer=lp.SGD(0.5), **kwargs).fit(X, y)
    same, other = make(), make(dense_optimizer=lp.SGD(0.05))
    np.testing.assert_array_equal(same.table_.weight, other.table_.weight)  # one step
    np.testing.assert_allclose(other.coef_, same.coef_ / 10, rtol=1e-6)
    np.testing.assert_allclose(other.intercept_, same.intercept_ / 10, rtol=1e-6)


def test_no_dense_features():
    (_, indices), y = naive_models.samples(50, SIZES, 0)
    model = raw(SIZES, dtype="float32", optimizer=lp.SGD(1.0))
    model.fit((np.empty((50, 0), "f4"), indices), y)
    assert model.coef_.shape == (0,)
    given = naive_models.in_float64((np.empty((50, 0)), indices))
    expected = naive_models.gradient(
        lambda b: naive_models.logistic_loss([np.zeros((12, 1)), np.zeros(0), b], SIZES, given, y),
        np.zeros(1),
    )
    np.testing.assert_allclose(model.intercept_, -1.0 * expected, rtol=1e-5)


# --- the penalty ---


def test_scale_trick_is_plain_decay():
    """Many steps through several halvings against weights that decay one and all."""
    X, y = naive_models.samples(400, SIZES, 2)
    rate, l2, batch = 0.5, 0.1, 10
    model = raw(
        SIZES, dtype="float32", optimizer=lp.SGD(rate), l2=l2, batch_size=batch, shuffle=False
    ).fit(X, y)
    assert (1 - rate * l2) ** 40 < 2**-2  # so the scale was doubled twice at least
    dense, indices, *_ = naive_models.in_float64(X)
    rows = indices + np.cumsum([0, *SIZES[:-1]])
    ids, coef, intercept = np.zeros(12), np.zeros(2), 0.0
    for start in range(0, 400, batch):
        now = slice(start, start + batch)
        logits = ids[rows[now]].sum(axis=1) + dense[now] @ coef + intercept
        dlogits = (1 / (1 + np.exp(-logits)) - y[now]) / batch
        ids *= 1 - rate * l2
        coef *= 1 - rate * l2
        np.subtract.at(ids, rows[now], rate * dlogits[:, None])
        coef -= rate * dlogits @ dense[now]
        intercept -= rate * dlogits.sum()
    got = parameters(model)
    np.testing.assert_allclose(got[0][:, 0], ids, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[1], coef, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[2], intercept, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rate_times_l2", [0.001, 0.3, 0.5, 0.9, 0.999])
def test_scale_stays_between_one_half_and_one(rate_times_l2):
    X, y = naive_models.samples(8, SIZES, 2)
    model = raw(SIZES, optimizer=lp.SGD(1.0), l2=rate_times_l2, batch_size=1)
    scales = [model.partial_fit(X, y).table_scale_ for _ in range(10)]
    assert all(0.5 <= scale <= 1.0 for scale in scales)
    assert scales[0] < 1.0
    assert np.isfinite(parameters(model)[0]).all()


def test_without_penalty_the_scale_is_one():
    assert fitted()[0].table_scale_ == 1.0


@pytest.mark.parametrize(("dtype", "rounding"), [("float16", "stochastic"), ("float16", "nearest")])
def test_halving_keeps_the_weights(dtype, rounding):
    """Ids that no batch holds only decay: in float16 too, since halving them is exact."""
    X, y = naive_models.samples(30, SIZES, 2)
    X[1][:] = 0
    model = raw(
        SIZES, dtype=dtype, rounding=rounding, optimizer=lp.SGD(0.5), l2=0.1, batch_size=1
    ).fit(X, y)
    start = np.linspace(-1, 1, len(model.table_.weight)).astype(np.float16)
    model.table_.weight[:, 0] = start
    before = parameters(model)[0]
    model.partial_fit(X, y)
    decayed = parameters(model)[0] / before
    untouched = ~np.isin(np.arange(12), [0, 5, 8])
    np.testing.assert_allclose(decayed[untouched], 0.95**30, rtol=1e-12)


def test_halving_subnormals_is_unbiased():
    """2**-24 is the smallest half: half of it is 0 or 2**-24, each half of the time."""
    model = raw(10_000, optimizer=lp.SGD(1.0), l2=0.6, seed=3)
    X = (np.empty((1, 0), np.float32), np.zeros((1, 1), np.int64))
    model.partial_fit(X, [1])
    assert model.table_scale_ == pytest.approx(0.8)
    model.table_.weight[:] = 2.0**-24
    model.partial_fit(X, [1])  # 0.8 * 0.4 = 0.32 is doubled once
    kept = (model.table_.weight[1:] > 0).mean()
    assert abs(kept - 0.5) < 4 * 0.5 / np.sqrt(10_000)  # false alarms: 6e-5, seed fixed


@pytest.mark.parametrize(("rate", "l2"), [(1.0, 1.0), (4.0, 0.25), (10.0, 1.0)])
def test_too_strong_a_penalty_raises(rate, l2):
    X, y = naive_models.samples(8, SIZES, 2)
    model = raw(SIZES, optimizer=lp.SGD(rate), l2=l2)
    with pytest.raises(ValueError, match=r"learning_rate \* l2 must be less than 1, got .*step 0"):
        model.fit(X, y)
    assert not hasattr(model, "table_")


def test_l2_of_numpy_is_that_number(tmp_path):
    """The scale of the table became a float32, which a file gives back as another number."""
    X, y, _ = lp.datasets.make_clicks(200, [20, 50], num_dense=3, seed=0)
    scales = []
    for l2 in (np.float32(0.1), float(np.float32(0.1))):
        model = lp.LogisticRegression([20, 50], l2=l2, batch_size=50).fit(X, y)
        scales.append(model.table_scale_)
        model.save(tmp_path / "m")
        assert lp.load(tmp_path / "m").table_scale_ == model.table_scale_
    assert scales[0] == scales[1]
    assert type(scales[0]) is float
