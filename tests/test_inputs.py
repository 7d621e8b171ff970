"""Ordinary inputs give what arrays of int32, int64 and float32 give, bit for bit."""

import ml_dtypes
import numpy as np
import pytest

import lowprec as lp

SIZES = (30, 20, 9)
RNG = np.random.default_rng(0)
IDS = RNG.integers(0, SIZES, (60, 3))
# numbers that float16 holds too
DENSE = RNG.integers(-20, 20, (60, 4)).astype(np.float32) / 4
LABELS = RNG.integers(0, 2, 60)
GRADIENT = RNG.integers(-9, 9, (60, 3, 5)).astype(np.float32) / 8
INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", ">u8"]
REALS = ["f2", "f4", "f8", "g", ">f8", ml_dtypes.bfloat16]


def updated(indices, gradient, offsets=None, weights=None):
    table = lp.EmbeddingTable(SIZES, 5, "float16")
    out = table.lookup(indices, offsets, per_sample_weights=weights)
    table.update(indices, gradient, offsets, per_sample_weights=weights)
    table.diagnose(indices, gradient, offsets, per_sample_weights=weights)
    return out.tobytes(), table.weight.tobytes()


def trained(X, y=LABELS):
    model = lp.LogisticRegression(SIZES, batch_size=20).fit(X, y)
    assert model.predict_proba(X).shape == (60, 2)
    return model.table_.weight.tobytes(), model.predict_proba(X).tobytes()


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(dtype):
    offsets = np.arange(181)
    expected = updated(IDS, GRADIENT), updated(IDS.reshape(-1), GRADIENT, offsets)
    assert updated(IDS.astype(dtype), GRADIENT) == expected[0]
    if np.can_cast(np.uint8, dtype):  # 180 bags
        bounds = offsets.astype(dtype)
        assert updated(IDS.reshape(-1).astype(dtype), GRADIENT, bounds) == expected[1]
    assert trained((DENSE, IDS.astype(dtype)), LABELS.astype(dtype)) == trained((DENSE, IDS))


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "u8"])
def test_offsets_of_shuffled_samples(dtype):
    offsets = np.arange(181)
    expected, found = (
        lp.LogisticRegression(SIZES, batch_size=20, shuffle=True, epochs=2)
        .fit((DENSE, IDS.reshape(-1), bounds), LABELS)
        .table_.weight.tobytes()
        for bounds in (offsets, offsets.astype(dtype))
    )
    assert found == expected


@pytest.mark.parametrize("dtype", REALS)
def test_reals(dtype):
    weights = np.full(IDS.shape, 0.5, np.float32)
    expected = updated(IDS, GRADIENT, weights=weights)
    assert updated(IDS, GRADIENT.astype(dtype), weights=weights.astype(dtype)) == expected
    assert trained((DENSE.astype(dtype), IDS)) == trained((DENSE, IDS))


def test_float64_is_rounded_to_nearest():
    numbers = RNG.normal(size=GRADIENT.shape) * 10.0 ** RNG.integers(-50, 3, GRADIENT.shape)
    assert updated(IDS, numbers) == updated(IDS, numbers.astype(np.float32))


def test_lists_and_numbers_without_a_fraction():
    assert updated(IDS.tolist(), GRADIENT.tolist()) == updated(IDS, GRADIENT)
    whole = np.round(DENSE)
    expected = trained((whole, IDS))
    assert trained((whole.astype(int), IDS)) == expected
    assert trained([whole.tolist(), IDS.tolist()], LABELS.tolist()) == expected
    flags = DENSE > 0
    assert trained((flags, IDS)) == trained((flags.astype(np.float32), IDS))


def test_frames():
    pandas = pytest.importorskip("pandas", reason="pandas makes the frames")
    dense, ids = pandas.DataFrame(DENSE.astype(float)), pandas.DataFrame(IDS)
    ids[1] = ids[1].astype("Int16")
    expected = trained((DENSE, IDS))
    assert trained((dense, ids), pandas.Series(LABELS)) == expected
    assert trained(ids) == trained(IDS)
    with pytest.raises(TypeError, match="dense must hold numbers, got object"):
        trained((dense.assign(city="Bern"), ids))


@pytest.mark.parametrize("make", [lp.LogisticRegression, lp.DLRM])
def test_without_dense_features(make):
    def fit(X):
        model = make(SIZES, batch_size=20).fit(X, LABELS)
        assert model.num_dense_ == 0
        return model.table_.weight.tobytes(), model.predict_proba(X).tobytes()

    offsets = np.arange(181)
    expected = fit((np.empty((60, 0), np.float32), IDS))
    assert fit((None, IDS)) == fit((None, IDS, None)) == fit(IDS) == expected
    model = make(SIZES, batch_size=20).fit((None, IDS.reshape(-1), offsets), LABELS)
    assert model.table_.weight.tobytes() == expected[0]
    assert model.predict_proba(IDS[:0]).shape == (0, 2)
    with pytest.raises(ValueError, match=r"dense features must have shape \(n, 0\), got \(60, 4\)"):
        model.predict((DENSE, IDS))


def test_dense_features_that_are_missing_later():
    model = lp.LogisticRegression(SIZES).fit((DENSE, IDS), LABELS)
    with pytest.raises(ValueError, match=r"dense features must have shape \(n, 4\), got \(60, 0\)"):
        model.predict((None, IDS))
