"""Predictions, parameters and progress: the shape of scikit-learn's estimators."""

import io
import re

import numpy as np
import pytest

import lowprec as lp
from tests.models.small import SIZES, make_dlrm, state


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
