"""`lowprec.SGD` with other random generators, for `benchmarks.generators`.

The row loop is that of lowprec's own update, with its scalars, blocks and prefetch.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numba import njit

import lowprec as lp
from lowprec.formats.words import decode, round_stochastic
from lowprec.kernels import cpu as kernels
from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.cpu.compiling import parallel
from lowprec.kernels.cpu.launch import launch, threads_for
from lowprec.kernels.cpu.memory import WIDTH, prefetch_row
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.segments import row_of_segment
from lowprec.kernels.cpu.sums import bag_of_one, is_one_gradient, sum_segment
from lowprec.optimizers.sgd import Descent
from lowprec.scalar.bits import fma, u32

_AHEAD = np.uint64(24)
_DRAW_BITS = 13  # float16
_ALL = 1 << 40  # so much work that all threads take part


@njit(forceinline=True, **SERIAL)
def _descend(weight, gradient, learning_rate):
    return fma(-learning_rate, gradient, weight)


@njit(forceinline=True, **SERIAL)
def _gradient(weight, segments, gradients, segment, last, total):
    """Where the gradient of a segment's row begins: a matrix and a flat index.  Prefetches, too."""
    prefetch_row(weight, row_of_segment(segments, min(segment + _AHEAD, last - np.uint64(1))))
    if is_one_gradient(segments, gradients, segment):
        bag = bag_of_one(segments, gradients, segment)
        return gradients.grad, bag * weight.shape[1]
    sum_segment(segments, gradients, segment, total[0])
    return total, 0


@njit(**SERIAL)
def _blocks_range(weight, segments, gradients, learning_rate, draws, first, last, total):
    """Draws come from an array, in blocks, or are zero if it is empty; whole blocks only."""
    columns = weight.shape[1]
    for segment in range(first, last):
        gradient, start = _gradient(weight, segments, gradients, segment, last, total)
        row = row_of_segment(segments, segment) * columns
        for column in range(0, columns, WIDTH):
            step = load(gradient, start + column, WIDTH)
            values = _descend(decode(load(weight, row + column, WIDTH)), step, learning_rate)
            bits = zeros(draws, WIDTH)
            if draws.size:
                bits = load(draws, np.int64(segment) * columns + column, WIDTH)
            store(round_stochastic(values, u32(bits), weight), weight, row + column)


@njit(**SERIAL)
def _xorshift_range(weight, segments, gradients, learning_rate, state, first, last, total):
    columns = weight.shape[1]
    x = state[0]
    for segment in range(first, last):
        gradient, start = _gradient(weight, segments, gradients, segment, last, total)
        row = row_of_segment(segments, segment)
        for column in range(columns):
            x = u32(x ^ u32(x << np.uint32(13)))
            x = u32(x ^ u32(x >> np.uint32(17)))
            x = u32(x ^ u32(x << np.uint32(5)))
            place = row * columns + column
            word = load(weight, place, 1)
            value = _descend(decode(word), load(gradient, start + column, 1), learning_rate)
            draw = u32(x >> np.uint32(32 - _DRAW_BITS))
            store(round_stochastic(value, draw, weight), weight, place)
    state[0] = x


@njit(nogil=True, error_model="numpy")
def _twister_range(weight, segments, gradients, learning_rate, first, last, total):
    columns = weight.shape[1]
    for segment in range(first, last):
        gradient, start = _gradient(weight, segments, gradients, segment, last, total)
        row = row_of_segment(segments, segment)
        for column in range(columns):
            place = row * columns + column
            word = load(weight, place, 1)
            value = _descend(decode(word), load(gradient, start + column, 1), learning_rate)
            draw = np.uint32(random.getrandbits(_DRAW_BITS))
            store(round_stochastic(value, draw, weight), weight, place)


@njit(forceinline=True, **SERIAL)
def _part(segments, part, parts):
    return np.uint64((segments.starts.size - 1) * part // parts)


@parallel
def _update_from_array(weight, segments, gradients, learning_rate, draws, totals, t, threads):
    first, last = _part(segments, t, threads), _part(segments, t + 1, threads)
    _blocks_range(weight, segments, gradients, learning_rate, draws, first, last, totals[t : t + 1])


@parallel
def _update_xorshift(weight, segments, gradients, learning_rate, states, totals, t, threads):
    first, last = _part(segments, t, threads), _part(segments, t + 1, threads)
    _xorshift_range(
        weight, segments, gradients, learning_rate, states[t], first, last, totals[t : t + 1]
    )


@parallel
def _update_twister(weight, segments, gradients, learning_rate, totals, t, threads):
    first, last = _part(segments, t, threads), _part(segments, t + 1, threads)
    _twister_range(weight, segments, gradients, learning_rate, first, last, totals[t : t + 1])


class _OtherDescent(Descent):
    """The rule of SGD, which knows the optimizer that made it."""

    optimizer: _OtherSGD


class _OtherSGD(lp.SGD):
    """Takes what lowprec hands to an update and leaves its keys alone."""

    def rule(self, step: int) -> _OtherDescent:
        rule = _OtherDescent(*super().rule(step))
        rule.optimizer = self
        return rule


def _run(kernel, *arguments):
    """Launch a kernel by all threads."""
    launch(kernel, threads_for(_ALL), *arguments)


_update_rows = kernels.update_rows


def _update_rows_otherwise(rules, arrays, segments, gradients, *rest):
    """The library's own update, but for the rules above."""
    rule = rules[0]
    if not isinstance(rule, _OtherDescent):
        return _update_rows(rules, arrays, segments, gradients, *rest)
    weight, memory, threads = arrays[0], rest[-1], int(threads_for(_ALL))
    totals = memory.empty("totals", (threads, weight.shape[1]), np.float32)
    rule.optimizer._update(weight, segments, gradients, rule.learning_rate, totals)
    return 0


kernels.update_rows = _update_rows_otherwise


class NoGenerator(_OtherSGD):
    """Rounds with draws of zero."""

    def _update(self, weight: Any, segments: Any, gradients: Any, rate: Any, totals: Any) -> None:
        none = np.empty((0, 0), np.uint16)
        _run(_update_from_array, weight, segments, gradients, rate, none, totals)


class Xorshift(_OtherSGD):
    """A state a thread, and a number after the other (Marsaglia 2003)."""

    _states = np.arange(1, 129, dtype=np.uint32).reshape(-1, 1) * np.uint32(2654435761)

    def _update(self, weight: Any, segments: Any, gradients: Any, rate: Any, totals: Any) -> None:
        _run(
            _update_xorshift, weight, segments, gradients, rate, self._states[: len(totals)], totals
        )


class NumbaTwister(_OtherSGD):
    """The generator that Numba has in compiled code, a state a thread."""

    def _update(self, weight: Any, segments: Any, gradients: Any, rate: Any, totals: Any) -> None:
        _run(_update_twister, weight, segments, gradients, rate, totals)


class NumpyTwister(_OtherSGD):
    """Draws of a whole step from NumPy, two of a 32-bit number, for the update to read."""

    _generator = np.random.MT19937(0)

    def _update(self, weight: Any, segments: Any, gradients: Any, rate: Any, totals: Any) -> None:
        rows, columns = len(segments.starts) - 1, weight.shape[1]
        words = self._generator.random_raw(rows * columns // 2).astype(np.uint32)
        draws = words.view(np.uint16)
        draws >>= 16 - _DRAW_BITS
        _run(
            _update_from_array,
            weight,
            segments,
            gradients,
            rate,
            draws.reshape(rows, columns),
            totals,
        )


class FewerBits(_OtherSGD):
    """As `NumpyTwister`, but only the first `bits` of a draw are random; the others are zero."""

    def __init__(self, learning_rate: Any, bits: int) -> None:
        super().__init__(learning_rate)
        self._mask = np.uint16((1 << _DRAW_BITS) - (1 << (_DRAW_BITS - bits)))
        self._rng = np.random.default_rng(0)

    def _update(self, weight: Any, segments: Any, gradients: Any, rate: Any, totals: Any) -> None:
        shape = len(segments.starts) - 1, weight.shape[1]
        draws = self._rng.integers(0, 1 << _DRAW_BITS, shape, dtype=np.uint16)
        _run(_update_from_array, weight, segments, gradients, rate, draws & self._mask, totals)


OPTIMIZERS = (NoGenerator, Xorshift, NumbaTwister, NumpyTwister)
