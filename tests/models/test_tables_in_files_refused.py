"""What models with tables in files cannot do is an error before anything is written."""

import copy
import os
import pickle
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest

import lowprec as lp
from lowprec.models import heads
from tests import naive_models
from tests.models.small import SIZES, make_dlrm, make_logistic
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


def test_a_table_that_is_there_is_not_overwritten(make, clicks, folder):
    path = folder / "a.table"
    model = make(path=path).fit(*clicks)
    before = all_of(model)
    calls = (
        lambda m: m.fit(*clicks),
        lambda m: m.fit_stream(cut(clicks, [])),
        lambda m: make(path=path).partial_fit(*clicks),
    )
    for call in calls:
        with pytest.raises(FileExistsError, match=r"not overwritten: delete the file, or give an"):
            call(model)
        assert all_of(model) == before
    model.table_.close()
    path.write_bytes(b"something else")
    with pytest.raises(lp.CheckpointError, match="is not a table in a file"):
        make(path=path).fit(*clicks)
    path.write_bytes(b"lowprecT" + bytes(100))  # a kill has left this
    model = make(path=path).fit(*clicks)
    assert all_of(model) == before
    model.table_.close()


@pytest.mark.parametrize(
    ("parameters", "arguments", "message"),
    [
        ({}, {"patience": 1}, r"patience=1 keeps a copy of the whole table in memory"),
        ({"l2": 0.1, "optimizer": lp.SGD(0.1)}, {}, r"l2 halves the whole table now and then"),
        ({"device": "cuda"}, {}, r"a table in a file is on the CPU: device must be 'cpu'"),
        ({"path": 7}, {}, r"path must be"),
        ({"path": "/no/such/folder/a.table"}, {}, r"No such file or directory"),
    ],
)
def test_what_models_with_tables_in_files_do_not_do(clicks, folder, parameters, arguments, message):
    model = make_logistic(**{"path": folder / "a.table", **parameters})
    with pytest.raises((TypeError, ValueError, OSError), match=message):
        model.fit(*clicks, validation=clicks, **arguments)
    with pytest.raises((TypeError, ValueError, OSError), match=message):
        model.fit_stream(cut(clicks, []), validation=clicks, **arguments)
    assert not hasattr(model, "table_")
    assert os.listdir(folder) == []


def test_what_fitted_models_do_not_do(make, clicks, folder):
    path = folder / "a.table"
    model = make(path=path, warm_start=True).fit(*clicks)
    for call in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(ValueError, match=r"this \w+ is not copied or pickled.*lowprec\.load"):
            call(model)
    for train in (model.fit, model.partial_fit):
        model.path = folder / "b.table"
        with pytest.raises(ValueError, match=r"table is in .*a\.table, and path is now .*b\.table"):
            train(*clicks)
        model.path = None
        with pytest.raises(ValueError, match=r"and path is now None: training continues where"):
            train(*clicks)
    model.path = path
    model.table_.close()
    calls = (
        lambda: model.fit(*clicks), lambda: model.fit_stream(cut(clicks, [])),
        lambda: model.partial_fit(*clicks), lambda: model.predict(clicks[0]),
        lambda: model.save(folder / "m.safetensors"),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match=r"the table in .*a\.table is closed"):
            call()
    in_memory = make().fit(*clicks)
    in_memory.path = path
    with pytest.raises(ValueError, match=r"table is in memory, and path is now .*a\.table"):
        in_memory.partial_fit(*clicks)
    assert os.listdir(folder) == ["a.table"]


@pytest.mark.parametrize("other", ["table", "file", "open", "samples"])
def test_resume_replaces_its_own_file_alone(clicks, folder, other):
    path = folder / "a.table"
    make_logistic().fit(*clicks, save=lp.Checkpoints(folder / "run"))
    options = {"seed": 1} if other == "table" else {}
    there = make_logistic(path=path, **options).fit(*clicks)
    if other != "open":
        there.table_.close()
    if other == "file":
        path.write_bytes(b"something else")
    before, (X, y) = path.read_bytes(), clicks
    message = {
        "table": r"was made with seed=1 and not 0", "file": r"is not a table in a file",
        "open": r"the table is open already", "samples": r"on other samples",
    }  # fmt: skip
    y = 1 - y if other == "samples" else y
    with pytest.raises((ValueError, OSError), match=message[other]):
        make_logistic(path=path, epochs=2).fit(X, y, resume=folder / "run")
    assert path.read_bytes() == before
    there.table_.close()


def test_an_error_of_the_next_batch_comes_after_this_one(make, clicks, folder, monkeypatch):
    monkeypatch.setattr(heads, "ROWS", 100)
    X, y = clicks
    bad = X[0], X[1] + 50
    for path in (None, folder / "a.table"):
        model = make(path=path)
        with pytest.raises(IndexError, match=r"^block 1: "):
            model.fit_stream([(X, y), (bad, y)])
        assert model.table_.step == 9  # the tenth batch spans both blocks
    model.table_.close()


def test_a_step_that_diverges_is_none(folder, clicks):
    X, y = clicks
    huge = lp.SGD(3e38)
    model = make_logistic(path=folder / "a.table", optimizer=huge, dense_optimizer=lp.SGD(1e-3))
    with pytest.raises(FloatingPointError, match="diverged at step"):
        model.fit(X, y, np.full(len(y), 1e6))
    step = model.table_.step
    model.table_.close()
    with lp.EmbeddingTable(SIZES, 1, path=folder / "a.table", optimizer=huge, init_range=0.0) as t:
        assert t.step == step


def test_clones_share_the_path(clicks, folder):
    sklearn = pytest.importorskip("sklearn.base")
    model = make_logistic(path=folder / "a.table").fit(*clicks)
    twin = sklearn.clone(model)
    assert twin.get_params() == model.get_params()
    with pytest.raises(FileExistsError, match=re.escape(str(folder / "a.table"))):
        twin.fit(*clicks)
    model.table_.close()
