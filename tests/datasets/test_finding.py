"""Which files a path means, and which columns its folders are."""

import os

import pytest

from lowprec.datasets.finding import find_files
from lowprec.datasets.partitions import partitions_of


@pytest.fixture
def folder(tmp_path):
    """Files of one byte more than the one before."""
    names = [
        "b.parquet", "a.parquet", "day=2/c.parquet", "day=10/c.PARQUET", "notes.txt",
        "_meta.parquet", ".hidden.parquet", "_temporary/d.parquet", ".git/e.parquet",
    ]  # fmt: skip
    for size, name in enumerate(names):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(size))
    return tmp_path


def names(paths, endings=(".parquet",)):
    return [file.name for file in find_files(paths, endings)]


def test_a_folder(folder):
    assert names(folder) == ["a.parquet", "b.parquet", "day=10/c.PARQUET", "day=2/c.parquet"]
    assert [file.size for file in find_files(folder, (".parquet",))] == [1, 0, 3, 2]
    assert "notes.txt" in names(folder, ())


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_to_folders(folder):
    """A link to a folder is followed, but not one that leads back: its files were read 41 times."""
    before = names(folder)
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "e.parquet").write_bytes(b"")
    for link, target in {
        folder / "self": folder, folder / "day=2" / "up": folder, folder / "above": folder.parent,
        folder / "there": elsewhere, elsewhere / "back": folder, folder / "none": folder / "gone",
    }.items():  # fmt: skip
        link.symlink_to(target, target_is_directory=True)
    assert names(folder) == [*before, "there/e.parquet"]
    assert names(f"{folder}/") == names(folder)
    assert names(elsewhere) == [*(f"back/{name}" for name in before), "e.parquet"]


def test_patterns_files_and_several_paths(folder):
    assert names(f"{folder}/*.parquet") == ["_meta.parquet", "a.parquet", "b.parquet"]
    assert names(f"{folder}/day=*/*") == ["day=10/c.PARQUET", "day=2/c.parquet"]
    assert names(f"{folder}/**/c.*") == ["day=10/c.PARQUET", "day=2/c.parquet"]
    assert names([folder / "notes.txt", folder / "day=2", folder / "b.parquet"]) == [
        "notes.txt", "c.parquet", "b.parquet"
    ]  # fmt: skip
    (folder / "a[1].parquet").write_bytes(b"")
    assert names(folder / "a[1].parquet") == ["a[1].parquet"]


def test_names_do_not_depend_on_where_the_folder_is(folder, monkeypatch):
    expected = names(folder), names(f"{folder}/*/c.*")
    monkeypatch.chdir(folder)
    assert (names("."), names("*/c.*")) == expected


def test_nothing_there(folder):
    with pytest.raises(FileNotFoundError, match=r"no file matches .*x\*"):
        find_files(f"{folder}/x*")
    with pytest.raises(FileNotFoundError, match="none"):
        find_files(folder / "none")
    with pytest.raises(
        ValueError, match=r"a folder without a file whose name ends in \.tsv or \.x"
    ):
        find_files(folder, (".tsv", ".x"))
    with pytest.raises(ValueError, match="at least one file, got none"):
        find_files([])
    with pytest.raises(TypeError, match="paths must be a path or an iterable of paths, got 3"):
        find_files(3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2", "10", "-3"], [2, 10, -3]),
        (["01", "2"], [1, 2]),
        (["2", "x"], ["2", "x"]),
        (["__HIVE_DEFAULT_PARTITION__", "7"], [None, 7]),
        (["", "7"], [None, 7]),
        (["a%2Fb", "1.5"], ["a/b", "1.5"]),
        (["9" * 19, "1"], ["9" * 19, "1"]),  # does not fit into 64 bits
    ],
)
def test_the_values_of_partitions(values, expected):
    paths = [os.path.join("data", f"k={value}", "file") for value in values]
    assert partitions_of(paths) == (["k"], [[value] for value in expected])


def test_partitions_that_some_paths_have():
    paths = ["y=1/m=2/f", "f", "y=3/plain/f=x"]
    assert partitions_of(paths) == (["y", "m"], [[1, 2], [None, None], [3, None]])
