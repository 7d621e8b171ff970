"""Rules that users write: in the same kernels, on both devices, in files and diagnostics."""

import numpy as np
import pytest

import lowprec as lp
from lowprec.optimizers import describe, from_description
from lowprec.roundoff import survey
from tests import naive
from tests.own_rule import Momentum, Signs
from tests.tables.small import bits, make_table

SIZES = (5, 3, 4)


def batches(rng, dim, count=3):
    for _ in range(count):
        indices = rng.integers(0, SIZES, (20, 3))
        yield indices, rng.normal(size=(20, 3, dim)).astype(np.float32)


@pytest.mark.parametrize(
    ("dtype", "dim"), [*(("float16", dim) for dim in (1, 3, 16, 17, 35)), ("float8_e4m3fn", 17)]
)
def test_momentum_is_the_oracle(dtype, dim):
    table = make_table(SIZES, dim, dtype=dtype, optimizer=Momentum(0.3, 0.5), seed=9)
    velocity = np.zeros(table.weight.shape, np.float32)
    for indices, grad in batches(np.random.default_rng(dim), dim):
        expected = table.weight.copy()
        for row, gradient in naive.row_gradients(table, indices, grad).items():
            for c, value in enumerate(gradient):
                velocity[row, c] = naive.fma(np.float32(0.5), velocity[row, c], value)
            naive.descend(table, expected, row, np.float32(0.3), velocity[row])
        table.update(indices, grad)
        assert bits(table.weight) == bits(expected)
        assert bits(table.optimizer_state["velocity"]) == bits(velocity)


@pytest.mark.parametrize("dim", [1, 19])
def test_comparisons_in_a_rule(dim):
    table = make_table(SIZES, dim, dtype="float32", optimizer=Signs(0.25, 0.5))
    for indices, grad in batches(np.random.default_rng(dim), dim):
        expected = table.weight.copy()
        for row, gradient in naive.row_gradients(table, indices, grad).items():
            for c, value in enumerate(gradient):
                if abs(value) >= 0.5 and value != -expected[row, c]:
                    expected[row, c] += np.float32(0.25 if value < 0 else -0.25)
        table.update(indices, grad)
        assert bits(table.weight) == bits(expected)


def test_diagnose_reports_the_steps_of_the_rule(monkeypatch):
    # compiled for each format; tests/roundoff has all of them with SGD
    monkeypatch.setattr(survey, "LIMITS", {"float16": survey.LIMITS["float16"]})
    rate = 1.5 * 2.0**-12
    table = lp.EmbeddingTable(4, 2, optimizer=Signs(rate, 0.5), rounding="nearest")
    table.weight[:] = 1.0
    grad = np.array([[2.0, -2.0], [0.0, 8.0]], np.float32)
    report = table.diagnose(np.array([3, 1]), grad)
    # numbers are 2**-11 apart below 1, and 2**-10 above
    assert (report.weights, report.steps, report.lost) == (4, 3, 1)
    assert report.sum_of_sizes == 3 * rate
    before = table.weight.copy()
    table.update(np.array([3, 1]), grad)
    assert np.count_nonzero(table.weight != before) == 2


def test_a_state_is_part_of_files_copies_and_bytes(tmp_path):
    table = make_table(SIZES, 5, optimizer=Momentum(0.3))
    rng = np.random.default_rng(1)
    for indices, grad in batches(rng, 5):
        table.update(indices, grad)
    table.save(tmp_path / "t.safetensors")
    again, twin = lp.EmbeddingTable.load(tmp_path / "t.safetensors"), table.to("cpu")
    assert again.optimizer == Momentum(0.3)
    assert table.nbytes == table.weight.nbytes + table.optimizer_state["velocity"].nbytes
    for indices, grad in batches(rng, 5):
        for each in (table, again, twin):
            each.update(indices, grad)
    assert bits(table.weight) == bits(again.weight) == bits(twin.weight)
    assert table.optimizer_state["velocity"].ctypes.data % 64 == 0


def test_dense_layers_are_stepped_by_their_own_optimizer():
    X, y, _ = lp.datasets.make_clicks(200, num_embeddings=[6, 4], num_dense=3, seed=0)
    common = {"batch_size": 50, "epochs": 2, "optimizer": lp.SGD(0.1)}
    models = [
        lp.DLRM([6, 4], 4, (5,), (5,), dense_optimizer=optimizer, **common).fit(X, y)
        for optimizer in (lp.SGD(0.1), Signs(0.001), Momentum(0.1, 0.0), Momentum(0.1, 0.9))
    ]
    plain, signs, no_momentum, momentum = (model.top_[0][0] for model in models)
    assert bits(plain) == bits(no_momentum)
    assert not np.array_equal(plain, momentum)
    assert not np.array_equal(plain, signs)


@pytest.mark.parametrize("kind", ["logistic", "dlrm"])
def test_a_model_resumes_with_its_dense_states(kind, tmp_path):
    X, y, _ = lp.datasets.make_clicks(200, num_embeddings=[6, 4], num_dense=3, seed=0)

    def make(epochs):
        common = {"batch_size": 30, "epochs": epochs, "optimizer": Momentum(0.1, 0.9)}
        if kind == "logistic":
            return lp.LogisticRegression([6, 4], **common)
        return lp.DLRM([6, 4], 4, (5,), (5,), **common)

    saved = lp.Checkpoints(tmp_path, every_batches=3)
    make(1).fit(X, y, save=saved)
    resumed, whole = make(3).fit(X, y, resume=tmp_path), make(3).fit(X, y)
    assert bits(resumed.decision_function(X)) == bits(whole.decision_function(X))
    resumed.save(tmp_path / "m.safetensors")
    loaded = lp.load(tmp_path / "m.safetensors")
    for each in (loaded, whole):
        each.partial_fit(X, y)
    assert bits(loaded.decision_function(X)) == bits(whole.decision_function(X))


def test_another_optimizer_must_keep_the_same_states():
    X, y, _ = lp.datasets.make_clicks(60, num_embeddings=[6, 4], num_dense=3, seed=0)
    model = lp.LogisticRegression([6, 4], batch_size=30, optimizer=Momentum(0.1)).fit(X, y)
    before = model.decision_function(X)
    for which in ("optimizer", "dense_optimizer"):
        params = {"optimizer": model.optimizer, "dense_optimizer": model.dense_optimizer}
        with pytest.raises(ValueError, match=r"SGD\(.*has the states \[\], but Momentum"):
            model.set_params(**{which: lp.SGD(0.1)}).partial_fit(X, y)
        model.set_params(**params)
    assert bits(model.decision_function(X)) == bits(before)
    model.set_params(optimizer=Momentum(0.2, 0.1)).partial_fit(X, y)
    with pytest.raises(ValueError, match="has the states"):
        model.table_.optimizer = Signs(0.1)
    with pytest.raises(TypeError, match=r"optimizer must be an optimizer, such as lowprec\.SGD"):
        model.table_.optimizer = "SGD"


def test_l2_with_a_rule_that_is_not_linear():
    X, y, _ = lp.datasets.make_clicks(60, num_embeddings=[6, 4], num_dense=3, seed=0)
    model = lp.LogisticRegression([6, 4], optimizer=Momentum(0.1), l2=1e-3)
    with pytest.raises(ValueError, match="l2 needs an optimizer whose step is"):
        model.fit(X, y)


def test_an_unknown_optimizer_in_a_file():
    with pytest.raises(ValueError, match="unknown optimizer, 'Vanished'; if it is your own"):
        from_description({"optimizer": "Vanished", "learning_rate": 0.1})
    assert from_description(describe(Momentum(0.1, 0.25))) == Momentum(0.1, 0.25)
