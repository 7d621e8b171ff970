"""The benchmark of Parquet folders: its rows, and a training that is killed."""

import pytest

pytest.importorskip("pyarrow.parquet", reason="comes with the extra `data`")

from benchmarks import larger_than_memory as benchmark


def test_the_rows():
    table = benchmark.make_rows(2000, 3)
    assert table.equals(benchmark.make_rows(2000, 3))
    assert not table.equals(benchmark.make_rows(2000, 4))
    assert table.num_columns == 26 + 13 + 1
    assert 300 < table["i0"].null_count < 500
    assert 400 < sum(table["click"].to_pylist()) < 1200


def test_a_training_that_is_killed_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "ROWS_OF_A_FILE", 20_000)
    monkeypatch.setattr(benchmark, "ROWS_OF_A_GROUP", 7000)
    benchmark.make_folder(tmp_path / "rows", 50_000)
    benchmark.fit_encoder(tmp_path / "rows", tmp_path / "encoder.safetensors")
    assert benchmark.read(str(tmp_path))["all_rows"] == 50_000
    given = {"home": str(tmp_path), "model": "logistic", "batch_size": 64}
    whole = benchmark.train(**given)
    save = {"save": str(tmp_path / "run"), "every_batches": 4}
    killed = benchmark.kill_in_the_middle({**given, **save}, tmp_path / "run", 400)
    assert 400 <= killed < whole["step"] == 782
    again = benchmark.train(**given, **save, resume=True)
    assert again["begun_at"] == (killed + 1) * 64
    assert again["hash"] == whole["hash"]
    assert benchmark.train_in_memory(**given)["rows"] == 50_000
