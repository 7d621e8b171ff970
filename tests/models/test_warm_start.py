"""Fits that go on from a fitted model."""

import os
import signal

import numpy as np
import pytest

import lowprec as lp
from tests.models.small import make_logistic, state
from tests.models.stopping import stop_at
from tests.models.validated import KINDS, RATES, VALIDATION, X, everything, overfitting, y

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def make(request):
    """Makes a model of each kind; 10 batches an epoch."""
    return overfitting(request.param)


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

    def noting(self, batch, *rest):
        orders.append(batch.y.tobytes())
        take(self, batch, *rest)

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
