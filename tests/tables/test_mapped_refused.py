"""Tables in files: what is refused."""

import copy
import pickle

import numpy as np
import pytest

import lowprec as lp
from tests.children import run
from tests.tables.in_files import DIM, TABLES, contents, make


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("num_embeddings", (20, 4, 9)), ("embedding_dim", 4), ("dtype", "bfloat16"), ("seed", 8),
        ("rounding", "nearest"), ("on_nonfinite", "skip"), ("padding_idx", -1),
        ("init_range", 0.5), ("optimizer", lp.SGD(0.2)), ("optimizer", lp.Adam(0.3)),
    ],
)  # fmt: skip
def test_other_arguments_are_named(tmp_path, argument, value):
    path = tmp_path / "a.table"
    with make(path) as table:
        table.update([[1, 1, 1]], np.ones((1, 3, DIM), np.float32))
        before = contents(table)
    with pytest.raises(ValueError, match=rf"was made with {argument}=.* and not ") as caught:
        make(path, **{argument: value})
    assert str(caught.value).count(" and not ") == 1
    with make(path) as table:
        assert contents(table) == before


def test_what_tables_in_files_do_not_do(tmp_path):
    table = make(tmp_path / "a.table")
    with pytest.raises(ValueError, match=r"has no weight.*use read"):
        table.weight  # noqa: B018
    for call in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(ValueError, match=r"is not copied or pickled.*table\.to\('cpu'\)"):
            call(table)
    with pytest.raises(ValueError, match="read-only"):
        make(tmp_path / "b.table", "Adam").optimizer_state["mean"][0] = 1
    with pytest.raises(ValueError, match=r"lowprec\.schedules"):
        table.optimizer = lp.SGD(lambda step: 0.1)
    assert table.optimizer == TABLES["SGD"]["optimizer"]
    table.close()
    table.close()
    assert repr(table).endswith(f", path={str(tmp_path / 'a.table')!r})")
    closed = [
        lambda: table.read([1]), lambda: table.lookup([[1, 1, 1]]), lambda: table.zeros,
        lambda: table.update([[1, 1, 1]], np.ones((1, 3, DIM))),
        lambda: table.write([1], [[1] * 3]),
        lambda: table.reset([1], [1]), lambda: table.save(tmp_path / "c"), lambda: table.to("cpu"),
        lambda: table.flush(), lambda: table.prefetch([[1, 1, 1]]), lambda: table.optimizer_state,
        lambda: table.diagnose([[1, 1, 1]], np.ones((1, 3, DIM))), lambda: table.stored_bytes,
        lambda: setattr(table, "trainable", False), lambda: setattr(table, "optimizer", lp.SGD(1)),
    ]  # fmt: skip
    for call in closed:
        with pytest.raises(ValueError, match="is closed"):
            call()
    assert not (tmp_path / "c").exists()


def test_tables_in_memory_have_nothing_to_do():
    with make() as table:
        table.flush()
        table.prefetch([[1, 1, 1]])
    assert (table.path, table.stored_bytes) == (None, 0)
    assert table.read([1]).any()
    with pytest.raises(IndexError, match="out of range"):
        table.prefetch([[1, 3, 1]])


def test_files_that_are_none(tmp_path):
    for name, data in (("short", b"x"), ("long", bytes(10_000)), ("other", b"\x80" * 10_000)):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(lp.CheckpointError, match="is not a table in a file"):
            make(path)
        assert path.read_bytes() == data
    with pytest.raises(IsADirectoryError):
        make(tmp_path)
    with pytest.raises(FileNotFoundError):
        make(tmp_path / "none" / "a.table")
    with pytest.raises(TypeError, match="path must be a str"):
        make(3)
    make(tmp_path / "a.table").close()
    with pytest.raises(lp.CheckpointError, match="is a table in a file, which"):
        lp.load(tmp_path / "a.table")
    (tmp_path / "empty").touch()  # as of a program that makes names of files
    make(tmp_path / "empty").close()


def test_one_writer(tmp_path):
    """Also from another process; the lock goes with the table, or its process."""
    path, code = tmp_path / "a.table", "import lowprec as lp; lp.EmbeddingTable({}, 3, path={!r})"
    code = f"import sys\n{code.format(9, str(path))}"
    table = lp.EmbeddingTable(9, 3, path=path)
    with pytest.raises(BlockingIOError, match="is open already"):
        lp.EmbeddingTable(9, 3, path=path)
    assert run("-c", code, status=None).returncode == 1
    states = table.optimizer_state  # views keep the memory, not the lock
    table.close()
    run("-c", code)
    with lp.EmbeddingTable(9, 3, path=path):
        pass
    assert states == {}
    table = lp.EmbeddingTable(9, 3, path=path)
    del table  # as a program does that closes nothing
    lp.EmbeddingTable(9, 3, path=path).close()
