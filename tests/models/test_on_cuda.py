"""Models on a GPU, or its simulator, beside those on the CPU; and that a step does not wait."""

from collections import Counter

import numpy as np
import pytest

import lowprec as lp
import lowprec.cuda
from lowprec.device import get_device
from lowprec.models.divergence import DivergenceCheck, DivergenceError
from lowprec.optimizers.dense import init_dense_states, update_dense
from lowprec.optimizers.rules import rules_of
from lowprec.workspace import Allocator
from tests.devices import host, with_gpu


class Counted:
    """A kernel of Numba that counts its launches."""

    def __init__(self, name, run, found):
        self.name, self.run, self.found = name, run, found

    def __getitem__(self, configuration):
        self.found[self.name] += 1
        return self.run[configuration]


@pytest.fixture
def launches(monkeypatch):
    """How often each kernel is launched, by its name; in the simulator alone."""
    if not lowprec.cuda.SIMULATED:
        pytest.skip("a GPU's launches are CuPy's")
    from lowprec.kernels.cuda.launch import KERNELS

    found = Counter()
    for name, kernel in KERNELS.items():
        monkeypatch.setattr(kernel, "run", Counted(name, kernel.run, found))
    return found


@with_gpu
@pytest.mark.parametrize("model", [lp.LogisticRegression, lp.DLRM])
def test_models_agree(model):
    X, y, _ = lp.datasets.make_clicks(400, num_embeddings=[20, 50], num_dense=3, seed=0)
    more = {"bottom_mlp": (8,), "top_mlp": (8,), "embedding_dim": 4} if model is lp.DLRM else {}
    more |= {"optimizer": lp.SGD(0.5), "dense_optimizer": lp.SGD(0.02), "dtype": "float32"}
    fits = [
        model([20, 50], batch_size=50, device=name, **more).fit(X, y) for name in ("cpu", "cuda")
    ]
    cpu, cuda = (each.predict_proba(X) for each in fits)
    assert isinstance(cuda, np.ndarray)
    np.testing.assert_allclose(cpu, cuda, atol=2e-6 if lowprec.cuda.SIMULATED else 1e-4)


@with_gpu
@pytest.mark.parametrize("on_gpu", [False, True])
def test_streams_on_both(on_gpu, tmp_path):
    """Blocks of the host and of the GPU: the bits of `fit`, and of a training that was stopped."""
    (dense, ids), y, _ = lp.datasets.make_clicks(200, [20, 50], num_dense=3, seed=0)
    array = get_device("cuda").asarray if on_gpu else np.asarray
    blocks = [
        ((array(dense[rows]), array(ids[rows])), array(y[rows]))
        for rows in (slice(0, 70), slice(70, 200))
    ]

    def make(**kwargs):
        return lp.LogisticRegression(
            [20, 50], batch_size=50, optimizer=lp.SGD(0.5), device="cuda", shuffle=False, **kwargs
        )

    def stop(model, done):
        if done == 300:
            raise RuntimeError("stopped")

    expected = make(epochs=2).fit((dense, ids), y)
    streamed = make().fit_stream(blocks, 2)
    save = lp.Checkpoints(tmp_path, every_batches=1)
    with pytest.raises(RuntimeError, match="stopped"):
        make().fit_stream(blocks, 2, save=save, callback=stop)
    again = make().fit_stream(blocks, 2, resume=tmp_path)
    for model in (streamed, again):
        mine, its = (host(each.table_._weight) for each in (model, expected))
        assert mine.tobytes() == its.tobytes()
        assert host(model.coef_).tobytes() == host(expected.coef_).tobytes()


@with_gpu
def test_the_best_epoch_returns_on_both():
    """With the losses of the CPU; what returns is what a fit of so many epochs ends with."""
    X, y, _ = lp.datasets.make_clicks(300, num_embeddings=[20, 50], num_dense=3, seed=0)
    (train, validation) = (
        ((X[0][rows], X[1][rows]), y[rows]) for rows in (slice(0, 200), slice(200, 300))
    )

    def fit(device, epochs, **given):
        model = lp.LogisticRegression(
            [20, 50], batch_size=50, optimizer=lp.SGD(5.0), dense_optimizer=lp.SGD(0.5),
            epochs=epochs, device=device,
        )  # fmt: skip
        return model.fit(*train, **given)

    given = {"validation": validation, "patience": 2}
    cpu, cuda = (fit(device, 6, **given) for device in ("cpu", "cuda"))
    for name, losses in cpu.history_.items():
        assert all(type(loss) is float for loss in cuda.history_[name])
        np.testing.assert_allclose(cuda.history_[name], losses, rtol=1e-4)
    assert cuda.best_epoch_ == cpu.best_epoch_ < len(cpu.history_["train_loss"]) - 1
    until = fit("cuda", cuda.best_epoch_ + 1)
    assert cuda.table_.step == until.table_.step
    assert host(cuda.table_._weight).tobytes() == host(until.table_._weight).tobytes()
    assert host(cuda.coef_).tobytes() == host(until.coef_).tobytes()


@with_gpu
@pytest.mark.parametrize("cuda_graph", [False, True])
@pytest.mark.parametrize("steps", [3, 70])
def test_divergence_is_found_later_and_nothing_was_written(steps, cuda_graph):
    """The host looks every 64 steps; the device stops at once.  Training can go on."""
    X, y, _ = lp.datasets.make_clicks(90, num_embeddings=[6], num_dense=2, seed=0)
    X[0][steps] = 3e38  # the step with this sample has a gradient that is not finite
    common = {"batch_size": 1, "device": "cuda", "shuffle": False, "standardize": False}
    common |= {"optimizer": lp.SGD(2.0), "cuda_graph": cuda_graph}
    model, until = (lp.LogisticRegression([6], **common) for _ in range(2))
    with pytest.raises(DivergenceError, match=f"diverged at step {steps}:"):
        model.partial_fit(X, y)
    until.partial_fit((X[0][:steps], X[1][:steps]), y[:steps])
    assert model.table_.step == until.table_.step == steps
    check_same(model, until)
    X[0][steps] = 1.0
    for each in (model, until):
        each.partial_fit(X, y)
    check_same(model, until)


def check_same(one, other):
    """Two linear models without states in their optimizers have the same bits."""
    assert host(one.table_._weight).tobytes() == host(other.table_._weight).tobytes()
    assert host(one.coef_).tobytes() == host(other.coef_).tobytes()
    assert host(one.intercept_).tobytes() == host(other.intercept_).tobytes()


class OnDevice(np.ndarray):
    """An array that the host may not ask for its values."""

    def _wait(self, *args, **kwargs):
        raise AssertionError("the host waits for the device")

    __bool__ = __int__ = __float__ = __index__ = __iter__ = item = tolist = _wait
    __contains__ = __complex__ = __repr__ = __format__ = _wait


class OnDeviceModule:
    """NumPy, whose new arrays are `OnDevice`."""

    def __getattr__(self, name):
        value = getattr(np, name)
        if name not in ("empty", "zeros", "ones", "arange", "where", "empty_like"):
            return value
        return lambda *args, **kwargs: value(*args, **kwargs).view(OnDevice)


@with_gpu
@pytest.mark.skipif(not lowprec.cuda.SIMULATED, reason="the simulator's arrays can be watched")
@pytest.mark.parametrize("kind", ["one id a feature", "jagged", "captured"])
@pytest.mark.parametrize("model", [lp.LogisticRegression, lp.DLRM])
def test_a_step_waits_for_nothing(model, kind, monkeypatch):
    """60 steps, none of which reads a value of the device; the last look does."""
    X, y, _ = lp.datasets.make_clicks(240, num_embeddings=[20, 50], num_dense=3, seed=0)
    if kind == "jagged":
        X = (X[0], X[1].reshape(-1), np.arange(481))
    if kind == "captured":
        X = lp.Samples(*X, weights=np.full((240, 2), 0.5))
    device = get_device("cuda")
    more = {"bottom_mlp": (8,), "top_mlp": (8,), "embedding_dim": 4} if model is lp.DLRM else {}
    more |= {"cuda_graph": kind == "captured", "standardize": True}
    trained = model([20, 50], batch_size=4, device="cuda", **more)
    monkeypatch.setattr(device, "xp", OnDeviceModule())
    asarray, empty = device.asarray, device.empty
    monkeypatch.setattr(device, "asarray", lambda *args: asarray(*args).view(OnDevice))
    monkeypatch.setattr(device, "empty", lambda *args: empty(*args).view(OnDevice))
    monkeypatch.setattr(DivergenceCheck, "raise_if_diverged", lambda self, now=False: None)
    trained.fit(X, y, sample_weight=np.full(240, 2.0))
    assert trained.table_.step == 60
    with pytest.raises(AssertionError, match="the host waits"):
        bool(trained._divergence.diverged[0:1])
    with pytest.raises(AssertionError, match="the host waits"):
        trained.table_.batch(np.zeros((1, 2), np.int64))  # ids that nobody has checked


@with_gpu
def test_many_dense_parameters_are_stepped_at_once(launches):
    """More than one launch takes; each has the bits that it has on the CPU."""
    rng, optimizer = np.random.default_rng(0), lp.Adagrad(0.1)
    shapes = [(3, 5), (70,), (1,), (0, 4), (2, 2)] * 6  # 24 that have numbers
    given = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    gradients = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    found = []
    for name in ("cpu", "cuda"):
        device = get_device(name)
        parameters = [device.asarray(array.copy()) for array in given]
        states = init_dense_states(device, optimizer, parameters)
        update_dense(
            device, rules_of(optimizer, 0), parameters, states,
            list(map(device.asarray, gradients)), device.xp.zeros(1, np.bool_), Allocator(device),
        )  # fmt: skip
        arrays = [*parameters, *(array for state in states for array in state.values())]
        found.append([host(array).tobytes() for array in arrays])
    assert found[0] == found[1]
    assert launches == {"_update_dense": 2}


@with_gpu
def test_how_many_kernels_a_step_is(launches):
    X, y, _ = lp.datasets.make_clicks(8, num_embeddings=[20, 50], num_dense=3, seed=0)
    lp.DLRM(
        [20, 50], batch_size=4, device="cuda", bottom_mlp=(8,), top_mlp=(8,), embedding_dim=4
    ).fit(X, y)
    once = (
        "_rows_of_features", "_gather", "_join_dots", "_logistic_loss", "_dot_backward",
        "_note_nonfinite", "_pack_and_guard", "_sum_and_check", "_update_rows", "_update_dense",
    )  # fmt: skip
    layers, steps = 4, 2
    # the ReLU before the interaction is passed by its backward kernel, and the logit has none
    of_layers = {"_add_bias": layers * steps, "_bias_backward": (layers - 2) * steps}
    assert launches == {"_fill_uniform": 2, **dict.fromkeys(once, steps), **of_layers}
