"""Validation, patience and the history of a fit."""

import math
import os

import numpy as np
import pytest

import lowprec as lp
from tests import naive_models
from tests.models.small import SIZES, make_logistic, state
from tests.models.validated import (
    KINDS,
    MOST,
    RATES,
    VALIDATION,
    WEIGHTS,
    X,
    best_and_last,
    everything,
    naive_loss,
    overfitting,
    y,
)

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def make(request):
    """Makes a model of each kind; 10 batches an epoch."""
    return overfitting(request.param)


# --- history ---


@pytest.mark.parametrize("weighted", [False, True])
def test_the_history_is_that_of_a_slow_loop(weighted):
    """Batch by batch, with the loss of each computed before it is trained on."""
    weights = np.random.default_rng(3).uniform(0.0, 2.0, 300) if weighted else np.ones(300)
    of_validation = WEIGHTS if weighted else np.ones(90)
    model = make_logistic(epochs=3, **RATES).fit(
        X, y, weights if weighted else None,
        validation=(*VALIDATION, WEIGHTS) if weighted else VALIDATION,
    )  # fmt: skip
    slow, rng = make_logistic(epochs=3, **RATES), np.random.default_rng([0, 1])
    history = {"train_loss": [], "validation_loss": []}
    for _ in range(3):
        order, total = rng.permutation(300), 0.0
        for start in range(0, 300, 32):
            rows = order[start : start + 32]
            batch = (X[0][rows], X[1][rows])
            of_batch = weights[rows].astype(np.float32)
            if hasattr(slow, "table_"):
                total += naive_loss(slow, batch, y[rows], of_batch) * sum(of_batch)
            else:
                total += math.log(2) * sum(of_batch)  # all weights are zero
            slow.partial_fit(batch, y[rows], sample_weight=of_batch if weighted else None)
        history["train_loss"].append(total / 300)
        history["validation_loss"].append(naive_loss(slow, *VALIDATION, of_validation))
    assert state(model) == state(slow)
    assert list(model.history_) == list(history)
    for name, losses in history.items():
        assert all(type(loss) is float for loss in model.history_[name])
        np.testing.assert_allclose(model.history_[name], losses, rtol=2e-6)
    losses = model.history_["validation_loss"]
    assert model.best_epoch_ == losses.index(min(losses))
    assert slow.history_ == {"train_loss": []}
    before = dict(model.history_)
    assert model.partial_fit(X, y).history_ == before


def test_validation_changes_no_bit(make):
    plain = make(epochs=3).fit(X, y)
    validated = make(epochs=3).fit(X, y, validation=VALIDATION)
    assert everything(plain) == everything(validated)
    assert plain.history_ == {"train_loss": validated.history_["train_loss"]}
    assert plain.best_epoch_ is None


def test_the_loss_is_that_of_the_metrics_without_class_weights():
    """Also where the validation has one class alone."""
    ones = naive_models.samples(90, SIZES, 3, seed=1)[0], np.ones(90)
    for validation in (VALIDATION, ones):
        model = make_logistic(class_weight="balanced").fit(X, y, validation=(*validation, WEIGHTS))
        p = model.predict_proba(validation[0])[:, 1]
        expected = lp.metrics.log_loss(validation[1], p, sample_weight=WEIGHTS)
        np.testing.assert_allclose(model.history_["validation_loss"], [expected], rtol=1e-6)


def test_large_logits_are_not_clipped():
    model = make_logistic(optimizer=lp.SGD(1e6), dense_optimizer=lp.SGD(1e6))
    model.fit(X, y, validation=VALIDATION)
    naive = 0.0
    for logit, label in zip(model.decision_function(VALIDATION[0]), VALIDATION[1], strict=True):
        naive += max(0.0, -logit if label == 1 else logit) / 90  # as all are large
    np.testing.assert_allclose(model.history_["validation_loss"], [naive], rtol=1e-6)
    assert naive > 1000


def test_the_bar_shows_it(capsys):
    model = make_logistic(epochs=2, verbose=True).fit(X, y, validation=VALIDATION)
    loss = model.history_["validation_loss"][-1]
    assert f", validation {loss:.4f}" in capsys.readouterr().err


# --- patience ---


@pytest.mark.parametrize("patience", [1, 3, MOST])
def test_the_best_epoch_returns(make, patience):
    """A fit of so many epochs; the last patience is never used up."""
    losses = make().fit(X, y, validation=VALIDATION).history_["validation_loss"]
    best, last = best_and_last(losses, patience)
    assert 0 <= best < last
    model = make().fit(X, y, validation=VALIDATION, patience=patience)
    assert model.history_["validation_loss"] == losses[: last + 1]
    assert len(model.history_["train_loss"]) == last + 1
    assert model.best_epoch_ == best
    until = make(epochs=best + 1).fit(X, y)
    assert everything(model) == everything(until)
    assert everything(model.partial_fit(X, y)) == everything(until.partial_fit(X, y))


def test_states_of_optimizers_return():
    common = {"optimizer": lp.SGD(4.0, momentum=0.5), "dense_optimizer": lp.SGD(0.1, momentum=0.5)}
    model = make_logistic(epochs=9, **common).fit(X, y, validation=VALIDATION, patience=2)
    assert len(model.history_["train_loss"]) > model.best_epoch_ + 1
    until = make_logistic(epochs=model.best_epoch_ + 1, **common).fit(X, y)
    assert {"optimizer.momentum", "dense_optimizer.coef.momentum"} < set(until._contents()[1])
    assert everything(model) == everything(until)


def test_reports_of_steps_that_were_taken_back_go():
    diagnose = lp.Diagnostics(every_batches=1)
    model = make_logistic(epochs=9, **RATES)
    model.fit(X, y, validation=VALIDATION, patience=2, diagnose=diagnose)
    assert [step for step, _ in model.roundoff_history_] == list(range(model.table_.step))
    assert model.table_.step == 10 * (model.best_epoch_ + 1)


def test_an_epoch_that_is_as_good_is_not_better():
    """A model that learns nothing has the same loss in every epoch."""
    nothing = {"optimizer": lp.SGD(0.0), "dense_optimizer": lp.SGD(0.0)}
    model = make_logistic(epochs=9, **nothing).fit(X, y, validation=VALIDATION, patience=2)
    assert model.history_["validation_loss"] == [pytest.approx(math.log(2))] * 3
    assert (model.best_epoch_, model.table_.step) == (0, 10)


# --- what is not taken ---

dense, ids = VALIDATION[0]
labels = VALIDATION[1]
BAD = {
    "patience alone": ({"patience": 3}, ValueError, "patience=3 needs validation"),
    "patience 0": ({"patience": 0, "validation": VALIDATION}, ValueError, "at least 1"),
    "a text": ({"patience": "3", "validation": VALIDATION}, TypeError, "patience must be an int"),
    "a number": ({"validation": 0.1}, TypeError, r"validation must be \(X, y\) or"),
    "X alone": ({"validation": (dense,)}, ValueError, "got 1 entries"),
    "no y": ({"validation": (VALIDATION[0], None)}, TypeError, "validation: y must be labels"),
    "an id": (
        {"validation": ((dense, ids + np.int64(50)), labels)}, IndexError, r"^validation: .*50",
    ),
    "columns": (
        {"validation": ((dense[:, :2], ids), labels)}, ValueError, r"^validation: .*\(n, 3\)",
    ),
    "features": ({"validation": ((dense, ids[:, :2]), labels)}, ValueError, "^validation: "),
    "labels": ({"validation": (VALIDATION[0], labels + 1)}, ValueError, r"^validation: y\["),
    "no samples": (
        {"validation": ((dense[:0], ids[:0]), labels[:0])}, ValueError, "validation: X has no",
    ),
    "weights": ({"validation": (*VALIDATION, -WEIGHTS)}, ValueError, "^validation: sample_we"),
    "no weight": ({"validation": (*VALIDATION, 0 * WEIGHTS)}, ValueError, "must be above 0"),
    "overflow": (
        {"validation": ((np.full_like(dense, 3e38), ids), labels)}, ValueError,
        r"^validation: dense\[0, 0\] = 3e\+38 overflows",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_nothing_is_trained(case, tmp_path):
    """Neither of a new model, nor of a fitted one that begins anew or goes on."""
    given, error, message = BAD[case]
    small = X[0] * np.float32(1e-3), X[1]  # so that standardising overflows
    fresh, fitted = (make_logistic(standardize=True) for _ in range(2))
    before = state(fitted.fit(small, y))
    warm = make_logistic(standardize=True, warm_start=True).fit(small, y)
    for model, expected in ((fresh, None), (fitted, before), (warm, before)):
        with pytest.raises(error, match=message):
            model.fit(small, y, save=lp.Checkpoints(tmp_path), **given)
        assert state(model) == expected
    assert not os.listdir(tmp_path)
