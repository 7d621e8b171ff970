"""A batch grouped by row, its gradients checked: a sort between two launches.

The first launch looks at each gradient.  Only if their sums might be beyond the limit does the
second look at each row.
"""

import numpy as np

from lowprec.kernels.cuda.finite import StepCheck
from lowprec.kernels.cuda.launch import after, kernel, lanes_for, launch
from lowprec.kernels.cuda.segments import Segments, begins_segment
from lowprec.kernels.cuda.sums import how_to_sum, sum_anew, sum_own_pieces, without_empty
from lowprec.kernels.gradients import PIECE, ROW_SHIFT
from lowprec.kernels.in_memory import taken
from lowprec.scalar.finite import is_finite, is_within

_LARGE_FACTOR = np.float32(2.0**20)  # of a gradient: larger ones are looked at row by row


@kernel
def _pack_and_guard(
    thread, threads, rows, labels, labelled, packed, x, factors, weighted, most, check
):
    limit = taken(most)
    i = thread
    while i < rows.size:
        label = np.uint64(labels[i]) if labelled else np.uint64(i)
        packed[i] = (np.uint64(rows[i]) << ROW_SHIFT) | label
        check.bad[i] = False
        i = after(i, threads)
    i = thread
    while weighted and i < factors.size:
        if not abs(factors[i]) <= _LARGE_FACTOR:
            check.guard[0] = True  # all threads that write here write the same
        i = after(i, threads)
    bound = np.float32(rows.size) * _LARGE_FACTOR if weighted else np.float32(rows.size)
    i = thread
    while i < x.size:
        number = x[i]
        if check.refuse and not is_finite(number):
            check.diverged[0] = True
        elif not abs(number) * bound < limit:  # or it is NaN
            check.guard[0] = True
        i = after(i, threads)


@kernel
def _sum_and_check(thread, threads, segments, gradients, how, by_number, most, check):
    limit = taken(most)
    sum_own_pieces(thread, threads, segments, gradients, how)
    if not check.guard[0]:
        return
    # anew: the pieces are sums of other threads, which may not be done
    order, columns = segments.order, gradients.grad.shape[1]
    lane, place = thread & (by_number.threads - 1), thread >> by_number.shift
    while place < order.size:
        column = lane if begins_segment(order, place) else columns
        while column < columns:
            total = sum_anew(order, gradients, how, place, column)
            if not is_within(total, limit):
                check.bad[place] = True
                if check.refuse:
                    check.diverged[0] = True
            column += by_number.threads
        place += threads >> by_number.shift


def group_and_check(
    rows,
    labels,
    num_rows,
    gradients,
    limit,
    refuse,
    diverged,
    scratch,
    to_update=True,
    largest=None,
):
    """The positions of a batch sorted by row, and whether all gradients of rows are within `limit`.

    An entry of the order is ``row << 32 | label`` (uint64), where `labels` (uint32) are those of
    the positions, or the positions if it is empty.  Labels do not decrease, so sorting whole
    entries is stable: equal rows stay in batch order.

    With `refuse`, nothing is to be written unless all are within the float32 `limit`, which may be
    `InMemory`.  `diverged` (1,) says that nothing may be written any more, and is set where nothing
    may be; None begins anew.  The arrays are those of `scratch`.  The `largest` magnitude of a
    gradient is found on the device in any case.
    """
    places, columns = rows.size, gradients.grad.shape[1]
    slots = 2 * (-(-places // PIECE))
    segments = Segments(
        scratch.empty("packed", (places,), np.uint64),
        scratch.empty("pieces", (slots, columns), np.float32),
    )
    how = how_to_sum(segments, gradients)
    gradients = without_empty(segments, gradients)
    flags = scratch.empty("flags", (2,), np.bool_)
    flags.fill(False)
    bad = scratch.empty("bad", (places,), np.bool_)
    diverged = flags[1:] if diverged is None else diverged
    check = StepCheck(flags[:1], diverged, bad, np.bool_(refuse))
    x, labelled = gradients.grad.reshape(-1), labels.size > 0
    launch(
        _pack_and_guard, max(x.size, places, gradients.factors.size),
        rows, labels if labelled else rows, labelled, segments.order, x, gradients.factors,
        how.weighted, limit, check,
    )  # fmt: skip
    # Eight radix passes of 16 bytes an entry.  A stable argsort of 32-bit rows needs four of 24, as
    # CuPy's indices are 64 bits, and a copy, the indices and a gather: 140 bytes, not 136, and
    # three more calls from Python.
    segments.order.sort()
    by_number = lanes_for(columns)
    threads = places * max(how.lanes.threads, by_number.threads)
    launch(_sum_and_check, threads, segments, gradients, how, by_number, limit, check)
    return segments, check
