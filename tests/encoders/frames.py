"""Frames, and samples that are compared with the oracle."""

import datetime as dt

import pytest

pa = pytest.importorskip("pyarrow", reason="comes with the extra `data`")

FRAME = {
    "city": ["Rome", "Oslo", None, "Rome", "", "Zürich, a name of many bytes", "Oslo", "Rome"],
    "raw": [b"\0", b"", None, b"12345678", b"123456789", b"\0\0", b"\0", b""],
    "age": [31, 45, None, 20, 31, -7, 2**53, 31],
    "rate": [0.5, None, float("nan"), 2.0, -0.0, 1e300, 0.1, 3.0],
    "user": [2**63 - 1, 3, 5, None, -(2**63), 3, 5, 3],
    "member": [True, False, None, True, True, False, True, None],
    "since": [dt.date(2020, 1, 1), None, dt.date(9999, 12, 31), *[dt.date(1960, 2, 29)] * 5],
    "tags": [["a", "b"], [], None, ["b"], ["a", None, "a"], ["c"], [], ["b"]],
}  # fmt: skip
USER = {"categorical": ["user"]}
