"""What `fit(save=, resume=)` refuses."""

import signal

import numpy as np
import pytest

import lowprec as lp
from lowprec.models.labels import classes_from
from tests import naive_models
from tests.models.small import RATES, SIZES, make_dlrm, make_logistic, state

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(params=[make_logistic, make_dlrm], ids=["LogisticRegression", "DLRM"])
def make(request):
    """Makes a model of each kind, with one more thing that goes on from step to step."""
    more = {"l2": 1e-2} if request.param is make_logistic else {}
    rate = lp.schedules.InverseTime(2.0, decay=0.01)
    return lambda **kwargs: request.param(
        **{"epochs": 3, "optimizer": lp.SGD(rate), "standardize": True, **more, **kwargs}
    )


@pytest.fixture(params=[False, True], ids=["plain", "jagged"])
def samples(request):
    return naive_models.samples(300, SIZES, 3, jagged=request.param)


def test_what_cannot_be_resumed(make, samples, tmp_path):
    with pytest.raises(FileNotFoundError, match="no step-"):
        make().fit(*samples, resume=tmp_path)
    make().fit(*samples, save=lp.Checkpoints(tmp_path))
    fresh = make(seed=1)
    with pytest.raises(ValueError, match="has seed=0, this model has 1"):
        fresh.fit(*samples, resume=tmp_path)
    assert state(fresh) is None
    with pytest.raises(ValueError, match="has optimizer="):
        make(**RATES).fit(*samples, resume=tmp_path)
    X, y = naive_models.samples(299, SIZES, 3)
    with pytest.raises(ValueError, match="is of a fit on 300 samples, there are 299 here"):
        make().fit(X, y, resume=tmp_path)
    (dense, *ids), y = samples
    for columns, number in ((dense[:, :2], 2), (np.repeat(dense, 2, axis=1), 6)):
        match = f"is of a fit on 3 dense features, there are {number} here"
        with pytest.raises(ValueError, match=match):
            fresh.set_params(seed=0).fit((columns, *ids), y, resume=tmp_path)
        assert state(fresh) is None
    other = lp.EmbeddingTable(3, 2)
    other.save(tmp_path / "table.safetensors")
    with pytest.raises(lp.CheckpointError, match="holds a EmbeddingTable"):
        make().fit(*samples, resume=tmp_path / "table.safetensors")
    partly = make().partial_fit(*samples)
    partly.save(tmp_path / "partly.safetensors")
    with pytest.raises(ValueError, match="nothing to resume"):
        make().fit(*samples, resume=tmp_path / "partly.safetensors")


def test_features_that_overflow_by_the_moments_of_the_file(make, samples, tmp_path):
    (dense, *ids), y = samples
    make().fit((dense * np.float32(1e-37), *ids), y, save=lp.Checkpoints(tmp_path))
    later = dense.copy()
    later[7, 0] = 1e3
    (path,) = tmp_path.iterdir()
    loaded = lp.load(path)
    before = state(loaded)
    with pytest.raises(ValueError, match=r"dense\[7, 0\] = 1000 overflows float32 when it is st"):
        loaded.partial_fit((later, *ids), y)
    assert state(loaded) == before


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"folder": 3}, TypeError, "PathLike"),
        ({"every_batches": 0}, ValueError, "every_batches must be at least 1"),
        ({"every_batches": 1.5}, TypeError, "every_batches must be an int"),
        ({"every_minutes": -1}, ValueError, "every_minutes must be finite and not negative"),
        ({"keep": 0}, ValueError, "keep must be at least 1"),
    ],
)
def test_bad_arguments(kwargs, error, message):
    with pytest.raises(error, match=message):
        lp.Checkpoints(**{"folder": "x", **kwargs})


def test_save_must_be_checkpoints(make, samples):
    with pytest.raises(TypeError, match="save must be a lowprec"):
        make().fit(*samples, save="folder")


def test_a_fit_under_an_ignored_ctrl_c():
    """As of a background job of a shell: it trains on, and the signal stays ignored."""
    X, y, _ = lp.datasets.make_clicks(120, num_embeddings=[6, 4], seed=0)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        model = lp.LogisticRegression([6, 4], batch_size=30)
        model.fit(X, y, callback=lambda model, samples: signal.raise_signal(signal.SIGINT))
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert model.table_.step == 4


@pytest.mark.parametrize("beyond", [2**70, float("inf")])
def test_classes_that_their_dtype_cannot_hold(beyond):
    """An OverflowError did not say that the file is damaged."""
    with pytest.raises(ValueError, match="has classes that are no int64"):
        classes_from({"dtype": "<i8", "values": [0, beyond]})
