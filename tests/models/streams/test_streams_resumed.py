"""`fit_stream` that stops and goes on, at any batch."""

import os

import numpy as np
import pytest

import lowprec as lp
from tests import naive_models
from tests.models.small import SIZES, make_logistic, state
from tests.models.stopping import StopError, interrupt_at, stop_at
from tests.models.streams.blocks import (
    N,
    all_of,
    cut,
    model_of,
    reader_of,
    threads_that_read,
    train,
)

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.filterwarnings("error")


def test_a_reader_is_its_blocks(make, folder, encoder):
    reader = reader_of(folder, encoder)
    model = model_of(make).fit_stream(reader, 2)
    X, y = zip(*[block for epoch in (0, 1) for block in reader.blocks(epoch)], strict=True)
    blocks = iter(zip(X, y, strict=True))
    first = model_of(make).fit_stream(list(reader.blocks(0)))
    expected = first.partial_fit(
        (
            np.concatenate([x.dense for x in X])[N:],
            np.concatenate([x.indices for x in X])[N:],
        ),
        np.concatenate(y)[N:],
    )
    assert state(model) == state(expected)
    assert state(model_of(make).fit_stream(blocks)) != state(expected)  # batches across epochs


@pytest.mark.parametrize("step", [1, 9, 10, 11, 25])
def test_goes_on_at_the_next_batch(make, stream, step, tmp_path):
    """In any block, before and after the end of an epoch; the thread has ended meanwhile."""
    whole = train(make, stream())
    save = lp.Checkpoints(tmp_path / "run", every_batches=1)
    with pytest.raises(StopError):
        train(make, stream(), save=save, callback=stop_at(step + 1))
    assert not threads_that_read()
    seen = []
    again = train(
        make, stream(), resume=tmp_path / "run", callback=lambda m, done: seen.append(done)
    )
    assert all_of(again) == all_of(whole)
    assert len(seen) == whole.table_.step - step
    assert seen[-1] % 3 == 0
    assert seen[0] <= seen[-1]
    # what was stopped twice, and more epochs
    with pytest.raises(StopError):
        train(make, stream(), save=save, resume=tmp_path / "run", callback=stop_at(step + 3))
    assert all_of(train(make, stream(), resume=tmp_path / "run")) == all_of(whole)


def test_ctrl_c_and_more_epochs(make, stream, tmp_path):
    whole = train(make, stream())
    told = r"interrupted after step 7: .*; fit_stream\(\.\.\., resume=.*\) resumes it$"
    with pytest.raises(KeyboardInterrupt, match=told) as caught:
        train(make, stream(), save=lp.Checkpoints(tmp_path / "run"), callback=interrupt_at(7))
    assert caught.value.model.table_.step == 7
    assert os.listdir(tmp_path / "run") == ["step-000000000007.safetensors"]
    save = lp.Checkpoints(tmp_path / "run", keep=1)
    sizes = SIZES if isinstance(stream(), list) else None
    two = make(num_embeddings=sizes).fit_stream(stream(), 2, resume=tmp_path / "run", save=save)
    assert two.history_["train_loss"] == whole.history_["train_loss"][:2]
    assert all_of(train(make, stream(), resume=tmp_path / "run")) == all_of(whole)
    assert not threads_that_read()


def test_patience_between_the_best_epoch_and_the_end(tmp_path):
    """The best epoch is in the file, and returns."""
    samples = naive_models.samples(N, SIZES, 3)
    held_out = naive_models.samples(80, SIZES, 3, seed=1)
    fast = {"optimizer": lp.SGD(30.0), "shuffle": False, "epochs": 8}
    blocks = cut(samples, [200])
    given = {"validation": held_out, "patience": 3}
    whole = make_logistic(**fast).fit_stream(blocks, 8, **given)
    assert whole.best_epoch_ + 3 < 8
    stop = (whole.best_epoch_ + 2) * 10 + 5
    save = lp.Checkpoints(tmp_path, every_batches=1)
    with pytest.raises(StopError):
        make_logistic(**fast).fit_stream(blocks, 8, **given, save=save, callback=stop_at(stop))
    again = make_logistic(**fast).fit_stream(blocks, 8, **given, resume=tmp_path)
    assert all_of(again) == all_of(whole)


def test_a_file_between_the_last_batch_and_its_validation(tmp_path, monkeypatch):
    """As another thread may write it: the epoch is validated when training goes on."""
    from lowprec.models import fitting

    samples = naive_models.samples(N, SIZES, 3)
    held_out = {"validation": naive_models.samples(80, SIZES, 3, seed=1)}
    whole = make_logistic().fit_stream(cut(samples, [200]), 3, **held_out)

    def stopped(model, labelled):
        model.save(tmp_path / "m.safetensors")
        raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "validation_loss", stopped)
        with pytest.raises(StopError):
            make_logistic().fit_stream(cut(samples, [200]), 3, **held_out)
    again = make_logistic().fit_stream(
        cut(samples, [200]), 3, **held_out, resume=tmp_path / "m.safetensors"
    )
    assert all_of(again) == all_of(whole)


def test_a_warm_training_is_resumed(folder, encoder, tmp_path):
    reader = reader_of(folder, encoder)
    first = model_of(make_logistic, warm_start=True).fit_stream(reader, 2)
    first.save(tmp_path / "first.safetensors")
    whole = first.fit_stream(reader, 2)
    again = lp.load(tmp_path / "first.safetensors")
    save = lp.Checkpoints(tmp_path / "run", every_batches=1)
    with pytest.raises(StopError):
        again.fit_stream(reader, 2, save=save, callback=stop_at(34))
    fresh = model_of(make_logistic, warm_start=True)
    fresh.fit_stream(reader, 2, resume=tmp_path / "run")
    assert state(fresh) == state(whole)
