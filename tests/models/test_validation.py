"""Validation, patience, the history of a fit, and fits that go on from a fitted model."""

import json
import math
import os
import signal

import numpy as np
import pytest

import lowprec as lp
from lowprec.files.writing import write
from tests import naive_models
from tests.conftest import ROOT
from tests.models.small import SIZES, make_dlrm, make_logistic, state

pytestmark = pytest.mark.filterwarnings("error")

X, y = naive_models.samples(300, SIZES, 3)
VALIDATION = naive_models.samples(90, SIZES, 3, seed=1)
WEIGHTS = np.random.default_rng(2).uniform(0.0, 2.0, 90)
RATES = {"optimizer": lp.SGD(4.0), "dense_optimizer": lp.SGD(0.5)}  # overfit in a few epochs
MOST = 8


@pytest.fixture(params=[make_logistic, make_dlrm], ids=["LogisticRegression", "DLRM"])
def make(request):
    """Makes a model of each kind; 10 batches an epoch."""
    more = {"l2": 1e-2} if request.param is make_logistic else {}
    return lambda **kwargs: request.param(**{"epochs": MOST, **RATES, **more, **kwargs})


def everything(model):
    """All of a file but where in which training it is, as one that can be compared."""
    contents, arrays = model._contents()
    for name in ("position", "training", "history"):
        del contents[name]
    del contents["parameters"]["epochs"]
    contents["parameters"].pop("warm_start", None)
    return json.dumps(contents), {name: array.tobytes() for name, array in arrays.items()}


def naive_loss(model, X, y, weights):
    """Of one sample after the other, from the logits."""
    total = 0.0
    for logit, label, weight in zip(model.decision_function(X), y, weights, strict=True):
        total += weight * naive_models.log_loss([float(logit)], [label])
    return total / sum(weights)


def best_and_last(losses, patience):
    """The epoch whose model returns, and the last one that is trained."""
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        if epoch - best == patience:
            return best, epoch
    return best, len(losses) - 1


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


# --- files ---


class StopError(Exception):
    """An end in the middle."""


def stop_at(step, by=None):
    def callback(model, done):
        if model.table_.step == step:
            if by is None:
                raise StopError
            signal.raise_signal(by)

    return callback


@pytest.fixture(scope="module")
def whole():
    """Trainings with patience, by their kinds, that were never interrupted."""
    kinds = {
        "LogisticRegression": lambda: make_logistic(epochs=MOST, l2=1e-2, **RATES),
        "DLRM": lambda: make_dlrm(epochs=MOST, **RATES),
    }
    return {
        name: (kind, kind().fit(X, y, validation=VALIDATION, patience=3))
        for name, kind in kinds.items()
    }


@pytest.mark.parametrize("kind", ["LogisticRegression", "DLRM"])
@pytest.mark.parametrize("at", [1, 9, 10, 11, "best", "after the best", "last but one", "last"])
@pytest.mark.parametrize("way", ["killed", "Ctrl-C"])
def test_goes_on_with_the_same_bits(kind, at, way, whole, tmp_path):
    make, expected = whole[kind]
    end = len(expected.history_["train_loss"]) * 10
    best = (expected.best_epoch_ + 1) * 10
    assert best < end
    named = {"best": best, "after the best": best + 5, "last but one": end - 1, "last": end}
    step = named.get(at, at)
    given = {"validation": VALIDATION, "patience": 3}
    if way == "killed":  # with the file of the step before
        save = lp.Checkpoints(tmp_path, every_batches=1, keep=1)
        if step < end:
            with pytest.raises(StopError):
                make().fit(X, y, save=save, callback=stop_at(step + 1), **given)
        else:
            make().fit(X, y, save=save, **given)
    else:
        save = lp.Checkpoints(tmp_path)
        with pytest.raises(KeyboardInterrupt, match=f"interrupted after step {step}:"):
            make().fit(X, y, save=save, callback=stop_at(step, signal.SIGINT), **given)
    assert os.listdir(tmp_path) == [f"step-{step:012d}.safetensors"]
    again = make().fit(X, y, resume=tmp_path, **given)
    assert everything(again) == everything(expected)
    assert again.history_ == expected.history_
    assert again.best_epoch_ == expected.best_epoch_


def test_a_file_between_the_best_epoch_and_the_end_holds_both(whole, tmp_path):
    make, expected = whole["DLRM"]
    save, step = lp.Checkpoints(tmp_path), (expected.best_epoch_ + 1) * 10 + 5
    given = {"validation": VALIDATION, "patience": 3}
    with pytest.raises(KeyboardInterrupt) as caught:
        make().fit(X, y, save=save, callback=stop_at(step, signal.SIGINT), **given)
    (path,) = tmp_path.iterdir()
    model = lp.load(path)
    assert state(model) == state(caught.value.model)
    assert model.history_ == caught.value.model.history_
    assert model.best_epoch_ == expected.best_epoch_
    assert model.table_.step == step
    held = lp.files.reading.read(path).arrays
    best = {name.removeprefix("best."): a for name, a in held.items() if name.startswith("best.")}
    arrays = expected._contents()[1]
    assert set(arrays) - set(best) == {"dense_mean", "dense_scale"}
    assert all(array.tobytes() == arrays[name].tobytes() for name, array in best.items())
    assert caught.value.model._best is not None
    caught.value.model.partial_fit(X, y)  # ends that fit, whose best epoch is of no use any more
    assert caught.value.model._best is model._best is None


def test_more_epochs(make, tmp_path):
    """From the last file of a fit that had patience left; one whose patience ended stays ended."""
    given = {"validation": VALIDATION, "patience": 3}
    make(epochs=2).fit(X, y, save=lp.Checkpoints(tmp_path), **given)
    expected = make().fit(X, y, **given)
    again = make().fit(X, y, resume=tmp_path, save=lp.Checkpoints(tmp_path), **given)
    assert everything(again) == everything(expected)
    longer = make(epochs=MOST + 5).fit(X, y, resume=tmp_path, **given)
    if len(expected.history_["train_loss"]) < MOST:
        assert longer.history_ == expected.history_
    once_more = make(epochs=MOST + 5).fit(X, y, **given)
    assert everything(longer) == everything(once_more)
    again.save(tmp_path / "best.safetensors")
    assert lp.load(tmp_path / "best.safetensors").history_ == expected.history_
    with pytest.raises(ValueError, match="nothing to resume"):
        make().fit(X, y, resume=tmp_path / "best.safetensors", **given)


def test_other_validation_is_another_training(tmp_path):
    def make():
        return make_logistic(epochs=2)

    given = {"validation": VALIDATION, "patience": 3}
    make().fit(X, y, save=lp.Checkpoints(tmp_path), **given)
    flipped = VALIDATION[0], np.where(np.arange(90) == 7, 1 - labels, labels)
    for other in (
        {},
        {"validation": VALIDATION},
        {**given, "patience": 4},
        {**given, "validation": flipped},
        {**given, "validation": (*VALIDATION, WEIGHTS)},
    ):
        fresh = make()
        with pytest.raises(ValueError, match="is of a fit with validation samples, which must be"):
            fresh.fit(X, y, resume=tmp_path, **other)
        with pytest.raises(ValueError, match="other validation samples, or another patience"):
            fresh.fit(X, y, save=lp.Checkpoints(tmp_path), **other)
        assert state(fresh) is None
    assert len(os.listdir(tmp_path)) == 1
    other = tmp_path / "other"
    make().fit(X, y, save=lp.Checkpoints(other))
    with pytest.raises(ValueError, match="is of a fit without validation samples"):
        make().fit(X, y, resume=other, **given)


def test_identities_are_those_of_earlier_versions():
    """Without validation: as files were written before there was one."""
    k = np.arange(120)
    samples = (k[:, None] * np.float32([0.5, -0.25]), np.column_stack([k % 50, k % 30, k % 20]))
    model = make_logistic(batch_size=40).fit(samples, k % 2)
    assert model._contents()[0]["training"] == IDENTITY
    warm = make_logistic(batch_size=40, warm_start=True, epochs=2).fit(samples, k % 2)
    assert warm._contents()[0]["training"] == IDENTITY
    assert "warm_start" not in model._contents()[0]["parameters"]
    assert warm._contents()[0]["parameters"]["warm_start"] is True


IDENTITY = ["04795f1e6029aac1d51ad9b98f07ac14", "0a0e48b78bab331a4d898320c272861c"]
OLD = ROOT / "tests" / "data" / "version_1" / "logistic_in_fit.safetensors"


def test_a_file_of_an_earlier_version():
    """It does not tell the losses of its epochs."""
    with pytest.warns(UserWarning, match="random bits of KXS32"):
        model = lp.load(OLD)
    epoch = lp.files.reading.read(OLD).state["position"][0]
    assert model.best_epoch_ is None
    assert list(model.history_) == ["train_loss"]
    np.testing.assert_array_equal(model.history_["train_loss"], [math.nan] * epoch)
    assert model.warm_start is False


@pytest.mark.parametrize(("step", "known"), [(10, [False, True]), (13, [False, False])])
def test_a_fit_of_an_earlier_version_goes_on(step, known, tmp_path):
    path = tmp_path / "step-000000000001.safetensors"
    with pytest.raises(KeyboardInterrupt) as caught:
        make_logistic(epochs=2).fit(X, y, callback=stop_at(step, signal.SIGINT))
    contents, arrays = caught.value.model._contents()
    del contents["history"]
    write(path, "LogisticRegression", contents, arrays)
    again, whole = make_logistic(epochs=2).fit(X, y, resume=path), make_logistic(epochs=2).fit(X, y)
    assert everything(again) == everything(whole)
    expected = [
        loss if is_known else math.nan
        for loss, is_known in zip(whole.history_["train_loss"], known, strict=True)
    ]
    np.testing.assert_array_equal(again.history_["train_loss"], expected)


LIES = {
    "no list": lambda told: told["history"].update(losses={"train_loss": 3}),
    "a name": lambda told: told["history"]["losses"].update(test_loss=[0.5, 0.5]),
    "lengths": lambda told: told["history"]["losses"]["train_loss"].pop(),
    "epochs": lambda told: [each.append(0.5) for each in told["history"]["losses"].values()],
    "a text": lambda told: told["history"]["losses"].update(train_loss=["0.5"]),
    "no sum": lambda told: told["history"].pop("loss_of_epoch"),
    "a count": lambda told: told["history"].update(epochs_before=-1),
    "the best step": lambda told: told["best"].update(step=10**9),
    "no best": lambda told: told.pop("best"),
    "the best progress": lambda told: told["best"].update(progress={"coef_": 3}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_about_it(lie, whole, tmp_path):
    make, expected = whole["DLRM"]
    given = {"validation": VALIDATION, "patience": 3}
    step = (expected.best_epoch_ + 1) * 10 + 5
    with pytest.raises(KeyboardInterrupt) as caught:
        make().fit(X, y, **given, callback=stop_at(step, signal.SIGINT))
    contents, arrays = caught.value.model._contents()
    LIES[lie](contents)
    write(tmp_path / "lie.safetensors", "DLRM", contents, arrays)
    with pytest.raises(lp.CheckpointError):
        lp.load(tmp_path / "lie.safetensors")


# --- warm_start ---


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_warm_start_goes_on(make, shuffle):
    """Its shuffling, too: of 2 and 3 epochs are those of 5."""
    model = make(epochs=2, shuffle=shuffle, warm_start=True).fit(X, y)
    first = dict(model.history_)
    model.set_params(epochs=3).fit(X, y, validation=VALIDATION)
    whole = make(epochs=5, shuffle=shuffle).fit(X, y)
    assert everything(model) == everything(whole)
    assert first["train_loss"] + model.history_["train_loss"] == whole.history_["train_loss"]
    assert len(model.history_["validation_loss"]) == 3
    cold = make(epochs=2, shuffle=shuffle).fit(X, y).fit(X, y)
    assert everything(cold) == everything(make(epochs=2, shuffle=shuffle).fit(X, y))


def test_a_warm_start_after_other_training(make, tmp_path, monkeypatch):
    """Interrupted, taken from a file, and trained by parts: no order comes twice."""
    model = make(epochs=2, warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y, callback=stop_at(13, signal.SIGINT))
    model.save(tmp_path / "m.safetensors")
    model = lp.load(tmp_path / "m.safetensors").partial_fit(X, y)
    orders = []
    take = type(model)._update_table

    def noting(self, batch, gradient):
        orders.append(batch.y.tobytes())
        take(self, batch, gradient)

    monkeypatch.setattr(type(model), "_update_table", noting)
    model.fit(X, y)
    assert model.table_.step == 43
    rng = np.random.default_rng([0, 1])
    expected = [rng.permutation(300) for _ in range(4)][2:]
    batches = [order[k : k + 32] for order in expected for k in range(0, 300, 32)]
    assert orders == [y[rows].astype(np.float32).tobytes() for rows in batches]


def test_a_warm_start_with_other_optimizers():
    model = make_logistic(warm_start=True).fit(X, y)
    model.set_params(optimizer=lp.SGD(0.0), dense_optimizer=lp.SGD(0.0))
    before = state(model)[0]
    assert state(model.fit(X, y))[0] == before
    model.set_params(dense_optimizer=lp.SGD(0.1, momentum=0.9))
    with pytest.raises(ValueError, match="momentum"):
        model.fit(X, y)
    assert model.table_.step == 20


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_embeddings": [50, 30, 21]}, "num_embeddings="),
        ({"dtype": "float32"}, "dtype='float16', now it is 'float32'"),
        ({"rounding": "nearest"}, "rounding="),
        ({"seed": 1}, "seed=0, now it is 1"),
        ({"standardize": True}, "standardize="),
        ({"warm_start": "yes"}, "warm_start must be True or False"),
    ],
)
def test_a_warm_start_cannot_go_on_with(changed, message):
    model = make_logistic(warm_start=True).fit(X, y)
    before = state(model)
    with pytest.raises((TypeError, ValueError), match=message):
        model.set_params(**changed).fit(X, y)
    assert state(model) == before
    if "seed" in changed:
        assert model.set_params(warm_start=False).fit(X, y).table_.step == 10


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        (((X[0], X[1] + [0, 0, 1]), y), IndexError, "20"),
        (((X[0][:, :2], X[1]), y), ValueError, r"\(n, 3\)"),
        ((X, y + 1), ValueError, r"y\[\d+\] = 2 is none"),
    ],
)
def test_a_warm_start_on_samples_that_do_not_fit(samples, error, message):
    model = make_logistic(warm_start=True, num_embeddings=None).fit(X, y)
    before = state(model)
    with pytest.raises(error, match=message):
        model.fit(*samples)
    assert state(model) == before


def test_a_warm_fit_is_resumed(tmp_path):
    """In another folder than that of the first fit, whose files are of another training."""

    def begun():
        return make_logistic(epochs=2, warm_start=True, **RATES)

    first, second = tmp_path / "first", tmp_path / "second"
    model = begun().fit(X, y, save=lp.Checkpoints(first))
    whole = everything(begun().fit(X, y).fit(X, y))
    with pytest.raises(ValueError, match="begun with other parameters, or from another model"):
        model.fit(X, y, save=lp.Checkpoints(first))
    save = lp.Checkpoints(second, every_batches=3, keep=2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y, save=save, callback=stop_at(35, signal.SIGINT))
    steps = sorted(int(name[5:17]) for name in os.listdir(second))
    assert steps == [32, 35]
    for again in (begun(), model):
        target = lp.Checkpoints(second, every_batches=100)
        again.fit(X, y, resume=second / "step-000000000032.safetensors", save=target)
        assert everything(again) == whole
    assert os.listdir(first) == ["step-000000000020.safetensors"]
