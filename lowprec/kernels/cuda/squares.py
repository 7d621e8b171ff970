"""The squares of the numbers of a row, for rules and norms that look at whole rows."""

import numpy as np

from lowprec.kernels.blocks import zeros
from lowprec.kernels.columns import (
    CHAINS,
    by_column,
    has_row,
    measure_columns,
    num_measures,
    sum_of_chains,
)
from lowprec.kernels.cuda.launch import after, kernel, launch
from lowprec.kernels.cuda.segments import begins_segment, row_at
from lowprec.kernels.cuda.sums import sum_segment
from lowprec.kernels.in_memory import like_of, taken
from lowprec.kernels.preparing import (
    OfRow,
    clipped,
    has_norm,
    missed_of_row,
    prepares,
    scale_of_norm,
    without_last,
)
from lowprec.scalar.bits import fma
from lowprec.scalar.internal import overloaded

_INLINE = {"forceinline": True, "error_model": "numpy"}


@kernel
def _chain_norms(thread, threads, preparation, segments, gradients, how, chains):
    order, columns = segments.order, gradients.grad.shape[1]
    next_index = thread
    while next_index < order.size * CHAINS:
        index = next_index
        next_index = after(next_index, threads)
        place = index // CHAINS
        if not begins_segment(order, place):
            continue
        total = np.float32(0.0)
        for column in range(index - place * CHAINS, columns, CHAINS):
            value = sum_segment(segments, gradients, how, place, column, zeros(gradients.grad, 1))
            value = clipped(preparation, value)
            total = fma(value, value, total)
        chains[place, index - place * CHAINS] = total


@kernel
def _scale_rows(thread, threads, preparation, order, chains, scales):
    place = thread
    while place < order.size:
        if begins_segment(order, place):
            square = sum_of_chains(chains[place], 0)
            scales[place] = scale_of_norm(square, preparation.clip_norm)
        place = after(place, threads)


def scale_rows(preparation, segments, gradients, how, scratch):
    """By what the gradient of each row is multiplied, where its segment begins; from `scratch`."""
    places = segments.order.size
    chains = scratch.empty("norms", (places, CHAINS), np.float32)
    scales = scratch.empty("scales", (places,), np.float32)
    launch(_chain_norms, chains.size, preparation, segments, gradients, how, chains)
    launch(_scale_rows, places, preparation, segments.order, chains, scales)
    return scales


def prepare_row(preparation, scales, place, missed):
    """`OfRow` for the row whose segment begins at a place."""


@overloaded(prepare_row, **_INLINE)
def _overload_prepare_row(preparation, scales, place, missed):
    if not prepares(preparation.instance_class):
        return lambda preparation, scales, place, missed: OfRow(np.float32(1.0), missed)

    def prepare(preparation, scales, place, missed):
        scale = scales[place] if has_norm(preparation) else np.float32(1.0)
        return OfRow(scale, missed)

    return prepare


@kernel
def _chain_squares(
    thread, threads, rules, arrays, segments, gradients, how, scales, chains, this_step
):
    rule, preparation = taken(rules)
    step = taken(this_step)
    order, grad = segments.order, gradients.grad
    columns = grad.shape[1]
    stepped = by_column(rule, without_last(preparation, arrays))
    next_index = thread
    while next_index < order.size * CHAINS:
        index = next_index
        next_index = after(next_index, threads)
        place = index // CHAINS
        if not begins_segment(order, place):
            continue
        row, chain = row_at(order, place), index - place * CHAINS
        missed = missed_of_row(preparation, arrays, row, step)
        of_row = prepare_row(preparation, scales, place, missed)
        for each in range(0, chains.shape[1], CHAINS):
            chains[place, each + chain] = np.float32(0.0)
        for column in range(chain, columns, CHAINS):
            value = sum_segment(segments, gradients, how, place, column, zeros(grad, 1))
            at = row * columns + column
            found = measure_columns(rule, preparation, of_row, stepped, at, value)
            add_squares(found, chains, place, chain)


def add_squares(numbers, chains, place, chain):
    """Add the square of each number of a tuple to that number's own chain."""


@overloaded(add_squares, **_INLINE)
def _overload_add_squares(numbers, chains, place, chain):
    if len(numbers) == 0:
        return lambda numbers, chains, place, chain: None

    def add(numbers, chains, place, chain):
        chains[place, chain] = fma(numbers[0], numbers[0], chains[place, chain])
        add_squares(numbers[1:], chains, place, chain + CHAINS)

    return add


def chain_squares(rules, arrays, segments, gradients, how, scales, step, scratch):
    """Sums of squares of a row, CHAINS of them, stored at the beginning of the row's segment.

    What is squared are the rule's measures of each column; column c is in sum c % CHAINS.  The
    array is one of `scratch`.
    """
    shape = (segments.order.size, CHAINS * num_measures(type(like_of(rules)[0])))
    chains = scratch.empty("chains", shape, np.float32)
    threads = segments.order.size * CHAINS
    launch(_chain_squares, threads, rules, arrays, segments, gradients, how, scales, chains, step)
    return chains


def mean_squares(rule, chains, place, columns):
    """The means from the `chains` of a place; 0 if the rule does not look at rows."""


@overloaded(mean_squares, **_INLINE)
def _overload_mean_squares(rule, chains, place, columns):
    if not has_row(rule.instance_class):
        return lambda rule, chains, place, columns: (np.float32(0.0),)
    if num_measures(rule.instance_class) == 1:
        return lambda rule, chains, place, columns: (
            sum_of_chains(chains[place], 0) / np.float32(columns),
        )
    return lambda rule, chains, place, columns: (
        sum_of_chains(chains[place], 0) / np.float32(columns),
        sum_of_chains(chains[place], CHAINS) / np.float32(columns),
    )
