"""Every optimizer of the library: tables, dense layers, files, models, diagnostics, bad numbers."""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lowprec as lp
from lowprec.device import get_device
from lowprec.optimizers import Optimizer
from lowprec.optimizers.dense import init_dense_states, update_dense
from lowprec.optimizers.rules import largest_gradient
from lowprec.roundoff import survey
from tests import naive, naive_optimizers
from tests.devices import DEVICE, host
from tests.tables.test_embedding import DTYPES, bits, jagged, make_table

SIZES = (5, 3, 4)
FALLING = lp.schedules.InverseTime(0.4, decay=0.5)
# each with its oracle: first all of the library, then what is done before the rules
CASES = {
    "SGD": (lp.SGD(0.3), naive_optimizers.SGD),
    "momentum": (lp.SGD(0.3, momentum=0.75), naive_optimizers.MOMENTUM),
    "Adagrad": (lp.Adagrad(0.3, eps=1e-4, initial_accumulator=0.25), naive_optimizers.ADAGRAD),
    "Adam": (lp.Adam(0.05, beta1=0.8, beta2=0.99, eps=1e-6), naive_optimizers.ADAM),
    "FTRL": (lp.FTRL(0.3, beta=0.5, l1=0.25, l2=0.125), naive_optimizers.FTRL),
    "LAMB": (lp.LAMB(0.05, beta1=0.8, beta2=0.99), naive_optimizers.LAMB),
    "RowWiseAdagrad": (lp.RowWiseAdagrad(0.1), naive_optimizers.ROW_WISE_ADAGRAD),
    "RowWiseAdagrad, all": (
        lp.RowWiseAdagrad(0.2, clip_norm=0.5, weight_decay=0.5, decay="catch_up"),
        naive_optimizers.ROW_WISE_ADAGRAD,
    ),
    "SGD, catching up": (
        lp.SGD(FALLING, weight_decay=0.75, decay="catch_up"), naive_optimizers.SGD,
    ),
    "LAMB, all": (
        lp.LAMB(0.05, clip_value=0.5, clip_norm=1.5, weight_decay=0.5, decay="catch_up"),
        naive_optimizers.LAMB,
    ),
}  # fmt: skip
ALL = [optimizer for optimizer, _ in CASES.values()]
# a kernel for each format: fewer of them in the simulator
FORMATS = DTYPES if DEVICE == "cpu" else ["float32", "float16"]
# each takes seconds to compile: every case in float32, in one of the others in turn, and in float16
# where rows have one column; LOWPREC_FULL_BATTERY=1 has all
EVERYTHING = "LOWPREC_FULL_BATTERY" in os.environ
LOW = {name: FORMATS[1:][place % len(FORMATS[1:])] for place, name in enumerate(CASES)}
KINDS = [
    (name, dtype)
    for name in CASES
    for dtype in FORMATS
    if EVERYTHING or dtype in ("float32", LOW[name])
]

# states in low precision of Adam: (state_dtype, state_rounding)
OF_STATES = {
    "bfloat16": ("bfloat16", "stochastic"),
    "bfloat16, nearest": ("bfloat16", "nearest"),
    "float16 and bfloat16": ({"mean": "float16", "square": "bfloat16"}, "stochastic"),
    "float8 mean": ({"mean": "float8_e4m3fn"}, "stochastic"),
}
# of each, two of four kernels: the rounding of a state is no kernel of its own
KINDS_OF_STATES = [
    (name, dtype, dim)
    for place, name in enumerate(OF_STATES)
    for dtype in ("float32", "float16")
    for dim in (1, 17)
    if EVERYTHING or (place < 2) == ((dtype, dim) in [("float32", 1), ("float16", 17)])
]

every_optimizer = pytest.mark.parametrize("optimizer", ALL, ids=list(CASES))
every_case = pytest.mark.parametrize("name", CASES)


def states_of(table):
    return {name: host(array) for name, array in table.optimizer_state.items()}


def test_every_optimizer_of_the_library_is_here():
    exported = [getattr(lp, name) for name in lp.__all__]
    kinds = {each for each in exported if isinstance(each, type) and issubclass(each, Optimizer)}
    assert {type(optimizer) for optimizer in ALL} == kinds


def check(table, oracle, indices, grad):
    """One update against the oracle."""
    expected = naive_optimizers.update(table, oracle, states_of(table), indices, grad)
    table.update(indices, grad)
    weight, states = expected
    assert bits(host(table.weight)) == bits(weight)
    assert states_of(table).keys() == states.keys()
    for key, array in states_of(table).items():
        assert bits(array) == bits(states[key])


def batch(rng, dim, samples=20):
    indices = rng.integers(0, SIZES, (samples, 3))
    return indices, rng.normal(size=(samples, 3, dim)).astype(np.float32)


@pytest.mark.parametrize(("name", "dtype"), KINDS)
@pytest.mark.parametrize("dim", [3, 17])
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


@pytest.mark.parametrize(("of_states", "dtype", "dim"), KINDS_OF_STATES)
def test_states_in_low_precision_are_the_oracle(of_states, dtype, dim):
    state_dtype, rounding = OF_STATES[of_states]
    optimizer = lp.Adam(0.05, state_dtype=state_dtype, state_rounding=rounding)
    table = make_table(SIZES, dim, dtype=dtype, optimizer=optimizer, rounding="nearest", seed=9)
    rng = np.random.default_rng(dim)
    for _ in range(3):
        check(table, naive_optimizers.ADAM, *batch(rng, dim))


def test_bytes_of_a_parameter():
    table = lp.EmbeddingTable(100, 8, optimizer=lp.Adam(state_dtype="bfloat16"), device=DEVICE)
    assert table.nbytes == 6 * 100 * 8
    table = lp.EmbeddingTable(100, 8, "float32", optimizer=lp.Adam(), device=DEVICE)
    assert table.nbytes == 12 * 100 * 8


@pytest.mark.skipif(DEVICE != "cpu", reason="100,000 updates")
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_small_squares_of_an_accumulator_in_bfloat16(rounding):
    """At 100,000 squares of 2**-20 each, nearest has stalled and stochastic is right on average.

    The variance of a sum is that of its roundings: at most its distance of neighbours, 2**-10 below
    0.25, times each increment, 2**-20; so that of 1,000 is 100,000 * 2**-30 / 1,000 at most.  Four
    standard errors: 6e-5 of false alarms.
    """
    optimizer = lp.Adagrad(0.0, eps=1.0, state_dtype="bfloat16", state_rounding=rounding)
    table = lp.EmbeddingTable(1, 1000, "float32", optimizer=optimizer, seed=1)
    gradient, row = np.full((1, 1000), 2.0**-10, np.float32), table.batch([0])
    updates = 1000 if rounding == "nearest" else 100_000
    for _ in range(updates):
        table.update(row, gradient)
    sums, exact = table.optimizer_state["sum"].astype(np.float64), 100_000 * 2.0**-20
    if rounding == "nearest":
        # another update changes nothing, so 99,000 change nothing
        table.update(row, gradient)
        assert bits(table.optimizer_state["sum"].astype(np.float64)) == bits(sums)
        assert (sums < exact / 10).all()
    else:
        assert abs(sums.mean() - exact) < 4 * np.sqrt(100_000 * 2.0**-30 / 1000)


@pytest.mark.skipif(DEVICE != "cpu", reason="thousands of tables")
def test_states_are_unbiased():
    """Their mean over 4,000 keys is the float32 state: z-tests of 64 numbers, 1e-6 in all."""
    optimizer = lp.Adam(0.1, state_dtype={"mean": "bfloat16", "square": "bfloat16"})
    grad = np.random.default_rng(6).normal(size=(1, 32)).astype(np.float32)
    exact = lp.EmbeddingTable(1, 32, "float32", optimizer=lp.Adam(0.1))
    exact.update([0], grad)
    tables = lp.EmbeddingTable(4000, 32, optimizer=optimizer, seed=8)
    tables.update(np.arange(4000), np.repeat(grad, 4000, axis=0))
    for name, array in tables.optimizer_state.items():
        values = array.astype(np.float64)
        errors = values.mean(axis=0) - exact.optimizer_state[name][0]
        z = errors / np.maximum(values.std(axis=0) / np.sqrt(4000), 1e-30)
        assert np.abs(z).max() < 5.6
        assert (values.std(axis=0) > 0).sum() > 28


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_states_of_rows_in_bfloat16(rounding):
    optimizer = lp.RowWiseAdagrad(0.3, state_dtype="bfloat16", state_rounding=rounding)
    for dim in (1, 17):
        table = make_table(SIZES, dim, optimizer=optimizer, seed=9)
        sums = np.zeros((12, 1), np.float32)
        for _ in range(2):
            indices, grad = batch(np.random.default_rng(dim), dim)
            step = table.step
            for row, gradient in naive.row_gradients(table, indices, grad).items():
                key = naive.state_key(naive.row_key(9, 0, step, row), 0)
                total = np.float32(sums[row, 0] + naive.mean_square(gradient))
                sums[row, 0] = naive.store(total, key, 0, "bfloat16", rounding)
            table.update(indices, grad)
            found = states_of(table)["sum"]
            assert found.dtype.name == "bfloat16"
            np.testing.assert_array_equal(found.astype(np.float32), sums)


def test_files_and_copies_of_low_precision_states(tmp_path):
    optimizer = lp.Adam(0.05, state_dtype={"mean": "float16", "square": "bfloat16"})
    table = make_table(SIZES, 5, dtype="float32", optimizer=optimizer)
    rng = np.random.default_rng(1)
    table.update(*batch(rng, 5))
    table.save(tmp_path / "t.safetensors")
    again = lp.EmbeddingTable.load(tmp_path / "t.safetensors", device=table.device)
    assert again.optimizer.state_dtypes() == optimizer.state_dtypes()
    more = batch(rng, 5)
    for each in (table, again, twin := table.to("cpu")):
        each.update(*more)
    for each in (again, twin):
        assert bits(host(each.weight)) == bits(host(table.weight))
        for name, array in states_of(table).items():
            assert bits(host(each.optimizer_state[name])) == bits(array)
    with pytest.raises(ValueError, match=r"has the states \['mean', 'square'\].*mean in float16"):
        table.optimizer = lp.Adam(0.05)


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
        update_dense(
            device, optimizer, [parameter], states, [device.asarray(gradient)], step, diverged
        )
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


@pytest.mark.parametrize("kind", ["logistic", "dlrm"])
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


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.skipif(DEVICE != "cpu", reason="a hundred tables")
@every_optimizer
@given(st.lists(finite, min_size=4, max_size=4), st.lists(finite, min_size=4, max_size=4))
def test_finite_gradients_give_finite_numbers_or_an_error(optimizer, first, second):
    table = lp.EmbeddingTable(1, 4, "float32", optimizer=optimizer)
    for gradient in (first, second, first, first):
        before = bits(table.weight), [bits(array) for array in table.optimizer_state.values()]
        try:
            table.update([0], np.array([gradient], np.float32))
        except FloatingPointError:
            after = bits(table.weight), [bits(array) for array in table.optimizer_state.values()]
            assert after == before
        assert np.isfinite(table.weight).all()
        assert all(np.isfinite(array).all() for array in table.optimizer_state.values())


@pytest.mark.skipif(DEVICE != "cpu", reason="a hundred tables")
@every_optimizer
@given(st.data())
def test_any_finite_states_give_finite_numbers_or_an_error(optimizer, data):
    """States that a program wrote, such as squares that are negative."""
    four = st.lists(finite, min_size=4, max_size=4)
    table = lp.EmbeddingTable(1, 4, "float32", optimizer=optimizer)
    table.weight[0] = data.draw(four)
    for array in table.optimizer_state.values():
        if array.dtype == np.float32:
            array[0] = data.draw(four)[: array.shape[1]]
    for _ in range(2):
        gradient = np.array([data.draw(four)], np.float32)
        try:
            table.update([0], gradient)
        except FloatingPointError:
            table.update([0], gradient / np.float32(1e30))
        assert np.isfinite(table.weight).all()
        assert all(np.isfinite(array).all() for array in table.optimizer_state.values())


@every_optimizer
def test_the_least_states_give_finite_numbers(optimizer):
    """Also where a gradient's square is just what float32 rounds to the next number, an inf."""
    table = lp.EmbeddingTable(1, 2, "float32", optimizer=optimizer, device=DEVICE)
    for array in table.optimizer_state.values():
        if array.dtype == np.float32:
            array[0] = -np.finfo(np.float32).max
    for _ in range(2):
        table.update([0], np.full((1, 2), 3184526050197504.0, np.float32))
        assert np.isfinite(host(table.weight)).all()
        assert all(np.isfinite(array).all() for array in states_of(table).values())


@every_optimizer
def test_the_largest_gradient_is_stepped(optimizer):
    table = lp.EmbeddingTable(1, 2, "float32", optimizer=optimizer, init_range=0.0, device=DEVICE)
    largest = largest_gradient(optimizer, optimizer.rule(0), 2)
    for _ in range(3):
        table.update([0], np.full((1, 2), largest, np.float32))
    assert np.isfinite(host(table.weight)).all()
    with np.errstate(over="ignore"):
        beyond = np.nextafter(largest, np.float32(np.inf))
    with pytest.raises(FloatingPointError, match="nothing was updated"):
        table.update([0], np.full((1, 2), beyond, np.float32))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: lp.SGD(0.1, momentum=1.0), ValueError, "momentum must be less than 1"),
        (lambda: lp.SGD(0.1, momentum=-0.5), ValueError, "momentum must be finite and not neg"),
        (lambda: lp.SGD(0.1, momentum=1 - 1e-12), ValueError, "less than 1 in float32"),
        (lambda: lp.SGD(0.1, 0.9), TypeError, "positional argument"),
        (lambda: lp.Adagrad(0.1, eps=0.0), ValueError, "eps must be positive"),
        (lambda: lp.Adagrad(0.1, initial_accumulator=np.inf), ValueError, "initial_accumulator"),
        (lambda: lp.Adam(beta1=1.0), ValueError, "beta1 must be less than 1"),
        (lambda: lp.Adam(beta2="0.9"), TypeError, "beta2 must be a number"),
        (
            lambda: lp.Adam(state_dtype="float16"),
            ValueError,
            "'square' holds squares, which underfl",
        ),
        (lambda: lp.Adagrad(state_dtype="float8_e5m2"), ValueError, "'sum' holds squares"),
        (
            lambda: lp.Adam(state_dtype={"means": "bfloat16"}),
            ValueError,
            "names 'means'; there are",
        ),
        (lambda: lp.SGD(momentum=0.5, state_dtype="int8"), ValueError, "dtype must be one of"),
        (lambda: lp.SGD(state_dtype="int8"), ValueError, "dtype must be one of"),
        (lambda: lp.Adam(state_rounding="up"), ValueError, "state_rounding must be one of"),
        (lambda: lp.Adam(1e10, eps=1e-30).rule(0), ValueError, "learning_rate / eps overflows"),
    ],
)
def test_bad_parameters(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_texts():
    assert repr(lp.SGD(0.5)) == "SGD(learning_rate=0.5)"
    assert repr(lp.SGD(0.5, momentum=0.9)) == "SGD(learning_rate=0.5, momentum=0.9)"
    assert repr(lp.Adam(beta1=0.5)) == "Adam(learning_rate=0.001, beta1=0.5)"


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
