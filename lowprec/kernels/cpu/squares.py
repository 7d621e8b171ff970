"""The squares of the numbers of a row, for rules and norms that look at whole rows."""

import numpy as np

from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.columns import CHAINS, has_row, measure_columns, num_measures, sum_of_chains
from lowprec.kernels.cpu.memory import WIDTH, in_blocks
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.preparing import OfRow, clipped, has_norm, prepares, scale_of_norm
from lowprec.scalar.bits import fma
from lowprec.scalar.internal import internal, overloaded

assert WIDTH == CHAINS  # a lane a chain
_INLINE = {"forceinline": True, **SERIAL}
_ONE = np.float32(1.0)
CHAINS_OF_ROW = 2 * CHAINS  # what `chains` must have for any rule


@internal(**SERIAL)
def _square_of_gradient(preparation, gradient, start, columns, chains):
    """The sum of the squares of a clipped gradient."""
    whole = in_blocks(columns)
    total = zeros(chains, WIDTH)
    for column in range(0, whole, WIDTH):
        block = clipped(preparation, load(gradient, start + column, WIDTH))
        total = fma(block, block, total)
    store(total, chains, 0)
    for column in range(whole, columns):
        value = clipped(preparation, load(gradient, start + column, 1))
        chains[column - whole] = fma(value, value, chains[column - whole])
    return sum_of_chains(chains, 0)


def prepare_row(preparation, gradient, start, columns, missed, chains):
    """`OfRow` for the row whose `gradient`, flat, begins at `start`; `chains` is scratch."""


@overloaded(prepare_row, **_INLINE)
def _overload_prepare_row(preparation, gradient, start, columns, missed, chains):
    if not prepares(preparation.instance_class):
        return lambda preparation, gradient, start, columns, missed, chains: OfRow(_ONE, missed)

    def prepare(preparation, gradient, start, columns, missed, chains):
        if not has_norm(preparation):
            return OfRow(_ONE, missed)
        square = _square_of_gradient(preparation, gradient, start, columns, chains)
        return OfRow(scale_of_norm(square, preparation.clip_norm), missed)

    return prepare


@internal(**SERIAL)
def _mean_square(rule, preparation, of_row, arrays, place, gradient, start, columns, chains):
    whole = in_blocks(columns)
    total = zeros(chains, WIDTH)
    for column in range(0, whole, WIDTH):
        block = load(gradient, start + column, WIDTH)
        (found,) = measure_columns(rule, preparation, of_row, arrays, place + column, block)
        total = fma(found, found, total)
    store(total, chains, 0)
    for column in range(whole, columns):
        number = load(gradient, start + column, 1)
        (found,) = measure_columns(rule, preparation, of_row, arrays, place + column, number)
        chains[column - whole] = fma(found, found, chains[column - whole])
    return (sum_of_chains(chains, 0) / np.float32(columns),)


@internal(**SERIAL)
def _two_mean_squares(rule, preparation, of_row, arrays, place, gradient, start, columns, chains):
    whole = in_blocks(columns)
    total, other_total = zeros(chains, WIDTH), zeros(chains, WIDTH)
    for column in range(0, whole, WIDTH):
        block = load(gradient, start + column, WIDTH)
        found, other = measure_columns(rule, preparation, of_row, arrays, place + column, block)
        total, other_total = fma(found, found, total), fma(other, other, other_total)
    store(total, chains, 0)
    store(other_total, chains, CHAINS)
    for column in range(whole, columns):
        number, chain = load(gradient, start + column, 1), column - whole
        found, other = measure_columns(rule, preparation, of_row, arrays, place + column, number)
        chains[chain] = fma(found, found, chains[chain])
        chains[CHAINS + chain] = fma(other, other, chains[CHAINS + chain])
    count = np.float32(columns)
    return sum_of_chains(chains, 0) / count, sum_of_chains(chains, CHAINS) / count


def mean_squares(rule, preparation, of_row, arrays, place, gradient, start, columns, chains):
    """The means over a row of the squares of what its rule measures; 0 if it looks at no rows.

    `arrays` are those `by_column`, in which the row begins at `place`, as it does at `start` in
    the flat `gradient`.  Column c is added to number c % CHAINS of `chains` (CHAINS_OF_ROW,)
    float32, scratch, and these are added in pairs.
    """


@overloaded(mean_squares, **_INLINE)
def _overload_mean_squares(
    rule, preparation, of_row, arrays, place, gradient, start, columns, chains
):
    def none(rule, preparation, of_row, arrays, place, gradient, start, columns, chains):
        return (np.float32(0.0),)

    if not has_row(rule.instance_class):
        return none
    found = _mean_square if num_measures(rule.instance_class) == 1 else _two_mean_squares
    return lambda rule, preparation, of_row, arrays, place, gradient, start, columns, chains: found(
        rule, preparation, of_row, arrays, place, gradient, start, columns, chains
    )
