"""How well scores rank clicks above non-clicks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.metrics.checks import check_both_labels, check_labels, raise_at_first
from lowprec.metrics.groups import check_groups
from lowprec.metrics.weights import Weights, check_weights, mean


def roc_auc(y: ArrayLike, p: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Area under the ROC curve: the probability that a click is ranked above a non-click.

    A tie counts one half.  Without weights, the result is exact up to the last division.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, each 0 or 1; both must occur, with weights above 0.
    p : array_like, shape (n,)
        Scores: real numbers, higher where label 1 is more likely, as `predict_proba` or
        `decision_function` give them.  Only their order matters.
    sample_weight : array_like, shape (n,), optional
        As for `log_loss`; a pair counts by the product of its two weights.

    Returns
    -------
    float
        In [0, 1]; 0.5 for random predictions.

    Raises
    ------
    ValueError
        As for `log_loss`, except that scores may be any real number or infinity, but not NaN; or if
        only one label occurs.

    Notes
    -----
    The statistic of Mann and Whitney divided by the number of pairs.  It is the area under the
    curve by Hanley and McNeil, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve" (Radiology 143, 1982).

    Examples
    --------
    >>> from lowprec.metrics import roc_auc
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    >>> roc_auc([0, 0, 1, 1], [-3.0, 0.5, 0.5, 7.0])
    0.875
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8], sample_weight=[1, 3, 1, 1])
    0.8125
    """
    return _roc_auc(y, p, sample_weight)


def grouped_roc_auc(
    y: ArrayLike, p: ArrayLike, groups: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """Mean `roc_auc` over groups, such as users (GAUC), weighted by the number of samples.

    Only samples of the same group are compared.  Groups with only one label have no AUC and do not
    count.

    Parameters
    ----------
    y : array_like, shape (n,)
        Labels, each 0 or 1; at least one group must hold both.
    p : array_like, shape (n,)
        As for `roc_auc`.
    groups : array_like, shape (n,)
        The group of each sample: integers, strings, or other numbers or dates that are not missing.
    sample_weight : array_like, shape (n,), optional
        As for `log_loss`.  The weight of a group is the sum of its samples' weights.

    Returns
    -------
    float
        In [0, 1]; 0.5 for random predictions within groups.

    Raises
    ------
    ValueError
        As for `roc_auc`; if groups are missing or not (n,), or if no group holds both labels.
    TypeError
        If `groups` holds other objects than strings alone or integers alone.

    Notes
    -----
    ``sum(w_g * auc_g) / sum(w_g)`` over the groups g with both labels, with w_g the number of the
    group's samples (impressions): Zhu et al., "Optimized Cost per Click in Taobao Display
    Advertising" (KDD 2017); Zhou et al., "Deep Interest Network for Click-Through Rate Prediction"
    (KDD 2018), section 6.

    Examples
    --------
    >>> from lowprec.metrics import grouped_roc_auc, roc_auc
    >>> y, p = [0, 1, 0, 1, 1], [0.1, 0.2, 0.7, 0.8, 0.9]
    >>> grouped_roc_auc(y, p, ["a", "a", "b", "b", "c"])
    1.0
    >>> round(roc_auc(y, p), 4)  # also compares a's click with what b was shown
    0.8333
    """
    return _grouped_roc_auc(y, p, groups, sample_weight)


@in_standard_arithmetic
def _roc_auc(y: ArrayLike, p: ArrayLike, sample_weight: ArrayLike | None) -> float:
    clicked, p, weights = _check(y, p, sample_weight)
    check_both_labels(clicked, weights)
    area, _ = _areas(clicked, p, weights, np.zeros(p.size, np.intp), 1)
    return float(area[0])


@in_standard_arithmetic
def _grouped_roc_auc(
    y: ArrayLike, p: ArrayLike, groups: ArrayLike, sample_weight: ArrayLike | None
) -> float:
    clicked, p, weights = _check(y, p, sample_weight)
    group, num_groups = check_groups(groups, clicked.size)
    areas, counts = _areas(clicked, p, weights, group, num_groups)
    if not counts.any():
        raise ValueError(f"none of the {num_groups} groups holds both labels of y")
    sizes = np.bincount(group, weights, num_groups).astype(np.float64)
    return mean(areas[counts], sizes[counts])


def _check(
    y: ArrayLike, p: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, Weights]:
    clicked, p = check_labels(y, p)
    raise_at_first("p", p, np.isnan(p), "is no score")
    return clicked, p, check_weights(sample_weight, clicked.size)


def _areas(
    clicked: np.ndarray, p: np.ndarray, weights: Weights, group: np.ndarray, num_groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """The area of each group, and whether it has one, as both labels have weight in it."""
    clicks = _amounts(clicked, weights, group, num_groups)
    others = _amounts(~clicked, weights, group, num_groups)
    order = np.argsort(p)
    if num_groups > 1:
        order = order[np.argsort(group[order], kind="stable")]
    p, group = p[order], group[order]
    runs = np.flatnonzero(np.append(True, (p[1:] != p[:-1]) | (group[1:] != group[:-1])))
    clicks, others = np.add.reduceat(clicks[order], runs), np.add.reduceat(others[order], runs)
    group = group[runs]
    first = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    # The sum over all groups may wrap around; differences within a group stay exact.
    before = np.cumsum(others) - others
    before -= before[first][group]
    # Without weights these are whole numbers: float64 adds them exactly up to 9e7 rows.
    wins = np.add.reduceat(clicks * (2.0 * before + others), first)
    pairs = 2.0 * np.add.reduceat(clicks, first) * np.add.reduceat(others, first)
    return np.divide(wins, pairs, out=np.zeros(num_groups), where=pairs > 0), pairs > 0


def _amounts(
    chosen: np.ndarray, weights: Weights, group: np.ndarray, num_groups: int
) -> np.ndarray:
    """The weights of the chosen rows as integers, whose sum in a group is 2**60 to 2**61.

    They are scaled by powers of two, so that whole weights are exact.  Other rows have 0.
    """
    if weights is None:
        return chosen.astype(np.int64)
    weights = np.where(chosen, weights, 0.0)
    _, exponent = np.frexp(np.bincount(group, weights, num_groups))
    return np.rint(np.ldexp(weights, 61 - exponent[group])).astype(np.int64)
