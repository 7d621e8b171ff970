"""LogisticRegression finds the optimum."""

import numba
import numpy as np
import pytest
from scipy.optimize import minimize

import lowprec as lp
from tests.models.logistic import parameters, raw


@pytest.fixture(scope="module")
def clicks():
    (dense, indices), y, _ = lp.datasets.make_clicks(1000, [20, 10, 5], num_dense=3, seed=1)
    dense = ((dense - dense.mean(axis=0)) / dense.std(axis=0)).astype(np.float32)
    return (dense, indices), y


L2 = 0.05


@pytest.fixture(scope="module")
def optimum(clicks):
    """The objective and its minimiser, by SciPy: weights of ids, of dense features, intercept."""
    (dense, indices), y = clicks
    one_hot = np.zeros((1000, 35))
    for feature, start in enumerate([0, 20, 30]):
        one_hot[np.arange(1000), start + indices[:, feature]] = 1.0
    design = np.column_stack([one_hot, dense, np.ones(1000)])

    def objective(w):
        logits, free = design @ w, np.append(w[:-1], 0.0)
        slope = design.T @ (1 / (1 + np.exp(-logits)) - y) / 1000 + L2 * free
        loss = np.mean(np.logaddexp(0.0, logits) - y * logits)
        return loss + L2 / 2 * (free @ free), slope

    options = {"gtol": 1e-9, "ftol": 1e-15, "maxiter": 1000}
    found = minimize(objective, np.zeros(39), jac=True, method="L-BFGS-B", options=options)
    assert np.abs(found.jac).max() < 1e-7
    return lambda w: objective(w)[0], found.x


def solution(clicks, seed, **kwargs):
    schedule = lp.schedules.InverseTime(2.0, decay=0.02)
    model = raw(
        [20, 10, 5],
        optimizer=lp.SGD(schedule),
        l2=L2,
        batch_size=200,
        epochs=120,
        seed=seed,
        **kwargs,
    ).fit(*clicks)
    assert 0.5 <= model.table_scale_ <= 1.0
    return np.concatenate([part.ravel() for part in parameters(model)])


def test_finds_the_optimum(clicks, optimum):
    objective, best = optimum
    w = solution(clicks, seed=0, dtype="float32")
    assert np.abs(best).max() > 0.5
    assert np.abs(w - best).max() < 4e-3
    assert objective(w) - objective(best) < 5e-6


def test_float16_finds_the_optimum_on_average(clicks, optimum):
    objective, best = optimum
    found = np.array([solution(clicks, seed, dtype="float16") for seed in range(4)])
    assert all(objective(w) - objective(best) < 5e-6 for w in found)
    assert np.abs(found.mean(axis=0) - best).max() < 2e-3


def test_results_do_not_depend_on_threads(clicks, monkeypatch):
    monkeypatch.setattr(
        "lowprec.kernels.cpu.launch.NUMBERS_PER_THREAD", 1
    )  # so small a batch uses them all
    before, results = numba.get_num_threads(), []
    for count in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(count)
        model = raw([20, 10, 5], l2=0.01, batch_size=500, epochs=2, seed=4)
        results.append(model.fit(*clicks).table_.weight.tobytes())
    numba.set_num_threads(before)
    assert len(set(results)) == 1


@pytest.mark.parametrize("make", [lp.LogisticRegression, lp.DLRM])
def test_numbers_of_any_scale_are_learnt_from(make):
    """Features as tables of people have them: the default standardises, so no rate diverges."""
    X, y, p = lp.datasets.make_clicks(8000, [50], num_dense=4, seed=0)
    scales = np.array([1e-6, 1.0, 1e5, 1e12])
    model = make([50], batch_size=128, epochs=2).fit((X[0] * scales + scales, X[1]), y)
    base = lp.metrics.log_loss(y, np.full(len(y), y.mean()))
    got = lp.metrics.log_loss(y, model.predict_proba((X[0] * scales + scales, X[1]))[:, 1])
    truth = lp.metrics.log_loss(y, p)
    assert got < base - 0.3 * (base - truth)
    raw_ids = (np.zeros_like(X[0]), X[1])  # the dense features are a part of what was learnt
    blind = make([50], batch_size=128, epochs=2).fit(raw_ids, y).predict_proba(raw_ids)[:, 1]
    assert got < lp.metrics.log_loss(y, blind)


def test_default_rates_suit_dense_features_of_criteo():
    """Dense features as `load_criteo` gives them are large."""
    X, y, _ = lp.datasets.make_clicks(20_000, seed=0)
    model = lp.LogisticRegression(lp.datasets.DEFAULT_NUM_EMBEDDINGS, batch_size=256).fit(X, y)
    base = lp.metrics.log_loss(y, np.full(len(y), y.mean()))
    assert lp.metrics.log_loss(y, model.predict_proba(X)[:, 1]) < base - 0.02


def test_an_optimizer_given_alone_steps_all_weights():
    X, y, _ = lp.datasets.make_clicks(50, [7, 5], seed=0)
    alone = lp.LogisticRegression([7, 5], optimizer=lp.SGD(0.01)).fit(X, y)
    both = lp.LogisticRegression([7, 5], optimizer=lp.SGD(0.01), dense_optimizer=lp.SGD(0.01))
    np.testing.assert_array_equal(alone.coef_, both.fit(X, y).coef_)
    default = lp.LogisticRegression([7, 5]).fit(X, y)
    assert not np.array_equal(default.coef_, alone.coef_)
