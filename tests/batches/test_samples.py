"""Samples against lists of samples, and every input of a model against the samples it means."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lowprec as lp
from lowprec.batches.inputs import as_samples
from lowprec.batches.samples import smallest_features

SIZES = [7, 5, 3]
RNG = np.random.default_rng(0)


def bags(n, num_features, weighted=True):
    """Random bags of n samples: the arrays, and the same as lists."""
    lengths = RNG.integers(0, 4, n * num_features)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    indices = RNG.integers(0, 3, offsets[-1])
    weights = RNG.normal(size=len(indices)).astype(np.float32) if weighted else None
    dense = RNG.normal(size=(n, 2)).astype(np.float32)
    return lp.Samples(dense, indices, offsets, weights, SIZES[:num_features])


def as_lists(samples):
    """One sample after the other: its dense features, and the (id, weight) of each bag."""
    told = []
    for b in range(len(samples)):
        row = [samples.dense[b].tolist()]
        for f in range(samples.num_features):
            if samples.offsets is None:
                places = [(b, f)]
            else:
                k = b * samples.num_features + f
                places = range(samples.offsets[k], samples.offsets[k + 1])
            weights = samples.weights
            row.append(
                [(int(samples.indices[p]), 1.0 if weights is None else weights[p]) for p in places]
            )
        told.append(row)
    return told


@given(n=st.integers(0, 9), num_features=st.integers(1, 3), weighted=st.booleans(), data=st.data())
def test_rows_are_those_of_a_list(n, num_features, weighted, data):
    samples = bags(n, num_features, weighted)
    told = as_lists(samples)
    numbers = data.draw(st.lists(st.integers(-n, n - 1) if n else st.nothing()))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    some = data.draw(st.slices(n))
    assert as_lists(samples[numbers]) == [told[i] for i in numbers]
    assert as_lists(samples[mask]) == [row for row, taken in zip(told, mask, strict=True) if taken]
    assert as_lists(samples[some]) == told[some]
    assert as_lists(samples[np.array(numbers, int), ...]) == [told[i] for i in numbers]
    assert samples[some].num_embeddings == samples.num_embeddings


def test_slices_are_no_copies():
    plain = lp.Samples(np.zeros((5, 2), np.float32), np.zeros((5, 3), np.int32))
    for samples in (plain, bags(5, 3)):
        part = samples[1:4]
        assert np.shares_memory(part.dense, samples.dense)
        assert np.shares_memory(part.indices, samples.indices)
        assert len(part) == 3


def test_arrays_that_are_trained_on_are_not_copied():
    dense, ids = np.zeros((5, 2), np.float32), np.zeros(9, np.int32)
    weights = np.ones(9)
    samples = lp.Samples(dense, ids, np.array([0, 1, 2, 3, 4, 9]), weights)
    for name, array in (("dense", dense), ("indices", ids), ("weights", weights)):
        assert np.shares_memory(getattr(samples, name), array), name


def test_shape_and_bytes():
    samples = lp.Samples(np.zeros((4, 2)), np.zeros((4, 3), int))
    assert (samples.shape, samples.num_dense, samples.num_features) == ((4, 5), 2, 3)
    assert samples.nbytes == 4 * 2 * 4 + 4 * 3 * 8
    assert lp.Samples(dense=[[1, 2]]).shape == (1, 2)
    assert lp.Samples(indices=[1, 2], offsets=[0, 2]).shape == (1, 1)
    assert repr(bags(2, 3)) == (
        "Samples(2 samples, 2 dense features, 3 features of ids, in bags, with weights)"
    )


def test_copies_and_pickles():
    samples = bags(6, 2)
    for twin in (copy.copy(samples), copy.deepcopy(samples), pickle.loads(pickle.dumps(samples))):
        assert as_lists(twin) == as_lists(samples)


def test_smallest_features():
    assert smallest_features(lp.Samples(indices=[[3, 0], [1, 8]])) == [4, 9]
    jagged = lp.Samples(np.zeros((2, 0)), [5, 1, 0], [0, 1, 1, 1, 3])
    assert smallest_features(jagged) == [6, 2]
    assert smallest_features(lp.Samples(np.zeros((2, 0)), [], [0, 0, 0])) == [1]
    assert smallest_features(lp.Samples(dense=np.zeros((2, 3)))) == []


BAD = {
    "nothing": ({}, ValueError, "both are None"),
    "offsets alone": ({"dense": [[1.0]], "offsets": [0, 1]}, ValueError, "offsets are given, but"),
    "weights alone": ({"dense": [[1.0]], "weights": [1.0]}, ValueError, "weights are given, but"),
    "1-D": ({"indices": [1, 2]}, ValueError, r"shape \(n, num_features\), got \(2,\)"),
    "negative": ({"indices": [[1, 2], [1, -1]]}, IndexError, r"indices\[1, 1\] = -1 is negative"),
    "too large": (
        {"indices": [[1, 2], [1, 5]], "num_embeddings": [2, 5]},
        IndexError,
        r"indices\[1, 1\] = 5 is out of range for feature 1, which has num_embeddings 5",
    ),
    "lengths": (
        {"dense": [[1.0]], "indices": [[1], [2]]},
        ValueError,
        r"shape \(1, 1\), got \(2, 1\)",
    ),
    "features": (
        {"indices": [[1, 2]], "num_embeddings": [3]},
        ValueError,
        r"indices must have shape \(1, 1\), got \(1, 2\)",
    ),
    "no ids": (
        {"dense": [[1.0]], "num_embeddings": [3]},
        ValueError,
        "num_embeddings has 1 features, but there are no ids",
    ),
    "offsets": (
        {"dense": np.zeros((2, 1)), "indices": [1, 2, 3], "offsets": [0, 1, 2, 3]},
        ValueError,
        r"2 \* num_features \+ 1 entries, got shape \(4,\)",
    ),
    "inf": ({"dense": [[1.0, np.inf]]}, ValueError, r"dense\[0, 1\] = inf is not finite"),
    "weight NaN": (
        {"indices": [[1, 2]], "weights": [[1.0, np.nan]]},
        ValueError,
        r"weights\[0, 1\] = nan is not finite",
    ),
    "weight 1e39": (
        {"indices": [[1, 2]], "weights": [[1.0, -1e39]]},
        ValueError,
        r"weights\[0, 1\] = -1e\+39 is not finite in float32",
    ),
    "weights' shape": (
        {"indices": [[1, 2]], "weights": [1.0, 2.0]},
        ValueError,
        r"shape of indices, \(1, 2\), got \(2,\)",
    ),
    "float ids": ({"indices": [[1.0]]}, TypeError, "indices must be integers, got float64"),
    "num_embeddings": ({"indices": [[1]], "num_embeddings": 0}, ValueError, "at least 1, got 0"),
}


@pytest.mark.parametrize(("given", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_samples(given, error, message):
    with pytest.raises(error, match=message):
        lp.Samples(**given)


@pytest.mark.parametrize("rows", [3, 1.0, [0.5], [[0]], (0, 1), "0"])
def test_rows_that_are_none(rows):
    with pytest.raises(TypeError, match="samples are indexed"):
        bags(4, 2)[rows]


def test_rows_out_of_range():
    with pytest.raises(IndexError):
        bags(4, 2)[[4]]
    with pytest.raises(IndexError, match="mask has 3 entries for 4 samples"):
        bags(4, 2)[[True, False, True]]


def test_what_is_taken_as_samples():
    dense, ids = np.ones((4, 2)), np.ones((4, 3), np.int64)
    for X in ((dense, ids), [dense, ids], [dense.tolist(), ids.tolist()], (dense, ids, None, None)):
        assert as_samples(X).shape == (4, 5), X
    assert as_samples(ids).num_features == as_samples(ids.tolist()).num_features == 3
    assert as_samples(dense).num_dense == as_samples(dense.tolist()).num_dense == 2
    # a list of two lists of numbers is a matrix
    assert as_samples([[0, 1], [2, 3]]).indices.tolist() == [[0, 1], [2, 3]]
    assert as_samples(dense > 0).dense.tolist() == dense.tolist()
    samples = lp.Samples(dense, ids)
    assert as_samples(samples) is samples


def test_sparse_matrices():
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.random(20, 9, 0.3, "csr", np.float32, random_state=0)
    samples = as_samples(matrix)
    assert samples.num_embeddings == [9]
    assert np.shares_memory(samples.indices, matrix.indices)
    assert np.shares_memory(samples.weights, matrix.data)
    told = [dict(row[1]) for row in as_lists(samples)]
    rows = [{c: v for c, v in enumerate(row) if v} for row in matrix.toarray().tolist()]
    assert told == rows
    assert as_lists(as_samples(matrix.tocsc())) == as_lists(samples)


@pytest.mark.parametrize("X", [3, "abc", None, np.ones((1, 2, 3)), (np.ones((2, 2)),), {"a": [1]}])
def test_what_is_no_samples(X):
    with pytest.raises(TypeError, match=r"X must be lowprec\.Samples"):
        as_samples(X)


def test_frames():
    pandas = pytest.importorskip("pandas", reason="pandas makes the frames")
    assert as_samples(pandas.DataFrame({"a": [1, 2], "b": [3, 4]})).shape == (2, 2)
    assert as_samples(pandas.DataFrame({"a": [1, 2], "b": [3.0, 4]})).num_dense == 2
    with pytest.raises(TypeError, match=r"DataFrame .*lowprec\.TabularEncoder"):
        as_samples(pandas.DataFrame({"a": ["x", "y"], "b": [3, 4]}))
