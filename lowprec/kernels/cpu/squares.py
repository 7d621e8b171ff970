"""The mean of the squares of a row's gradient, for rules that look at whole rows."""

import numpy as np
from numba import njit
from numba.extending import overload

from lowprec.kernels.blocks import load, store, zeros
from lowprec.kernels.columns import CHAINS, has_row, sum_of_chains
from lowprec.kernels.cpu.memory import WIDTH, in_blocks
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.bits import fma

assert WIDTH == CHAINS  # a lane a chain


@njit(**SERIAL)
def _mean_square(gradient, start, columns, chains):
    whole = in_blocks(columns)
    total = zeros(chains, WIDTH)
    for column in range(0, whole, WIDTH):
        block = load(gradient, start + column, WIDTH)
        total = fma(block, block, total)
    store(total, chains, 0)
    for column in range(whole, columns):
        value = load(gradient, start + column, 1)
        chains[column - whole] = fma(value, value, chains[column - whole])
    return sum_of_chains(chains, 0) / np.float32(columns)


def mean_square(rule, gradient, start, columns, chains):
    """That of `gradient`, flat, from `start` on; 0 if the rule does not look at rows.

    Column c is added to number c % CHAINS of `chains` (CHAINS,) float32, scratch, and these are
    added in pairs.
    """


@overload(mean_square, jit_options={"forceinline": True, **SERIAL})
def _overload_mean_square(rule, gradient, start, columns, chains):
    if not has_row(rule.instance_class):
        return lambda rule, gradient, start, columns, chains: np.float32(0.0)
    return lambda rule, gradient, start, columns, chains: _mean_square(
        gradient, start, columns, chains
    )
