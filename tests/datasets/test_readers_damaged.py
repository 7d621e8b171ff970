"""Readers of files that change, or were cut."""

import pytest

import lowprec as lp
from tests.datasets.tables import lines_of, make_table, parquet


def test_files_that_change_while_they_are_read(tmp_path):
    for name in "ab":
        parquet.write_table(make_table(0, 30), tmp_path / f"{name}.parquet")
    reader = lp.ParquetReader(tmp_path)
    parquet.write_table(make_table(0, 31), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"b\.parquet was changed since this reader was made"):
        list(reader)
    (tmp_path / "c").write_bytes(lines_of(range(3)))
    reader = lp.CriteoReader(tmp_path / "c")
    (tmp_path / "c").write_bytes(lines_of(range(4)))
    with pytest.raises(ValueError, match="c was changed since this reader was made"):
        list(reader)


def test_a_file_that_is_cut_in_the_middle(tmp_path):
    """Its rows before the damage come, and then the error, in the thread of the caller."""
    parquet.write_table(make_table(0, 20_000), tmp_path / "a.parquet", row_group_size=5000)
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    (tmp_path / "a.parquet").write_bytes(data)
    seen = []
    blocks = iter(lp.ParquetReader(tmp_path, batch_size=1000))
    with pytest.raises(ValueError, match=r"a\.parquet: row group \d, rows from"):
        seen.extend(blocks)
    assert len(seen) >= 5


def test_other_columns_in_another_file(tmp_path):
    parquet.write_table(make_table(0, 3), tmp_path / "a.parquet")
    parquet.write_table(make_table(0, 3).drop_columns(["city"]), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"b\.parquet has other columns than .*a\.parquet"):
        lp.ParquetReader(tmp_path)
    lp.ParquetReader(tmp_path, columns=["x"])
    with pytest.raises(ValueError, match=r"b\.parquet: there is no column 'city'"):
        lp.ParquetReader(tmp_path, columns=["city"])
