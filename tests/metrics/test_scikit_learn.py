"""The metrics that scikit-learn has are equal to its own, to 1e-12."""

import numpy as np
import pytest

from lowprec import metrics

EQUAL = {"rel": 1e-12, "abs": 1e-12}


def samples(seed):
    """Labels, probabilities with ties, weights of which some are 0, and groups."""
    rng = np.random.default_rng(seed)
    y, w, groups = rng.integers(0, 2, 500), rng.exponential(size=500), rng.integers(0, 40, 500)
    p = np.round(rng.random(500), 1 + seed % 3)
    w[rng.random(500) < 0.2] = 0
    return y, p, w, groups


def rankings(seed):
    """Gains of which every user has one above 0, scores with ties, weights of users."""
    rng = np.random.default_rng(seed)
    gains = rng.integers(1, 4, (60, 25)) * (rng.random((60, 25)) < 0.2)
    gains[np.arange(60), rng.integers(0, 25, 60)] = 1
    return gains, np.round(rng.normal(size=(60, 25)), seed % 3), rng.random(60)


@pytest.fixture(scope="module")
def sklearn():
    return pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")


seeds = pytest.mark.parametrize("seed", range(6))


@seeds
def test_log_loss_and_roc_auc(sklearn, seed):
    y, p, w, _ = samples(seed)
    for weights in (None, w):
        expected = sklearn.log_loss(y, p, sample_weight=weights)
        assert metrics.log_loss(y, p, weights) == pytest.approx(expected, **EQUAL)
        expected = sklearn.roc_auc_score(y, p, sample_weight=weights)
        assert metrics.roc_auc(y, p, weights) == pytest.approx(expected, **EQUAL)


@seeds
def test_grouped_roc_auc(sklearn, seed):
    y, p, w, groups = samples(seed)
    areas, sizes = [], []
    for group in range(40):
        rows = (groups == group) & (w > 0)
        if len(set(y[rows])) == 2:
            areas.append(sklearn.roc_auc_score(y[rows], p[rows], sample_weight=w[rows]))
            sizes.append(w[rows].sum())
    expected = np.average(areas, weights=sizes)
    assert metrics.grouped_roc_auc(y, p, groups, w) == pytest.approx(expected, **EQUAL)


@seeds
def test_ndcg(sklearn, seed):
    gains, scores, w = rankings(seed)
    for weights in (None, w):
        for k in (1, 5, 24, 25, 30, None):
            expected = sklearn.ndcg_score(gains, scores, k=k, sample_weight=weights)
            assert metrics.ndcg_at_k(gains, scores, k, weights) == pytest.approx(expected, **EQUAL)


# of scikit-learn 1.9.1: log_loss, roc_auc_score, ndcg_score with k=5, each with weights
KNOWN = [
    [2.3582041175559647, 0.5376254315319627, 0.22609379918739844],
    [1.1353893010216212, 0.525808727445018, 0.2013042158648734],
    [0.9116955219407138, 0.5506279213950382, 0.21792577543984953],
]


@pytest.mark.parametrize("seed", range(len(KNOWN)))
def test_known_values(seed):
    y, p, w, _ = samples(seed)
    gains, scores, of_users = rankings(seed)
    got = [
        metrics.log_loss(y, p, w),
        metrics.roc_auc(y, p, w),
        metrics.ndcg_at_k(gains, scores, 5, of_users),
    ]
    assert got == pytest.approx(KNOWN[seed], **EQUAL)
