"""The theorems of docs/theory on random problems, with a rounding that is simulated here.

Means of `REPETITIONS` runs, three standard errors allowed, at every step of every problem: fixed
seeds.
"""

import convergence
import ml_dtypes
import numpy as np
import pytest
from objectives import quadratic
from rounding_theory import (
    DTYPES,
    constants,
    relative_floor,
    sharp_bound,
    sharp_floor,
)

REPETITIONS, STEPS = 300, 300


def gaps(x, mantissa, e_min):
    """At x; infinitely many exponents above `e_min`."""
    exponent = np.floor(np.log2(np.maximum(np.abs(x), 2.0**e_min)))
    return 2.0 ** (np.maximum(exponent, e_min) - mantissa)


def rounded(x, gap, rng):
    """One of the two multiples of the gap, with x as its mean."""
    low = np.floor(x / gap) * gap
    return low + gap * (rng.random(x.shape) < (x - low) / gap)


def in_format(x, mantissa, e_min, rng):
    return rounded(x, gaps(x, mantissa, e_min), rng)


class Quadratic:
    """A diagonal Hessian; `moved` coordinates of `d` have a gradient, and noise."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.moved = int(rng.integers(1, 5))
        self.blocks = int(rng.integers(1, 5))
        self.d = self.moved * self.blocks
        self.h = rng.uniform(0.3, 1.0, self.d)
        self.optimum = rng.uniform(-0.9, 0.9, self.d)
        self.sigma = rng.uniform(0.05, 0.5)
        self.mu, self.beta2 = self.h.min(), self.blocks * self.h.max() ** 2
        self.G2 = self.blocks * self.d * self.sigma**2
        self.noise = rng.choice(["normal", "sign"])
        self.rng = rng

    def gradient(self, w):
        shape = w.shape
        signs = self.rng.choice([-1.0, 1.0], shape)
        xi = self.rng.normal(size=shape) if self.noise == "normal" else signs
        block = self.rng.integers(0, self.blocks, (shape[0], 1))
        moves = np.arange(self.d) // self.moved == block
        return moves * self.blocks * (self.h * (w - self.optimum) + self.sigma * xi)

    def distance(self, w):
        return ((w - self.optimum) ** 2).sum(axis=1)


def least(values):
    """What their expectation is above, but for three standard errors."""
    return values.mean(axis=-1) - 3 * values.std(axis=-1) / np.sqrt(values.shape[-1])


def most(values):
    return values.mean(axis=-1) + 3 * values.std(axis=-1) / np.sqrt(values.shape[-1])


@pytest.mark.parametrize("seed", range(12))
def test_theorem_1(seed):
    """Projected on [-1, 1], whose largest gap is half of that at 1."""
    problem, mantissa = Quadratic(seed), 2 + seed % 5
    c, rng = 2.0 + seed % 3, problem.rng
    t0 = max(2 * c, 4 * c * problem.beta2 / problem.mu**2)
    w, found = np.zeros((REPETITIONS, problem.d)), []
    for step in range(STEPS):
        x = w - c / (problem.mu * (step + t0)) * problem.gradient(w)
        w = in_format(np.clip(x, -1, 1), mantissa, -6, rng)
        found.append(problem.distance(w))
    constants = (problem.mu, problem.G2, problem.beta2)
    floor = sharp_floor(*constants, problem.moved, 2.0 ** (-1 - mantissa))
    root = (
        np.sqrt(problem.moved)
        * 2.0 ** (-1 - mantissa)
        * np.sqrt(problem.G2 + problem.beta2 * floor)
    )
    assert 2 * problem.mu * floor == pytest.approx(root)
    start, points = problem.optimum @ problem.optimum, np.arange(1, STEPS + 1)
    assert (least(np.array(found)) <= sharp_bound(*constants, floor, points, start, c)).all()


@pytest.mark.parametrize(
    "schedule",
    [
        lambda t: 0.5,
        lambda t: 2 / (t + 4),
        lambda t: 0.2 / (t + 1) ** 0.5,
        lambda t: 0.7 if t % 5 == 4 else 0.1,  # larger: the other minimum, 0.04 / p, is above
    ],
)
@pytest.mark.parametrize("blocks", [1, 4])
def test_theorem_2(schedule, blocks):
    """No steps that are fixed in advance get below the floor, h = 1 here."""
    rng, gap, sigma, d = np.random.default_rng(blocks), 2.0**-4, 0.2, 4
    optimum = rng.uniform(-1, 1, d)
    w, floor = np.zeros((3000, d)), d * gap * sigma / 2
    for step in range(200):
        moves = rng.integers(0, blocks, w.shape) == 0
        g = moves * blocks * (w - optimum + sigma * rng.choice([-1.0, 1.0], w.shape))
        w = rounded(w - schedule(step) * g, gap, rng)
        away = ((w - optimum) ** 2).sum(axis=1)
        assert most(away) >= min(floor, optimum @ optimum)


@pytest.mark.parametrize("seed", range(8))
def test_theorem_3(seed):
    """No box: gaps are relative."""
    problem, mantissa, e_min = Quadratic(seed), 5 + seed % 4, -4 - seed
    problem.optimum *= [0.0, 1.0, 30.0][seed % 3]
    u, smallest = 2.0**-mantissa, 2.0 ** (e_min - mantissa)
    beta, G = np.sqrt(problem.beta2), np.sqrt(problem.G2)
    q = u * np.linalg.norm(problem.optimum) + np.sqrt(problem.moved) * smallest
    slope, linear = 2 * problem.mu - u * beta, u * G + beta * q
    floor = ((linear + np.sqrt(linear**2 + 4 * slope * q * G)) / (2 * slope)) ** 2
    t0 = max(4.0, 32 * (1 + u) * problem.beta2 / slope**2)
    A = max(
        t0 * problem.optimum @ problem.optimum,
        32 * (1 + u) * (problem.G2 + problem.beta2 * floor) / slope**2,
    )
    w = np.zeros((REPETITIONS, problem.d))
    for step in range(STEPS):
        x = w - 4 / (slope * (step + t0)) * problem.gradient(w)
        w = in_format(x, mantissa, e_min, problem.rng)
        assert least(problem.distance(w)) <= floor + A / (step + 1 + t0)


def test_theorem_4():
    """The average at a constant step, on a grid: bounded, and close to what noise alone gives."""
    problem, gap, rate, steps = Quadratic(0), 2.0**-4, 0.8, 2000
    problem.blocks, problem.moved = 1, problem.d  # dense: the noise does not depend on w
    w, total = np.zeros((REPETITIONS, problem.d)), np.zeros((REPETITIONS, problem.d))
    for _ in range(steps):
        total += w
        w = rounded(w - rate * problem.gradient(w), gap, problem.rng)
    found = ((problem.h * (total / steps - problem.optimum)) ** 2).sum(axis=1)
    noise = problem.d * problem.sigma**2
    N = noise + problem.d * gap**2 / (4 * rate**2)
    start = np.linalg.norm(problem.optimum)
    rest = (2 * start + np.sqrt(rate * N / problem.mu)) / (rate * steps)
    assert least(found) <= (np.sqrt(N / steps) + rest) ** 2
    assert noise / steps / 2 < found.mean() < 2 * N / steps
    assert problem.distance(w).mean() > 100 * found.mean()


@pytest.mark.parametrize("seed", range(4))
def test_theorem_5(seed):
    """The sum of |w_i - optimum_i|: convex, not strongly, with subgradients of noise."""
    rng, d, sigma, rate = np.random.default_rng(seed), 3, 0.5, 0.02 * 2**seed
    optimum, gap = rng.uniform(-0.9, 0.9, d), 2.0**-4
    w, total = np.zeros((REPETITIONS, d)), np.zeros((REPETITIONS, d))
    for _ in range(STEPS):
        total += w
        g = np.sign(w - optimum) + sigma * rng.choice([-1.0, 1.0], w.shape)
        w = rounded(np.clip(w - rate * g, -1, 1), gap, rng)
    excess = np.abs(total / STEPS - optimum).sum(axis=1)
    G = np.sqrt(d * (1 + sigma) ** 2)
    bound = optimum @ optimum / (2 * rate * STEPS) + rate * G**2 / 2 + np.sqrt(d) * G * gap / 2
    assert least(excess) <= bound


@pytest.mark.parametrize("state_mantissa", [None, 7, 3])
def test_theorems_7_and_8(state_mantissa):
    """7 (i) and (ii): Adagrad with exact sums, and with sums of a few bits."""
    rng, d, sigma, rate, gap = np.random.default_rng(0), 4, 0.3, 0.3, 2.0**-5
    optimum, width = rng.uniform(-0.9, 0.9, d), 2.0
    shape = (REPETITIONS, d)
    w, sums, exact = np.zeros(shape), np.full(shape, 2.0**-10), np.full(shape, 2.0**-10)
    distances, regret, sizes = np.zeros(REPETITIONS), np.zeros(REPETITIONS), np.zeros(REPETITIONS)
    for _ in range(STEPS):
        away = w - optimum
        distances += (away**2).sum(axis=1)
        regret += (away**2).sum(axis=1) / 2
        g = away + sigma * rng.choice([-1.0, 1.0], shape)
        sizes += np.abs(g).sum(axis=1)
        previous, exact = sums, exact + g**2
        sums = sums + g**2
        if state_mantissa is not None:
            sums = in_format(sums, state_mantissa, -40, rng)
        assert (sums >= previous).all()
        w = rounded(np.clip(w - rate * g / np.sqrt(sums), -1, 1), gap, rng)
    u = 0.0 if state_mantissa is None else 2.0**-state_mantissa
    factor = np.sqrt(1 + u) / (1 - u)
    roots = np.sqrt(sums).sum(axis=1)
    rest = (width**2 / rate + 2 * rate * factor) * roots / STEPS
    assert least(regret / STEPS - rest / 2 - gap / 2 * sizes / STEPS) <= 0
    floor = sharp_floor(1.0, d * sigma**2, 1.0, d, gap)
    assert least(distances / STEPS - rest) <= floor
    assert least(sums.mean(axis=1) - exact.mean(axis=1)) <= 0 <= most((sums - exact).mean(axis=1))
    late = (away**2).sum(axis=1).mean() / (d * gap * sigma / 2)
    assert 0.8 < late < 1.6


@pytest.mark.parametrize("dtype", DTYPES)
def test_constants(dtype):
    """Where the theory has two forms of a number, they agree."""
    problem, found = quadratic(seed=0), constants(quadratic(seed=0), dtype)
    mu, G, beta, kappa = problem.mu, problem.G2**0.5, problem.beta2**0.5, found["kappa"]
    first = 4 * G * gaps(0.5, ml_dtypes.finfo(dtype).nmant, -6) / (2 * mu)  # sqrt(16) is 4
    assert found["floor"] == pytest.approx(first * (kappa + np.sqrt(1 + kappa**2)))
    assert first < found["floor"] <= found["bound"] / 2
    assert (found["rate_until"] > 0) == (kappa < 0.5)
    u, smallest = (
        float(ml_dtypes.finfo(dtype).eps),
        float(ml_dtypes.finfo(dtype).smallest_subnormal),
    )
    length = np.linalg.norm(problem.optimum)
    a, q = found["relative_floor"], u * length + 4 * smallest
    if u * beta >= 2 * mu:
        assert a == np.inf
    else:
        assert (2 * mu - u * beta) * a == pytest.approx((u * G + beta * q) * np.sqrt(a) + q * G)
    assert relative_floor(mu, 0.0, problem.beta2, 0.0, 16, "bfloat16") < 1e-60


def test_the_page_has_what_the_command_prints(root, capsys):
    assert convergence.main(["--constants"]) == []
    table, about = capsys.readouterr().out.split("quadratic: ")
    page = (root / "docs" / "theory" / "strongly-convex.md").read_text(encoding="utf-8")
    assert table in page
    assert "3,690" in about
