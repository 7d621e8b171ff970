"""How well the items that are relevant to users are ranked: recall and NDCG of the first k."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.checks import check_int
from lowprec.metrics.places import Places, check_lists, places_by_scores, places_in_lists
from lowprec.metrics.relevance import Relevant, check_relevant
from lowprec.metrics.weights import check_weights, mean


def recall_at_k(
    relevant: Any,
    scores: ArrayLike | None = None,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    *,
    ranked: ArrayLike | None = None,
) -> float:
    """Share of a user's relevant items that are among the first k, averaged over users.

    Rankings come either as `scores` of all items or as lists of ids, `ranked`.  Users without
    relevant items have no recall and do not count.

    Parameters
    ----------
    relevant : array_like or SciPy sparse matrix or array, shape (users, items)
        Numbers above 0 for relevant items, and 0 elsewhere.  A sparse matrix is not made dense; its
        duplicate entries are summed.
    scores : array_like, shape (users, items), optional
        Real numbers or infinity; higher scores rank first.  Ties count as the mean over all their
        orders.  Give -inf to items that must not be recommended, such as those seen in training.
    k : int, optional
        How many items of each ranking count, at least 1.  Default: all of `ranked`, or all items.
    sample_weight : array_like, shape (users,), optional
        As for `log_loss`, a weight for each user.
    ranked : array_like of int, shape (users, at least k), optional
        Instead of `scores`: ids of items (columns of `relevant`), best first, without duplicates.

    Returns
    -------
    float
        In [0, 1].  It is below 1 for users with more than k relevant items.

    Raises
    ------
    ValueError
        If not exactly one of `scores` and `ranked` is given, shapes do not fit, `ranked` has fewer
        than k ids or one twice, a number is invalid, or no user (of positive weight) has a relevant
        item.
    IndexError
        If an id in `ranked` is out of range.
    TypeError
        If `ranked` does not hold integers, or `k` is none.

    Notes
    -----
    ``hits / number of relevant items`` of each user, as He et al., "LightGCN: Simplifying and
    Powering Graph Convolution Network for Recommendation" (SIGIR 2020) and those who compare with
    it evaluate.  Liang et al., "Variational Autoencoders for Collaborative Filtering" (WWW 2018)
    divide by ``min(k, number of relevant items)`` instead, which is never lower: numbers of the two
    kinds must not be compared.

    Examples
    --------
    Two users and five items; the lists may come from any recommender:

    >>> from scipy.sparse import csr_array
    >>> from lowprec.metrics import recall_at_k
    >>> ids, offsets = [3, 4, 0], [0, 2, 3]  # what user 0 likes, what user 1 likes
    >>> relevant = csr_array(([1, 1, 1], ids, offsets), shape=(2, 5))
    >>> recall_at_k(relevant, ranked=[[4, 1, 3], [2, 0, 1]], k=2)
    0.75

    From scores, of which the first has a tie across the cut:

    >>> recall_at_k([[0, 0, 1], [1, 0, 0]], [[0.9, 0.4, 0.4], [0.8, 0.1, 0.3]], k=2)
    0.75
    """
    return _recall_at_k(relevant, scores, k, sample_weight, ranked)


def ndcg_at_k(
    relevant: Any,
    scores: ArrayLike | None = None,
    k: int | None = None,
    sample_weight: ArrayLike | None = None,
    *,
    ranked: ArrayLike | None = None,
) -> float:
    """Normalized discounted cumulative gain of the first k items: the mean over users.

    A relevant item counts more the earlier it is ranked.  Users without relevant items do not
    count.

    Parameters
    ----------
    relevant : array_like or SciPy sparse matrix or array, shape (users, items)
        The gain of each item: 1 and 0, or degrees of relevance, at least 0.  For clicks, pass
        ``counts > 0``: counts would be degrees of relevance.
    scores : array_like, shape (users, items), optional
        As for `recall_at_k`.
    k : int, optional
        As for `recall_at_k`.
    sample_weight : array_like, shape (users,), optional
        As for `recall_at_k`.
    ranked : array_like of int, shape (users, at least k), optional
        As for `recall_at_k`.

    Returns
    -------
    float
        In [0, 1]; 1 if the first k are the best k, in the best order.

    Raises
    ------
    ValueError, IndexError, TypeError
        As for `recall_at_k`.

    Notes
    -----
    ``DCG = sum of gain / log2(place + 1)`` over places 1 to k, divided by that of the best order:
    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (ACM TOIS 20, 2002).
    For the gain ``2**degree - 1`` pass that as `relevant`.  Ties of scores are treated as in
    McSherry and Najork, "Computing Information Retrieval Performance Measures Efficiently in the
    Presence of Tied Scores" (ECIR 2008).

    This equals scikit-learn's ``ndcg_score`` if every user has a relevant item; ``ndcg_score``
    counts other users as 0.

    Examples
    --------
    >>> from lowprec.metrics import ndcg_at_k
    >>> relevant = [[0, 0, 1, 1, 0], [1, 0, 0, 0, 0]]
    >>> round(ndcg_at_k(relevant, ranked=[[3, 1, 2], [2, 0, 1]], k=3), 6)
    0.775325
    >>> ndcg_at_k(relevant, [[0.1, 0.2, 0.8, 0.9, 0.0], [0.9, 0.3, 0.2, 0.1, 0.0]], k=3)
    1.0
    """
    return _ndcg_at_k(relevant, scores, k, sample_weight, ranked)


@in_standard_arithmetic
def _recall_at_k(
    relevant: Any,
    scores: ArrayLike | None,
    k: int | None,
    sample_weight: ArrayLike | None,
    ranked: ArrayLike | None,
) -> float:
    entries = check_relevant(relevant)
    first, tied, k = _places(entries, scores, k, ranked)
    hits = np.clip(k - first, 0, tied) / tied
    return _mean_over_users(entries, hits, np.ones_like(hits), sample_weight)


@in_standard_arithmetic
def _ndcg_at_k(
    relevant: Any,
    scores: ArrayLike | None,
    k: int | None,
    sample_weight: ArrayLike | None,
    ranked: ArrayLike | None,
) -> float:
    entries = check_relevant(relevant)
    first, tied, k = _places(entries, scores, k, ranked)
    users = entries.users
    largest = np.zeros(entries.shape[0])
    np.maximum.at(largest, users, entries.gains)
    gains = entries.gains / largest[users]  # so that no sum overflows
    discounts = np.append(1.0 / np.log2(np.arange(2, k + 2)), 0.0)  # from k on 0
    sums = np.append(0.0, np.cumsum(discounts[:k]))
    of_ties = (sums[np.minimum(first + tied, k)] - sums[np.minimum(first, k)]) / tied
    expected = np.where(tied == 1, discounts[np.minimum(first, k)], of_ties)
    best_order = np.lexsort((-gains, users))
    place = np.arange(users.size) - np.searchsorted(users, users)
    ideal = np.empty_like(gains)
    ideal[best_order] = gains[best_order] * discounts[np.minimum(place, k)]
    return _mean_over_users(entries, gains * expected, ideal, sample_weight)


def _places(
    relevant: Relevant, scores: ArrayLike | None, k: int | None, ranked: ArrayLike | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """`Places`, and how many count, which is not more than there are items."""
    if k is not None:
        k = check_int("k", k, low=1)
    if (scores is None) == (ranked is None):
        given = "neither" if scores is None else "both"
        raise ValueError(f"give either scores or ranked, got {given}")
    places: Places
    if scores is None:
        assert ranked is not None
        lists = check_lists(relevant, ranked, k)
        k = k or lists.shape[1]
        places = places_in_lists(relevant, lists, k)
    else:
        k = min(k or relevant.shape[1], relevant.shape[1])
        places = places_by_scores(relevant, scores, k)
    return *places, k


def _mean_over_users(
    relevant: Relevant,
    values: NDArray[np.float64],
    most: NDArray[np.float64],
    sample_weight: ArrayLike | None,
) -> float:
    """The mean of what a user's values sum to, over the most that they can."""
    num_users = relevant.shape[0]
    weights = check_weights(sample_weight, num_users, "user")
    best = np.bincount(relevant.users, most, num_users)
    counted = best > 0 if weights is None else (best > 0) & (weights > 0)
    if not counted.any():
        raise ValueError("sample_weight is 0 for every user who has a relevant item")
    shares = np.bincount(relevant.users, values, num_users)[counted] / best[counted]
    shares = np.minimum(shares, 1.0)  # round-off
    return mean(shares, None if weights is None else weights[counted])
