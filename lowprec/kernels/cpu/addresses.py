"""Arrays by their addresses: a kernel of one signature then takes any number of them.

Python needs about a microsecond for each array that it gives to a kernel, and Numba compiles a
kernel anew for each number of them.  So the addresses of many stand in one table of int64, which is
kept between steps.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array


def address(array):
    """Where the memory of an array begins."""
    return array.__array_interface__["data"][0]


def address_as(dtype, array):
    """The address of a C-contiguous array; ValueError if it is none of this dtype."""
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(
            f"arrays of a model must be C-contiguous and {np.dtype(dtype)}, got one of "
            f"{array.dtype}, with shape {array.shape} and strides {array.strides}"
        )
    return address(array)


@intrinsic
def rows_at(typingctx, number, first, rows, columns, dtype):
    """Some rows of a C-contiguous matrix of so many columns, which begins at an address."""
    matrix = types.Array(dtype.dtype, 2, "C")

    def codegen(context, builder, sig, args):
        begin, first, *shape, _ = args
        array = context.make_array(matrix)(context, builder)
        itemsize = context.get_abi_sizeof(context.get_data_type(dtype.dtype))
        itemsize = context.get_constant(types.intp, itemsize)
        of_row = builder.mul(shape[1], itemsize)
        begin = builder.add(begin, builder.mul(first, of_row))
        data = builder.inttoptr(begin, array.data.type)
        populate_array(array, data, shape, [of_row, itemsize], itemsize, None)
        return array._getvalue()

    return matrix(*[types.int64] * 4, dtype), codegen
