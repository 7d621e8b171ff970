"""Whose files are these: those of another training are neither deleted, replaced nor resumed."""

import os
import re

import numpy as np
import pytest

import lowprec as lp
from lowprec.files.writing import write
from tests import naive_models
from tests.conftest import ROOT
from tests.models.rewriting import rewrite
from tests.models.small import RATES, SIZES, make_dlrm, make_logistic, state

OLD = ROOT / "tests" / "data" / "version_1" / "logistic_in_fit.safetensors"


@pytest.fixture(params=[make_logistic, make_dlrm], ids=["LogisticRegression", "DLRM"])
def make(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["plain", "jagged"])
def samples(request):
    return naive_models.samples(300, SIZES, 3, jagged=request.param)


def contents(folder):
    return {name: (folder / name).read_bytes() for name in os.listdir(folder)}


def without_identity(path):
    """Makes a file one of an earlier version."""
    rewrite(path, lambda state: state.pop("training"))


# --- a folder ---

OTHERS = {
    "seed": ({"seed": 1}, "it has seed=0, this model has 1"),
    "batch_size": ({"batch_size": 30}, "it has batch_size=32, this model has 30"),
    "optimizer": ({"optimizer": lp.SGD(1.0)}, "it has optimizer="),
    "dtype": ({"dtype": "float32"}, "it has dtype='float16', this model has 'float32'"),
    "shuffle": ({"shuffle": False}, "it has shuffle=True, this model has False"),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("resumes", [False, True])
def test_the_folder_of_another_training(make, samples, other, resumes, tmp_path):
    """Nothing is trained, and no file is touched; resuming does not help."""
    folder = tmp_path / "run"
    make(epochs=3).fit(*samples, save=lp.Checkpoints(folder))
    before = contents(folder)
    changed, reason = OTHERS[other]
    fresh = make(**changed)
    with pytest.raises(ValueError, match=rf"step-0+30\..*another training: {re.escape(reason)}"):
        fresh.fit(*samples, save=None if resumes else lp.Checkpoints(folder),
                  resume=folder if resumes else None)  # fmt: skip
    assert state(fresh) is None
    assert contents(folder) == before


def flipped(X, y):
    return X, np.where(np.arange(len(y)) == 123, 1 - y, y)


def another_id(X, y):
    ids = X[1].copy()
    ids.flat[500] = (ids.flat[500] + 1) % 20
    return (X[0], ids, *X[2:]), y


def another_dense(X, y):
    dense = X[0].copy()
    dense[211, 1] = np.nextafter(dense[211, 1], np.float32(9))
    return (dense, *X[1:]), y


def two_labels_exchanged(X, y):
    first, second = int(np.argmin(y)), int(np.argmax(y))
    y = y.copy()
    y[[first, second]] = y[[second, first]]
    return X, y


def others(X, y):
    return naive_models.samples(300, SIZES, 3, jagged=len(X) == 3, seed=1)


def all_flipped(X, y):
    return X, 1 - y


CHANGES = [flipped, another_id, another_dense, two_labels_exchanged, others, all_flipped]


@pytest.mark.parametrize("change", CHANGES)
def test_other_samples_of_the_same_count(make, samples, change, tmp_path):
    make(epochs=3).fit(*samples, save=lp.Checkpoints(tmp_path))
    before, fresh = contents(tmp_path), make(epochs=3)
    X, y = change(*samples)
    with pytest.raises(ValueError, match="another training: it was trained on other samples"):
        fresh.fit(X, y, save=lp.Checkpoints(tmp_path))
    with pytest.raises(ValueError, match="of a fit on other samples, or other labels"):
        fresh.fit(X, y, resume=tmp_path)
    assert state(fresh) is None
    assert contents(tmp_path) == before


def test_fewer_epochs_than_were_begun(make, samples, tmp_path):
    """10 batches an epoch: step 10 ends the first one, step 12 is of the second."""
    make(epochs=2).fit(*samples, save=lp.Checkpoints(tmp_path, every_batches=2, keep=9))
    fresh = make(epochs=1)
    for path in (tmp_path, tmp_path / "step-000000000012.safetensors"):
        with pytest.raises(ValueError, match="epochs must be at least 2 to resume it, got 1"):
            fresh.fit(*samples, resume=path)
    assert state(fresh) is None
    fresh.fit(*samples, resume=tmp_path / "step-000000000010.safetensors")
    assert state(fresh) == state(make(epochs=1).fit(*samples))


def test_the_folder_of_a_longer_run_of_the_same_training(make, samples, tmp_path):
    """It goes on where it is told to; its files stay beside those that are ahead."""
    make(epochs=3).fit(*samples, save=lp.Checkpoints(tmp_path, every_batches=10, keep=2))
    make(epochs=1).fit(*samples, save=lp.Checkpoints(tmp_path, every_batches=4, keep=2))
    steps = sorted(int(name[5:17]) for name in os.listdir(tmp_path))
    assert steps == [8, 10, 20, 30]
    again = make(epochs=3).fit(*samples, resume=tmp_path / "step-000000000010.safetensors")
    assert state(again) == state(make(epochs=3).fit(*samples, resume=tmp_path))


def test_a_foreign_file_that_comes_while_training(make, samples, tmp_path):
    """The training ends, before the file is replaced."""
    theirs = make(seed=1).fit(*samples)
    target = tmp_path / "step-000000000008.safetensors"
    with pytest.raises(ValueError, match="another training: it has seed=1, this model has 0"):
        make().fit(*samples, save=lp.Checkpoints(tmp_path, every_batches=4, keep=1),
                   callback=lambda model, done: theirs.save(target))  # fmt: skip
    assert sorted(os.listdir(tmp_path)) == ["step-000000000004.safetensors", target.name]
    assert lp.load(target).seed == 1


def test_damaged_files_in_the_folder(make, samples, tmp_path):
    path = tmp_path / "step-000000000002.safetensors"
    path.write_bytes(b"no file")
    with pytest.raises(lp.CheckpointError, match=path.name):
        make().fit(*samples, save=lp.Checkpoints(tmp_path))
    assert path.read_bytes() == b"no file"


# --- who is recognised ---


def identity(model):
    return model._contents()[0]["training"]


def test_equal_trainings_give_equal_files(make, samples, tmp_path):
    """However many epochs, with or without an interruption, in whatever containers."""
    (dense, *ids), y = samples
    first = make().fit(*samples)
    given = identity(first)
    assert [len(digest) for digest in given] == [32, 32]
    same = [
        make(epochs=2).fit(*samples),
        make().fit((dense, *map(np.int32, ids)), y.astype(bool)),
        make().fit((np.asfortranarray(dense), ids[0].astype(">i8"), *ids[1:]), list(y)),
        make(dtype=np.float16, seed=np.int64(0)).partial_fit(*samples),
    ]
    assert [identity(model) for model in same] == [given] * 4
    first.save(tmp_path / "a.safetensors")
    same[1].save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    loaded = lp.load(tmp_path / "a.safetensors")
    assert identity(loaded.partial_fit(*samples)) == given


def test_bags_of_one_id_are_the_same_samples(make):
    (dense, ids), y = naive_models.samples(300, SIZES, 3)
    jagged = make().fit((dense, ids.ravel(), np.arange(901)), y)
    assert identity(jagged) == identity(make().fit((dense, ids), y))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("n", [1, 300, 5000])
def test_changed_samples_have_another_fingerprint(change, n):
    """Of 5000, not all are looked at as a whole."""
    X, y = naive_models.samples(5000, SIZES, 3, seed=2)
    n = max(n, 300)
    good, bad = ((X[0][:n], X[1][:n]), y[:n]), change((X[0][:n], X[1][:n]), y[:n])
    if change is others:
        bad = ((X[0][n - 1 :: -1], X[1][n - 1 :: -1]), y[:n])
    one, other = (identity(make_logistic(batch_size=1000).fit(*each)) for each in (good, bad))
    assert one[0] != other[0]
    assert one[1] != other[1]


def test_moved_bags_have_another_fingerprint():
    X, y = naive_models.samples(5000, SIZES, 3, jagged=True)
    offsets = X[2].copy()
    k = next(k for k in range(7000, 8000) if offsets[k] < offsets[k + 1])
    offsets[k] += 1  # its first id goes to the bag before, of another feature
    ids = np.minimum(X[1], 19)
    one, other = (
        identity(make_logistic().partial_fit((X[0], ids, bounds), y)) for bounds in (X[2], offsets)
    )
    assert one != other


# --- what does not tell ---


def test_files_of_earlier_versions(make, samples, tmp_path):
    """They are resumed as they were; no new training begins beside them, and none deletes them."""
    make(epochs=2).fit(*samples, save=lp.Checkpoints(tmp_path, every_batches=4, keep=2))
    for path in tmp_path.iterdir():
        without_identity(path)
    before = contents(tmp_path)
    assert lp.load(tmp_path / "step-000000000016.safetensors")._training is None
    with pytest.raises(ValueError, match="does not tell its samples, as those of earlier versions"):
        make(epochs=2).fit(*samples, save=lp.Checkpoints(tmp_path))
    assert contents(tmp_path) == before
    whole = make(epochs=3).fit(*samples)
    save = lp.Checkpoints(tmp_path, every_batches=5, keep=1)
    again = make(epochs=3).fit(*samples, save=save, resume=tmp_path)
    assert state(again) == state(whole)
    after = contents(tmp_path)
    assert sorted(after) == sorted([*before, "step-000000000030.safetensors"])
    assert all(after[name] == before[name] for name in before)
    assert identity(again) == identity(whole)


def test_a_file_of_version_1_loads(tmp_path):
    with pytest.warns(UserWarning, match="random bits of KXS32"):
        model = lp.load(OLD)
    assert identity(model) is None
    model.save(tmp_path / "again.safetensors")
    assert identity(lp.load(tmp_path / "again.safetensors")) is None


def test_a_learning_rate_that_cannot_be_written(samples):
    model = make_logistic(optimizer=lp.SGD(lambda step: 1.0)).fit(*samples)
    assert model._training is None


@pytest.mark.parametrize("lie", [3, ["a"], ["0" * 32, 5], ["0" * 32, "x" * 32], "ab", {}])
def test_a_file_that_lies_about_it(lie, samples, tmp_path):
    model, path = make_logistic(**RATES).fit(*samples), tmp_path / "step-000000000001.safetensors"
    state_of_file, arrays = model._contents()
    state_of_file["training"] = lie
    write(path, "LogisticRegression", state_of_file, arrays)
    with pytest.raises(lp.CheckpointError, match="training"):
        lp.load(path)
    with pytest.raises(ValueError, match="training"):
        make_logistic().fit(*samples, save=lp.Checkpoints(tmp_path))
