"""What all recommenders promise: reproducible training, the scikit-learn shape, checked input."""

import io
import re

import numpy as np
import pytest

import lowprec as lp
from lowprec.models import training
from tests import naive_models
from tests.devices import without_gpu

SIZES = [50, 30, 20]
RATES = {"optimizer": lp.SGD(2.0), "dense_optimizer": lp.SGD(0.2)}
COMMON = {"num_embeddings": SIZES, **RATES, "batch_size": 32, "standardize": False}


def make_logistic(**kwargs):
    return lp.LogisticRegression(**{**COMMON, **kwargs})


def make_dlrm(**kwargs):
    small = {"embedding_dim": 4, "bottom_mlp": (8,), "top_mlp": (8,)}
    return lp.DLRM(**{**COMMON, **small, **kwargs})


@pytest.fixture(params=[make_logistic, make_dlrm], ids=["LogisticRegression", "DLRM"])
def make(request):
    """Makes a model of each kind, small, with the given parameters."""
    return request.param


@pytest.fixture(scope="module")
def clicks():
    return naive_models.samples(300, SIZES, 3)


@pytest.fixture(scope="module")
def bags():
    return naive_models.samples(300, SIZES, 3, jagged=True)


def state(model):
    """All that training changes, as bytes; None before it."""
    if not hasattr(model, "table_"):
        return None
    arrays = [model.table_.weight, *model._dense_parameters()]
    arrays += [model.dense_mean_, model.dense_scale_, model.classes_]
    numbers = model.table_.step, getattr(model, "table_scale_", None)
    return [array.tobytes() for array in arrays], numbers


# --- reproducible ---


@pytest.mark.parametrize("jagged", [False, True])
def test_same_seed_same_bits(make, clicks, bags, jagged):
    X, y = bags if jagged else clicks
    first, again, other = (make(seed=seed, epochs=2).fit(X, y) for seed in (7, 7, 8))
    assert state(first) == state(again)
    assert state(first)[0][0] != state(other)[0][0]
    assert state(first)[0][1] != state(other)[0][1]


def test_fit_starts_anew(make, clicks):
    model = make().fit(*clicks)
    once = state(model)
    assert state(model.fit(*clicks)) == once
    assert state(model.partial_fit(*clicks)) != once
    assert state(model.fit(*clicks)) == once


@pytest.mark.parametrize("jagged", [False, True])
def test_chunks_are_one_fit_without_shuffling(make, clicks, bags, jagged):
    """300 samples in batches of 32, given at once or in chunks of one batch and of two."""
    X, y = bags if jagged else clicks
    whole = make(shuffle=False).fit(X, y)
    for size in (32, 64):
        chunked = make()
        for start in range(0, 300, size):
            chunked.partial_fit(*take(X, y, slice(start, start + size)))
        assert state(chunked) == state(whole)


def take(X, y, rows):
    """Some samples in their order; `rows` a slice."""
    if len(X) == 2:
        return (X[0][rows], X[1][rows]), y[rows]
    dense, indices, offsets = X
    numbers = range(len(y))[rows]
    bounds = offsets[numbers[0] * len(SIZES) : (numbers[-1] + 1) * len(SIZES) + 1]
    return (dense[rows], indices[bounds[0] : bounds[-1]], bounds - bounds[0]), y[rows]


def test_jagged_bags_of_one_id_are_no_bags(make, clicks):
    (dense, indices), y = clicks
    offsets = np.arange(indices.size + 1)
    plain = make(epochs=2).fit((dense, indices), y)
    jagged = make(epochs=2).fit((dense, indices.ravel(), offsets), y)
    assert state(plain) == state(jagged)
    np.testing.assert_array_equal(
        plain.decision_function((dense, indices)),
        jagged.decision_function((dense, indices.ravel(), offsets)),
    )


def test_shuffling_takes_every_sample_once(make, clicks, monkeypatch):
    X, y = clicks
    model = make(batch_size=7, epochs=2)
    seen = []
    step = training.step
    monkeypatch.setattr(training, "step", lambda m, batch: seen.append(batch) or step(m, batch))
    model.fit(X, y)
    assert model.table_.step == 2 * 43  # 42 batches of 7, and one of 6
    rows = np.concatenate([batch.samples.dense for batch in seen])
    labels = np.concatenate([batch.y for batch in seen])
    epochs = [np.column_stack([rows[k : k + 300], labels[k : k + 300]]) for k in (0, 300)]
    given = np.column_stack([X[0], y])
    order = lambda array: array[np.lexsort(array.T)]
    for epoch in epochs:
        assert not np.array_equal(epoch, given)
        np.testing.assert_array_equal(order(epoch), order(given))
    assert not np.array_equal(*epochs)


def test_layouts_of_the_input_do_not_matter(make, clicks):
    (dense, indices), y = clicks
    expected = state(make().fit((dense, indices), y))
    for X, labels in (
        ([dense, indices.astype(np.int32)], y.astype(np.float64)),
        ((np.asfortranarray(dense), np.asfortranarray(indices)), y.astype(bool)),
        ((dense, indices.astype(">i8")), list(y)),
        ((dense, indices, None), y.astype(np.int8)),
    ):
        assert state(make().fit(X, labels)) == expected


# --- learns ---


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_learns_clicks(make, dtype):
    """Better than the base rate, and no better than the truth."""
    sizes = [200, 100, 50, 20]
    (dense, indices), y, p = lp.datasets.make_clicks(24_000, sizes, num_dense=4, seed=2)
    train, test = slice(0, 16_000), slice(16_000, None)
    model = make(num_embeddings=sizes, dtype=dtype, standardize=True, epochs=2)
    model.fit((dense[train], indices[train]), y[train])
    predicted = model.predict_proba((dense[test], indices[test]))[:, 1]
    entropy = lp.metrics.log_loss(y[test], p[test])
    base = lp.metrics.log_loss(y[test], np.full(8000, y[train].mean()))
    got = lp.metrics.log_loss(y[test], predicted)
    assert entropy < got < base - 0.4 * (base - entropy)
    assert lp.metrics.roc_auc(y[test], predicted) > 0.7


def test_standardize_is_standardising_by_hand(make, clicks):
    (dense, indices), y = clicks
    scaled = dense * np.array([1.0, 100.0, 0.0], np.float32) + np.array([0, 5, 3], np.float32)
    mean, deviation = scaled.mean(axis=0, dtype=np.float64), scaled.std(axis=0, dtype=np.float64)
    assert deviation[2] == 0  # a constant feature is centred alone
    factor = (1 / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    later = scaled[:9] + np.float32(1.0)  # the constant feature has another value
    by_hand, later_by_hand = ((x - mean.astype(np.float32)) * factor for x in (scaled, later))
    model = make(standardize=True).fit((scaled, indices), y)
    np.testing.assert_allclose(by_hand[:, :2].std(axis=0), 1.0, rtol=1e-5)
    np.testing.assert_allclose(by_hand.mean(axis=0), 0.0, atol=1e-5)
    expected = make().fit((by_hand, indices), y)
    assert state(model)[0][0] == state(expected)[0][0]
    np.testing.assert_array_equal(
        model.decision_function((later, indices[:9])),
        expected.decision_function((later_by_hand, indices[:9])),
    )


FAR_APART = np.full(300, np.float32(-3e38))
FAR_APART[7] = 3e38  # the mean is near -3e38: 3e38 less that is beyond float32


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.arange(300) % 2 * 2e-39, "has the standard deviation 1e-39, .*at least 2.94e-39"),
        (np.arange(300) % 2 * 1.4e-45, "has the standard deviation 7.01e-46"),
        (1e-39 + (np.arange(300) == 5) * 1e-38, "has the standard deviation 5.7.e-40"),
        (FAR_APART, r"= 3e\+38 overflows float32 when it is standardised by the mean -2.98e\+38"),
    ],
    ids=["1e-39", "the smallest", "one sample apart", "far apart"],
)
def test_features_that_cannot_be_standardised(make, clicks, column, message):
    """Before anything is made; it used to be called too high a learning rate."""
    (dense, indices), y = clicks
    bad = changed(dense, (slice(None), 1), column.astype(np.float32))
    model = make(standardize=True).fit((dense, indices), y)
    before, table = state(model), model.table_
    fresh = make(standardize=True)
    for call in (model.fit, fresh.fit, fresh.partial_fit):
        with pytest.raises(ValueError, match=rf"dense\[[:7], 1\] {message}"):
            call((bad, indices), y)
    assert state(fresh) is None
    assert model.table_ is table
    assert state(model) == before


def test_the_smallest_deviation_that_can_be_standardised(make, clicks):
    (dense, indices), y = clicks
    small = changed(dense, (slice(None), 1), (np.arange(300) % 2 * 6e-39).astype(np.float32))
    model = make(standardize=True).fit((small, indices), y)
    scaled = (small[:, 1] - model.dense_mean_[1]) * model.dense_scale_[1]
    np.testing.assert_allclose(scaled.std(), 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "later"),
    [(1e-37, 100.0), (1e-30, -1e9), (-1e38, -3e38)],
)
def test_later_features_that_overflow_when_standardised(make, clicks, given, later):
    (dense, indices), y = clicks
    column = (given * (1 - 2 * (np.arange(300) < 299))).astype(np.float32)
    model = make(standardize=True).fit((changed(dense, (slice(None), 1), column), indices), y)
    before = state(model)
    bad = changed(dense, (250, 1), later)
    for call in (model.partial_fit, lambda X, y: model.predict_proba(X)):
        with pytest.raises(ValueError, match=r"dense\[250, 1\] = .* overflows float32 when"):
            call((bad, indices), y)
    assert state(model) == before


def test_new_rates_hold_from_the_next_partial_fit(make, clicks):
    model = make().fit(*clicks)
    still = lp.SGD(0.0)
    before = state(model)
    model.set_params(optimizer=still, dense_optimizer=still).partial_fit(*clicks)
    assert state(model)[0] == before[0]
    assert model.table_.step == 2 * before[1][0]


# --- scikit-learn's shape ---


def test_predictions(make, clicks):
    X, y = clicks
    model = make()
    assert model.fit(X, y) is model
    assert model.partial_fit(X, y) is model
    np.testing.assert_array_equal(model.classes_, [0, 1])
    logits, p = model.decision_function(X), model.predict_proba(X)
    assert logits.shape == (300,)
    assert p.shape == (300, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(p[:, 1], 1 / (1 + np.exp(-logits.astype(np.float64))), rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), (p[:, 1] > 0.5).astype(int))
    assert set(model.predict(X)) <= {0, 1}


def test_prediction_goes_batch_by_batch(make, clicks, monkeypatch):
    X, y = clicks
    model = make().fit(X, y)
    at_once = model.decision_function(X)
    monkeypatch.setattr("lowprec.models.predicting._PREDICT_BATCH", 7)
    np.testing.assert_allclose(model.decision_function(X), at_once, rtol=1e-5, atol=1e-6)


def test_prediction_changes_nothing(make, clicks):
    model = make().fit(*clicks)
    before = state(model)
    model.predict_proba(clicks[0])
    assert state(model) == before


def test_constructor_only_stores():
    values = {name: object() for name in make_dlrm().get_params()}
    for kind in (lp.DLRM, lp.LogisticRegression):
        own = {name: value for name, value in values.items() if name in kind([1]).get_params()}
        model = kind(**{"num_embeddings": [1], **own})  # nothing is looked at
        assert all(model.get_params()[name] is value for name, value in own.items())
        assert vars(model).keys() == model.get_params().keys()


def test_params_round_trip(make):
    model = make(seed=5, dtype="bfloat16", standardize=True)
    params = model.get_params()
    assert params == model.get_params(deep=False)
    assert params["seed"] == 5
    assert params["num_embeddings"] is SIZES
    assert type(model)(**params).get_params() == params
    assert eval(repr(model), {type(model).__name__: type(model), "SGD": lp.SGD}).get_params() == (
        params
    )


def test_set_params(make):
    model = make()
    assert model.set_params(epochs=3, seed=2) is model
    assert (model.epochs, model.seed) == (3, 2)
    before = model.get_params()
    with pytest.raises(ValueError, match="'epoch' is not a parameter; there are num_embeddings, "):
        model.set_params(seed=9, epoch=4)
    assert model.get_params() == before
    assert model.set_params() is model


def test_scikit_learn_clones(make, clicks):
    base = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    model = make(seed=3).fit(*clicks)
    copy = base.clone(model)
    assert type(copy) is type(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "table_")
    assert state(copy.fit(*clicks)) == state(model)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_unfitted(make, clicks, method):
    model = make()
    with pytest.raises(ValueError, match=f"{type(model).__name__} is not fitted yet; call fit"):
        getattr(model, method)(clicks[0])


@pytest.mark.parametrize("jagged", [False, True])
@pytest.mark.parametrize("more", [{}, {"standardize": True, "dtype": "bfloat16"}])
def test_no_samples_have_no_predictions(make, clicks, bags, jagged, more):
    (dense, indices, *offsets), y = bags if jagged else clicks
    model = make(**more).fit((dense, indices, *offsets), y)
    before = state(model)
    none = (dense[:0], indices[:0], *([np.zeros(1, np.int64)] if jagged else []))
    for method, shape, dtype in (
        ("decision_function", (0,), np.float32),
        ("predict_proba", (0, 2), np.float64),
        ("predict", (0,), np.int64),
    ):
        got = getattr(model, method)(none)
        assert got.shape == shape
        assert got.dtype == dtype
    assert state(model) == before
    for bad in ((dense[:0, :2], *none[1:]), (none[0], indices[:3], *none[2:])):
        with pytest.raises(ValueError, match=r"must (have|end with)"):
            model.predict_proba(bad)


@pytest.fixture
def terminal(monkeypatch):
    """Standard error that says whether it is a terminal."""

    def terminal(is_one):
        stream = io.StringIO()
        stream.isatty = lambda: is_one
        monkeypatch.setattr("sys.stderr", stream)
        return stream

    return terminal


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_verbose_shows_the_loss_and_changes_nothing(
    make, clicks, capsys, terminal, method, is_terminal
):
    stream = terminal(is_terminal)
    quiet, verbose = make(epochs=2), make(epochs=2, verbose=True)
    getattr(quiet, method)(*clicks)
    assert stream.getvalue() == ""
    getattr(verbose, method)(*clicks)
    assert capsys.readouterr() == ("", "")
    err = stream.getvalue()
    assert "log loss 0." in err
    assert "samples" in err
    assert "100%" in err
    assert ("\r" in err) == is_terminal
    assert state(quiet) == state(verbose)


@pytest.mark.parametrize("apart", [-1.0, 3600.0])
def test_verbose_writes_lines_to_a_log(make, clicks, terminal, monkeypatch, apart):
    """One after each step if that is time enough, else one at the end."""
    monkeypatch.setattr("lowprec.models.progress._SECONDS_BETWEEN_LINES", apart)
    log = terminal(False)
    make(batch_size=150, verbose=True).fit(*clicks)
    lines = log.getvalue().splitlines(keepends=True)
    shares = [line.split("%")[0].strip() for line in lines]
    assert shares == (["50", "100", "100"] if apart < 0 else ["100"])
    assert all(line.endswith("]\n") and "\r" not in line for line in lines)
    assert all(re.search(r"\d+/300 .*log loss 0\.\d{4}", line) for line in lines)


def test_verbose_tells_how_far_it_came(make, clicks, terminal):
    log = terminal(False)
    with pytest.raises(ZeroDivisionError):
        make(batch_size=150, verbose=True).fit(*clicks, callback=lambda model, done: 1 // 0)
    assert log.getvalue().startswith(" 50% 150/300 ")


class OnlyWrites:
    """A standard error that some program has put in its place."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_verbose_without_a_terminal_or_any_stderr(make, clicks, capsys, monkeypatch, method):
    expected = state(getattr(make(), method)(*clicks))
    closed, bare = io.StringIO(), OnlyWrites()
    closed.close()
    for stream in (None, closed, bare):
        monkeypatch.setattr("sys.stderr", stream)
        assert state(getattr(make(verbose=True), method)(*clicks)) == expected
    assert bare.text.startswith("100% 300/300 ")
    assert capsys.readouterr().out == ""


def test_callback_sees_every_step(make, clicks):
    X, y = clicks
    steps = []

    def callback(model, samples):
        steps.append((samples, model.table_.step, model.predict_proba(X)[0, 1]))

    watched = make(epochs=2, batch_size=128).fit(X, y, callback=callback)
    counts, numbers, predictions = zip(*steps, strict=True)
    assert counts == (128, 256, 300, 428, 556, 600)
    assert numbers == (1, 2, 3, 4, 5, 6)
    assert len(set(predictions)) == 6
    assert predictions[-1] == watched.predict_proba(X)[0, 1]
    assert state(watched) == state(make(epochs=2, batch_size=128).fit(X, y))


# --- bad input: found before anything is trained ---


def with_dense(X, dense):
    return (dense, *X[1:])


def changed(array, where, value):
    copy = array.copy()
    copy[where] = value
    return copy


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
