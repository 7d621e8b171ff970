"""The benchmark of encoding: its frame, and that it runs."""

import pytest

pytest.importorskip("pyarrow", reason="comes with the extra `data`")

from benchmarks import encoding


def test_the_frame():
    frame = encoding.make_frame(1000)
    assert frame.num_rows == 1000
    assert frame.num_columns == 39
    assert 100 < frame["i0"].null_count < 300
    assert len(frame["c0"].unique()) <= 100 < len(frame["c3"].unique())


def test_it_runs(capsys):
    encoding.main(["--rows", "1e3", "--rounds", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[2:]] == [
        "fit", "transform, learned", "transform, hashed", "LogisticRegression.partial_fit",
    ]  # fmt: skip
