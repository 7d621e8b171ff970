"""What models do not take: found before anything is trained."""

import numpy as np
import pytest

import lowprec as lp
from tests.devices import without_gpu
from tests.models.small import changed, make_logistic, state, take


def with_dense(X, dense):
    return (dense, *X[1:])


# name: ((X, y) -> (X, y), error, message); for 300 samples of 3 dense features and 3 ids
BAD_SAMPLES = {
    "label": (lambda X, y: (X, changed(y, 299, 2)), ValueError, r"y\[299\] = 2 is n"),
    "label -1": (lambda X, y: (X, changed(y, 4, -1)), ValueError, r"y\[4\] = -1"),
    "label 0.5": (
        lambda X, y: (X, changed(y.astype(float), 4, 0.5)),
        ValueError,
        r"y\[4\] = 0.5|continuous",
    ),
    "label NaN": (
        lambda X, y: (X, changed(y.astype(float), 4, np.nan)),
        ValueError,
        r"y\[4\] = nan",
    ),
    "label dates": (
        lambda X, y: (X, y.astype("M8[D]")),
        (TypeError, ValueError),
        r"y must hold numbers, booleans or strings|none of the classes",
    ),
    "short y": (lambda X, y: (X, y[:-1]), ValueError, r"y must have shape \(300,\), got \(299,\)"),
    "two columns": (
        lambda X, y: (X, np.stack([y, y], 1)),
        ValueError,
        r"shape \(300,\), got \(300, 2\)",
    ),
    "no samples": (
        lambda X, y: ((X[0][:0], X[1][:0], *([[0]] if len(X) == 3 else [])), y[:0]),
        ValueError,
        "X has no samples",
    ),
    "float64": (
        lambda X, y: (with_dense(X, changed(X[0].astype(float), (250, 1), -1e39)), y),
        ValueError,
        r"dense\[250, 1\] = -1e\+39 is beyond float32",
    ),
    "text": (
        lambda X, y: (with_dense(X, X[0].astype(str)), y),
        TypeError,
        "dense must hold numbers, got <U",
    ),
    "complex": (
        lambda X, y: (with_dense(X, X[0].astype(complex)), y),
        TypeError,
        "dense must hold numbers, got complex128",
    ),
    "flat dense": (
        lambda X, y: (with_dense(X, X[0][:, 0]), y),
        ValueError,
        r"dense features must have shape \(n, num_dense\), got \(300,\)",
    ),
    "NaN": (
        lambda X, y: (with_dense(X, changed(X[0], (250, 1), np.nan)), y),
        ValueError,
        r"dense\[250, 1\] = nan is not finite",
    ),
    "inf": (
        lambda X, y: (with_dense(X, changed(X[0], (250, 2), -np.inf)), y),
        ValueError,
        r"dense\[250, 2\] = -inf is not finite",
    ),
    "short dense": (
        lambda X, y: (with_dense(X, X[0][:-1]), y),
        ValueError,
        r"must have .*299",
    ),
    "float ids": (
        lambda X, y: ((X[0], X[1].astype(float), *X[2:]), y),
        TypeError,
        "indices must be integers, got float64",
    ),
    "dense alone": (lambda X, y: (X[0], y), ValueError, "X has 0 features of ids, the model has 3"),
    "no tuple": (
        lambda X, y: (X[0][0], y),
        ValueError,
        r"X must have two dimensions, .* got the shape \(3,\)\. Reshape your data",
    ),
    "nothing": (lambda X, y: (None, y), TypeError, r"X must be .*; got NoneType"),
    "no ids": (lambda X, y: ((X[0], None), y), ValueError, "X has 0 features of ids"),
    "nothing at all": (lambda X, y: ((None, None), y), ValueError, "both are None"),
    "one array": (lambda X, y: (X[:1], y), TypeError, r"X must be .*; got tuple of 1 entries"),
}
BAD_PLAIN = {
    "late id": (
        lambda X, y: ((X[0], changed(X[1], (297, 1), 30)), y),
        IndexError,
        r"indices\[297, 1\] = 30 is out of range for feature 1, .*num_embeddings 30",
    ),
    "negative id": (
        lambda X, y: ((X[0], changed(X[1], (299, 2), -1)), y),
        IndexError,
        r"indices\[299, 2\] = -1 .*feature 2",
    ),
    "two features": (
        lambda X, y: ((X[0], X[1][:, :2]), y),
        ValueError,
        r"indices must have shape \(300, 3\), got \(300, 2\)",
    ),
}
BAD_JAGGED = {
    "late id": (
        lambda X, y: ((X[0], changed(X[1], -1, 2**40), X[2]), y),
        IndexError,
        r"indices\[\d{3,}\] = 1099511627776 is out of range for feature",
    ),
    "decrease": (
        lambda X, y: ((X[0], X[1], changed(X[2], 700, 0)), y),
        ValueError,
        r"offsets must not decrease, got offsets\[699\]",
    ),
    "end short": (
        lambda X, y: ((X[0], np.append(X[1], 0), X[2]), y),
        ValueError,
        r"offsets must end with len\(indices\)",
    ),
    "start late": (
        lambda X, y: ((X[0], X[1], np.maximum(X[2], 1)), y),
        ValueError,
        r"offsets must start with 0, got offsets\[0\] = 1",
    ),
    "count": (
        lambda X, y: ((X[0], X[1], X[2][:-1]), y),
        ValueError,
        r"offsets must have 300 \* 3 \+ 1 entries, got shape \(900,\)",
    ),
    "float": (
        lambda X, y: ((X[0], X[1], X[2].astype(float)), y),
        TypeError,
        "offsets must be integers, got float64",
    ),
    "2-D": (
        lambda X, y: ((X[0], X[1][:, None], X[2]), y),
        ValueError,
        "indices with offsets must be 1-D",
    ),
}
CASES = [
    pytest.param(*case, jagged, id=f"{name}, {'jagged' if jagged else 'plain'}")
    for jagged, cases in ((False, BAD_SAMPLES | BAD_PLAIN), (True, BAD_SAMPLES | BAD_JAGGED))
    for name, case in cases.items()
]


@pytest.mark.parametrize(("spoil", "error", "message", "jagged"), CASES)
def test_bad_samples(make, clicks, bags, spoil, error, message, jagged):
    good = bags if jagged else clicks
    bad = spoil(*good)
    fitted, fresh = make().fit(*good), make()
    before, table = state(fitted), fitted.table_
    for call in (fitted.fit, fitted.partial_fit, fresh.fit, fresh.partial_fit):
        with pytest.raises(error, match=message):
            call(*bad)
    if bad[0] is not good[0] and len(bad[1]):  # there may be nothing to predict
        with pytest.raises(error, match=message):
            fitted.predict_proba(bad[0])
    assert state(fresh) is None
    assert fitted.table_ is table
    assert state(fitted) == before


def test_other_columns_than_those_it_was_fitted_on(make, clicks):
    (dense, indices), y = clicks
    model = make().fit((dense, indices), y)
    before = state(model)
    fewer = (dense[:, :2].copy(), indices)
    for call in (lambda: model.partial_fit(fewer, y), lambda: model.predict_proba(fewer)):
        with pytest.raises(ValueError, match=r"shape \(n, 3\), got \(300, 2\)"):
            call()
    assert state(model) == before
    model.fit(fewer, y)  # a new start may have new columns
    assert model.num_dense_ == 2


BAD_PARAMETERS = [
    ({"num_embeddings": []}, ValueError, "num_embeddings is empty"),
    ({"num_embeddings": [50, 0, 20]}, ValueError, r"num_embeddings\[1\] must be at least 1"),
    ({"num_embeddings": "50"}, TypeError, "num_embeddings.* must be an int"),
    ({"num_embeddings": [50, 30]}, ValueError, r"indices must have shape \(300, 2\)"),
    ({"dtype": "float64"}, ValueError, "dtype must be one of 'float16'"),
    ({"rounding": "up"}, ValueError, "rounding must be one of 'stochastic', 'nearest'"),
    pytest.param({"device": "cuda"}, RuntimeError, "device='cuda'", marks=without_gpu),
    ({"device": "tpu"}, ValueError, "device must be 'cpu' or 'cuda', got 'tpu'"),
]
# These are looked at by every training; those above when the table is made.
BAD_PARAMETERS_OF_TRAINING = [
    ({"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
    ({"epochs": 1.5}, TypeError, "epochs must be an integer, got 1.5"),
    ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
    ({"batch_size": "all"}, TypeError, "batch_size must be an int"),
    ({"seed": -1}, ValueError, r"seed must be in \[0, 18446744073709551616\), got -1"),
    ({"seed": 2**64}, ValueError, "seed must be in"),
    ({"seed": None}, TypeError, "seed must be an integer, got None"),
    ({"optimizer": 0.1}, TypeError, "optimizer must be an optimizer, such as lowprec.SGD, got 0.1"),
    (
        {"dense_optimizer": "sgd"},
        TypeError,
        "dense_optimizer must be an optimizer, such as lowprec.SGD, got 'sgd'",
    ),
    (
        {"optimizer": lp.SGD(lambda step: float("nan"))},
        ValueError,
        r"learning_rate\(\d+\) must be finite",
    ),
    (
        {"dense_optimizer": lp.SGD(lambda step: -1.0)},
        ValueError,
        r"learning_rate\(\d+\) must be finite",
    ),
]


@pytest.mark.parametrize(
    ("params", "error", "message"), BAD_PARAMETERS + BAD_PARAMETERS_OF_TRAINING
)
def test_refit_with_bad_parameters_leaves_the_model(make, clicks, params, error, message):
    fresh = make(**params)
    with pytest.raises(error, match=message):
        fresh.fit(*clicks)
    assert state(fresh) is None
    model = make().fit(*clicks)
    before, table = state(model), model.table_
    model.set_params(**params)
    with pytest.raises(error, match=message):
        model.fit(*clicks)
    if (params, error, message) in BAD_PARAMETERS_OF_TRAINING:
        with pytest.raises(error, match=message):
            model.partial_fit(*clicks)
    assert model.table_ is table
    assert state(model) == before


@pytest.mark.parametrize("l2", [-1.0, float("nan"), "0.1", None, 1e-46])
def test_bad_l2(clicks, l2):
    model = make_logistic().fit(*clicks)
    before = state(model)
    model.set_params(l2=l2)
    for call in (model.fit, model.partial_fit, make_logistic(l2=l2).fit):
        with pytest.raises((TypeError, ValueError), match="l2 must be"):
            call(*clicks)
    assert state(model) == before


def test_other_ids_than_those_it_was_fitted_on(make, clicks):
    """A new `num_embeddings` waits for the next fit: until then ids are checked as before."""
    (dense, indices), y = clicks
    model = make().fit((dense, indices), y).set_params(num_embeddings=[1000] * 3)
    before = state(model)
    beyond = (dense, changed(indices, (299, 0), 50))
    for call in (lambda: model.partial_fit(beyond, y), lambda: model.predict(beyond)):
        with pytest.raises(IndexError, match=r"indices\[299, 0\] = 50 .*num_embeddings 50"):
            call()
    assert state(model) == before
    assert len(model.fit(beyond, y).table_.weight) == 3000


@pytest.mark.parametrize("which", ["optimizer", "dense_optimizer"])
def test_a_schedule_that_turns_bad_stops_between_steps(make, clicks, which):
    """The table and the dense weights have taken the same steps."""
    X, y = clicks
    good = make(shuffle=False).fit(*take(X, y, slice(0, 64)))  # two steps
    rate = getattr(good, which).learning_rate
    schedule = lp.SGD(lambda step: rate if step < 2 else float("nan"))
    model = make(shuffle=False, **{which: schedule})
    with pytest.raises(ValueError, match=r"learning_rate\(2\) must be finite"):
        model.fit(X, y)
    assert state(model) == state(good)


def test_diverging_training_raises(make, clicks):
    (dense, indices), y = clicks
    huge = (dense * np.float32(1e30), indices)
    rates = {"optimizer": lp.SGD(1e9), "dense_optimizer": lp.SGD(1e9)}
    model = make(**rates, epochs=3)
    with pytest.raises(FloatingPointError, match=r"diverged at step \d+.*lower the learning rate"):
        model.fit(huge, y)
