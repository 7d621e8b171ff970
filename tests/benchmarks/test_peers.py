"""Every peer does what lowprec's float32 does, so that they can be compared."""

import numpy as np
import pytest

import lowprec as lp
from benchmarks import peers, table_step
from benchmarks.data import FEATURES, NUM_DENSE, draw_clicks, draw_ids
from benchmarks.lowprec_table import Lowprec
from benchmarks.peers import add_at
from benchmarks.results import REFERENCE

ROWS = 50


def contestants(*names):
    """lowprec's float32 table and others of the same weights, with one batch."""
    rng = np.random.default_rng(0)
    reference = Lowprec(ROWS, FEATURES, 8, "float32", "nearest", table_step.LEARNING_RATE)
    found = {REFERENCE: reference}
    for name in names:
        make, problem = peers.find(name)
        if make is None:
            pytest.skip(f"{name} cannot be had: {problem}")
        found[name] = make(reference.weight(), FEATURES, table_step.LEARNING_RATE)
    indices = draw_ids(rng, ROWS, (64, FEATURES), "zipf")
    grad = rng.normal(size=(64, FEATURES, 8)).astype(np.float32)
    for table in found.values():
        table.load([indices], grad)
    return found, indices


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # FBGEMM, when it is imported
@pytest.mark.parametrize("name", peers.TABLES)
def test_tables(name):
    found, indices = contestants(name)
    table_step.check(found, indices)


def test_the_check_sees_a_wrong_update():
    found, indices = contestants("NumPy add.at")
    found["NumPy add.at"]._learning_rate *= np.float32(1.001)
    with pytest.raises(AssertionError, match=r"NumPy add\.at"):
        table_step.check(found, indices)


def test_the_check_sees_a_wrong_lookup():
    found, indices = contestants("NumPy add.at")
    found["NumPy add.at"]._rows[0][3, 1] += 1
    with pytest.raises(AssertionError, match=r"lookup of NumPy add\.at"):
        table_step.check(found, indices)


def test_absence_is_explained(monkeypatch):
    monkeypatch.setitem(peers.TABLES, "nobody", peers.Entry("nowhere", "Table", 4))
    make, problem = peers.find("nobody")
    assert make is None
    assert "No module named 'benchmarks.peers.nowhere'" in problem


def step_of(model):
    """One step of a lowprec model on a batch, which is returned."""
    batch = draw_clicks(0, 64, ROWS)
    dense, indices, y = batch
    model.partial_fit((dense, indices), y)
    return batch


def logistic_regression():
    return lp.LogisticRegression(
        [ROWS] * FEATURES, dtype="float32", optimizer=lp.SGD(0.1), batch_size=64, standardize=False
    )


def test_logistic_regression_in_numpy():
    ours = logistic_regression()
    batch = step_of(ours)
    theirs = add_at.LogisticRegression(ROWS, FEATURES, NUM_DENSE, 0.1)
    theirs.step(*theirs.prepare(*batch))
    np.testing.assert_allclose(theirs.weight, ours.table_.weight[:, 0], atol=1e-7)
    np.testing.assert_allclose(theirs.coef, ours.coef_, atol=1e-7)
    np.testing.assert_allclose(theirs.intercept, ours.intercept_[0], atol=1e-7)


def test_logistic_regression_in_pytorch():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from benchmarks.peers import pytorch_models

    ours = logistic_regression()
    batch = step_of(ours)
    theirs = pytorch_models.LogisticRegression(ROWS, FEATURES, NUM_DENSE, 0.1)
    theirs.step(*theirs.prepare(*batch))
    state = {name: value.numpy() for name, value in theirs.state_dict().items()}
    np.testing.assert_allclose(state["bag.weight"], ours.table_.weight, atol=1e-7)
    np.testing.assert_allclose(state["linear.weight"][0], ours.coef_, atol=1e-7)
    np.testing.assert_allclose(state["linear.bias"], ours.intercept_, atol=1e-7)


@pytest.mark.parametrize("stacked", [True, False])
def test_dlrm_in_pytorch(stacked):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from benchmarks.peers import pytorch_models

    ours = lp.DLRM(
        [ROWS] * FEATURES, 4, (8,), (8,), dtype="float32", batch_size=64, standardize=False,
        optimizer=lp.SGD(1.0), dense_optimizer=lp.SGD(0.1),
    )  # fmt: skip
    step_of(ours)  # from where both go on
    copied = [[(w.copy(), b.copy()) for w, b in layers] for layers in (ours.bottom_, ours.top_)]
    weight = torch.from_numpy(ours.table_.weight.copy())
    theirs = pytorch_models.DLRM(weight, FEATURES, *copied, 1.0, 0.1, stacked=stacked)
    batch = step_of(ours)
    theirs.step(*theirs.prepare(*batch))
    np.testing.assert_allclose(weight.numpy(), ours.table_.weight, atol=1e-6)
    layers = [m for part in (theirs.bottom, theirs.top) for m in part if hasattr(m, "weight")]
    for layer, (ours_weight, ours_bias) in zip(layers, ours.bottom_ + ours.top_, strict=True):
        np.testing.assert_allclose(layer.weight.detach().numpy().T, ours_weight, atol=1e-5)
        np.testing.assert_allclose(layer.bias.detach().numpy(), ours_bias, atol=1e-5)
