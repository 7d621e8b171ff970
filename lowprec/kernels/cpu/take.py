"""Copying rows of several arrays in another order, as batches of shuffled samples need them."""

import math

import numpy as np

from lowprec.kernels.cpu.addresses import address, rows_at
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import NUMBERS_TO_FIND_A_ROW, launch, threads_for
from lowprec.kernels.cpu.memory import prefetch_row
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.internal import internal

_ROWS_AHEAD = 12  # each has several cache lines
_WORD_BYTES = 4
_FROM, _TO, _WORDS = range(3)  # of an array in the table of all: two addresses, and words of a row


@internal(**SERIAL)
def _take_range(source, order, out, start, stop):
    for i in range(start, stop):
        prefetch_row(source, order[min(i + _ROWS_AHEAD, stop - 1)])
        row = source[order[i]]
        to = out[i]
        for c in range(row.size):
            to[c] = row[c]


@parallel
def _take_rows(arrays, length, order, t, threads):
    start, stop = t * order.size // threads, (t + 1) * order.size // threads
    for each in range(len(arrays)):
        words = arrays[each, _WORDS]
        source = rows_at(arrays[each, _FROM], 0, length, words, np.uint32)
        out = rows_at(arrays[each, _TO], 0, order.size, words, np.uint32)
        _take_range(source, order, out, start, stop)


def take_rows(arrays, order):
    """``array[order]`` of each of some arrays of equally many rows; `order` is int64, in range."""
    order = np.ascontiguousarray(order, np.int64)
    taken, lines = [], []
    for array in arrays:
        words, rest = divmod(math.prod(array.shape[1:]) * array.itemsize, _WORD_BYTES)
        if rest or not array.flags.c_contiguous:
            taken.append(array[order])
            continue
        taken.append(np.empty((order.size, *array.shape[1:]), array.dtype))
        lines.append((address(array), address(taken[-1]), words))
    table = np.array(lines, np.int64).reshape(len(lines), 3)
    numbers = order.size * (int(table[:, _WORDS].sum()) + NUMBERS_TO_FIND_A_ROW)
    launch(_take_rows, threads_for(numbers), table, len(arrays[0]), order)
    return taken
