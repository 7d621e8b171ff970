"""`fit(comm=)`, its ranks threads of this process: the bits of one process."""

import contextlib
import copy
import threading

import numpy as np
import pytest

import lowprec as lp
from lowprec.models.data import Labelled
from lowprec.models.divergence import DivergenceError
from lowprec.models.ranks import Ranks
from lowprec.mpi.exchange import Exchange
from tests.mpi import models
from tests.mpi.communicators import ThreadCommunicator, on_ranks, results
from tests.tables.small import bits

RANKS = [1, 2, 3]


@pytest.fixture(scope="module")
def expected():
    return {name: models.in_one_process(name) for name in models.CASES}


@pytest.mark.parametrize("size", RANKS)
@pytest.mark.parametrize("name", models.CASES)
def test_bits_are_those_of_one_process(name, size, expected):
    """Tables, dense layers, losses and predictions; the third rank has no samples of a batch."""
    found = results(size, lambda comm: models.on_ranks(comm, name))
    assert found == [expected[name], *[None] * (size - 1)]


def ranks_of(size):
    """The ranks of a job that never talk."""
    return [Ranks(Exchange(ThreadCommunicator(type("H", (), {"slots": [None] * size}), rank)))
            for rank in range(size)]  # fmt: skip


@pytest.mark.parametrize(("samples", "part"), [(1, 128), (600, 300), (1300, 512), (7, 1), (2, 1)])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_ranks_take_whole_parts(samples, part, size):
    ranks, parts = ranks_of(size), -(-samples // part)
    rows = [np.arange(samples)[each.own_rows(samples, part)] for each in ranks]
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(samples))
    assert [len(own) for own in rows] == ranks[0].counts(samples, part).tolist()
    assert all(own[0] % part == 0 for own in rows if len(own))
    of_ranks = [-(-len(own) // part) for own in rows]
    assert sum(of_ranks) == parts
    assert max(of_ranks) - min(of_ranks) <= 1


@pytest.mark.parametrize("save_on", [1, 2])
def test_another_number_of_ranks_goes_on(tmp_path, save_on, expected):
    """In the middle of an epoch and at its end; then one process without MPI."""
    train, validation = models.split("bags")

    def stop(model, samples):
        if samples == 2 * models.BATCH + models.SAMPLES * (save_on - 1):
            raise OSError("stopped")

    def begin(comm):
        save = lp.Checkpoints(tmp_path, every_batches=1, keep=2)
        models.model_of("bags").fit(
            *train, validation=validation, save=save, callback=stop, comm=comm
        )

    assert all(isinstance(error, OSError) for error in on_ranks(save_on, begin))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert len(files) == 4 - 2 * (save_on == 1)  # of each file, the model's and its shards'
    for size in (3, 2):
        found = results(size, lambda comm: models.on_ranks(comm, "bags", resume=tmp_path))
        assert found[0] == expected["bags"]
    assert models.in_one_process("bags", resume=tmp_path) == expected["bags"]
    step = lp.load(tmp_path / files[-2]).table_.step
    assert f"{step:012d}" in files[-2]


def test_files_of_one_process_are_its_own(tmp_path):
    train, _ = models.split("dlrm")
    models.model_of("dlrm").fit(*train, save=lp.Checkpoints(tmp_path))
    for error in on_ranks(2, lambda comm: models.model_of("dlrm").fit(
        *train, resume=tmp_path, comm=comm
    )):  # fmt: skip
        assert isinstance(error, ValueError)
        assert "written without comm" in str(error)


def test_save_and_load(tmp_path):
    """All ranks save; one process loads, or all do, and share predictions."""
    train, (X, _) = models.split("dlrm")
    path = tmp_path / "m.safetensors"

    def run(comm):
        model = models.model_of("dlrm").fit(*train, comm=comm)
        model.save(path)
        model.partial_fit(*train, comm=comm)
        model.save(path)
        loaded = lp.load(path)
        return (
            model.predict_proba(X, comm=comm),
            loaded.predict_proba(X),
            loaded.predict_proba(X, comm=comm),
            loaded.predict(X, comm=comm),
        )

    one = models.model_of("dlrm").fit(*train).partial_fit(*train)
    p = one.predict_proba(X)
    for spread, whole, shared, classes in results(3, run):
        assert bits(spread) == bits(whole) == bits(shared) == bits(p)
        np.testing.assert_array_equal(classes, one.predict(X))
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "m.safetensors", f"m.safetensors.shards-{one.table_.step:012d}"
    ]  # fmt: skip


def test_a_stream_in_parts():
    """`partial_fit` and `fit_stream`, whose blocks end elsewhere than batches."""
    (X, y, _), (other, _) = models.split("dlrm")
    cuts = [slice(0, 700), slice(700, 1100), slice(1100, 1500)]
    blocks = [(models.rows_of(X, rows), y[rows]) for rows in cuts]
    one = models.model_of("dlrm").fit_stream(blocks, 2)
    p = one.predict_proba(other)
    again = one.partial_fit(*blocks[0]).predict_proba(other)

    def run(comm):
        model = models.model_of("dlrm").fit_stream(blocks, 2, comm=comm)
        before = model.predict_proba(other, comm=comm)
        model.partial_fit(*blocks[0], comm=comm)
        return before, model.predict_proba(other, comm=comm), model.history_

    for before, after, losses in results(2, run):
        assert bits(before) == bits(p)
        assert bits(after) == bits(again)
        assert losses == one.history_


def test_patience():
    (X, y, _), validation = models.split("dlrm")

    def given():
        return models.model_of("dlrm", epochs=30).set_params(
            optimizer=lp.SGD(3.0), dense_optimizer=lp.SGD(0.3)
        )

    one = given().fit(X, y, validation=validation, patience=2)
    assert one.best_epoch_ < len(one.history_["train_loss"]) - 1

    def run(comm):
        model = given().fit(X, y, validation=validation, patience=2, comm=comm)
        return model.best_epoch_, model.history_, model.table_.gather(), model.table_.step

    found = results(2, run)
    assert bits(found[0][2]) == bits(one.table_.weight)
    for best, history, _, step in found:
        assert (best, history, step) == (one.best_epoch_, one.history_, one.table_.step)


DIVERGING = {  # what diverges: a dense layer, on all ranks; rows, which their owner alone sees
    "dlrm": ({"optimizer": lp.SGD(1e30), "dense_optimizer": lp.SGD(1e30)}, 1.0),
    "logistic": ({"optimizer": lp.SGD(1e38), "dense_optimizer": lp.SGD(0.1)}, 1000.0),
}


@pytest.mark.parametrize("name", DIVERGING)
def test_divergence_on_all_ranks(name):
    """The model is as it was before that step, on all."""
    (X, y, _), _ = models.split(name)
    optimizers, weight = DIVERGING[name]

    def diverged(comm=None):
        model = models.model_of(name, standardize=False, **optimizers)
        with pytest.raises(DivergenceError) as caught:
            model.fit(X, y, np.full(len(y), weight), comm=comm)
        table = model.table_.weight if comm is None else model.table_.gather()
        return caught.value.step, model.table_.step, table, model._dense_parameters()

    one = diverged()
    for rank, found in enumerate(results(2, diverged)):
        assert found[:2] == one[:2]
        assert rank or bits(found[2]) == bits(one[2])
        assert list(map(bits, found[3])) == list(map(bits, one[3]))


def test_ctrl_c_of_one_rank(monkeypatch):
    """All end after the same batch."""
    (X, y, _), _ = models.split("dlrm")

    def run(comm):
        asked = []

        def is_interrupted():
            asked.append(0)
            return comm.rank == 1 and len(asked) == 2

        local.is_interrupted = is_interrupted
        with pytest.raises(KeyboardInterrupt) as caught:
            models.model_of("dlrm").fit(X, y, comm=comm)
        return caught.value.model.table_.step

    local = threading.local()  # ranks are threads

    @contextlib.contextmanager
    def interrupted():
        yield local.is_interrupted

    monkeypatch.setattr("lowprec.models.fitting.interrupted_between_batches", interrupted)
    assert results(3, run) == [2, 2, 2]


BAD = {  # what the last rank is given: (arguments of `fit`, the error, its message)
    "id": (lambda X, y: ((X[0], X[1] + 10_000), y), IndexError, "rank 2: .*out of range"),
    "labels": (lambda X, y: (X, y[:-1]), ValueError, "rank 2: y must have shape"),
    "others": (lambda X, y: (X, 1 - y), ValueError, "rank 2 was given others than rank 0"),
    "nan": (lambda X, y: ((X[0] * np.nan, X[1]), y), ValueError, "rank 2: .*not finite"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_of_one_rank(name):
    change, kind, message = BAD[name]
    (X, y, _), _ = models.split("dlrm")

    def run(comm):
        model = models.model_of("dlrm")
        given = change(X, y) if comm.rank == 2 else (X, y)
        with pytest.raises(kind, match=message):
            model.fit(*given, comm=comm)
        assert not hasattr(model, "table_")
        model.fit(X, y, comm=comm)
        before = bits(model.table_.table.weight)
        with pytest.raises(kind, match=message):
            model.partial_fit(*given, comm=comm)
        if name in ("id", "nan"):
            with pytest.raises(kind, match=message):
                model.predict_proba(given[0], comm=comm)
        assert bits(model.table_.table.weight) == before

    results(3, run)


def test_bad_patience_of_one_rank_in_a_stream():
    (X, y, _), validation = models.split("dlrm")

    def run(comm):
        model, patience = models.model_of("dlrm"), -1 if comm.rank else 1
        with pytest.raises(ValueError, match="patience must be"):
            model.fit_stream([(X, y)], validation=validation, patience=patience, comm=comm)
        assert not hasattr(model, "table_")

    results(2, run)


OTHERS = {  # samples of which the fourth has another number
    "id": lambda dense, ids: (dense, changed(ids, ids[3] ^ 1)),
    "dense": lambda dense, ids: (changed(dense, dense[3] + 1), ids),
}


def changed(array, row):
    found = array.copy()
    found[3] = row
    return found


@pytest.mark.parametrize("name", OTHERS)
def test_other_samples_of_one_rank_in_a_stream(name):
    """Also with the same labels."""
    (X, y, _), _ = models.split("dlrm")

    def run(comm):
        model = models.model_of("dlrm").partial_fit(X, y, comm=comm)
        step = model.table_.step
        given = OTHERS[name](*X) if comm.rank else X
        batches = Labelled(lp.Samples(*given), y.astype(np.float32), None, model.classes_)
        with pytest.raises(ValueError, match="rank 1 was given others than rank 0"):
            list(model._ranks.batches(batches.batches(models.BATCH)))
        assert model.table_.step == step

    results(2, run)


def test_what_one_process_does_alone(tmp_path):
    (X, y, _), validation = models.split("logistic")
    sgd = {"optimizer": lp.SGD(0.1)}

    def run(comm):
        def refused(message, model=None, **kwargs):
            with pytest.raises(ValueError, match=message):
                (model or models.model_of("logistic")).fit(X, y, comm=comm, **kwargs)

        refused("l2 is for one process", models.model_of("logistic", l2=0.1, **sgd))
        refused("path is for one process", models.model_of("logistic", path="ids.table"))
        refused("diagnose is for one process", diagnose=lp.Diagnostics())
        refused("device='cpu'", models.model_of("logistic", device="cuda"))
        save = lp.Checkpoints(tmp_path)
        refused("save with patience", save=save, patience=1, validation=validation)
        whole = models.model_of("logistic").fit(X, y)
        with pytest.raises(ValueError, match="trained by one process"):
            whole.partial_fit(X, y, comm=comm)
        model = models.model_of("logistic").fit(X, y, comm=comm)
        refused("warm_start", model.set_params(warm_start=True))
        for call in (model.partial_fit, model.score):
            with pytest.raises(ValueError, match="spread over 2 ranks"):
                call(X, y)
        with pytest.raises(ValueError, match="spread over 2 ranks"):
            model.predict_proba(X)

        with pytest.raises(TypeError, match="spread over ranks cannot be copied or pickled"):
            copy.deepcopy(model)

    results(2, run)
    with pytest.raises(TypeError, match="communicator of mpi4py"):
        models.model_of("logistic").fit(X, y, comm=3)
