"""Hypothesis strategies: values that no argument takes, and the same arrays laid out otherwise."""

import numpy as np
from hypothesis import strategies as st

INT_EDGES = [-1, 2**31 - 1, 2**31, 2**32, 2**40, 2**63 - 1, -(2**31), -(2**40), -(2**63)]

not_arrays = st.sampled_from([
    None, object(), "text", b"bytes", {"a": 1}, {1, 2}, [[1, 2], [3]], [None], ["a"], [[]],
    2**70, [2**64, -1],
    range(0), iter([1]), np.datetime64("2020-01-01"), np.timedelta64(3, "s"), lambda: 0,
])  # fmt: skip
wrong_dtypes = st.sampled_from([
    "f8", "f2", "u8", "u4", "i2", "i1", "?", "c8", "O", "U5", "S5", "M8[s]", "m8[s]", "V4", "g",
])  # fmt: skip
# of which there are no ids, or no numbers at all
wrong_for_ids = wrong_dtypes.filter(lambda dtype: dtype[0] not in "ui")
wrong_for_numbers = wrong_dtypes.filter(lambda dtype: dtype[0] not in "fuig?")
not_numbers = st.sampled_from([
    None, object(), "1", b"1", 1j, [1], (1,), {}, np.array([1.0, 2.0]), np.array([1]), lambda: 0,
    np.datetime64("2020-01-01"), float("nan"), float("inf"), -1.0, -1, 10**400, 1e39, True,
])  # fmt: skip
not_integers = st.sampled_from([
    None, object(), "1", 1.0, 1.5, 1j, [1], (1,), {}, np.array([1, 2]), True, np.True_, -1,
    -(2**63),
    float("nan"), np.float32(1), 2**64, 2**70, 10**400,
])  # fmt: skip
not_paths = st.sampled_from([None, 3, 1.5, b"bytes", [], [3], object(), "", "a\0b", "\0"])


def with_mask(array):
    """A masked array, of which an entry is masked."""
    masked = np.ma.array(array)
    masked[(0,) * array.ndim] = np.ma.masked
    return masked


class Subclass(np.ndarray):
    """An array with something to say of its own."""

    def __array_wrap__(self, *args, **kwargs):
        raise AssertionError("this is for users")


LAYOUTS = {
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "fortran": np.asfortranarray,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "list": lambda a: list(a),
    "nested list of integers": lambda a: a.tolist() if a.dtype == np.int64 else a,
    "memory map, unaligned": lambda a: np.frombuffer(
        b"\0" + a.tobytes(), a.dtype, offset=1
    ).reshape(a.shape),
    "subclass": lambda a: a.view(Subclass),
    "no mask": np.ma.array,
    "matrix": lambda a: np.asmatrix(a) if a.ndim == 2 else a,
    "longlong": lambda a: a.astype(np.longlong) if a.dtype == np.int64 else a,
    "object with an interface": lambda a: Exporter(a),
}
layouts = st.sampled_from(list(LAYOUTS))


class Exporter:
    """What is no array, and has one."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array
