"""The planted click model: its shape, its repeatability, and that its probabilities are true."""

import numpy as np
import pytest

from lowprec import metrics
from lowprec.datasets import make_clicks, synthetic


@pytest.fixture(scope="module")
def clicks():
    return make_clicks(200_000)


def same(a, b):
    (dense_a, indices_a), y_a, p_a = a
    (dense_b, indices_b), y_b, p_b = b
    pairs = [(dense_a, dense_b), (indices_a, indices_b), (y_a, y_b), (p_a, p_b)]
    return all(np.array_equal(one, other) for one, other in pairs)


def head(drawn, n):
    (dense, indices), y, p = drawn
    return (dense[:n], indices[:n]), y[:n], p[:n]


def test_shapes_types_and_ranges(clicks):
    (dense, indices), y, p = clicks
    assert (dense.shape, dense.dtype) == ((200_000, 13), np.float32)
    assert (indices.shape, indices.dtype) == ((200_000, 26), np.int32)
    assert (y.shape, y.dtype) == ((200_000,), np.int8)
    assert (p.shape, p.dtype) == ((200_000,), np.float64)
    assert np.isfinite(dense).all()
    assert dense.min() >= 0
    assert set(np.unique(y)) == {0, 1}
    assert 0 < p.min() < p.max() < 1
    assert indices.min() >= 0
    assert (indices.max(axis=0) < synthetic.DEFAULT_NUM_EMBEDDINGS).all()


def test_default_sizes():
    assert len(synthetic.DEFAULT_NUM_EMBEDDINGS) == 26
    assert sum(synthetic.DEFAULT_NUM_EMBEDDINGS) == 200_000


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_difficulty(seed):
    _, y, p = make_clicks(100_000, seed=seed)
    assert 0.24 < y.mean() < 0.26
    assert 0.42 < metrics.log_loss(y, p) < 0.46
    assert 0.79 < metrics.roc_auc(y, p) < 0.82


def test_probabilities_are_true(clicks):
    # In each of 100 groups of equal p, the number of clicks is binomial.
    _, y, p = clicks
    order = np.argsort(p)
    y, p = y[order].reshape(100, -1), p[order].reshape(100, -1)
    z = (y - p).sum(axis=1) / np.sqrt((p * (1 - p)).sum(axis=1))
    assert np.abs(z).max() < 5
    assert (z**2).sum() == pytest.approx(100, abs=5 * np.sqrt(200))


def test_pairs_of_features_matter(clicks):
    # The best a model without pairs can do, given the true additive part of the logit.
    (dense, indices), y, p = clicks
    model = synthetic._plant(synthetic._generator(0, synthetic._KEY_MODEL), *default_shape())
    dense_term, id_term, _ = synthetic._terms(model, dense, indices)
    features = np.stack([np.ones_like(p), dense_term, id_term], axis=1)
    additive = fit_logistic(features, y)
    assert metrics.log_loss(y, additive) > metrics.log_loss(y, p) + 0.02


def default_shape():
    return synthetic.DEFAULT_NUM_EMBEDDINGS, 13


def fit_logistic(features, y):
    """Newton's method: probabilities of the best logistic model."""
    weight = np.zeros(features.shape[1])
    for _ in range(10):
        p = 1 / (1 + np.exp(-features @ weight))
        hessian = (features * (p * (1 - p))[:, None]).T @ features
        weight += np.linalg.solve(hessian, features.T @ (y - p))
    return p


@pytest.mark.parametrize("feature", [2, 5, 8])
def test_ids_follow_a_power_law(clicks, feature):
    (_, indices), _, _ = clicks
    size = synthetic.DEFAULT_NUM_EMBEDDINGS[feature]
    counts = np.sort(np.bincount(indices[:, feature], minlength=size))[::-1]
    edges = np.arange(1, size + 2) ** (1 - synthetic.ZIPF_EXPONENT)
    chances = -np.diff(edges) / (1 - edges[-1])
    top = min(size, 50)
    assert counts[:top] == pytest.approx(200_000 * chances[:top], rel=0.1)


def test_order_of_ids_means_nothing(clicks):
    (_, indices), _, _ = clicks
    size = synthetic.DEFAULT_NUM_EMBEDDINGS[2]
    counts = np.bincount(indices[:, 2], minlength=size)
    frequent = np.argsort(counts)[-2000:]
    assert np.mean(frequent < size / 2) == pytest.approx(0.5, abs=0.05)


def test_dense_features_have_heavy_tails(clicks):
    (dense, _), _, _ = clicks
    counts = np.expm1(dense.astype(np.float64))
    assert np.allclose(counts, np.round(counts), rtol=1e-5)
    assert np.median(counts.max(axis=0) / counts.mean(axis=0)) > 20


@pytest.mark.parametrize("n", [1, 100, synthetic._CHUNK_ROWS, synthetic._CHUNK_ROWS + 1, 20_000])
def test_a_shorter_draw_is_a_prefix(clicks, n):
    assert same(make_clicks(n), head(clicks, n))


def test_repeats_and_depends_on_every_argument():
    drawn = make_clicks(1000, [50, 20], 3, seed=5)
    assert same(drawn, make_clicks(1000, np.array([50, 20]), np.int64(3), seed=5))
    for other in [
        make_clicks(1000, [50, 20], 3, seed=6),
        make_clicks(1000, [50, 21], 3, seed=5),
        make_clicks(1000, [50, 20], 4, seed=5),
    ]:
        assert not np.array_equal(drawn[2], other[2])


def test_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_clicks(10)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("num_dense", [0, 1])
@pytest.mark.parametrize(("sizes", "num_features"), [(7, 1), ([1], 1), ([1, 1], 2), ([3, 4], 2)])
def test_small_models(sizes, num_features, num_dense):
    (dense, indices), y, p = make_clicks(20_000, sizes, num_dense, seed=2**64 - 1)
    assert dense.shape == (20_000, num_dense)
    assert indices.shape == (20_000, num_features)
    assert p.mean() == pytest.approx(0.25, abs=0.02)
    assert y.mean() == pytest.approx(p.mean(), abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, "n_samples must be in"),
        ({"n_samples": 1.0}, TypeError, "n_samples must be an integer, got 1.0"),
        ({"num_embeddings": 0}, ValueError, r"num_embeddings must be in \[1, 2147483649\), got 0"),
        ({"num_embeddings": []}, ValueError, "at least one entry"),
        ({"num_embeddings": [5, 0]}, ValueError, r"num_embeddings\[1\] must be in"),
        ({"num_embeddings": [5, 2.5]}, TypeError, r"num_embeddings\[1\] must be an integer"),
        ({"num_embeddings": "55"}, TypeError, "num_embeddings must be an integer, got '55'"),
        ({"num_dense": -1}, ValueError, "num_dense must be in"),
        ({"num_dense": None}, TypeError, "num_dense must be an integer"),
        ({"seed": -1}, ValueError, "seed must be in"),
        ({"seed": 2**64}, ValueError, "seed must be in"),
        ({"seed": True}, TypeError, "seed must be an integer, got True"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        make_clicks(**{"n_samples": 10, **arguments})
