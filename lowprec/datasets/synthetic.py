"""Clicks drawn from a planted model, so that the best possible score is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.checks import check_int, check_seed
from lowprec.datasets.sizes import as_sizes

#: 26 features, 200,000 ids: Criteo's small features, and its large ones cut down.
DEFAULT_NUM_EMBEDDINGS = (
    1460, 583, 30_000, 25_000, 305, 24, 9000, 633, 3, 15_000, 4700, 27_000, 3200,
    27, 11_000, 25_000, 10, 4600, 2100, 4, 24_000, 18, 15, 9000, 105, 7213,
)  # fmt: skip

BASE_RATE = 0.25
ZIPF_EXPONENT = 1.05
RANK = 4  # of the interaction between features

# The logit's standard deviation, and how its variance is shared out.  With 1.4 the true
# probabilities score a log loss of about 0.44 and an AUC of about 0.80.
_LOGIT_SPREAD = 1.4
_SHARE_DENSE, _SHARE_IDS, _SHARE_INTERACTION = 0.2, 0.45, 0.35

_CHUNK_ROWS = 8192
_CALIBRATION_ROWS = 32768
# Spawn keys of the seed: the model, its calibration, and the chunks of samples.
_KEY_MODEL, _KEY_CALIBRATION, _KEY_CHUNK = 0, 1, 2

Clicks: TypeAlias = "tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]"


class _Model(NamedTuple):
    sizes: np.ndarray  # int64 (F,)
    row_offsets: np.ndarray  # int64 (F,)
    id_of_rank: np.ndarray  # int32 (rows,): the id of a feature's k-th most frequent one
    id_weight: np.ndarray  # float64 (rows,)
    id_factors: np.ndarray  # float32 (rows, RANK)
    dense_location: np.ndarray  # float64 (num_dense,): of the log of the counts
    dense_scale: np.ndarray  # float64 (num_dense,)
    dense_weight: np.ndarray  # float64 (num_dense,)


class _Calibration(NamedTuple):
    scale: np.ndarray  # float64 (3,): of the terms of the logit
    bias: float


def make_clicks(
    n_samples: int,
    num_embeddings: int | Sequence[int] = DEFAULT_NUM_EMBEDDINGS,
    num_dense: int = 13,
    seed: int = 0,
) -> Clicks:
    """Draw clicks, shaped like Criteo's, from a planted model.

    The logit of a click is the sum of a bias, a linear effect of the dense features, one weight per
    id, and, over all pairs of features, the dot product of the ids' vectors of length 4.  A
    logistic regression can learn everything but the pairs.  Dense features are log(1 + count) of
    heavy-tailed counts.  The probability of the k-th most frequent id of a feature is about
    proportional to k**-1.05, and the order of ids has no meaning.

    The planted model depends only on `seed`, `num_embeddings` and `num_dense`, and the first k
    samples are the same for every ``n_samples >= k``: split one draw into train and test.

    Parameters
    ----------
    n_samples : int
        Number of samples, at least 1.
    num_embeddings : int or sequence of ints
        Number of ids per feature; an int is one feature.  By default 26 features with 200,000 ids
        in all; with these, a quarter of the labels are 1, and `p` has a log loss of about 0.44
        and an AUC of about 0.80.
    num_dense : int, default 13
        Number of dense features; may be 0.
    seed : int, default 0
        In [0, 2**64).

    Returns
    -------
    X : tuple of (dense, indices)
        float32 (n_samples, num_dense) and int32 (n_samples, number of features).
    y : ndarray
        Labels, int8 (n_samples,).
    p : ndarray
        The true probability that each label is 1, float64 (n_samples,): no model predicts better.

    Raises
    ------
    TypeError
        If an argument is not an integer (or a sequence of integers).
    ValueError
        If an argument is out of range.

    Notes
    -----
    Samples depend on the version of NumPy, which may change what its distributions draw.

    Examples
    --------
    >>> from lowprec.datasets import make_clicks
    >>> (dense, indices), y, p = make_clicks(1000, num_embeddings=[100, 10], num_dense=3, seed=1)
    >>> dense.shape, indices.shape, y.shape, p.shape
    ((1000, 3), (1000, 2), (1000,), (1000,))
    """
    n_samples = check_int("n_samples", n_samples, low=1, high=2**40)
    sizes = as_sizes(num_embeddings, None)
    num_dense = check_int("num_dense", num_dense, low=0, high=2**20)
    return _draw(n_samples, sizes, num_dense, check_seed(seed))


@in_standard_arithmetic
def _draw(n_samples: int, sizes: Sequence[int], num_dense: int, seed: int) -> Clicks:
    model = _plant(_generator(seed, _KEY_MODEL), sizes, num_dense)
    calibration = _calibrate(_generator(seed, _KEY_CALIBRATION), model)
    dense = np.empty((n_samples, num_dense), np.float32)
    indices = np.empty((n_samples, len(sizes)), np.int32)
    y = np.empty(n_samples, np.int8)
    p = np.empty(n_samples, np.float64)
    arrays: tuple[np.ndarray, ...] = (dense, indices, y, p)
    for chunk, start in enumerate(range(0, n_samples, _CHUNK_ROWS)):
        drawn = _draw_chunk(_generator(seed, _KEY_CHUNK, chunk), model, calibration)
        rows = slice(start, start + _CHUNK_ROWS)
        for whole, part in zip(arrays, drawn, strict=True):
            whole[rows] = part[: n_samples - start]
    return (dense, indices), y, p


def _generator(seed: int, *spawn_key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key))


def _plant(rng: np.random.Generator, sizes: Sequence[int], num_dense: int) -> _Model:
    rows = sum(sizes)
    return _Model(
        sizes=np.array(sizes, np.int64),
        row_offsets=np.cumsum([0, *sizes[:-1]]),
        id_of_rank=np.concatenate([rng.permutation(size) for size in sizes]).astype(np.int32),
        id_weight=rng.standard_normal(rows),
        id_factors=rng.standard_normal((rows, RANK), np.float32),
        dense_location=rng.uniform(0.0, 3.0, num_dense),
        dense_scale=rng.uniform(0.8, 2.0, num_dense),
        dense_weight=rng.standard_normal(num_dense),
    )


def _calibrate(rng: np.random.Generator, model: _Model) -> _Calibration:
    """Give each term its share of the logit's variance, and the logit its base rate."""
    dense, indices = _draw_features(rng, model, _CALIBRATION_ROWS)
    terms = _terms(model, dense, indices)
    spread = np.std(terms, axis=1)
    share = np.array([_SHARE_DENSE, _SHARE_IDS, _SHARE_INTERACTION])
    # A term that varies by its rounding alone (of one feature, or one id) leaves its share unused.
    varies = spread > 1e-4
    scale = np.where(varies, _LOGIT_SPREAD * np.sqrt(share) / np.where(varies, spread, 1.0), 0.0)
    logit = _logit(_Calibration(scale, 0.0), terms)
    return _Calibration(scale, _bias_for(BASE_RATE, logit))


def _bias_for(rate: float, logit: np.ndarray) -> float:
    """The bias that makes the mean probability `rate`, by bisection: the mean grows with it."""
    low, high = -logit.max() - 20.0, -logit.min() + 20.0
    for _ in range(64):
        middle = (low + high) / 2
        if _sigmoid(logit + middle).mean() < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _draw_chunk(
    rng: np.random.Generator, model: _Model, calibration: _Calibration
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(dense, indices, y, p) of a whole chunk: fewer rows would draw other numbers."""
    dense, indices = _draw_features(rng, model, _CHUNK_ROWS)
    p = _sigmoid(_logit(calibration, _terms(model, dense, indices)))
    y = (rng.random(_CHUNK_ROWS) < p).astype(np.int8)
    return dense, indices, y, p


def _draw_features(
    rng: np.random.Generator, model: _Model, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    log_count = rng.normal(model.dense_location, model.dense_scale, (rows, model.dense_scale.size))
    dense = np.log1p(np.floor(np.exp(log_count))).astype(np.float32)
    rank = _zipf_rank(rng.random((rows, model.sizes.size)), model.sizes)
    return dense, model.id_of_rank[model.row_offsets + rank]


def _zipf_rank(u: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Ranks in [0, size) from uniform `u`: the integer part of a bounded Pareto variable.

    Its density x**-ZIPF_EXPONENT on [1, size + 1) inverts in closed form, unlike Zipf's sum.
    """
    power = 1.0 - ZIPF_EXPONENT
    tail = (sizes + 1.0) ** power
    rank = (1.0 - u * (1.0 - tail)) ** (1.0 / power) - 1.0
    return np.clip(rank.astype(np.int64), 0, sizes - 1)  # clip: the power may round up


def _terms(model: _Model, dense: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """(3, n): the effects of dense features, of ids, and of pairs of ids, before scaling."""
    rows = model.row_offsets + indices
    slope = model.dense_weight / model.dense_scale
    factors = model.id_factors[rows]
    # The sum over pairs of v_i . v_j is half of |sum v|**2 - sum |v|**2.
    total = factors.sum(axis=1)
    pairs = ((total**2).sum(axis=1) - (factors**2).sum(axis=(1, 2))) / 2
    return np.stack([(dense * slope).sum(axis=1), model.id_weight[rows].sum(axis=1), pairs])


def _logit(calibration: _Calibration, terms: np.ndarray) -> np.ndarray:
    # Sums, not `@`: the last bits of a BLAS product depend on its threads.
    return (calibration.scale[:, None] * terms).sum(axis=0) + calibration.bias


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))
