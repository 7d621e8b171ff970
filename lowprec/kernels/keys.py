"""The keys of rows: what the random bits of the rows of a launch are derived from."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lowprec.kernels.cache import cached
from lowprec.scalar.internal import internal
from lowprec.scalar.xorshift import derive, halves_of, mix64


class RowKeys(NamedTuple):
    """A stream of random bits for each of the tables that are stacked in a launch.

    Row r of the stack, in table t, is row ``firsts[t] + (r - starts[t]) * strides[t]`` of a whole
    table, of which table t may be a part.
    """

    streams: np.ndarray  # (tables,) uint64: the stream of each table's seed
    starts: np.ndarray  # (tables,) int64: its first row in the stack
    firsts: np.ndarray  # (tables,) int64: the number of that row in the whole
    strides: np.ndarray  # (tables,) int64: how far apart the numbers of its rows are


@internal(forceinline=True)
def first_table(keys, step):
    """What `row_key` takes of the first table at a step: read and mixed once, before a loop."""
    key = derive(keys.streams[0], step)
    return key, keys.starts[0], keys.firsts[0], keys.strides[0]


@internal(forceinline=True)
def row_key(keys, step, of_first, row):
    """The two halves of the key of a row of the stack at a step: see `halves_of`.

    `of_first` is what `first_table` gave.
    """
    key, start, first, stride = of_first
    if keys.starts.size > 1 and row >= keys.starts[1]:
        table = 1
        while table + 1 < keys.starts.size and row >= keys.starts[table + 1]:
            table += 1
        key = derive(keys.streams[table], step)
        start, first, stride = keys.starts[table], keys.firsts[table], keys.strides[table]
    return halves_of(derive(key, first + (row - start) * stride))


@cached
@njit
def _stream_of(seed, stream):
    return derive(mix64(seed), stream)


@cached
@njit
def _stream_key(seed, stream, step):
    return derive(derive(mix64(seed), stream), step)


def stream_of(seed: int, stream: int) -> np.uint64:
    """What the keys of one stream of one seed are derived from, step by step."""
    return np.uint64(_stream_of(np.uint64(seed), np.uint64(stream)))


def stream_key(seed: int, stream: int, step: int) -> np.uint64:
    """The key of one stream of one seed at one step, from which row keys are derived."""
    return np.uint64(_stream_key(np.uint64(seed), np.uint64(stream), np.uint64(step)))
