"""Files, copies and pickles that are made while another thread trains: all of one moment.

Each is compared with what the same training has after so many steps when it is left alone.
"""

import copy
import pickle
import threading
from contextlib import contextmanager

import numpy as np
import pytest

import lowprec as lp
from tests import naive_models
from tests.models.small import SIZES, make_dlrm, make_logistic

COUNT = 6  # files or copies


@contextmanager
def beside(train):
    """Has a thread call `train` again and again, which may not fail."""
    ends, errors, begun = threading.Event(), [], threading.Event()

    def work():
        try:
            while not ends.is_set():
                train()
                begun.set()
        except BaseException as error:
            errors.append(error)
            begun.set()

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(60)
    try:
        yield
    finally:
        ends.set()
        thread.join(60)
    assert not errors, errors


def saved(thing, folder):
    path = folder / "file.safetensors"
    thing.save(path)
    return lp.load(path)


WAYS = {
    "save": saved,
    "deepcopy": lambda thing, folder: copy.deepcopy(thing),
    "pickle": lambda thing, folder: pickle.loads(pickle.dumps(thing)),
    "pickle 5": lambda thing, folder: pickle.loads(pickle.dumps(thing, protocol=5)),
}
WAYS_OF_TABLES = {
    **WAYS,
    "to": lambda table, folder: table.to(table.device),
    "astype": lambda table, folder: table.astype("float8_e4m3fn"),
}


# --- tables ---

OPTIMIZERS = {"SGD": lp.SGD(0.1), "Adagrad": lp.Adagrad(0.1)}


def state_of_table(table):
    state = {name: array.tobytes() for name, array in table.optimizer_state.items()}
    return table.step, table.weight.tobytes(), state


@pytest.mark.parametrize("way", WAYS_OF_TABLES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_table_beside_updates(way, optimizer, tmp_path):
    """Each step changes every row."""
    make = lambda: lp.EmbeddingTable(60_000, 16, "float32", optimizer=OPTIMIZERS[optimizer])
    table, twin = make(), make()
    ids, grad = np.arange(60_000), np.ones((60_000, 16), np.float32)
    WAYS_OF_TABLES[way](twin, tmp_path)  # compiled before, as `twin` follows all updates beside it
    found = []
    with beside(lambda: table.update(ids, grad)):
        for _ in range(COUNT):
            found.append(WAYS_OF_TABLES[way](table, tmp_path))
    steps = [each.step for each in found]
    assert steps == sorted(steps)
    assert steps[0] > 0
    for each in found:
        while twin.step < each.step:
            twin.update(ids, grad)
        expected = twin.astype("float8_e4m3fn") if way == "astype" else twin
        assert state_of_table(each) == state_of_table(expected)
    found[-1].update(ids, grad)  # it goes on alone
    assert found[-1].step == steps[-1] + 1


def test_a_table_beside_writes(tmp_path):
    """`write` stores the same number in all rows."""
    table, number = lp.EmbeddingTable(60_000, 16, init_range=0.0), iter(range(10**9))
    rows, found = np.arange(60_000), []
    with beside(lambda: table.write(rows, np.full((60_000, 16), float(next(number) % 1000)))):
        for _ in range(COUNT):
            found.append(saved(table, tmp_path))
    for each in found:
        assert (each.weight == each.weight[0, 0]).all()


@pytest.mark.parametrize("way", WAYS_OF_TABLES)
def test_in_the_middle_of_an_update_of_the_same_thread(way, tmp_path):
    """As a signal handler would be: the old file stays, and so does the table."""
    table = lp.EmbeddingTable(10, 4)
    table.save(tmp_path / "file.safetensors")
    before = (tmp_path / "file.safetensors").read_bytes()
    table.update([1, 2], np.ones((2, 4), np.float32))
    same_thread = pytest.raises(RuntimeError, match="in the middle of a call on it in the same")
    with table._workspace.alone("this table is updated"), same_thread:
        WAYS_OF_TABLES[way](table, tmp_path)
    assert (tmp_path / "file.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["file.safetensors"]
    assert WAYS_OF_TABLES[way](table, tmp_path).step == 1


def test_a_file_that_cannot_be_written_holds_nobody_up(tmp_path):
    table = lp.EmbeddingTable(10, 4)
    with pytest.raises(OSError, match="no_folder"):
        table.save(tmp_path / "no_folder" / "file.safetensors")
    table.update([1, 2], np.ones((2, 4), np.float32))
    assert table.step == 1


def test_a_shallow_copy_has_the_same_arrays():
    table = lp.EmbeddingTable(10, 4)
    model = make_logistic().fit(*naive_models.samples(30, SIZES, 3))
    assert np.shares_memory(copy.copy(table).weight, table.weight)
    assert copy.copy(model).table_ is model.table_


# --- models ---


def state_of_model(model):
    """All that a file of a model holds, but for which training it is, and where in it."""
    state, arrays = model._contents()
    for name in ("position", "training", "history"):  # those of one fit are not those of another
        del state[name]
    return state["table"]["step"], state, {name: a.tobytes() for name, a in arrays.items()}


MODELS = {
    "LogisticRegression": lambda **kw: make_logistic(l2=0.05, **kw),  # halves the table at times
    "LogisticRegression, Adagrad": lambda **kw: make_logistic(
        **{"optimizer": lp.Adagrad(0.1), "dense_optimizer": lp.Adam(0.01), **kw}
    ),
    "DLRM": lambda **kw: make_dlrm(embedding_dim=16, **kw),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("fits", [True, False], ids=["fit", "partial_fit"])
def test_a_model_beside_training(name, way, fits, tmp_path):
    """`fit` begins anew each time, `partial_fit` goes on."""
    X, y = naive_models.samples(320, [50_000, 30, 20], 3)
    make = lambda: MODELS[name](num_embeddings=[50_000, 30, 20], epochs=4)
    model, found = make().partial_fit(X, y), []
    first = state_of_model(WAYS[way](model, tmp_path))  # compiled before, as above
    with beside(lambda: model.fit(X, y) if fits else model.partial_fit(X, y)):
        for _ in range(COUNT):
            found.append(state_of_model(WAYS[way](model, tmp_path)))
    twin, alone = make(), {first[0]: first}
    if fits:
        twin.fit(X, y, callback=lambda m, _: alone.update([(m.table_.step, state_of_model(m))]))
    else:
        for start in range(0, 320 * (1 + max(each[0] for each in found) // 10), 32):
            rows = slice(start % 320, start % 320 + 32)
            twin.partial_fit((X[0][rows], X[1][rows]), y[rows])
            alone[twin.table_.step] = state_of_model(twin)
    for each in found:
        # a fit may have begun: of no step, or after the partial_fit that was first
        assert each == first or each[0] == 0 or each == alone[each[0]]


def test_a_fit_goes_on_from_a_file_that_another_thread_saved(tmp_path):
    X, y = naive_models.samples(320, SIZES, 3)
    make = lambda: make_logistic(l2=0.05, epochs=3)
    whole = state_of_model(make().fit(X, y))
    model, paths = make().fit(X, y), [tmp_path / f"{k}.safetensors" for k in range(COUNT)]
    with beside(lambda: model.fit(X, y)):
        for path in paths:
            model.save(path)
    for path in paths:
        assert state_of_model(make().fit(X, y, resume=path)) == whole


@pytest.mark.parametrize("train", ["fit", "partial_fit"])
def test_a_model_is_trained_by_one_call_at_a_time(train):
    """Whether the second one is in another thread or in a callback, the first one goes on."""
    X, y = naive_models.samples(96, SIZES, 3)
    model, refused = make_dlrm(), []

    def second():
        with pytest.raises(RuntimeError, match="this model is trained by two calls at once"):
            getattr(model, train)(X, y)
        refused.append(True)

    def callback(model, done):
        second()
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(60)

    model.fit(X, y, callback=callback)
    assert len(refused) == 6
    assert state_of_model(model) == state_of_model(make_dlrm().fit(X, y))
    assert model.partial_fit(X, y).table_.step == 6


@pytest.mark.parametrize("way", WAYS)
def test_a_callback_may_save_and_copy(way, tmp_path):
    X, y = naive_models.samples(96, SIZES, 3)
    steps = []
    model = make_dlrm().fit(
        X, y, callback=lambda model, done: steps.append(WAYS[way](model, tmp_path).table_.step)
    )
    assert steps == [1, 2, 3]
    assert state_of_model(model) == state_of_model(make_dlrm().fit(X, y))
