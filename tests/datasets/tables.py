"""Tables that are written to files."""

import numpy as np
import pytest

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def make_table(start, rows):
    """Rows that differ from each other: `x` numbers them over all files."""
    numbers = np.arange(start, start + rows)
    return pyarrow.table({
        "x": numbers.astype(np.float64),
        "city": pyarrow.array([f"c{k % 7}" for k in numbers], pyarrow.string()),
        "tags": pyarrow.array(
            [["a", "b", "c"][: k % 4] for k in numbers], pyarrow.list_(pyarrow.string())
        ),
        "click": numbers % 2,
        "weight": 1.0 + numbers,
    })  # fmt: skip


def lines_of(numbers):
    rows = []
    for k in numbers:
        categories = [f"{(k * 31 + c) % 97:08x}" for c in range(26)]
        rows.append("\t".join([str(k % 2), str(k), *["7"] * 12, *categories]))
    return ("\n".join(rows) + "\n").encode() if rows else b""
