"""Numbers: bins, tails, and samples of many of them."""

import numpy as np
import pytest

import lowprec as lp
from lowprec.encoders.numbers import SAMPLE_SIZE, Numbers
from tests import naive_encoder

pa = pytest.importorskip("pyarrow", reason="comes with the extra `data`")

RNG = np.random.default_rng(0)
MANY = RNG.normal(size=5 * SAMPLE_SIZE + 1)


def samples_of(values, **parameters):
    table = pa.table({"x": values})
    return lp.TabularEncoder(**parameters).fit_transform(table)


def test_bins_are_of_about_equal_size():
    ids = samples_of(RNG.normal(size=10_000), bins=20).indices.ravel()
    assert np.bincount(ids).tolist() == [0] + [500] * 20


def test_a_frequent_value_has_a_bin_and_leaves_the_others_to_the_rest():
    """As of a column that is nearly always 0: its quantiles are nearly all 0."""
    values = np.concatenate([np.zeros(9000), RNG.uniform(1, 2, 1000)])
    ids = samples_of(values, bins=11).indices.ravel()
    assert np.bincount(ids).tolist() == [0, 9000] + [100] * 10


def test_few_numbers_have_a_bin_each():
    samples = samples_of([3, 1, None, 2, 3], bins=3)
    assert samples.indices.ravel().tolist() == [3, 1, 0, 2, 3]
    assert samples.num_embeddings == [4]


def test_one_bin_flags_missing_numbers():
    assert samples_of([3.0, None, 2.0], bins=1).indices.ravel().tolist() == [1, 0, 1]


def test_numbers_beyond_those_seen_are_in_the_outer_bins():
    encoder = lp.TabularEncoder(bins=4).fit(pa.table({"x": [1.0, 2.0, 3.0, 4.0]}))
    samples = encoder.transform(pa.table({"x": [-1e308, 1e308, 2.5]}))
    assert samples.indices.ravel().tolist() == [1, 4, 2]
    assert samples.dense.ravel().tolist() == [-10.0, 10.0, 0.0]


def test_long_tails_are_shortened_by_the_logarithm():
    values = [0.0] * 200 + [1.0] * 100 + [-2e6, 1e9]
    samples = samples_of(values)
    scaled, error = naive_encoder.scaled(values)
    np.testing.assert_allclose(
        samples.dense.ravel(), [scaled(x) for x in values], rtol=1e-5, atol=1e-6 + error
    )
    assert 9 < samples.dense.max() <= 10


def test_a_constant_or_empty_column():
    assert samples_of([5, 5, None]).dense.ravel().tolist() == [0, 0, 0]
    table = pa.table({"x": pa.array([None, None], pa.float64())})
    encoder = lp.TabularEncoder().fit(table)
    assert encoder.transform(table).num_embeddings == [2]
    assert encoder.transform(pa.table({"x": [3.0, None]})).indices.ravel().tolist() == [1, 0]


@pytest.mark.parametrize("largest", [1.7e308, 5e-324])
def test_numbers_of_any_size(largest):
    """Squares that overflow or vanish, and deviations that float64 has no inverse of."""
    dense = samples_of([-largest, largest, 0.0]).dense.ravel()
    assert np.isfinite(dense).all()
    if largest > 1:
        np.testing.assert_allclose(dense, [-np.sqrt(1.5), np.sqrt(1.5), 0], rtol=1e-6)


def test_seconds_of_time():
    days = pa.array([0, 86400, None], pa.int64()).cast(pa.timestamp("s"))
    expected = samples_of([0, 86400, None])
    for column in (days, days.cast(pa.timestamp("ns")), days.cast(pa.date32())):
        samples = samples_of(column, numerical=["x"])
        assert (samples.dense == expected.dense).all()
        assert (samples.indices == expected.indices).all()


def test_a_sample_of_many_numbers_depends_on_no_cut():
    whole = Numbers(32).seen(MANY)
    parts = Numbers(32)
    for part in np.split(MANY, [1, 7, SAMPLE_SIZE - 1, SAMPLE_SIZE + 5, 3 * SAMPLE_SIZE]):
        parts = parts.seen(part)
    assert whole.level == parts.level == 3
    assert np.array_equal(whole.places, parts.places)
    assert np.array_equal(whole.sample, MANY[whole.places])
    assert np.array_equal(whole.sample, parts.sample)
    assert SAMPLE_SIZE // 2 < len(whole.sample) <= SAMPLE_SIZE


def test_a_sample_is_as_if_drawn_at_random():
    """Its mean: 5 standard errors, a false alarm in 2e6; neighbours are kept independently."""
    numbers = Numbers(32).seen(MANY)
    kept = np.zeros(len(MANY), bool)
    kept[numbers.places] = True
    share = kept.mean()
    assert abs(share - 2.0**-numbers.level) < 5 * np.sqrt(share / len(MANY))
    assert abs(numbers.sample.mean() - MANY.mean()) < 5 / np.sqrt(len(numbers.sample))
    both = (kept[1:] & kept[:-1]).mean()
    assert abs(both - share**2) < 5 * np.sqrt(share**2 / len(MANY))
