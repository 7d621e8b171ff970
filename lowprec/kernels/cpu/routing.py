"""What a table that is spread over processes does with a batch: split it, and pack what is sent.

Row r of the whole table is row ``r // size`` of process ``r % size``, its owner.
"""

import numpy as np

from lowprec.formats.words import decode
from lowprec.kernels.blocks import load, store
from lowprec.kernels.columns import round_columns
from lowprec.kernels.cpu.compiling import parallel, serial
from lowprec.kernels.cpu.finite import largest_magnitude
from lowprec.kernels.cpu.launch import (
    NUMBERS_TO_FIND_A_ROW,
    NUMBERS_TO_SORT_AN_ID,
    launch,
    threads_for,
)
from lowprec.kernels.cpu.lookup import ROWS_AHEAD
from lowprec.kernels.cpu.memory import (
    STREAM_BYTES,
    WIDTH,
    end_of_stream,
    in_blocks,
    prefetch_row,
    stream,
)
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.parts import in_parts
from lowprec.kernels.cpu.rounding import round_row
from lowprec.kernels.cpu.sort import counts_to_places, sort_by_row
from lowprec.kernels.gradients import LABEL, ROW_SHIFT
from lowprec.scalar.internal import internal
from lowprec.scalar.xorshift import ROUND_BLOCK, derive, halves_of

_STREAMED_BYTES = 1 << 21


# --- by owner ---


@internal(**SERIAL)
def _count_owners(rows, size, counts, part, parts):
    start, stop = part * rows.size // parts, (part + 1) * rows.size // parts
    counts = counts[part]
    counts[:] = np.uint32(0)
    for i in range(np.uint64(start), np.uint64(stop)):
        counts[rows[i] % size] += np.uint32(1)


@internal(**SERIAL)
def _scatter_by_owner(rows, size, places, order, of_owner, part, parts):
    start, stop = part * rows.size // parts, (part + 1) * rows.size // parts
    places = places[part]
    for i in range(np.uint64(start), np.uint64(stop)):
        row = rows[i]
        owner = row % size
        place = places[owner]
        order[place] = i
        of_owner[place] = row // size
        places[owner] = place + np.uint32(1)


@serial
def _split_by_owner(rows, size, counts, totals, order, of_owner, threads):
    in_parts(_count_owners, rows, size, counts, threads)
    for owner in range(totals.size):
        for t in range(threads):
            totals[owner] += counts[t, owner]
    counts_to_places(counts)
    in_parts(_scatter_by_owner, rows, size, counts, order, of_owner, threads)


def split_by_owner(rows, size, scratch):
    """The positions of a batch by owner, in batch order, and the rows that they are there.

    Returns (order, rows of owners, how many are of each owner).
    """
    order = scratch.empty("order by owner", (rows.size,), np.uint32)
    of_owner = scratch.empty("rows of owners", (rows.size,), np.uint32)
    threads = threads_for(rows.size * NUMBERS_TO_SORT_AN_ID)
    counts, totals = np.empty((threads, size), np.uint32), np.zeros(size, np.int64)
    launch(_split_by_owner, threads, rows, np.uint32(size), counts, totals, order, of_owner)
    return order, of_owner, totals


# --- each row once ---


@serial
def _number(rows, counts, most, numbers):
    place, before = np.uint64(0), np.uint32(0)
    for owner in range(counts.size):
        for _ in range(counts[owner]):
            numbers[place] = before + rows[place]
            place += np.uint64(1)
        before += most


@serial
def _find_distinct(order, rows, most, distinct, places, totals):
    previous, owner, bound = ~order[0], 0, np.uint64(most)
    count = np.uint64(0)
    for i in range(np.uint64(order.size)):
        entry = order[i]
        label = np.uint32(entry & LABEL)
        if ((entry ^ previous) >> ROW_SHIFT) != np.uint64(0):
            while (entry >> ROW_SHIFT) >= bound:
                owner += 1
                bound += np.uint64(most)
            totals[owner] += 1
            distinct[count] = rows[label]
            count += np.uint64(1)
        places[label] = count - np.uint64(1)
        previous = entry


def distinct_rows(rows, counts, most, scratch):
    """Each row of each owner once: `rows` has so many of each, each below `most`.

    Returns (distinct rows by owner, how many are of each, where each of `rows` is among them).
    """
    totals = np.zeros(counts.size, np.int64)
    distinct = scratch.empty("distinct rows", (rows.size,), np.uint32)
    places = scratch.empty("places", (rows.size,), np.uint32)
    if rows.size:
        numbers = scratch.empty("numbers", (rows.size,), np.uint32)
        packed = scratch.empty("packed", (rows.size,), np.uint64)
        spare = scratch.empty("spare", (rows.size,), np.uint64)
        _number(rows, counts, np.uint32(most), numbers)
        bits = (most * counts.size - 1).bit_length()
        order = sort_by_row(numbers, numbers[:0], bits, packed, spare)
        _find_distinct(order, rows, most, distinct, places, totals)
    return distinct[: totals.sum()], totals, places


# --- bags of owners ---


@serial
def _bags_of_owners(order, bags, counts, found, sizes, totals):
    place, count = np.uint64(0), np.int64(-1)
    for owner in range(counts.size):
        previous = np.int64(-1)
        for _ in range(counts[owner]):
            bag = bags[order[place]]
            if np.int64(bag) != previous:
                count += 1
                found[count], sizes[count] = bag, np.uint32(0)
                totals[owner] += 1
                previous = np.int64(bag)
            sizes[count] += np.uint32(1)
            place += np.uint64(1)


def bags_of_owners(order, bags, counts, scratch):
    """The bags of each owner, from the positions in `order`, which has `counts` of each owner.

    Returns the bags, their sizes, and how many each owner has.  A bag belongs to every owner that
    has an id of it, and its size there is how many of its ids that owner has.
    """
    found = scratch.empty("bags of owners", (order.size,), np.uint32)
    sizes = scratch.empty("sizes of bags", (order.size,), np.uint32)
    totals = np.zeros(counts.size, np.int64)
    _bags_of_owners(order, bags, counts, found, sizes, totals)
    count = totals.sum()
    return found[:count], sizes[:count], totals


# --- rows that are written once, and read much later ---


def _is_streamed(out):
    """Whether rows of 1-D or 2-D `out` can be written past the caches, and are worth it."""
    aligned = out.ctypes.data % STREAM_BYTES == 0
    return aligned and out.shape[1] % WIDTH == 0 and out.nbytes >= _STREAMED_BYTES


@internal(**SERIAL)
def _pack_row(grad, bag, number, key, out, i):
    """Round a row whose first number is number `number` of all, as `round_stochastic` does."""
    columns = grad.shape[1]
    start, place, done = bag * columns, i * columns, np.int64(0)
    while done < columns:  # numbers of a row may have two blocks of random bits, or more
        block = (number + done) // ROUND_BLOCK
        column = number + done - block * ROUND_BLOCK
        some = min(columns - done, ROUND_BLOCK - column)
        round_row(grad, start + done, some, column, derive(key, block), True, out, place + done)
        done += some


@internal(**SERIAL)
def _pack_row_streamed(grad, bag, number, key, out, i):
    """The same of a row of whole blocks of columns."""
    columns = grad.shape[1]
    start, place = bag * columns, i * columns
    before, low, high = np.int64(-1), np.uint32(0), np.uint32(0)
    for column in range(0, columns, WIDTH):
        block = (number + column) // ROUND_BLOCK
        if block != before:
            low, high = halves_of(derive(key, block))
            before = block
        values = load(grad, start + column, WIDTH)
        of_row = number + column - block * ROUND_BLOCK
        stream(round_columns(values, low, high, of_row, True, out), out, place + column)


@parallel
def _pack(grad, bags, first_bag, key, out, streamed, largest, t, threads):
    start, stop = t * bags.size // threads, (t + 1) * bags.size // threads
    columns, most = grad.shape[1], np.uint32(0)
    for i in range(start, stop):
        prefetch_row(grad, np.int64(bags[min(i + ROWS_AHEAD, stop - 1)]))
        bag = np.int64(bags[i])
        bits = largest_magnitude(grad[bag])
        most = bits if bits > most else most
        if streamed:
            _pack_row_streamed(grad, bag, (first_bag + bag) * columns, key, out, i)
        else:
            _pack_row(grad, bag, (first_bag + bag) * columns, key, out, i)
    if streamed:
        end_of_stream()
    largest[t] = most


def pack(grad, bags, first_bag, key, out):
    """Gradients of `bags` as words, float32 or rounded stochastically, into the rows of `out`.

    Random bits are those of `round_stochastic`, of all bags from ``-first_bag`` on.  Returns the
    bits of the largest magnitude.
    """
    threads = threads_for(bags.size * grad.shape[1])
    largest = np.zeros(threads, np.uint32)
    launch(_pack, threads, grad, bags, first_bag, key, out, _is_streamed(out), largest)
    return largest.max()


@internal(**SERIAL)
def _gather_to_range(weight, rows, places, out, start, stop):
    columns = weight.shape[1]
    whole = in_blocks(columns)
    for i in range(start, stop):
        prefetch_row(weight, np.int64(rows[min(i + ROWS_AHEAD, stop - 1)]))
        first, to = np.int64(rows[i]) * columns, np.int64(places[i]) * columns
        for column in range(0, whole, WIDTH):
            store(decode(load(weight, first + column, WIDTH)), out, to + column)
        for column in range(whole, columns):
            store(decode(load(weight, first + column, 1)), out, to + column)


@internal(**SERIAL)
def _gather_to_range_streamed(weight, rows, places, out, start, stop):
    columns = weight.shape[1]
    for i in range(start, stop):
        prefetch_row(weight, np.int64(rows[min(i + ROWS_AHEAD, stop - 1)]))
        first, to = np.int64(rows[i]) * columns, np.int64(places[i]) * columns
        for column in range(0, columns, WIDTH):
            stream(decode(load(weight, first + column, WIDTH)), out, to + column)
    end_of_stream()


@parallel
def _gather_to(weight, rows, places, out, streamed, t, threads):
    start, stop = t * rows.size // threads, (t + 1) * rows.size // threads
    if streamed:
        _gather_to_range_streamed(weight, rows, places, out, start, stop)
    else:
        _gather_to_range(weight, rows, places, out, start, stop)


def gather_to(weight, rows, places, out):
    """``out[places[i]] = weight[rows[i]]`` in float32."""
    threads = threads_for(rows.size * (weight.shape[1] + NUMBERS_TO_FIND_A_ROW))
    launch(_gather_to, threads, weight, rows, places, out, _is_streamed(out))
