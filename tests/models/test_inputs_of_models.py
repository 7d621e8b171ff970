"""Per-id weights, sample weights, labels of any kind, features of one kind alone."""

import numpy as np
import pytest

import lowprec as lp
from tests.models.small import SIZES, make_dlrm, make_logistic, state

RNG = np.random.default_rng(0)
N = 200
DENSE = RNG.normal(size=(N, 3)).astype(np.float32)
IDS = RNG.integers(0, SIZES, (N, 3))
Y = RNG.integers(0, 2, N)
X = DENSE, IDS


@pytest.fixture(params=[make_logistic, make_dlrm], ids=["LogisticRegression", "DLRM"])
def make(request):
    return request.param


def flat(weights):
    """The samples with one id a bag, whose ids have weights."""
    return lp.Samples(DENSE, IDS.reshape(-1), np.arange(3 * N + 1), weights, list(SIZES))


def test_weights_of_ids(make):
    """An id of weight 2 is what two ids of its bag are; one of weight 0 is none."""
    counts = RNG.integers(0, 3, 3 * N)
    weighted = make().fit(flat(counts), Y)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    repeated = DENSE, np.repeat(IDS.reshape(-1), counts), offsets
    same = make().fit(repeated, Y)
    a, b = weighted.predict_proba(flat(counts)), same.predict_proba(repeated)
    np.testing.assert_allclose(a, b, atol=2e-3)  # float16 sums round otherwise
    assert np.abs(a - make().fit(X, Y).predict_proba(X)).max() > 0.01
    assert state(make().fit(flat(np.ones(3 * N)), Y)) == state(make().fit(flat(None), Y))
    plain = lp.Samples(DENSE, IDS, None, counts.reshape(N, 3), list(SIZES))
    np.testing.assert_allclose(make().fit(plain, Y).predict_proba(plain), a, atol=2e-3)


def test_weights_of_samples(make):
    """Each step of a sample of weight 2 is twice that of one of weight 1."""
    options = {"epochs": 1, "shuffle": False, "batch_size": N, "dtype": "float32"}
    ones, twos = (
        make(**options).fit(X, Y, sample_weight=np.full(N, weight)) for weight in (1.0, 2.0)
    )
    assert state(ones) == state(make(**options).fit(X, Y))
    before = make(**options).partial_fit(X, Y, sample_weight=np.zeros(N))
    step = ones.table_.weight - before.table_.weight
    np.testing.assert_allclose(twos.table_.weight - before.table_.weight, 2 * step, atol=1e-6)
    assert np.abs(step).max() > 1e-4


def test_classes_are_weighted(make):
    weights = np.where(Y == 1, 3.0, 0.5)
    expected = state(make().fit(X, Y, sample_weight=weights))
    assert state(make(class_weight={0: 0.5, 1: 3}).fit(X, Y)) == expected
    balanced = make(class_weight="balanced").fit(X, Y)
    of_each = N / (2 * np.bincount(Y))
    assert state(balanced) == state(make().fit(X, Y, sample_weight=of_each[Y]))


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"class_weight": {np.int64(0): np.float32(2), np.int64(1): np.int8(3)}},
         {"class_weight": {0: 2.0, 1: 3}}),
        ({"standardize": np.bool_(True)}, {"standardize": True}),
        ({"epochs": np.int8(3), "batch_size": np.int8(50)}, {"epochs": 3, "batch_size": 50}),
    ],
)  # fmt: skip
def test_parameters_that_are_numbers_of_numpy(make, given, plain, tmp_path):
    """They could not be written to files, and small integers overflowed."""
    expected = make(**plain).fit(X, Y)
    model = make(**given).fit(X, Y, save=lp.Checkpoints(tmp_path / "run", every_batches=3))
    assert state(model) == state(expected)
    model.save(tmp_path / "m")
    loaded = lp.load(tmp_path / "m")
    assert state(loaded) == state(expected)
    assert {name: loaded.get_params()[name] for name in plain} == plain
    first = min((tmp_path / "run").iterdir())
    assert state(make(**given).fit(X, Y, resume=first)) == state(expected)
    assert state(make(**plain).fit(X, Y, resume=first)) == state(expected)
    streamed = [make(**options).fit_stream([(X, Y), (X, Y)]) for options in (given, plain)]
    assert state(streamed[0]) == state(streamed[1])


@pytest.mark.parametrize(
    ("options", "weight", "error", "message"),
    [
        ({}, np.ones(3), ValueError, r"sample_weight must have shape \(200,\), got \(3,\)"),
        ({}, np.where(np.arange(N) == 7, -1, 1), ValueError, r"sample_weight\[7\] = -1"),
        ({}, np.full(N, np.inf), ValueError, r"sample_weight\[0\] = inf"),
        ({"class_weight": "even"}, None, ValueError, "class_weight must be None, 'balanced'"),
        ({"class_weight": {2: 1.0}}, None, ValueError, "class_weight has 2, which is none of"),
        ({"class_weight": {1: -1.0}}, None, ValueError, r"class_weight\[1\] must be finite"),
        *[
            ({"class_weight": {1: weight}}, None, ValueError, r"class_weight\[1\] must be finite")
            for weight in (1e39, np.inf, np.nan, 2j, "1", None, True, [1.0], np.ones(2))
        ],
    ],
)
def test_bad_weights(make, options, weight, error, message):
    model = make(**options)
    with pytest.raises(error, match=message):
        model.fit(X, Y, sample_weight=weight)
    assert state(model) is None


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1], [0.0, 1.0], [-1, 1], [False, True], ["no", "yes"], ["b", "a"], [7, 3],
        np.array(["x", "y"], object), np.array([2**63, 2**64 - 1], np.uint64),
    ],
    ids=str,
)  # fmt: skip
def test_labels(make, labels, tmp_path):
    labels = np.asarray(labels)
    order = np.argsort(labels)
    given = labels[order][Y]
    model = make().fit(X, given)
    assert model.classes_.tolist() == labels[order].tolist()
    if labels.tolist() == [0, 1]:
        assert model.classes_.dtype == np.int64
    twin = make().fit(X, Y)
    assert model.table_.weight.tobytes() == twin.table_.weight.tobytes()
    p = model.predict_proba(X)[:, 1]
    assert (model.predict(X) == labels[order][(p > 0.5).astype(int)]).all()
    model.save(tmp_path / "m.safetensors")
    again = lp.load(tmp_path / "m.safetensors")
    assert again.classes_.tolist() == model.classes_.tolist()
    assert (again.predict(X) == model.predict(X)).all()
    with pytest.raises(ValueError, match="none of the classes"):
        model.partial_fit(X, np.full(N, 99))


def test_one_class(make):
    for y in (np.zeros(N), np.full(N, "a")):
        with pytest.raises(ValueError, match="y holds one class alone"):
            make().fit(X, y)
    model = make().partial_fit(X, np.zeros(N, int))  # a part of clicks may have none
    assert model.classes_.tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"one class alone, 'a'.*give both as classes="):
        make().partial_fit(X, np.full(N, "a"))
    model = make().partial_fit(X, np.full(N, "a"), classes=["b", "a"])
    assert model.classes_.tolist() == ["a", "b"]
    model.partial_fit(X, np.full(N, "b"))
    with pytest.raises(ValueError, match="was fitted on"):
        model.partial_fit(X, np.full(N, "b"), classes=["b", "c"])
    for classes in (["a"], ["a", "b", "c"]):
        with pytest.raises(ValueError, match="classes must be two different labels"):
            make().partial_fit(X, Y, classes=classes)


def test_missing_labels(make):
    for missing in (None, np.nan):
        y = np.where(Y, "a", "b").astype(object)
        y[5] = missing
        with pytest.raises(ValueError, match=r"y\[5\] = (None|nan) is missing"):
            make().fit(X, y)


def test_dense_features_alone(make, tmp_path):
    model = make(num_embeddings=None).fit(DENSE, Y)
    assert (model.num_dense_, model.num_features_) == (3, 0)
    p = model.predict_proba(DENSE)
    same = make(num_embeddings=None).fit((DENSE, None), Y)
    np.testing.assert_array_equal(same.predict_proba(DENSE), p)
    assert np.ptp(p) > 0.01
    model.save(tmp_path / "m.safetensors")
    again = lp.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict_proba(DENSE), p)
    np.testing.assert_array_equal(
        again.partial_fit(DENSE, Y).predict_proba(DENSE),
        model.partial_fit(DENSE, Y).predict_proba(DENSE),
    )
    with pytest.raises(ValueError, match="X has 3 features of ids, the model has 0"):
        again.predict(X)


def test_num_embeddings_of_the_samples(make, tmp_path):
    largest = (IDS.max(axis=0) + 1).tolist()
    model = make(num_embeddings=None).fit(X, Y)
    assert list(model.table_.num_embeddings) == largest
    assert state(model) == state(make(num_embeddings=largest).fit(X, Y))
    samples = lp.Samples(*X, num_embeddings=[60, 50, 40])
    told = make(num_embeddings=None).fit(samples, Y)
    assert list(told.table_.num_embeddings) == [60, 50, 40]
    told.predict(X)
    with pytest.raises(IndexError, match=r"indices\[0, 2\] = 40 is out of range for feature 2"):
        told.predict((DENSE[:1], [[0, 0, 40]]))
    model.save(tmp_path / "m.safetensors")
    again = lp.load(tmp_path / "m.safetensors")
    assert again.num_embeddings is None
    assert list(again.table_.num_embeddings) == largest
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_sparse_matrices(make):
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.random(N, 50, 0.1, "csr", np.float32, random_state=0)
    model = make(num_embeddings=None).fit(matrix, Y)
    assert list(model.table_.num_embeddings) == [50]
    assert model.predict_proba(matrix).shape == (N, 2)
    bags = None, matrix.indices, matrix.indptr, matrix.data
    assert state(make(num_embeddings=[50]).fit(bags, Y)) == state(model)


def test_resume_with_weights(make, tmp_path):
    folder = tmp_path / "files"
    weights = RNG.random(N)
    options = {"epochs": 2}
    samples = flat(np.linspace(0, 1, 3 * N))
    whole = make(**options).fit(samples, Y, sample_weight=weights)
    stop = KeyboardInterrupt()

    def interrupt(model, done):
        if done > N:
            raise stop

    save = lp.Checkpoints(folder, every_batches=2)
    with pytest.raises(KeyboardInterrupt):
        make(**options).fit(samples, Y, weights, save=save, callback=interrupt)
    for other in (weights + 0.5, None):
        with pytest.raises(ValueError, match="other samples"):
            make(**options).fit(samples, Y, other, resume=folder)
    with pytest.raises(ValueError, match="other samples"):
        make(**options).fit(flat(None), Y, weights, resume=folder)
    assert state(make(**options).fit(samples, Y, weights, resume=folder)) == state(whole)
