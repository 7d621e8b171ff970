"""The fields of a Criteo line: bytes -> the number a model is given.

A field is `data[start:stop]` of a uint8 array.  A bad field gives -1 or `ok` False.
"""

import math

import numpy as np

from lowprec.scalar.hashing import MISSING_CATEGORY
from lowprec.scalar.internal import internal
from lowprec.scalar.text import decimal_digit, parse_hex, parse_int64


@internal()
def signed_log1p(count):
    """sign(x) * log(1 + |x|) of an int64, computed in float64, as float32."""
    x = float(count)
    return np.float32(math.copysign(math.log1p(abs(x)), x))


@internal()
def parse_label(data, start, stop):
    """0 or 1, or -1 when the field is not one of these two digits."""
    digit = decimal_digit(data[start]) if stop - start == 1 else np.int64(-1)
    return np.int8(digit) if digit <= 1 else np.int8(-1)


@internal()
def parse_dense(data, start, stop):
    """`(feature, ok)`: `signed_log1p` of the integer; a missing integer is 0."""
    if start == stop:
        return np.float32(0.0), True
    count, ok = parse_int64(data, start, stop)
    return signed_log1p(count), ok


@internal()
def parse_category(data, start, stop):
    """The category's value for `category_id`, in [0, 2**32], or -1."""
    return np.int64(MISSING_CATEGORY) if start == stop else parse_hex(data, start, stop)
