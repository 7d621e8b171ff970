"""Every optimizer of the library: tables, dense layers, files, models, diagnostics."""

from dataclasses import replace

import numpy as np
import pytest

import lowprec as lp
from lowprec.device import get_device
from lowprec.optimizers import Optimizer
from lowprec.optimizers.dense import init_dense_states, update_dense
from lowprec.optimizers.rules import rules_of
from lowprec.roundoff import survey
from lowprec.workspace import Allocator
from tests import naive, naive_optimizers
from tests.devices import DEVICE, host
from tests.optimizers.cases import (
    ALL,
    CASES,
    EVERYTHING,
    KINDS,
    LOW,
    NARROW_KINDS,
    SIZES,
    batch,
    check,
    every_case,
    every_optimizer,
    states_of,
)
from tests.tables.small import bits, jagged, make_table


def test_every_optimizer_of_the_library_is_here():
    exported = [getattr(lp, name) for name in lp.__all__]
    kinds = {each for each in exported if isinstance(each, type) and issubclass(each, Optimizer)}
    assert {type(optimizer) for optimizer in ALL} == kinds


@pytest.mark.parametrize(("name", "dtype"), KINDS)
@pytest.mark.parametrize("dim", [3, 17] if DEVICE == "cpu" or EVERYTHING else [17])
def test_update_is_the_oracle(name, dtype, dim):
    optimizer, oracle = CASES[name]
    table = make_table(SIZES, dim, dtype=dtype, optimizer=optimizer, seed=9)
    rng = np.random.default_rng(dim)
    for _ in range(3):
        check(table, oracle, *batch(rng, dim))


@every_case
@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
def test_update_of_one_column_is_the_oracle(name, rounding):
    optimizer, oracle = CASES[name]
    table = make_table(SIZES, 1, optimizer=optimizer, rounding=rounding, seed=9)
    rng = np.random.default_rng(1)
    for _ in range(3):
        check(table, oracle, *batch(rng, 1))


@pytest.mark.parametrize(("name", "dim"), NARROW_KINDS)
def test_update_of_narrow_rows_is_the_oracle(name, dim):
    """Several rows are stepped in one block."""
    optimizer, oracle = CASES[name]
    table = make_table(SIZES, dim, dtype=LOW[name], optimizer=optimizer, seed=9)
    rng = np.random.default_rng(dim)
    for samples in (1, 4, 40):
        check(table, oracle, *batch(rng, dim, samples=samples))


@every_case
def test_rows_with_many_ids(name):
    """Their gradients are summed in pieces."""
    optimizer, oracle = CASES[name]
    table = make_table(SIZES, 3, dtype=LOW[name], optimizer=optimizer)
    check(table, oracle, *batch(np.random.default_rng(2), 3, samples=450))


@every_case
@pytest.mark.parametrize("shape", [(7, 5), (3, 40), (33,), (1,), (0, 4)])
def test_dense_parameters(name, shape):
    optimizer, oracle = CASES[name]
    device, rng = get_device(DEVICE), np.random.default_rng(1)
    expected = rng.normal(size=shape).astype(np.float32)
    parameter = device.asarray(expected.copy())
    states = init_dense_states(device, optimizer, [parameter])
    rows = expected if expected.ndim == 2 else expected[None]
    held = [host(array).copy() for array in states[0].values()]
    for step in range(3):
        gradient = rng.normal(size=shape).astype(np.float32)
        for row, of_row in enumerate(gradient.reshape(rows.shape)):
            numbers = [list(array[row]) for array in (rows, *held)]
            found = naive_optimizers.step_row(optimizer, oracle, step + 1, list(of_row), *numbers)
            for array, new in zip((rows, *held), found, strict=True):
                array[row] = new
        diverged = device.xp.zeros(1, np.bool_)
        rules = rules_of(optimizer, step)
        update_dense(
            device, rules, [parameter], states, [device.asarray(gradient)], diverged,
            Allocator(device),
        )  # fmt: skip
    assert bits(host(parameter)) == bits(expected)
    for array, expected_state in zip(states[0].values(), held, strict=True):
        assert bits(host(array)) == bits(expected_state)


@every_case
def test_zero_gradients_of_fresh_rows_change_nothing(name):
    optimizer, _ = CASES[name]
    if optimizer.weight_decay:
        optimizer = replace(optimizer, weight_decay=1e-12)  # too little to move a weight
    table = make_table(SIZES, 3, dtype=LOW[name], optimizer=optimizer, rounding="nearest")
    table.write(np.arange(12), host(table.lookup([[0, 0, 0]]))[0, :1].repeat(12, axis=0))
    before = bits(host(table.weight))
    table.update([[0, 0, 0]], np.zeros((1, 3, 3), np.float32))
    assert bits(host(table.weight)) == before


@every_case
def test_rows_that_a_batch_does_not_hold_stay(name):
    table = make_table(SIZES, 3, dtype=LOW[name], optimizer=CASES[name][0])
    rng = np.random.default_rng(3)
    table.update(*batch(rng, 3))
    weight, states = host(table.weight).copy(), {k: v.copy() for k, v in states_of(table).items()}
    table.update([[1, 1, 1]], np.ones((1, 3, 3), np.float32))
    others = np.setdiff1d(np.arange(12), [1, 6, 9])
    assert bits(host(table.weight)[others]) == bits(weight[others])
    for name, array in states_of(table).items():
        assert bits(array[others]) == bits(states[name][others])


@every_case
def test_files_copies_and_bytes(name, tmp_path):
    optimizer, _ = CASES[name]
    table = make_table(SIZES, 5, dtype=LOW[name], optimizer=optimizer)
    rng = np.random.default_rng(1)
    table.update(*batch(rng, 5))
    table.save(tmp_path / "t.safetensors")
    again = lp.EmbeddingTable.load(tmp_path / "t.safetensors", device=table.device)
    assert again.optimizer == optimizer
    assert table.nbytes == sum(
        array.nbytes for array in (host(table._weight), *states_of(table).values())
    )
    twin = table.to(table.device)
    for indices, grad in (batch(rng, 5), batch(rng, 5)):
        for each in (table, again, twin):
            each.update(indices, grad)
    for each in (again, twin):
        assert bits(host(each.weight)) == bits(host(table.weight))


def less_held(optimizer):
    """The same kind, but for what would keep it from learning in a few steps."""
    looser = {name: 2.0 for name in ("clip_value", "clip_norm") if getattr(optimizer, name)}
    return replace(optimizer, weight_decay=optimizer.weight_decay / 1000, **looser)


def make_model(kind, optimizer, **more):
    common = {"batch_size": 30, "optimizer": optimizer, "device": DEVICE, **more}
    if kind == "logistic":
        return lp.LogisticRegression([6, 4], **common)
    common["dtype"] = "float32"
    return lp.DLRM([6, 4], 4, (5,), (5,), dense_optimizer=optimizer, **common)


@pytest.mark.parametrize(
    "kind", ["logistic", "dlrm"] if DEVICE == "cpu" or EVERYTHING else ["dlrm"]
)
@every_optimizer
def test_models_learn_and_resume(kind, optimizer, tmp_path):
    X, y, _ = lp.datasets.make_clicks(300, num_embeddings=[6, 4], num_dense=3, seed=0)
    start, optimizer = lp.metrics.log_loss(y, np.full(len(y), y.mean())), less_held(optimizer)
    whole = make_model(kind, optimizer, epochs=8).fit(X, y)
    assert lp.metrics.log_loss(y, whole.predict_proba(X)[:, 1]) < start
    saved = lp.Checkpoints(tmp_path, every_batches=7)
    make_model(kind, optimizer, epochs=3).fit(X, y, save=saved)
    resumed = make_model(kind, optimizer, epochs=8).fit(X, y, resume=tmp_path)
    assert bits(resumed.decision_function(X)) == bits(whole.decision_function(X))


@every_case
def test_a_quadratic_falls(name):
    """Rows go to their targets, in low precision with stochastic rounding."""
    optimizer = less_held(CASES[name][0])
    table = lp.EmbeddingTable(8, 4, LOW[name], optimizer=optimizer, seed=2, device=DEVICE)
    target = np.random.default_rng(4).normal(size=(8, 4)).astype(np.float32)
    rows, losses = np.arange(8), []
    for _ in range(40):
        error = host(table.lookup(rows)) - target
        losses.append(float((error**2).sum()))
        table.update(rows, error)
    assert losses[-1] < 0.5 * losses[0]


# the survey is the CPU's on all devices
@pytest.mark.parametrize(
    "name", [*list(CASES)[:7], "SGD, catching up"] if DEVICE == "cpu" else ["LAMB, all"]
)
def test_diagnose_is_what_the_update_does(name, monkeypatch):
    optimizer, _ = CASES[name]
    if name != "Adam":  # a survey is compiled for each format, and tests/roundoff has all with SGD
        limits = {LOW[name]: survey.LIMITS[LOW[name]]}
        monkeypatch.setattr(survey, "LIMITS", limits)
    table = make_table(SIZES, 17, dtype=LOW[name], optimizer=optimizer, rounding="nearest", seed=1)
    rng = np.random.default_rng(3)
    for _ in range(2):
        indices, grad = batch(rng, 17, samples=4)
        exact = table.astype("float32")
        report, before = table.diagnose(indices, grad), host(table.weight).copy()
        for each in (table, exact):
            each.update(indices, grad)
        moved = np.count_nonzero(host(table.weight) != before)
        assert report.steps - report.lost == moved
        change = host(exact.weight).astype(np.float64) - before.astype(np.float64)
        assert abs(report.sum_of_squares / (change**2).sum() - 1) < 1e-3


def test_l2_needs_a_linear_step():
    X, y, _ = lp.datasets.make_clicks(60, num_embeddings=[6, 4], num_dense=3, seed=0)
    for optimizer in ALL:
        model = lp.LogisticRegression([6, 4], batch_size=30, optimizer=optimizer, l2=1e-3)
        if optimizer.linear:
            model.fit(X, y)
        else:
            with pytest.raises(ValueError, match="l2 needs an optimizer whose step"):
                model.fit(X, y)


def test_momentum_and_bags():
    table = make_table(SIZES, 2, optimizer=lp.SGD(0.3, momentum=0.75))
    rng = np.random.default_rng(5)
    ids, offsets = jagged(rng, 60, SIZES)
    grad = rng.normal(size=(20, 3, 2)).astype(np.float32)
    expected = naive.row_gradients(table, ids, grad, offsets=offsets, pooling="mean")
    table.update(ids, grad, offsets, "mean")
    for row, gradient in expected.items():
        assert bits(host(table.optimizer_state["momentum"])[row]) == bits(np.asarray(gradient))
