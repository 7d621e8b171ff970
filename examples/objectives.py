"""Strongly convex objectives with known optima, seen through noisy gradients.

`convergence` minimises them; a problem carries the constants of docs/theory/strongly-convex.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

import lowprec as lp


@dataclass(frozen=True)
class Problem:
    """A strongly convex objective, seen through noisy gradients.

    Its constants are those of docs/theory/strongly-convex.md: f is `mu`-strongly convex, and E|g|^2
    at w is at most ``G2 + beta2 * |w - optimum|^2``.  `hessian` and `noise`, the covariance of the
    gradient, are taken at the optimum; the prediction needs them, the bound does not.
    """

    name: str
    optimum: np.ndarray  # (d,) float64
    hessian: np.ndarray  # (d, d)
    noise: np.ndarray  # (d, d)
    mu: float
    G2: float
    beta2: float
    draw: Callable[[np.random.Generator, int], np.ndarray]  # what is random in some steps
    gradient: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (R, d), a step's draws -> (R, d)

    @property
    def t0(self) -> float:
        """Learning rates are ``4 / (mu * (t + t0))``."""
        return 4.0 * self.beta2 / self.mu**2

    def schedule(self) -> lp.schedules.InverseTime:
        """The learning rates."""
        return lp.schedules.InverseTime(4.0 / (self.mu * self.t0), decay=1.0 / self.t0)


# Coordinates with large gradients and much noise, and ones with small gradients and little.
LOUD, QUIET = 4, 12


def quadratic(seed: int) -> Problem:
    """f(w) = sum of h_i (w_i - optimum_i)^2 / 2; gradients with Gaussian noise."""
    rng = np.random.default_rng(seed)
    d = LOUD + QUIET
    optimum = rng.uniform(0.6, 0.9, d) * rng.choice([-1.0, 1.0], d)  # one binade, one spacing
    h = np.concatenate([np.ones(LOUD), np.geomspace(0.1, 0.3, QUIET)])
    sigma = np.concatenate([np.full(LOUD, 0.3), np.full(QUIET, 0.001)])
    return Problem(
        "quadratic",
        optimum,
        hessian=np.diag(h),
        noise=np.diag(sigma**2),
        mu=float(h.min()),
        G2=float((sigma**2).sum()),
        beta2=float(h.max() ** 2),
        draw=lambda rng, steps: sigma * rng.normal(size=(steps, d)),
        gradient=lambda w, xi: h * (w - optimum) + xi,
    )


# --- logistic regression ---


def samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (2000, d), and labels (2000,) that are -1 or 1."""
    rng = np.random.default_rng(seed)
    n, d = 2000, LOUD + QUIET
    X = rng.normal(size=(n, d)) * np.concatenate([np.full(LOUD, 0.5), np.full(QUIET, 0.05)])
    sign = np.where(rng.random(n) < special.expit(X @ rng.normal(scale=2.0, size=d)), 1.0, -1.0)
    return X, sign


def slopes(w: np.ndarray, X: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """The derivative of each sample's loss by its score."""
    return -sign * special.expit(-sign * np.einsum("...d,...d->...", X, w))


def log_loss(w: np.ndarray, X: np.ndarray, sign: np.ndarray, l2: float) -> float:
    """The mean log loss plus (l2 / 2) |w|^2."""
    return np.logaddexp(0, -sign * (X @ w)).mean() + l2 / 2 * w @ w


def log_loss_hessian(w: np.ndarray, X: np.ndarray, l2: float) -> np.ndarray:
    """Second derivatives of `log_loss`, (d, d)."""
    p = special.expit(X @ w)
    return (X.T * (p * (1 - p))) @ X / len(X) + l2 * np.eye(len(w))


def minimiser(X: np.ndarray, sign: np.ndarray, l2: float) -> np.ndarray:
    """Where `log_loss` is least, (d,), found by SciPy."""

    def gradient(w: np.ndarray) -> np.ndarray:
        return slopes(w, X, sign) @ X / len(X) + l2 * w

    found = optimize.minimize(
        log_loss, np.zeros(X.shape[1]), (X, sign, l2), method="trust-exact",
        jac=lambda w, *_: gradient(w), hess=lambda w, *_: log_loss_hessian(w, X, l2),
        options={"gtol": 1e-11},
    )  # fmt: skip
    if np.abs(gradient(found.x)).max() > 1e-10:
        raise RuntimeError(f"SciPy stopped short of the optimum: {found.message}")
    return found.x


def logistic(seed: int) -> Problem:
    """The mean log loss of 2,000 samples plus (0.05 / 2) |w|^2; gradients of 32 of the samples."""
    batch, l2 = 32, 0.05
    X, sign = samples(seed)
    optimum = minimiser(X, sign, l2)
    single = slopes(optimum, X, sign)[:, None] * X + l2 * optimum  # gradients at the optimum
    smoothness = l2 + (X**2).sum(axis=1) / 4

    def gradient(w: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        x = X[drawn]  # (R, batch, d)
        return np.einsum("rb,rbd->rd", slopes(w[:, None], x, sign[drawn]), x) / batch + l2 * w

    return Problem(
        "logistic regression",
        optimum,
        hessian=log_loss_hessian(optimum, X, l2),
        noise=np.cov(single.T) / batch,
        mu=l2,
        G2=2 * float((single**2).sum(axis=1).mean()) / batch,
        beta2=2 * float((smoothness**2).mean()),
        draw=lambda rng, steps: rng.integers(0, len(X), (steps, batch)),
        gradient=gradient,
    )
