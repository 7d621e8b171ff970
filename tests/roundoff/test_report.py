"""Diagnostics against known answers, an oracle, and what updates then really do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowprec as lp
from lowprec.tables import verbs
from tests import naive_precision
from tests.tables.test_embedding import DTYPES, bits, gradient, jagged, make_table

LOW = DTYPES[1:]
RNG_SEEDS = st.integers(0, 2**32)


def one_row(weight, steps, dtype="float16", rounding="nearest", **kwargs):
    """A report on a table of one row that holds `weight`, stepped by `steps` at the rate 1."""
    steps = np.atleast_1d(np.asarray(steps, np.float32))
    table = lp.EmbeddingTable(
        1, len(steps), dtype, rounding, optimizer=lp.SGD(1.0), init_range=0.0, **kwargs
    )
    table.weight[:] = weight
    return table.diagnose(np.array([0]), -steps[None])


# --- known answers ---


def test_steps_below_half_a_neighbour_are_lost():
    report = one_row(1.0, np.full(8, 2.0**-14))
    assert (report.steps, report.lost, report.lost_share, report.lost_mass_share) == (8, 8, 1, 1)
    assert report.mean_error == -1 / 16  # 2**-14 of the 2**-10 above 1, each time


def test_steps_of_neighbours_are_kept():
    report = one_row(1.0, np.full(8, -(2.0**-9)))
    assert (report.steps, report.lost, report.lost_mass_share) == (8, 0, 0)
    assert report.mean_error == report.rms_error == report.noise_share == 0.0


@pytest.mark.parametrize(("weight", "lost"), [(1.0, 1), (1.0 + 2.0**-10, 0)])
def test_half_a_neighbour_goes_to_even(weight, lost):
    assert one_row(weight, 2.0**-11).lost == lost
    assert one_row(weight, np.nextafter(np.float32(2.0**-11), np.float32(0))).lost in (lost, 1)
    # towards 0 from a power of two, neighbours are half as far away
    assert one_row(1.0, -(2.0**-12)).lost == 1
    assert one_row(1.0, -(2.0**-12) * 1.001).lost == 0


def test_mass_is_of_sizes():
    report = one_row(1.0, [2.0**-14, -(2.0**-14), 2.0**-9, 0.0])
    assert (report.weights, report.steps, report.lost) == (4, 3, 2)
    assert report.sum_of_sizes == 2.0**-9 + 2.0**-13
    assert report.lost_mass_share == 2.0**-13 / report.sum_of_sizes
    assert report.sum_of_squares == 2.0**-18 + 2.0**-27


def test_subnormal_weights():
    report = one_row(2.0**-15, [2.0**-20, 2.0**-15, -(2.0**-15), 1.0])
    assert report.subnormal == 1  # 2**-14 is normal, and 0 is not called subnormal
    # whose smallest normal number is 2**-6, and where the weight is 0 before the step
    assert report.of("float8_e4m3fn").subnormal == 3
    assert report.of("bfloat16").subnormal == 0


def test_saturated_weights():
    report = one_row(65504.0, [1.0, 16.0, 40.0, 1e30, -1.0], "float16")
    assert report.saturated == 4
    assert report.lost == 5  # held at the end of the range, or moved by too little
    assert report.of("float8_e4m3fn").saturated == 4  # from 448, where 65504 would be
    assert report.of("bfloat16").saturated == 0
    assert report.mean_error == -1 / 32 / 5  # what saturates is left out


def test_noise_of_a_quarter():
    report = one_row(1.0, 2.0**-12, rounding="stochastic")
    assert report.noise_share == (1 / 4) * (3 / 4) * 2.0**-20 / 2.0**-24
    assert report.mean_error in (-1 / 4, 3 / 4)


def test_float32_loses_what_float32_cannot_hold():
    report = one_row(1.0, [2.0**-26, 1.0], "float32")
    assert (report.lost, report.noise_share, report.rms_error) == (1, 0.0, 0.0)


def test_skipped_rows_and_refused_ones():
    grad = np.array([[1.0, np.inf], [1.0, 1.0], [np.nan, 0.0]], np.float32)
    skips = make_table([4], 2, on_nonfinite="skip")
    report = skips.diagnose(np.array([[0], [1], [3]]), grad[:, None])
    assert (report.rows, report.skipped_rows, report.weights) == (1, 2, 2)
    skips.update(np.array([[0], [1], [3]]), grad[:, None])
    assert skips.skipped_rows == report.skipped_rows
    raises = make_table([4], 2)
    with pytest.raises(FloatingPointError, match="sample 0, feature 0, column 1"):
        raises.diagnose(np.array([[0], [1], [3]]), grad[:, None])
    overflows = np.full((2, 1, 2), 3e38, np.float32)
    with pytest.raises(FloatingPointError, match="overflow"):
        raises.diagnose(np.array([[0], [0]]), overflows)


def test_weights_that_are_not_finite():
    report = one_row([1.0, np.inf, np.nan], np.full(3, 2.0**-14))
    assert (report.weights, report.nonfinite, report.steps, report.lost) == (1, 2, 1, 1)
    assert "weights not finite" in str(report)


def test_empty_batch():
    table = make_table(4, 3)
    report = table.diagnose(np.empty(0, np.int64), np.empty((0, 3), np.float32))
    assert (report.updates, report.rows, report.weights, report.steps) == (1, 0, 0, 0)
    assert report.lost_share == report.mean_error == report.noise_share == 0.0
    assert "0 rows" in str(report)
    with pytest.raises(ValueError, match="no steps"):
        report.recommend()


def test_a_rate_of_zero_makes_no_steps():
    table = make_table(4, 3, optimizer=lp.SGD(0.0))
    report = table.diagnose(np.array([1]), np.ones((1, 3), np.float32))
    assert (report.weights, report.steps, report.lost) == (3, 0, 0)


# --- the oracle ---


def check(table, rate, *batch, **more):
    arguments = {"weights": "per_sample_weights"}
    renamed = {arguments.get(name, name): value for name, value in more.items()}
    report = table.diagnose(*batch, **renamed)
    for name in DTYPES:
        expected = naive_precision.diagnose(table, rate, name, *batch, **more)
        told, counts = report.of(name), report.formats[name]
        exact = {key: expected[key] for key in ("lost", "subnormal", "saturated")}
        assert exact == {key: getattr(told, key) for key in exact}, name
        # sums of float64, of at most 1000 terms with a relative error of 2**-52 each
        for key, total in (
            ("lost_mass", counts.lost_mass), ("noise", counts.noise),
            ("error", counts.error), ("squared", counts.squared_error),
        ):  # fmt: skip
            scale = max(float(expected[key]), float(expected["weights"]) if key == "error" else 0)
            assert total == pytest.approx(float(expected[key]), rel=1e-9, abs=1e-12 * scale), name
        if name == table.dtype.name:
            same = ("rows", "skipped_rows", "weights", "steps")
            assert [expected[key] for key in same] == [getattr(report, key) for key in same]
            assert report.sum_of_sizes == pytest.approx(float(expected["mass"]), rel=1e-12)
            assert report.sum_of_squares == pytest.approx(float(expected["energy"]), rel=1e-12)
    return report


@settings(max_examples=30)
@given(
    RNG_SEEDS, st.sampled_from(DTYPES), st.sampled_from(["stochastic", "nearest"]),
    st.sampled_from([1, 3, 17]), st.sampled_from([1e-4, 0.3, 30.0]),
)  # fmt: skip
def test_counts_equal_the_oracle(seed, dtype, rounding, dim, rate):
    table = make_table(
        embedding_dim=dim, dtype=dtype, rounding=rounding, optimizer=lp.SGD(rate), seed=seed
    )
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, [5, 3, 4], (6, 3))
    check(table, rate, indices, gradient(rng, (6, 3, dim)))


@settings(max_examples=30)
@given(
    RNG_SEEDS, st.sampled_from(LOW), st.sampled_from(["sum", "mean"]), st.booleans(), st.booleans()
)
def test_jagged_batches_equal_the_oracle(seed, dtype, pooling, weighted, weights_too):
    table = make_table(dtype=dtype, optimizer=lp.SGD(0.01), seed=seed)
    rng = np.random.default_rng(seed)
    indices, offsets = jagged(rng, 12, [5, 3, 4])
    weights = rng.normal(size=indices.size).astype(np.float32) if weighted else None
    grad = gradient(rng, (4, 3, 3))
    check(table, 0.01, indices, grad, offsets=offsets, pooling=pooling, weights=weights)


@pytest.mark.parametrize("length", [128, 129, 400])
def test_hot_rows(length):
    table = make_table(4, 2, optimizer=lp.SGD(0.01))
    rng = np.random.default_rng(length)
    indices = rng.permutation(np.concatenate([np.full(length, 2), [0, 1]]))
    check(table, 0.01, indices, gradient(rng, (indices.size, 2)))


# --- what an update then does ---


def real_update(table, *batch, **more):
    """(weights before, after) of the rows of a batch, by value."""
    before = table.weight.astype(np.float32)
    table.update(*batch, **more)
    return before, table.weight.astype(np.float32)


@settings(max_examples=30)
@given(RNG_SEEDS, st.sampled_from(DTYPES), st.sampled_from([1e-3, 0.1]))
def test_lost_is_what_a_nearest_table_does_not_move(seed, dtype, rate):
    table = make_table(60, 5, dtype=dtype, rounding="nearest", optimizer=lp.SGD(rate), seed=seed)
    rng = np.random.default_rng(seed)
    indices = rng.permutation(60)[:40]
    grad = gradient(rng, (40, 5))
    grad[rng.random(grad.shape) < 0.1] = 0.0
    report = table.diagnose(indices, grad)
    before, after = real_update(table, indices, grad)
    unmoved = (before == after)[indices] & (grad != 0)
    assert report.lost == unmoved.sum()
    assert report.steps == np.count_nonzero(grad)


@settings(max_examples=30)
@given(RNG_SEEDS, st.sampled_from(LOW), st.sampled_from(["stochastic", "nearest"]))
def test_errors_are_of_what_is_stored(seed, dtype, rounding):
    kwargs = {"optimizer": lp.SGD(0.01), "seed": seed}
    table = make_table(60, 5, dtype=dtype, rounding=rounding, **kwargs)
    exact = lp.EmbeddingTable(60, 5, "float32", **kwargs)
    exact.weight[:] = table.weight.astype(np.float32)
    rng = np.random.default_rng(seed)
    indices = rng.permutation(60)[:40]
    grad = gradient(rng, (40, 5))
    report = table.diagnose(indices, grad)
    exact.update(indices, grad)
    after = real_update(table, indices, grad)[1][indices].astype(np.float64)
    wanted = exact.weight[indices].astype(np.float64)
    exponent_bits, mantissa_bits, largest = naive_precision.shape(dtype)
    inside = np.abs(wanted) <= float(largest)
    binade = np.maximum(np.frexp(np.abs(wanted))[1] - 1, 2 - 2 ** (exponent_bits - 1))
    moved = ((after - wanted) / np.ldexp(1.0, binade - mantissa_bits) * -np.sign(grad))[inside]
    assert report.mean_error == pytest.approx(moved.sum() / report.steps, abs=1e-9)
    assert report.rms_error**2 == pytest.approx((moved**2).sum() / report.steps, abs=1e-9)


@pytest.mark.parametrize("across_features", [False, True])
def test_nothing_is_changed(across_features):
    table, twin = (make_table(seed=4) for _ in range(2))
    indices = np.random.default_rng(0).integers(0, [5, 3, 4], (20, 3))
    grad = table.lookup(indices, across_features=across_features)
    for _ in range(3):
        table.diagnose(indices, grad, across_features=across_features)
        assert table.step == twin.step
        assert bits(table.weight) == bits(twin.weight)
        for each in (table, twin):
            each.update(indices, grad, across_features=across_features)
        assert bits(table.weight) == bits(twin.weight)


def test_a_checked_batch_and_bad_arguments():
    table = make_table()
    indices = np.array([[0, 1, 2]])
    grad = np.ones((1, 3, 3), np.float32)
    assert table.diagnose(table.batch(indices), grad) == table.diagnose(indices, grad)
    with pytest.raises(IndexError, match="out of range for feature 0"):
        table.diagnose(np.array([[9, 0, 0]]), grad)
    with pytest.raises(ValueError, match="shape of the lookup"):
        table.diagnose(indices, grad[:, :2])
    with pytest.raises(ValueError, match="beyond float32"):
        table.diagnose(indices, np.full(grad.shape, 1e39))
    with pytest.raises(TypeError, match="grad must hold numbers"):
        table.diagnose(indices, grad.astype(str))
    with pytest.raises(ValueError, match="max_numbers"):
        table.diagnose(indices, grad, max_numbers=0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("with_offsets", [False, True])
def test_parts_of_a_batch_add_up(with_offsets, weighted, monkeypatch):
    """Every k-th row, in turns, is all rows: the same sums, so the same counts."""
    table = make_table([50, 30, 40], 2, optimizer=lp.SGD(1e-3))
    rng = np.random.default_rng(0)
    indices, offsets = rng.integers(0, 30, (100, 3)), None
    if with_offsets:
        indices, offsets = jagged(rng, 300, [50, 30, 40])
    weights = rng.normal(size=indices.shape).astype(np.float32) if weighted else None
    grad = gradient(rng, (100, 3, 2))
    batch = {"offsets": offsets, "per_sample_weights": weights, "pooling": "mean"}
    whole = table.diagnose(indices, grad, **batch)
    parts = []
    for part in range(4):
        monkeypatch.setattr("lowprec.tables.diagnosis.scattered", lambda step, part=part: part)
        parts.append(table.diagnose(indices, grad, **batch, max_numbers=240 // 4))  # 120 rows
    total = parts[0] + parts[1] + parts[2] + parts[3]
    for name in ("rows", "weights", "steps"):
        assert getattr(total, name) == getattr(whole, name)
    for name in DTYPES:
        for key in ("lost", "subnormal", "saturated"):
            assert getattr(total.of(name), key) == getattr(whole.of(name), key)
    assert total.mean_error == pytest.approx(whole.mean_error, abs=1e-12)
    assert max(part.rows for part in parts) < 0.4 * whole.rows


# --- reports ---


def test_reports_add_up_and_only_alike_ones():
    first, second = one_row(1.0, [2.0**-14, 1.0]), one_row(2.0, [3.0, 2.0**-14, 0.0])
    total = first + second
    assert (total.updates, total.rows, total.weights) == (2, 2, 5)
    assert (total.steps, total.lost) == (4, 2)
    assert total.of("bfloat16").lost == first.of("bfloat16").lost + second.of("bfloat16").lost
    with pytest.raises(ValueError, match="cannot be added"):
        first + one_row(1.0, [1.0], "bfloat16")
    with pytest.raises(TypeError):
        first + 1
    with pytest.raises(ValueError, match="dtype must be one of"):
        first.of("float64")


def test_what_is_printed():
    text = str(one_row(1.0, [2.0**-14, 2.0**-9, -1.0, 1.0]))
    assert text.startswith("float16, nearest: 1 updates, 1 rows\n")
    assert "25.00 %  1 of 4" in text
    assert "< 0.01 %  by the sizes of steps" in text
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[-6:]] == [
        "float32", "bfloat16", "float16", "float8_e5m2", "float8_e4m3fn", "float8_e3m4",
    ]  # fmt: skip
    assert max(map(len, lines)) <= 100


def test_recommendations():
    coarse = one_row(1.0, [1.0, -0.5, 2.0])  # on the grid of every format
    told = coarse.recommend(eight_bits=True)
    assert (told.dtype, told.rounding) == ("float8_e3m4", "stochastic")
    assert "8" not in coarse.recommend().dtype
    middle = one_row(1.0, [0.0102, -0.0103])
    assert middle.recommend(0.01, eight_bits=True).dtype == "float16"
    assert "float8_e4m3fn would add" in middle.recommend(0.01, eight_bits=True).reason
    beyond = one_row(70_000.0, [700.0, -800.0], "float32").recommend()
    assert beyond.dtype == "bfloat16"
    assert "saturate 1 weights" in beyond.reason or "saturate 2 weights" in beyond.reason
    tiny = one_row(1.0, [1.1 * 2.0**-20], "float32").recommend()
    assert (tiny.dtype, tiny.rounding) == ("float32", "nearest")
    assert "float16 would add" in tiny.reason
    assert str(tiny) == f"float32, nearest: {tiny.reason}"
    with pytest.raises(ValueError, match="max_noise"):
        coarse.recommend(max_noise=-1.0)


# --- in training ---

SIZES = [50, 20]


def clicks(samples=2000):
    X, y, _ = lp.datasets.make_clicks(samples, num_embeddings=SIZES, num_dense=3, seed=0)
    return X, y


def make_model(kind, **kwargs):
    kwargs = {"batch_size": 100, "epochs": 2, "seed": 5, **kwargs}
    if kind == "logistic":
        return lp.LogisticRegression(SIZES, **kwargs)
    return lp.DLRM(SIZES, embedding_dim=4, bottom_mlp=(8,), top_mlp=(8,), **kwargs)


@pytest.mark.parametrize("kind", ["logistic", "l2", "dlrm"])
def test_no_bit_of_training_changes(kind):
    X, y = clicks()
    more = {"l2": 0.05, "optimizer": lp.SGD(1.0)} if kind == "l2" else {}
    kind = "logistic" if kind == "l2" else kind
    plain = make_model(kind, **more).fit(X, y)
    looked_at = make_model(kind, **more).fit(X, y, diagnose=lp.Diagnostics(3, max_numbers=50))
    assert bits(plain.table_.weight) == bits(looked_at.table_.weight)
    assert bits(plain.decision_function(X)) == bits(looked_at.decision_function(X))
    assert plain.roundoff_ is None
    assert [step for step, _ in looked_at.roundoff_history_] == list(range(0, 40, 3))
    assert looked_at.roundoff_.updates == 14
    assert looked_at.roundoff_.steps == sum(r.steps for _, r in looked_at.roundoff_history_)


def test_reports_are_of_what_is_stored():
    """With l2 the table holds weights over a scale, and so do its gradients."""
    X, y = clicks()
    model = make_model("logistic", l2=0.05, optimizer=lp.SGD(1.0), epochs=1, shuffle=False)
    expected = {}

    def tables_own(table, batch, grad, *rest, was=verbs.update):
        expected[table.step] = table.diagnose(batch, grad)
        was(table, batch, grad, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verbs, "update", tables_own)
        model.fit(X, y, diagnose=lp.Diagnostics(1, max_numbers=None))
    assert dict(model.roundoff_history_) == expected


def test_fit_begins_anew_and_partial_fit_goes_on():
    X, y = clicks(500)
    model = make_model("logistic", epochs=1).fit(X, y, diagnose=lp.Diagnostics(2))
    assert model.roundoff_.updates == 3
    model.partial_fit(X, y, diagnose=lp.Diagnostics(2))
    assert [step for step, _ in model.roundoff_history_] == [0, 2, 4, 6, 8]
    model.partial_fit(X, y)
    assert model.roundoff_.updates == 5
    assert model.fit(X, y).roundoff_ is None
    assert make_model("logistic").roundoff_ is None


def test_steps_that_were_never_taken_are_not_reported():
    X, y = clicks(10)
    X[0][3] = 3e38
    given = {"shuffle": False, "standardize": False, "batch_size": 1, "optimizer": lp.SGD(2.0)}
    model = make_model("logistic", **given)
    with pytest.raises(FloatingPointError, match="diverged at step 3"):
        model.fit(X, y, diagnose=lp.Diagnostics(1))
    assert [step for step, _ in model.roundoff_history_] == [0, 1, 2]


def test_bad_options():
    with pytest.raises(ValueError, match="every_batches"):
        lp.Diagnostics(every_batches=0)
    with pytest.raises(TypeError, match="max_numbers"):
        lp.Diagnostics(max_numbers=1.5)
    X, y = clicks(100)
    for train in (make_model("logistic").fit, make_model("logistic").partial_fit):
        with pytest.raises(TypeError, match=r"must be a lowprec\.Diagnostics"):
            train(X, y, diagnose=10)


# --- prediction: what one run says of another ---

# How far the share of steps that a run with stochastic rounding says nearest would lose may be from
# what a run with nearest loses, relative to that.  The two runs take different ways: nearest keeps
# weights where they are, so later gradients differ.  Of float16 and bfloat16 that is little: 3 %
# was the most that was seen here and in `python -m benchmarks.diagnose --predict` where 300 steps
# or more were lost, as here.  Of 8 bits it is much: 12 % was seen.  All seeds are fixed.
BOUND = {"float16": 0.05, "bfloat16": 0.05, "float8_e4m3fn": 0.25}


def planted(kind, dtype, rounding, rate):
    """A report on a short training on planted clicks."""
    sizes = [1000, 300, 100, 30]
    X, y, _ = lp.datasets.make_clicks(20_000, sizes, num_dense=4, seed=0)
    common = {"optimizer": lp.SGD(rate), "dense_optimizer": lp.SGD(0.05), "batch_size": 100}
    if kind == "logistic":
        model = lp.LogisticRegression(sizes, dtype=dtype, rounding=rounding, **common)
    else:
        model = lp.DLRM(sizes, 4, (8,), (8,), dtype=dtype, rounding=rounding, **common)
    return model.fit(X, y, diagnose=lp.Diagnostics(1, max_numbers=None)).roundoff_


@pytest.mark.parametrize(
    ("kind", "dtype", "rate"),
    [("logistic", "bfloat16", 0.1), ("logistic", "float8_e4m3fn", 1.0), ("dlrm", "float16", 0.1)],
)
def test_prediction_on_clicks(kind, dtype, rate):
    nearest = planted(kind, dtype, "nearest", rate)
    assert 300 < nearest.lost < 0.95 * nearest.steps  # there is something to predict
    for others in ("stochastic", "nearest"):
        # of a float32 table, too, whose rounding is nothing
        told = planted(kind, dtype if others == "stochastic" else "float32", others, rate).of(dtype)
        assert told.lost_share == pytest.approx(nearest.lost_share, rel=BOUND[dtype])


def quadratic(dtype, rounding, steps=1000):
    """A report on descent as in `examples/convergence.py`: loud coordinates and quiet ones."""
    rng = np.random.default_rng(0)
    optimum = rng.uniform(0.6, 0.9, 8)
    h = np.array([1.0] * 4 + [0.2] * 4)
    sigma = np.array([0.3] * 4 + [0.001] * 4)
    schedule = lp.schedules.InverseTime(0.2, decay=0.02)
    table = lp.EmbeddingTable(20, 8, dtype, rounding, lp.SGD(schedule), init_range=0.0)
    rows, total = table.batch(np.arange(20)), None
    for step in range(steps):
        noise = sigma * np.random.default_rng([1, step]).normal(size=(20, 8))
        grad = (h * (table.lookup(rows) - optimum) + noise).astype(np.float32)
        if step % 10 == 0:
            report = table.diagnose(rows, grad)
            total = report if total is None else total + report
        table.update(rows, grad)
    return total


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_prediction_on_a_quadratic(dtype):
    stochastic, nearest = (quadratic(dtype, rounding) for rounding in ("stochastic", "nearest"))
    assert 0.2 < nearest.lost_share < 0.95
    assert stochastic.lost_share == pytest.approx(nearest.lost_share, rel=BOUND[dtype])


@pytest.mark.parametrize("dtype", LOW)
def test_stochastic_rounding_has_no_mean_error_along_steps(dtype):
    """Over 40,000 steps it is normal; |z| < 4.5 fails by chance once in 150,000 times."""
    table = lp.EmbeddingTable(200, 20, dtype, optimizer=lp.SGD(1e-3), seed=7)
    rng, total = np.random.default_rng(0), None
    for _ in range(10):
        grad = rng.normal(size=(200, 20)).astype(np.float32)
        report = table.diagnose(np.arange(200), grad)
        table.update(np.arange(200), grad)
        total = report if total is None else total + report
    assert abs(total.mean_error) < 4.5 * total.rms_error / np.sqrt(total.steps)
