"""Training that is interrupted and goes on: the bits of one that was not."""

import os
import signal
import threading
from contextlib import suppress

import numpy as np
import pytest

import lowprec as lp
from lowprec.kernels.cpu import launch
from lowprec.models import training
from tests import children, naive_models
from tests.models.small import SIZES, make_dlrm, make_logistic, state
from tests.models.stopping import StopError, interrupt_at, stop_at

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


@pytest.mark.parametrize("step", [1, 9, 10, 11, 25, 29])
@pytest.mark.parametrize("shuffle", [True, False])
def test_goes_on_at_the_next_batch(make, samples, shuffle, step, tmp_path):
    """10 batches an epoch, the last one smaller; files after each batch but the last one's."""
    whole = make(shuffle=shuffle).fit(*samples)
    save = lp.Checkpoints(tmp_path, every_batches=1)
    with pytest.raises(StopError):
        make(shuffle=shuffle).fit(*samples, save=save, callback=stop_at(step + 1))
    seen = []
    again = make(shuffle=shuffle)
    again.fit(*samples, resume=tmp_path, callback=lambda model, done: seen.append(done))
    assert state(again) == state(whole)
    assert again._progress_of_training() == whole._progress_of_training()
    assert len(seen) == 30 - step
    assert seen[-1] == 900


MODELS = {"LogisticRegression": make_logistic, "DLRM": make_dlrm}


def go_on(folder, stop, threads):
    """Trains a table and each model up to a step, from the files of a folder."""
    launch.NUMBERS_PER_THREAD = 1  # or one would do for so little
    assert launch.threads_for(1000) == threads
    path = f"{folder}/table/file.safetensors"
    try:
        table = lp.EmbeddingTable.load(path)
    except FileNotFoundError:
        table = lp.EmbeddingTable([50, 20], 16, optimizer=lp.SGD(0.1))
    while table.step < stop:
        rng = np.random.default_rng(table.step)
        grad = rng.normal(size=(300, 2, 16)).astype(np.float32)
        table.update(rng.integers(0, 20, (300, 2)), grad)
    table.save(path)
    for kind, make_model in MODELS.items():
        home = f"{folder}/{kind}"
        save = lp.Checkpoints(home, every_batches=1, keep=1)
        resume = {"resume": home} if os.listdir(home) else {}
        X, y = naive_models.samples(300, SIZES, 3)
        with suppress(StopError):  # the file is that of the step before
            make_model(epochs=3).fit(X, y, save=save, callback=stop_at(stop + 1), **resume)


@pytest.fixture(scope="module")
def chain_and_whole(tmp_path_factory):
    """Folders with the files after 24 steps, 10 an epoch: by three processes, and by one."""
    script = "import sys\nfrom tests.models.test_checkpoints import go_on\n"
    script += "go_on(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))"
    folders = []
    for run in ([(8, 1), (16, 2), (24, 1)], [(24, 2)]):
        folders.append(tmp_path_factory.mktemp("runs"))
        for kind in ("table", *MODELS):
            (folders[-1] / kind).mkdir()
        for stop, threads in run:
            env = {"NUMBA_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"}
            children.run("-c", script, folders[-1], stop, threads, **env)
    return folders


@pytest.mark.parametrize("kind", ["table", *MODELS])
def test_processes_of_one_two_and_one_thread(kind, chain_and_whole):
    """Each process takes 8 steps of 24, from where the one before was stopped."""
    paths = [path for folder in chain_and_whole for path in (folder / kind).iterdir()]
    chain, whole = map(lp.load, paths)
    if kind == "table":
        assert chain.step == whole.step == 24
        assert chain.weight.tobytes() == whole.weight.tobytes()
    else:
        assert chain.table_.step == whole.table_.step == 24
        assert state(chain) == state(whole)


def test_more_epochs(make, samples, tmp_path):
    make(epochs=2).fit(*samples, save=lp.Checkpoints(tmp_path))
    assert os.listdir(tmp_path) == ["step-000000000020.safetensors"]
    assert state(make(epochs=3).fit(*samples, resume=tmp_path)) == state(make().fit(*samples))
    # and none: all has been done
    same = make(epochs=2).fit(*samples, resume=tmp_path / "step-000000000020.safetensors")
    assert state(same) == state(make(epochs=2).fit(*samples))


def test_files_that_stay(make, samples, tmp_path):
    (tmp_path / "mine.safetensors").write_bytes(b"")
    make().fit(*samples, save=lp.Checkpoints(tmp_path, every_batches=4, keep=2))
    assert sorted(os.listdir(tmp_path)) == [
        "mine.safetensors", "step-000000000028.safetensors", "step-000000000030.safetensors"
    ]  # fmt: skip


def test_every_minutes(make, samples, tmp_path, monkeypatch):
    """A clock that goes on by half a minute at each look."""
    now = iter(np.arange(0, 1e6, 30.0))
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    written = []
    monkeypatch.setattr(
        lp.Checkpoints, "write", lambda self, model: written.append(model.table_.step)
    )
    make(epochs=1).fit(*samples, save=lp.Checkpoints(tmp_path, every_minutes=1.0))
    assert written == [2, 4, 6, 8, 10, 10]


@pytest.mark.parametrize("step", [1, 13, 30])
def test_ctrl_c_ends_after_a_batch_with_a_file(make, samples, tmp_path, step):
    whole = make().fit(*samples)
    before = signal.getsignal(signal.SIGINT)
    told = rf"interrupted after step {step}: .*; fit\(\.\.\., resume=.*\) resumes it$"
    with pytest.raises(KeyboardInterrupt, match=told) as caught:
        make().fit(*samples, save=lp.Checkpoints(tmp_path), callback=interrupt_at(step))
    assert repr(str(tmp_path)) in str(caught.value)
    assert signal.getsignal(signal.SIGINT) is before
    assert os.listdir(tmp_path) == [f"step-{step:012d}.safetensors"]
    assert state(make().fit(*samples, resume=tmp_path)) == state(whole)
    assert state(caught.value.model) == state(lp.load(next(tmp_path.iterdir())))


def test_ctrl_c_between_epochs(make, samples, tmp_path, monkeypatch):
    """Where order is made anew: it is as if it had come in the batch that follows."""
    whole = make().fit(*samples)

    class Generator:
        def __init__(self, seed):
            self.rng, self.calls = np.random.Generator(np.random.PCG64(seed)), 0

        def permutation(self, n):
            self.calls += 1
            if self.calls == 2:
                signal.raise_signal(signal.SIGINT)
            return self.rng.permutation(n)

        def __getattr__(self, name):
            return getattr(self.rng, name)

    with monkeypatch.context() as patch:
        patch.setattr("numpy.random.default_rng", Generator)
        with pytest.raises(KeyboardInterrupt, match="interrupted after step 11: "):
            make().fit(*samples, save=lp.Checkpoints(tmp_path))
    assert state(make().fit(*samples, resume=tmp_path)) == state(whole)


def test_ctrl_c_twice_ends_at_once_without_a_file(make, samples, tmp_path):
    """The model may be in the middle of a step."""
    made = []

    def interrupt(model, done):
        made.append(model)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second one was not raised")

    with pytest.raises(KeyboardInterrupt, match=r"a second Ctrl-C .* may have taken") as caught:
        make().fit(*samples, callback=interrupt, save=lp.Checkpoints(tmp_path))
    assert caught.value.model is made[0]
    assert not os.listdir(tmp_path)


def test_an_interrupted_model_is_not_lost(make, samples):
    """As of ``model = Model().fit(...)``, which has given no name yet."""
    made = []
    with pytest.raises(
        KeyboardInterrupt, match="interrupted after step 13: this step was"
    ) as caught:
        make().fit(*samples, callback=lambda *told: (made.append(told[0]), interrupt_at(13)(*told)))
    model = caught.value.model
    assert model is made[0]
    assert model.table_.step == 13
    assert model.predict(samples[0]).shape == (300,)
    assert model.partial_fit(*samples).table_.step == 23


def test_an_interrupted_partial_fit(make, samples, monkeypatch):
    step = training.step

    def interrupted_step(model, batch):
        if model.table_.step == 3:
            signal.raise_signal(signal.SIGINT)
        return step(model, batch)

    monkeypatch.setattr(training, "step", interrupted_step)
    with pytest.raises(KeyboardInterrupt, match="interrupted after step 4: ") as caught:
        make().partial_fit(*samples)
    assert caught.value.model.table_.step == 4


def test_a_model_that_diverges_is_not_lost(samples):
    (dense, *ids), y = samples
    huge = {"optimizer": lp.SGD(1e9), "dense_optimizer": lp.SGD(1e9)}
    for kind in (make_logistic, make_dlrm):
        with pytest.raises(FloatingPointError, match="diverged at step") as caught:
            kind(epochs=3, **huge).fit((dense * np.float32(1e30), *ids), y)
        assert np.isfinite(caught.value.model.table_.weight.astype(np.float32)).all()


def test_a_model_that_cannot_be_written_is_not_lost(make, samples, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for every_batches, step in ((7, 7), (None, 30)):
        save = lp.Checkpoints(tmp_path / "file" / "folder", every_batches=every_batches)
        with pytest.raises(NotADirectoryError) as caught:
            make().fit(*samples, save=save)
        assert caught.value.model.table_.step == step


def test_in_another_thread(make, samples):
    """Where signals cannot be handled."""
    models = []
    thread = threading.Thread(target=lambda: models.append(make().fit(*samples)))
    thread.start()
    thread.join()
    assert state(models[0]) == state(make().fit(*samples))
