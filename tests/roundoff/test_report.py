"""Diagnostics against known answers and an oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowprec as lp
from tests import naive_precision
from tests.tables.small import DTYPES, gradient, jagged, make_table

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
