"""Criteo files that are written, and batches that are compared."""

import numpy as np
import pytest
from hypothesis import strategies as st

pyarrow = pytest.importorskip("pyarrow")

SIZES = tuple(range(1, 27))
GOOD = b"\t".join([b"1", *[b"%d" % i for i in range(-6, 7)], *[b"0a1b2c3d"] * 26])

dense_fields = st.just(b"") | st.integers(-(2**63), 2**63 - 1).map(b"%d".__mod__)
hex_fields = st.text("0123456789abcdefABCDEF", max_size=8).map(str.encode)
lines = st.tuples(
    st.sampled_from([b"0", b"1"]),
    st.lists(dense_fields, min_size=13, max_size=13),
    st.lists(hex_fields, min_size=26, max_size=26),
).map(lambda parts: b"\t".join([parts[0], *parts[1], *parts[2]]))


def replaced(field, value, line=GOOD):
    """The line with another value in field number `field`, counted from 1."""
    fields = line.split(b"\t")
    fields[field - 1] = value
    return b"\t".join(fields)


def equal(loaded, expected):
    (dense, indices), y = loaded
    got = (dense, indices, y)
    return all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(got, expected, strict=True)
    )


def flat(batch):
    (dense, indices), y = batch
    return dense, indices, y
