"""The mean of the squares of a row's gradient, for rules that look at whole rows."""

import numpy as np
from numba.extending import overload

from lowprec.kernels.blocks import zeros
from lowprec.kernels.columns import CHAINS, has_row, sum_of_chains
from lowprec.kernels.cuda.launch import kernel, launch
from lowprec.kernels.cuda.segments import begins_segment
from lowprec.kernels.cuda.sums import sum_segment
from lowprec.scalar.bits import fma


@kernel
def _chain_squares(thread, threads, segments, gradients, how, chains):
    order, columns = segments.order, gradients.grad.shape[1]
    for index in range(thread, order.size * CHAINS, threads):
        place = index // CHAINS
        if not begins_segment(order, place):
            continue
        total = np.float32(0.0)
        for column in range(index - place * CHAINS, columns, CHAINS):
            value = sum_segment(segments, gradients, how, place, column, zeros(gradients.grad, 1))
            total = fma(value, value, total)
        chains[place, index - place * CHAINS] = total


def chain_squares(segments, gradients, how, scratch):
    """The squares of the gradient of each row, in CHAINS sums, where its segment begins.

    Column c is in sum c % CHAINS.  The array is one of `scratch`.
    """
    chains = scratch.empty("chains", (segments.order.size, CHAINS), np.float32)
    launch(_chain_squares, chains.size, segments, gradients, how, chains)
    return chains


def mean_square(rule, chains, place, columns):
    """The mean from the `chains` of a place; 0 if the rule does not look at rows."""


@overload(mean_square, jit_options={"forceinline": True, "error_model": "numpy"})
def _overload_mean_square(rule, chains, place, columns):
    if not has_row(rule.instance_class):
        return lambda rule, chains, place, columns: np.float32(0.0)
    return lambda rule, chains, place, columns: (
        sum_of_chains(chains[place], 0) / np.float32(columns)
    )
