"""Where relevant items come in a ranking."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec.checks import as_array
from lowprec.metrics.checks import as_matrix
from lowprec.metrics.relevance import Relevant

_BLOCK = 2**20  # scores that are sorted at once


class Places(NamedTuple):
    """Where each relevant item comes: after `first` others, and somewhere among `tied` equal ones.

    Every place from k on is as good as k.
    """

    first: NDArray[np.int64]
    tied: NDArray[np.int64]


def places_by_scores(relevant: Relevant, scores: ArrayLike, k: int) -> Places:
    """Where items come if they are ranked by descending score; `k` is at most their number."""
    matrix = as_matrix("scores", scores)
    if matrix.shape != relevant.shape:
        raise ValueError(
            f"scores must have the shape of relevant, {relevant.shape}, got {matrix.shape}; "
            "pass ids of items, best first, as ranked="
        )
    num_users, num_items = relevant.shape
    places = Places(np.empty_like(relevant.items), np.empty_like(relevant.items))
    step = max(1, _BLOCK // num_items)
    for begin in range(0, num_users, step):
        block = matrix[begin : begin + step]
        nan = np.isnan(block)
        if nan.any():
            user, item = np.unravel_index(int(np.argmax(nan)), nan.shape)
            raise ValueError(f"scores[{user + begin}, {item}] = nan is no score")
        low, high = np.searchsorted(relevant.users, (begin, begin + step))
        users = relevant.users[low:high] - begin
        first, tied = _places_in(block, users, relevant.items[low:high], k)
        places.first[low:high], places.tied[low:high] = first, tied
    return places


def places_in_lists(relevant: Relevant, lists: NDArray[np.int64], k: int) -> Places:
    """Where items come in checked lists, of which the first `k` ids count."""
    num_users, num_items = relevant.shape
    keys = relevant.users * num_items + relevant.items
    wanted = (np.arange(num_users)[:, None] * num_items + lists[:, :k]).reshape(-1)
    entry = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    hits = np.flatnonzero(keys[entry] == wanted)
    first = np.full(keys.size, k)
    first[entry[hits]] = hits % k
    return Places(first, np.ones_like(first))


def check_lists(relevant: Relevant, ranked: ArrayLike, k: int | None) -> NDArray[np.int64]:
    """Ids of items, of which each user has `k` at least, and none twice."""
    num_users, num_items = relevant.shape
    lists = as_array("ranked", ranked)
    if lists.ndim != 2 or lists.shape[0] != num_users:
        raise ValueError(f"ranked must have shape ({num_users}, k), got {lists.shape}")
    if lists.dtype.kind not in "iu":
        raise TypeError(f"ranked must hold ids of items, integers, got dtype {lists.dtype}")
    if lists.shape[1] < (k or 1):
        raise ValueError(f"the lists of ranked must have {k or 1} items, got {lists.shape[1]}")
    bad = (lists < 0) | (lists >= num_items)
    if bad.any():
        user, place = np.unravel_index(int(np.argmax(bad)), bad.shape)
        raise IndexError(
            f"ranked[{user}, {place}] = {lists[user, place]} is out of range for {num_items} items"
        )
    ascending = np.sort(lists, axis=1)
    repeated = ascending[:, 1:] == ascending[:, :-1]
    if repeated.any():
        user, place = np.unravel_index(int(np.argmax(repeated)), repeated.shape)
        raise ValueError(f"ranked[{user}] has item {ascending[user, place]} more than once")
    return lists.astype(np.int64)


def _places_in(
    scores: np.ndarray, users: np.ndarray, items: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """As `places_by_scores`, of a few users."""
    others = scores.shape[1] - k
    top = np.partition(scores, others, axis=1)[:, others:] if others else scores.copy()
    top.sort(axis=1)
    own = scores[users, items]
    first = k - _bisect(top, users, own, np.less_equal)
    tied = k - first - _bisect(top, users, own, np.less)
    # Of those equal to the last of the top, some may be below it.
    equal_to_last = np.count_nonzero(scores == top[:, :1], axis=1)
    tied = np.where(own == top[users, 0], equal_to_last[users], tied)
    return first, np.maximum(tied, 1)  # below the top they are of no use, and were not counted


def _bisect(top: np.ndarray, rows: np.ndarray, values: np.ndarray, precedes: Any) -> np.ndarray:
    """How many entries of the ascending `top[row]` precede a value, for each row and value."""
    low, high = np.zeros(rows.size, np.int64), np.full(rows.size, top.shape[1])
    for _ in range(top.shape[1].bit_length()):
        middle = (low + high) // 2
        beyond = (low < high) & precedes(top[rows, np.minimum(middle, top.shape[1] - 1)], values)
        low, high = np.where(beyond, middle + 1, low), np.where(beyond, high, middle)
    return low
