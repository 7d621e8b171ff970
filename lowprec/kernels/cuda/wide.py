"""Rows in blocks of CHUNK columns, each moved by as few instructions as can be."""

from lowprec.kernels.blocks import WIDE_BYTES
from lowprec.kernels.cuda.arguments import address_of

CHUNK = 8  # columns that a thread takes at a time: 16 bytes of float16


def wide_columns(columns, *arrays):
    """How many of the columns can be moved in blocks: all or none.

    Every row begins at a multiple of WIDE_BYTES if the array does and a row is whole blocks.
    """
    aligned = all(address_of(array) % WIDE_BYTES == 0 for array in arrays)
    return columns if columns % CHUNK == 0 and aligned else 0


def items_of_row(columns, wide):
    """How many pieces of work a row is, of which `wide` columns are moved in blocks."""
    return wide // CHUNK + columns - wide
