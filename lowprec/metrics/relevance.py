"""Which items are relevant to which user."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.metrics.checks import as_matrix


class Relevant(NamedTuple):
    """Relevant items, one entry each, ascending by user and item."""

    shape: tuple[int, int]  # users, items
    users: NDArray[np.int64]
    items: NDArray[np.int64]
    gains: NDArray[np.float64]  # above 0


def check_relevant(relevant: Any) -> Relevant:
    """The relevant items of an array or a sparse matrix; ValueError if there are none."""
    from scipy.sparse import issparse  # here, to keep the package quick to import

    if issparse(relevant):
        matrix = _canonical(relevant)
        users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        items, values, shape = matrix.indices.astype(np.int64), matrix.data, matrix.shape
    else:
        array = as_matrix("relevant", relevant)
        users, items = np.nonzero(array)
        values, shape = array[users, items], array.shape
    with np.errstate(over="ignore"):  # of wider floats; infinity is found below
        gains = values.astype(np.float64)
    bad = ~(np.isfinite(gains) & (gains >= 0))
    if bad.any():
        at = int(np.argmax(bad))
        raise ValueError(
            f"relevant[{users[at]}, {items[at]}] = {values[at]} is not finite and at least 0"
        )
    kept = gains > 0
    if not kept.any():
        raise ValueError(f"relevant has no relevant item; its shape is {shape}")
    return Relevant((int(shape[0]), int(shape[1])), users[kept], items[kept], gains[kept])


def _canonical(relevant: Any) -> Any:
    """A copy as CSR: the user's matrix is left as it is.  Equal entries are summed."""
    if len(relevant.shape) != 2:
        raise ValueError(f"relevant must have shape (users, items), got {relevant.shape}")
    if relevant.shape[0] * relevant.shape[1] >= 2**63:
        raise ValueError(f"relevant has {relevant.shape}, which is 2**63 cells or more")
    try:
        if relevant.dtype.kind in "iu":  # sums of equal entries may wrap around in fewer bits
            relevant = relevant.astype(f"{relevant.dtype.kind}8")
        matrix = relevant.tocsr(copy=True)
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"relevant is no valid sparse matrix: {error}") from error
    matrix.sum_duplicates()
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"relevant must hold numbers, got dtype {matrix.dtype}")
    return matrix
