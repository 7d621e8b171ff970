"""What a table that is spread over processes does with a batch: split it, and pack what is sent.

Row r of the whole table is row ``r // size`` of process ``r % size``, its owner.  Counts by owner
are arrays of the host, because what is exchanged depends on them.
"""

import numpy as np

from lowprec.cuda import array_module
from lowprec.formats.words import decode
from lowprec.kernels.blocks import load, store
from lowprec.kernels.cuda.launch import kernel, lanes_for, launch
from lowprec.kernels.cuda.rounding import round_elements
from lowprec.kernels.cuda.wide import (
    CHUNK,
    columns_of,
    divide_float32,
    items_of_row,
    wide_columns,
)
from lowprec.kernels.gradients import LABEL, ROW_SHIFT

_MAGNITUDE = np.uint32(0x7FFFFFFF)


def split_by_owner(rows, size, scratch):
    """The positions of a batch by owner, in batch order, and the rows that they are there.

    Returns (order, rows of owners, how many are of each owner).
    """
    xp = array_module()
    owners = rows % np.uint32(size)
    order = _sorted_places(xp, owners)[1]
    counts = scratch.device.to_host(xp.bincount(owners, minlength=size)).astype(np.int64)
    return order, (rows // np.uint32(size))[order], counts


def distinct_rows(rows, counts, most, scratch):
    """Each row of each owner once: `rows` has so many of each, each below `most`.

    Returns (distinct rows by owner, how many are of each, where each of `rows` is among them).
    """
    xp = array_module()
    places = xp.empty(rows.size, np.uint32)
    if not rows.size:
        return rows, np.zeros(counts.size, np.int64), places
    owners = _owners(xp, counts, rows.size)
    numbers, order = _sorted_places(xp, owners.astype(np.uint32) * np.uint32(most) + rows)
    first = xp.ones(rows.size, np.bool_)
    first[1:] = numbers[1:] != numbers[:-1]
    places[order] = (xp.cumsum(first) - 1).astype(np.uint32)
    kept = order[first]
    totals = xp.bincount(owners[kept], minlength=counts.size)
    return rows[kept], scratch.device.to_host(totals).astype(np.int64), places


def bags_of_owners(order, bags, counts, scratch):
    """The bags of each owner, from the positions in `order`, which has `counts` of each owner.

    Returns the bags, their sizes, and how many each owner has.  A bag belongs to every owner that
    has an id of it, and its size there is how many of its ids that owner has.
    """
    xp = array_module()
    owners, of_positions = _owners(xp, counts, order.size), bags[order]
    begins = xp.ones(order.size, np.bool_)
    begins[1:] = (of_positions[1:] != of_positions[:-1]) | (owners[1:] != owners[:-1])
    places = xp.flatnonzero(begins)
    ends = xp.append(places[1:], order.size)
    totals = xp.bincount(owners[places], minlength=counts.size)
    return (
        of_positions[places],
        (ends - places).astype(np.uint32),
        scratch.device.to_host(totals).astype(np.int64),
    )


def _sorted_places(xp, keys):
    """Keys (uint32) in ascending order, and where they were, equal ones in their order."""
    packed = (keys.astype(np.uint64) << ROW_SHIFT) | xp.arange(keys.size, dtype=np.uint64)
    packed.sort()
    return (packed >> ROW_SHIFT).astype(np.uint32), (packed & LABEL).astype(np.uint32)


def _owners(xp, counts, size):
    """The owner of each of so many positions, of which so many are of each."""
    ends = xp.asarray(np.cumsum(counts))
    return xp.searchsorted(ends, xp.arange(size), side="right")


@kernel
def _pack(thread, threads, grad, bags, first, key, out, wide, lanes):
    columns, lane = grad.shape[1], thread & (lanes.threads - 1)
    i = thread >> lanes.shift
    while i < bags.size:
        start, place = np.int64(bags[i]) * columns, i * columns
        column = lane * CHUNK
        while column < wide:
            begin = start + column
            round_elements(grad, key, first, True, out, begin, place + column, CHUNK)
            column += lanes.threads * CHUNK
        column = wide + lane
        while column < columns:
            begin = start + column
            round_elements(grad, key, first, True, out, begin, place + column, 1)
            column += lanes.threads
        i += threads >> lanes.shift


def pack(grad, bags, first_bag, key, out):
    """Gradients of `bags` as words, float32 or rounded stochastically, into the rows of `out`.

    Random bits are those of `round_stochastic`, of all bags from ``-first_bag`` on.  Returns the
    bits of the largest magnitude, of all bags.
    """
    columns = grad.shape[1]
    wide = wide_columns(columns, grad, out)
    lanes = lanes_for(items_of_row(columns, wide))
    first, key = np.int64(first_bag * columns), np.uint64(key)
    launch(_pack, bags.size * lanes.threads, grad, bags, first, key, out, wide, lanes)
    return (grad.view(np.uint32) & _MAGNITUDE).max()


@kernel
def _gather_to(thread, threads, weight, rows, places, out, split):
    columns, lane = weight.shape[1], thread & (split.threads - 1)
    i = thread >> split.shift
    while i < rows.size:
        first, to = np.int64(rows[i]) * columns, np.int64(places[i]) * columns
        column = lane * columns_of(split)
        while column < split.wide:
            store(decode(load(weight, first + column, split)), out, to + column)
            column += split.threads * columns_of(split)
        column = split.wide + lane
        while column < columns:
            store(decode(load(weight, first + column, 1)), out, to + column)
            column += split.threads
        i += threads >> split.shift


def gather_to(weight, rows, places, out):
    """``out[places[i]] = weight[rows[i]]`` in float32."""
    split = divide_float32(weight.shape[1], weight, out)
    launch(_gather_to, rows.size * split.threads, weight, rows, places, out, split)
