"""Fits with validation that stop and go on, from files of this and of earlier versions."""

import math
import os
import signal

import numpy as np
import pytest

import lowprec as lp
from lowprec.files.writing import write
from tests.conftest import ROOT
from tests.models.small import make_dlrm, make_logistic, state
from tests.models.stopping import StopError, stop_at
from tests.models.validated import (
    KINDS,
    MOST,
    RATES,
    VALIDATION,
    WEIGHTS,
    X,
    everything,
    overfitting,
    y,
)

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def make(request):
    """Makes a model of each kind; 10 batches an epoch."""
    return overfitting(request.param)


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
    labels = VALIDATION[1]
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
