"""Rows in blocks of columns, each moved by as few instructions as can be."""

from typing import NamedTuple

from lowprec.kernels.blocks import WIDE_BYTES
from lowprec.kernels.cuda.arguments import address_of
from lowprec.kernels.cuda.launch import INLINE, lanes_for
from lowprec.scalar.internal import overloaded

CHUNK = 8  # columns that a thread takes at a time: 16 bytes of float16


def wide_columns(columns, *arrays, block=CHUNK):
    """How many of the columns can be moved in blocks of so many: all or none.

    Blocks are aligned if the arrays begin at a multiple of WIDE_BYTES and rows are whole blocks.
    """
    aligned = all(address_of(array) % WIDE_BYTES == 0 for array in arrays)
    return columns if columns % block == 0 and aligned else 0


def items_of_row(columns, wide, block=CHUNK):
    """How many pieces of work a row is, of which `wide` columns are moved in blocks."""
    return wide // block + columns - wide


class ByEight(NamedTuple):
    """How threads that share a row divide its columns; kernels are compiled for the class."""

    wide: int  # columns that are moved in blocks
    threads: int  # of a row, a power of 2
    shift: int  # its logarithm

    @staticmethod
    def block():
        """The columns of a block."""
        return 8


class ByFour(NamedTuple):
    """As `ByEight`, in smaller blocks."""

    wide: int
    threads: int
    shift: int

    @staticmethod
    def block():
        """The columns of a block."""
        return 4


# Where rows are read as float32: each thread then stores 16 bytes, beside those of the next thread.
# By eight, it stores them in two instructions, each of which fills every other 16 bytes.
OF_FLOAT32 = ByFour


def divide_float32(columns, *arrays):
    """How threads divide rows that are written as float32, to or from such arrays."""
    block = OF_FLOAT32.block()
    wide = wide_columns(columns, *arrays, block=block)
    lanes = lanes_for(items_of_row(columns, wide, block))
    return OF_FLOAT32(wide, *lanes)


def columns_of(split):
    """The columns of a block."""


@overloaded(columns_of, **INLINE)
def _overload_columns_of(split):
    count = split.instance_class.block()
    return lambda split: count
