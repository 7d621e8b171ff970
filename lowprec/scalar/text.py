"""Numbers spelled in ASCII bytes.

A parser reads `data[start:stop]` of a uint8 array and never raises: it says whether the bytes
spell a number, and the caller decides what to do when they do not.
"""

import numpy as np

from lowprec.scalar.internal import internal

MAX_HEX_DIGITS = 8

# Digits and letters are too random for branches: a table takes a third of the time.
_HEX_DIGITS = np.full(256, -1, np.int8)
for _digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _HEX_DIGITS[list(_digits)] = np.arange(16)

_MINUS = np.uint8(ord("-"))
_INT64_MAX = np.uint64(2**63 - 1)
_TEN = np.uint64(10)
_U64 = np.uint64


@internal(forceinline=True)
def decimal_digit(byte):
    """The value of an ASCII decimal digit, or -1."""
    digit = np.int64(byte) - np.int64(48)  # ord("0")
    return digit if 0 <= digit <= 9 else np.int64(-1)


@internal(forceinline=True)
def hex_digit(byte):
    """The value of an ASCII hexadecimal digit of either case, or -1."""
    return np.int64(_HEX_DIGITS[byte])


@internal()
def parse_hex(data, start, stop):
    """The number, in [0, 2**32), that one to eight hexadecimal digits spell, or -1."""
    if not 1 <= stop - start <= MAX_HEX_DIGITS:
        return np.int64(-1)
    value = signs = np.int64(0)
    for i in range(start, stop):
        digit = hex_digit(data[i])
        signs |= digit  # one test after the loop: a branch a digit would be mispredicted
        value = (value << np.int64(4)) | digit
    return value if signs >= 0 else np.int64(-1)


@internal()
def parse_int64(data, start, stop):
    """`(value, ok)` of an optional minus sign and one or more decimal digits.

    `ok` is False, and `value` 0, for any other text and outside the range of int64.
    """
    negative = start < stop and data[start] == _MINUS
    first = start + np.int64(negative)
    limit = _U64(_INT64_MAX + _U64(negative))
    magnitude = _U64(0)
    for i in range(first, stop):
        digit = decimal_digit(data[i])
        if digit < 0 or magnitude > _U64(limit - _U64(digit)) // _TEN:
            return np.int64(0), False
        magnitude = _U64(magnitude * _TEN + _U64(digit))
    value = np.int64(magnitude)  # wraps to the right value for -2**63, whose negative is itself
    return (-value if negative else value), first < stop
