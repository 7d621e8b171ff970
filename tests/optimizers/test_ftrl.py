"""FTRL: zeros, and states that follow the weights."""

import numpy as np
import pytest

import lowprec as lp
from tests.devices import DEVICE, host
from tests.tables.small import bits

FORMATS = ["float32", "float16", "bfloat16", "float8_e4m3fn"]


def table_of(dtype="float16", rows=6, **more):
    optimizer = more.pop("optimizer", lp.FTRL(0.5, l1=0.25, l2=0.5))
    return lp.EmbeddingTable(rows, 3, dtype, optimizer=optimizer, device=DEVICE, **more)


def numbers(rows=6):
    return np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)


@pytest.mark.parametrize("dtype", FORMATS)
def test_zeros_are_exact_and_counted(dtype):
    table = table_of(dtype)
    assert table.zeros == 18
    grad = np.array([[0.2, 3.0, -0.25], [-0.1, 0.26, 9.0]], np.float32)
    table.update([1, 4], grad)
    held = host(table.read(np.arange(6)))
    assert (held != 0).sum() == 3
    assert table.zeros == 15
    table.write([0], [[-0.0, 1.0, 0.0]])
    assert table.zeros == 14


def test_l1_makes_zeros_of_a_model():
    X, y, _ = lp.datasets.make_clicks(2000, num_embeddings=[300, 200], num_dense=3, seed=0)
    few, many = (
        lp.LogisticRegression(
            [300, 200],
            batch_size=50,
            epochs=3,
            device=DEVICE,
            optimizer=lp.FTRL(1.0, l1=l1),
            dense_optimizer=lp.SGD(0.5),
        ).fit(X, y)
        for l1 in (0.02, 0.0)
    )
    assert few.table_.zeros > 2 * many.table_.zeros
    start = lp.metrics.log_loss(y, np.full(len(y), y.mean()))
    assert lp.metrics.log_loss(y, few.predict_proba(X)[:, 1]) < start


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("how", ["init", "init_range", "write", "write later"])
def test_weights_that_are_given_stay_what_they_are(dtype, how):
    """A step by nothing leaves them: the z of a weight gives this weight back."""
    table = table_of(
        dtype, rounding="nearest", init=numbers() if how == "init" else None,
        init_range=1.0 if how == "init_range" else None,
    )  # fmt: skip
    rows = np.arange(6)
    if how == "write later":
        table.update(rows, 7 * numbers())
    if how.startswith("write"):
        table.write(rows, numbers())
    before = bits(host(table.read(rows)))
    table.update(rows, np.zeros((6, 3), np.float32))
    close = {"rtol": 1e-6} if dtype == "float32" else {"rtol": 0}
    np.testing.assert_allclose(host(table.read(rows)), np.frombuffer(before, np.float32)
                               .reshape(6, 3), **close)  # fmt: skip


def test_writing_weight_leaves_the_states():
    table = table_of()
    table.weight[:] = 1.0
    assert (host(table.optimizer_state["z"]) == 0).all()


def test_dense_layers_keep_their_first_weights():
    X, y, _ = lp.datasets.make_clicks(200, num_embeddings=[30, 20], num_dense=3, seed=0)
    common = {"batch_size": 50, "seed": 3, "device": DEVICE}
    ftrl, sgd = (
        lp.DLRM([30, 20], 4, (5,), (5,), optimizer=lp.SGD(0.0), dense_optimizer=dense, **common)
        for dense in (lp.FTRL(1e-6), lp.SGD(0.0))
    )
    np.testing.assert_allclose(
        host(ftrl.fit(X, y).decision_function(X)), host(sgd.fit(X, y).decision_function(X)),
        atol=1e-4,
    )  # fmt: skip


def test_z_in_bfloat16_is_that_of_the_weight_to_its_precision():
    table = table_of("float32", optimizer=lp.FTRL(0.5, state_dtype="bfloat16"), init=numbers())
    rows = np.arange(6)
    table.update(rows, np.zeros((6, 3), np.float32))
    np.testing.assert_allclose(host(table.read(rows)), numbers(), rtol=2.0**-7)


def test_models_and_l2():
    X, y, _ = lp.datasets.make_clicks(60, num_embeddings=[6, 4], num_dense=3, seed=0)
    model = lp.LogisticRegression([6, 4], l2=1e-3, optimizer=lp.FTRL(), device=DEVICE)
    with pytest.raises(ValueError, match="use its own l2 instead"):
        model.fit(X, y)
    model = lp.LogisticRegression([6, 4], l2=1e-3, optimizer=lp.Adam(), device=DEVICE)
    with pytest.raises(ValueError, match="use its weight_decay, which"):
        model.fit(X, y)
