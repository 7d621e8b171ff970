"""The benchmark of encoding: its frame, and that it runs."""

import pytest

pytest.importorskip("pyarrow", reason="comes with the extra `data`")

from benchmarks import encoding, page_tables
from tests.conftest import ROOT


def test_the_frame():
    frame = encoding.make_frame(1000)
    assert frame.num_rows == 1000
    assert frame.num_columns == 39
    assert 100 < frame["i0"].null_count < 300
    assert len(frame["c0"].unique()) <= 100 < len(frame["c3"].unique())


def test_it_runs(capsys):
    encoding.main(["--rows", "1e3", "--rounds", "1"])
    (made,) = page_tables.tables_of(capsys.readouterr().out)
    page = page_tables.tables_of((ROOT / "docs/frames.md").read_text())
    assert any(table.keys == made.keys for table in page)
    assert len(made.keys) == 4
