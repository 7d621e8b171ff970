"""Whole rows of float32 numbers into words."""

from lowprec.kernels.blocks import load, store
from lowprec.kernels.columns import round_columns
from lowprec.kernels.cpu.memory import WIDTH, in_blocks
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.internal import internal


@internal(forceinline=True, **SERIAL)
def store_row(values, low, high, stochastic, row):
    """Round the float32 `values` of one row, by the halves of its key, into the words of `row`."""
    whole = in_blocks(row.size)
    for column in range(0, whole, WIDTH):
        block = load(values, column, WIDTH)
        store(round_columns(block, low, high, column, stochastic, row), row, column)
    for column in range(whole, row.size):
        number = load(values, column, 1)
        store(round_columns(number, low, high, column, stochastic, row), row, column)
