"""Models whose tables are in files: the bits of those in memory; files; training that goes on."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

import lowprec as lp
from tests import naive_models
from tests.models.small import SIZES, make_dlrm, make_logistic
from tests.models.stopping import StopError, interrupt_at, stop_at
from tests.models.streams.blocks import cut

pytestmark = pytest.mark.filterwarnings("error")


ROWS = np.arange(sum(SIZES))
OPTIMIZERS = {
    "SGD": lp.SGD(0.5, momentum=0.9),
    "Adagrad": lp.Adagrad(0.1, initial_accumulator=0.25),
    "RowWiseAdagrad": lp.RowWiseAdagrad(0.1),
    "Adam": lp.Adam(0.05, state_dtype="bfloat16"),
    "FTRL": lp.FTRL(0.5, l1=0.01),
    "LAMB": lp.LAMB(0.05),
    "catch up": lp.SGD(0.5, weight_decay=0.1, decay="catch_up"),
}


@pytest.fixture
def folder():
    """A folder in memory, where there is one: each close waits for the disk."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=memory) as home:
        yield Path(home)


@pytest.fixture(params=[make_logistic, make_dlrm], ids=["LogisticRegression", "DLRM"])
def make(request):
    """Makes a model of each kind, its table of Adagrad with an initial state."""
    common = {"optimizer": OPTIMIZERS["Adagrad"], "standardize": True, "epochs": 2}
    return lambda **kwargs: request.param(**{**common, **kwargs})


@pytest.fixture(params=[False, True], ids=["plain", "jagged"])
def samples(request):
    return naive_models.samples(300, SIZES, 3, jagged=request.param)


@pytest.fixture
def clicks():
    return naive_models.samples(300, SIZES, 3)


def all_of(model):
    """All that training changes, wherever the table is."""
    table = model.table_
    states = [np.asarray(array).tobytes() for array in table.optimizer_state.values()]
    dense = [array.tobytes() for array in model._dense_parameters()]
    dense += [array.tobytes() for states in model._dense_states for array in states.values()]
    counts = table.step, table.skipped_rows, model.history_, model.classes_.tolist()
    return table.read(ROWS).tobytes(), states, dense, counts


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fit_with_each_optimizer(clicks, folder, name):
    given = {"optimizer": OPTIMIZERS[name], "dense_optimizer": lp.SGD(0.1)}
    expected = make_dlrm(**given).fit(*clicks)
    model = make_dlrm(**given, path=folder / "a.table").fit(*clicks)
    assert model.table_.path == str(folder / "a.table")
    assert all_of(model) == all_of(expected)
    model.table_.close()


def test_all_ways_to_train(make, samples, folder):
    """Validation and reports, too; a fit that goes on, and a part of one."""
    X, y = samples
    blocks = cut(samples, [77, 78])
    model, expected = (
        make(path=path, warm_start=True, shuffle=False) for path in (folder / "a.table", None)
    )
    for each in (model, expected):
        each.fit(X, y, validation=(X, y), diagnose=lp.Diagnostics(every_batches=3))
        each.partial_fit(X, y)
        each.fit_stream(blocks, 2)
        each.fit(X, y)
    assert all_of(model) == all_of(expected)
    assert str(model.roundoff_) == str(expected.roundoff_)
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    model.table_.close()
    for path, train in (
        ("b", lambda m: m.fit_stream(blocks)),
        ("c", lambda m: m.partial_fit(X, y)),
    ):
        model, expected = make(path=folder / path), make()
        train(model), train(expected)
        assert all_of(model) == all_of(expected)
        model.table_.close()


def test_rows_are_read_one_batch_ahead(clicks, folder, monkeypatch):
    """When a batch has been stepped, the rows of the next one were asked for, and no more."""
    asked = []
    prefetch = lp.EmbeddingTable.prefetch
    monkeypatch.setattr(
        lp.EmbeddingTable,
        "prefetch",
        lambda self, ids, *more: (asked.append(len(ids)), prefetch(self, ids, *more)),
    )
    seen = []
    model = make_logistic(path=folder / "a.table")
    model.fit(*clicks, callback=lambda model, done: seen.append(32 + sum(asked) - done))
    assert seen == [32] * 8 + [12, 0]
    model.table_.close()
    make_logistic().fit(*clicks)
    assert sum(asked) == 300 - 32


def test_samples_without_ids(folder):
    X = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    with_path = lp.LogisticRegression(path=folder / "a.table").fit(X, X[:, 0] > 0)
    expected = lp.LogisticRegression().fit(X, X[:, 0] > 0)
    np.testing.assert_array_equal(with_path.predict_proba(X), expected.predict_proba(X))
    with_path.table_.close()


# --- files, and training that goes on ---


@pytest.mark.parametrize("stream", [False, True], ids=["fit", "fit_stream"])
@pytest.mark.parametrize(("before", "after"), [(True, True), (False, True), (True, False)])
def test_resume_in_the_middle_of_an_epoch(make, clicks, folder, stream, before, after):
    """From a table in memory to one in a file as well, and the other way."""

    def train(model, **given):
        if stream:
            return model.fit_stream(cut(clicks, [50, 111]), 2, **given)
        return model.fit(*clicks, **given)

    def model_in(in_file):
        return make(path=folder / "a.table" if in_file else None)

    save = lp.Checkpoints(folder / "run", every_batches=1, keep=1)
    model = model_in(before)
    with pytest.raises(StopError):
        train(model, save=save, callback=stop_at(14))
    model.table_.close()
    again = train(model_in(after), resume=folder / "run", save=save)
    expected = train(make())
    assert all_of(again) == all_of(expected)
    again.table_.close()


def test_resume_beside_the_open_table(clicks, folder):
    """Ctrl-C, and on with the same model: its file is made anew from the checkpoint."""
    model = make_logistic(path=folder / "a.table")
    with pytest.raises(KeyboardInterrupt, match=r"step 3: .*fit\(\.\.\., resume="):
        model.fit(*clicks, save=lp.Checkpoints(folder / "run"), callback=interrupt_at(3))
    model.partial_fit(*clicks)  # rows that are not in the checkpoint
    model.fit(*clicks, resume=folder / "run")
    assert all_of(model) == all_of(make_logistic().fit(*clicks))
    model.table_.close()


def test_save_and_load(make, clicks, folder):
    """In files or in memory, of files with some rows or all of them."""
    expected = make().fit(*clicks)
    expected.save(folder / "all.safetensors")
    model = make(path=folder / "a.table").fit(*clicks)
    model.save(folder / "some.safetensors")
    model.table_.close()
    loaded = [
        lp.load(folder / "some.safetensors"),
        lp.load(folder / "all.safetensors", path=folder / "b.table"),
        type(expected).load(folder / "some.safetensors", path=folder / "c.table"),
    ]
    for each, path in zip(loaded, [None, "b", "c"], strict=True):
        assert all_of(each) == all_of(expected)
        assert each.path == (path and folder / f"{path}.table")
    expected.partial_fit(*clicks)
    for each in loaded:
        assert all_of(each.partial_fit(*clicks)) == all_of(expected)
    loaded[2].save(folder / "again.safetensors")
    loaded[2].table_.close()
    with pytest.raises(FileExistsError, match=r"a table is in this file already.*c\.table"):
        lp.load(folder / "some.safetensors", path=folder / "c.table")
    again = lp.load(folder / "again.safetensors", path=folder / "d.table")
    assert all_of(again) == all_of(expected)
    again.table_.close()
    loaded[1].table_.close()


def test_a_warm_training_is_recognised_by_the_rows(clicks, folder):
    X, y = clicks
    identities = []
    for name, rows in (("a", 100), ("b", 100), ("c", 101)):
        model = make_logistic(path=folder / name, warm_start=True, epochs=1)
        model.fit((X[0][:rows], X[1][:rows]), y[:rows]).fit(X, y)
        identities.append(model._training.identity)
        model.table_.close()
    assert identities[0] == identities[1] != identities[2]
