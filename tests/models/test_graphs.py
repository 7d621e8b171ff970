"""Steps that are captured on a GPU; in its simulator, they are done again as they were.

What is done again has the Python objects of the capture, its step among them: a number that were
not read from memory would be that of the first step.
"""

import copy
from types import SimpleNamespace

import numpy as np
import pytest

import lowprec as lp
import lowprec.cuda
from lowprec.device import get_device
from lowprec.graphs import Graphs
from lowprec.models import graphs as steps
from lowprec.tables import verbs
from tests.devices import host, with_gpu

SIZES = [20, 50]
FALLING = lp.schedules.InverseTime(0.4, decay=0.5)
MLP = {"bottom_mlp": (8,), "top_mlp": (8,), "embedding_dim": 4}
OPTIMIZERS = [  # of rows, of numbers, and with all that comes before; tests/kernels has every rule
    lp.SGD(FALLING, momentum=0.75),
    lp.Adam(FALLING, state_dtype="bfloat16"),
    lp.RowWiseAdagrad(FALLING, weight_decay=0.5),
    lp.LAMB(FALLING, clip_value=0.5, clip_norm=1.5, weight_decay=0.5),
]


def clicks(samples=330):
    X, y, _ = lp.datasets.make_clicks(samples, num_embeddings=SIZES, num_dense=3, seed=0)
    return X, y


def make(kind=lp.LogisticRegression, cuda_graph=True, **given):
    more = MLP if kind is lp.DLRM else {}
    given = {"batch_size": 50, "device": "cuda", "optimizer": lp.SGD(FALLING)} | given
    return kind(SIZES, cuda_graph=cuda_graph, **more, **given)


def numbers_of(model):
    """All that training changed, as bytes."""
    states = [array for each in model._dense_states for array in each.values()]
    table = [model.table_._weight, *model.table_._state.values()]
    return [host(array).tobytes() for array in (*table, *model._dense_parameters(), *states)]


def check_same(kind, train, **given):
    plain, captured = (make(kind, cuda_graph, **given) for cuda_graph in (False, True))
    for model in (plain, captured):
        train(model)
    assert captured.table_.step == plain.table_.step
    if kind is lp.LogisticRegression or lowprec.cuda.SIMULATED:  # else cuBLAS may sum otherwise
        assert numbers_of(captured) == numbers_of(plain)
        assert captured.history_ == plain.history_
    else:
        np.testing.assert_allclose(
            captured.history_["train_loss"], plain.history_["train_loss"], rtol=1e-4
        )
    return captured


@pytest.fixture
def captures(monkeypatch):
    """How many graphs are made."""
    found = []
    capture = Graphs._capture
    monkeypatch.setattr(
        Graphs, "_capture", lambda self, work: found.append(work) or capture(self, work)
    )
    return found


@with_gpu
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_optimizers_under_a_schedule(optimizer, captures):
    """Its numbers differ at each step, for tables and dense parameters."""
    X, y = clicks()
    check_same(lp.LogisticRegression, lambda model: model.fit(X, y), optimizer=optimizer, epochs=2)
    # batches of 50 and of 30, each from both buffers of the host if it comes to a second time
    assert 2 <= len(captures) <= 4


@with_gpu
@pytest.mark.parametrize(("dtype", "interaction"), [("bfloat16", "dot"), ("float8_e4m3fn", "cat")])
def test_dlrm(dtype, interaction, captures):
    X, y = clicks()
    train = lambda model: model.fit(X, y)
    optimizers = {"optimizer": lp.Adam(FALLING), "dense_optimizer": lp.LAMB(FALLING)}
    check_same(lp.DLRM, train, dtype=dtype, interaction=interaction, epochs=2, **optimizers)
    assert captures


@with_gpu
def test_weights_of_ids_and_samples():
    X, y = clicks()
    rng = np.random.default_rng(0)
    weights, of_ids = rng.random(len(y)), rng.random(X[1].shape)
    samples = lp.Samples(*X, weights=of_ids)
    check_same(
        lp.LogisticRegression, lambda model: model.fit(samples, y, sample_weight=weights), epochs=2
    )


@with_gpu
def test_calls_of_partial_fit_share_graphs(captures):
    """Each brings a batch, also after the rate was changed and the model was used otherwise."""
    X, y = clicks(400)

    def train(model):
        for first in range(0, 400, 50):
            if first == 200:
                model.set_params(optimizer=lp.SGD(0.1))
            rows = slice(first, first + 50)
            model.partial_fit((X[0][rows], X[1][rows]), y[rows])
            model.predict_proba(X)

    check_same(lp.LogisticRegression, train)
    # two buffers; both again for an optimizer that may be another one
    assert len(captures) <= 4


@with_gpu
def test_arrays_that_moved_are_found(captures):
    """A table that was updated with a larger batch has other scratch arrays."""
    X, y = clicks(400)
    ids = np.zeros((3000, 2), np.int64)

    def train(model):
        model.fit(X, y)
        before = len(captures)
        model.table_.update(ids, np.ones((3000, 2, 1), np.float32))
        model.partial_fit(X, y)
        if model.cuda_graph:
            assert len(captures) > before

    check_same(lp.LogisticRegression, train)


@with_gpu
def test_a_copy_captures_for_itself():
    X, y = clicks()
    model = make().fit(X, y)
    twin = copy.deepcopy(model)
    before = numbers_of(model)
    twin.partial_fit(X, y)
    assert numbers_of(model) == before
    model.partial_fit(X, y)
    assert numbers_of(model) == numbers_of(twin)


@with_gpu
def test_diagnosed_steps_are_reported():
    X, y = clicks()
    train = lambda model: model.fit(X, y, diagnose=lp.Diagnostics(every_batches=3))
    model = check_same(lp.LogisticRegression, train, epochs=2)
    assert [step for step, _ in model.roundoff_history_] == [0, 3, 6, 9, 12]


@with_gpu
def test_a_checkpoint_goes_on(tmp_path):
    """Captured or not: files do not say it."""
    X, y = clicks()
    whole = make(epochs=2).fit(X, y)
    make().fit(X, y, save=lp.Checkpoints(tmp_path))
    for cuda_graph in (False, True):
        again = make(cuda_graph=cuda_graph, epochs=2).fit(X, y, resume=tmp_path)
        assert numbers_of(again) == numbers_of(whole)


@with_gpu
@pytest.mark.skipif(not lowprec.cuda.SIMULATED, reason="the simulator does the work again")
def test_work_is_repeated_with_the_step_of_its_capture(monkeypatch):
    """So that the tests above would see a number that is given by value."""
    seen, update = [], verbs.update
    X, y = clicks(400)
    monkeypatch.setattr(
        verbs, "update", lambda table, *rest: seen.append(table.step) or update(table, *rest)
    )
    model = make(shuffle=False).fit(X, y)
    # one after the other from two buffers: done, done, captured twice, and from then on repeated
    assert seen == [0, 1, 2, 3, 2, 3, 2, 3]
    assert model.table_.step == 8


def test_batches_of_the_gpu_come_to_the_same_place():
    """They lie somewhere else each time."""
    graphs, batch = Graphs(get_device("cpu")), SimpleNamespace(device=SimpleNamespace())
    batch.device.asynchronous, places = True, []
    for number in range(3):
        arrays = [np.full((4, 3), number, np.float32), None, np.full(4, number, np.int64)]
        staged = steps.Staged(arrays, np.full(2, number, np.uint64), 2, 4, slice(None), 4, None)
        found = steps._at_its_place(graphs, batch, staged)
        assert found.arrays[1] is None
        held = [found.arrays[0], found.arrays[2], found.cells]
        for sent, there in zip((arrays[0], arrays[2], staged.cells), held, strict=True):
            np.testing.assert_array_equal(there, sent)
            assert there.dtype == sent.dtype
        places.append([there.ctypes.data for there in held])
    assert places[0] == places[1] == places[2]
    batch.device.asynchronous = False
    assert steps._at_its_place(graphs, batch, staged) is staged


# --- what cannot be captured ---


@with_gpu
def test_jagged_samples():
    X, y = clicks(40)
    jagged = (X[0], X[1].reshape(-1), np.arange(81))
    model = make()
    with pytest.raises(ValueError, match="cuda_graph=True needs one id a feature"):
        model.fit(jagged, y)
    with pytest.raises(ValueError, match="cuda_graph=True needs one id a feature"):
        model.fit_stream([(jagged, y)])
    assert not hasattr(model, "table_")
    model.fit(X, y)
    before = numbers_of(model)
    with pytest.raises(ValueError, match="cuda_graph=True needs one id a feature"):
        model.partial_fit(jagged, y)
    assert numbers_of(model) == before
    assert model.predict(jagged).shape == (40,)


@with_gpu
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"l2": 0.1, "optimizer": None}, "cuda_graph=True cannot be with l2, got l2=0.1"),
        (
            {"optimizer": lp.SGD(0.1, weight_decay=0.1, decay="catch_up")},
            "cuda_graph=True cannot be with decay='catch_up'",
        ),
        ({"cuda_graph": "yes"}, "cuda_graph must be True or False"),
    ],
)
def test_bad_parameters(given, message):
    X, y = clicks(40)
    with pytest.raises((TypeError, ValueError), match=message):
        make(**given).fit(X, y)


def test_the_cpu_has_none():
    X, y = clicks(40)
    with pytest.raises(ValueError, match="cuda_graph=True needs device='cuda', got 'cpu'"):
        make(device="cpu").fit(X, y)
    assert make(cuda_graph=False, device="cpu").fit(X, y).table_.step == 1
