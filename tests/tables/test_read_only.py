"""Memory that may not be written, as of files mapped for reading and of bytes: never written."""

import copy
import pickle

import numpy as np
import pytest

import lowprec as lp
from tests.tables.small import bits

INDICES, GRAD = np.array([[0, 0], [1, 2]]), np.ones((2, 2, 3), np.float32)


def from_bytes(value):
    """A pickled copy whose arrays are in bytes, which nothing may write."""
    buffers = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[bytes(buffer.raw()) for buffer in buffers])


def mapped(value, folder):
    """A copy whose weights are in a file that is mapped for reading, as joblib has it."""
    twin = copy.copy(value)
    np.save(folder / "weight.npy", value.weight.view(np.uint16))
    twin._weight = np.load(folder / "weight.npy", mmap_mode="r").view(value.dtype)
    return twin


@pytest.mark.parametrize("optimizer", [lp.SGD(0.5), lp.Adam(0.5, state_dtype="bfloat16")], ids=repr)
@pytest.mark.parametrize("way", ["bytes", "mapped"])
def test_a_table(way, optimizer, tmp_path):
    original = lp.EmbeddingTable([4, 3], 3, optimizer=optimizer, seed=1)
    table = from_bytes(original) if way == "bytes" else mapped(original, tmp_path)
    before = bits(table.weight)
    assert bits(table.lookup(INDICES)) == bits(original.lookup(INDICES))
    for change in (
        lambda: table.update(INDICES, GRAD),
        lambda: table.write([1], np.zeros((1, 3))),
        lambda: table.reset([1], [5]),
    ):
        with pytest.raises(ValueError, match=r"this table's weights is read-only.*nothing was wri"):
            change()
    assert (bits(table.weight), table.step) == (before, 0)
    for twin in (table.to("cpu"), copy.deepcopy(table)):
        twin.update(INDICES, GRAD)
        assert twin.step == 1
    assert bits(table.weight) == before


def test_a_frozen_table_may_be_read_only():
    table = from_bytes(lp.EmbeddingTable([4, 3], 3, seed=1))
    table.trainable = False
    before = bits(table.weight)
    table.update(INDICES, GRAD)
    assert (bits(table.weight), table.step) == (before, 1)
    with pytest.raises(ValueError, match="is read-only"):
        table.write([1], np.zeros((1, 3)))


def test_a_state():
    table = lp.EmbeddingTable([4, 3], 3, optimizer=lp.Adagrad(0.5))
    table._state["sum"].flags.writeable = False
    before = bits(table.weight)
    with pytest.raises(ValueError, match="this table's sum is read-only"):
        table.update(INDICES, GRAD)
    assert (bits(table.weight), table.step) == (before, 0)


@pytest.mark.parametrize("kind", ["logistic", "dlrm"])
def test_a_model(kind):
    X, y, _ = lp.datasets.make_clicks(60, num_embeddings=[6, 4], num_dense=3, seed=0)
    common = {"batch_size": 30, "optimizer": lp.Adam(0.01)}
    model = (
        lp.LogisticRegression([6, 4], **common)
        if kind == "logistic"
        else lp.DLRM([6, 4], 4, (5,), (5,), dense_optimizer=lp.Adam(0.01), **common)
    ).fit(X, y)
    frozen = from_bytes(model)
    expected = bits(model.decision_function(X))
    assert bits(frozen.decision_function(X)) == expected
    with pytest.raises(ValueError, match="is read-only"):
        frozen.partial_fit(X, y)
    assert bits(frozen.decision_function(X)) == expected
    assert frozen.table_.step == 2
    copy.deepcopy(frozen).partial_fit(X, y)


def test_dense_parameters_of_a_model():
    X, y, _ = lp.datasets.make_clicks(60, num_embeddings=[6, 4], num_dense=3, seed=0)
    model = lp.LogisticRegression([6, 4], batch_size=30).fit(X, y)
    model.coef_.flags.writeable = False
    before = bits(model.table_.weight)
    with pytest.raises(ValueError, match="the memory of this LogisticRegression is read-only"):
        model.partial_fit(X, y)
    assert (bits(model.table_.weight), model.table_.step) == (before, 2)
