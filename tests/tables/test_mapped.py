"""Tables in files: the bits of a table in memory, whatever is done."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowprec as lp
from tests.tables.in_files import DIM, OTHERS, ROWS, SIZES, TABLES, batch, contents, make
from tests.tables.small import bits


@pytest.fixture(scope="module")
def quick_folder():
    """A folder in memory, where there is one: each close waits for the disk."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


class Pair:
    """A table in memory and one in a file, to which the same is done."""

    def __init__(self, path, name):
        self.path, self.name = path, name
        self.arguments = {}
        self.tables = [make(None, name), make(path, name)]

    def both(self, call):
        found = []
        for table in self.tables:
            try:
                found.append(call(table))
            except (FloatingPointError, IndexError) as error:
                found.append(str(error))
        return found

    def do(self, action, seed):
        rng = np.random.default_rng(seed)
        ids, grad = batch(rng)
        rows = rng.integers(0, len(ROWS), 5)
        offsets = np.sort(rng.integers(0, 9, 7))
        offsets[[0, -1]] = 0, 8
        flat = np.array(
            [rng.integers(0, SIZES[k % 3]) for k in np.repeat(range(6), np.diff(offsets))]
        )
        if self.name == "Adagrad":
            ids[0, 0] = -1
        if action == "bad update":
            grad[1, 2, 1] = np.nan
        calls = {
            "lookup": lambda t: bits(t.lookup(ids)),
            "bags": lambda t: bits(t.lookup(flat, offsets, "mean", np.arange(flat.size) - 2.5)),
            "read": lambda t: bits(t.read(rows)),
            "update": lambda t: t.update(ids, grad),
            "bad update": lambda t: t.update(ids, grad),
            "bad ids": lambda t: t.update(ids + 20, grad),
            "update bags": lambda t: t.update(flat, grad[:2], offsets, "mean"),
            "write": lambda t: t.write(rows, 1e5 * rng.normal(size=(5, DIM)) ** 5, "stochastic"),
            "reset": lambda t: t.reset(rows, rows * 7 - 3),
            "diagnose": lambda t: str(t.diagnose(ids, grad)),
            "freeze": lambda t: setattr(t, "trainable", not t.trainable),
            "optimizer": lambda t: setattr(t, "optimizer", OTHERS[self.name]),
        }
        if action == "open":
            self.tables[1].close()
            self.tables[1] = make(self.path, self.name, **self.arguments)
            return
        if action == "optimizer":
            self.arguments = {"optimizer": OTHERS[self.name]}
        if action == "write":
            values = rng.normal(size=(5, DIM)) ** 5 * 1e3
            calls[action] = lambda t: t.write(rows, values, "stochastic")
        in_memory, in_file = self.both(calls[action])
        assert in_memory == in_file, action


ACTIONS = [
    "lookup", "bags", "read", "update", "bad update", "bad ids", "update bags", "write", "reset",
    "diagnose", "freeze", "optimizer", "open",
]  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 99)), max_size=12))
def test_any_sequence_gives_the_bits_of_a_table_in_memory(quick_folder, name, actions):
    folder = quick_folder / name
    folder.mkdir()
    pair = Pair(folder / "a.table", name)
    for action in actions:
        pair.do(*action)
    in_memory, in_file = pair.tables
    assert contents(in_memory) == contents(in_file)
    in_file.save(folder / "a.safetensors")
    for twin in (lp.load(folder / "a.safetensors"), in_file.to("cpu"), in_file.astype("float16")):
        assert twin.path is None
        if twin.dtype == in_memory.dtype:
            assert contents(in_memory) == contents(twin)
        twin.reset([5, 3], [1, 2])
    for number, table in enumerate(pair.tables):  # saved with some rows, and with all of them
        table.save(folder / "b.safetensors")
        path = folder / f"{number}.table"
        with lp.EmbeddingTable.load(folder / "b.safetensors", path=path) as twin:
            assert contents(in_memory) == contents(twin)
    in_file.close()
    pair.tables[1] = make(pair.path, name, **pair.arguments)
    assert contents(in_memory) == contents(pair.tables[1])
    pair.tables[1].close()
    shutil.rmtree(folder)


def test_a_row_costs_nothing_before_it_is_touched(tmp_path):
    """A billion rows: 128 GB of weights, and as much of states."""
    path = tmp_path / "big.table"
    with lp.EmbeddingTable(
        10**9, 64, optimizer=lp.Adam(0.1, state_dtype="bfloat16"), path=path
    ) as t:
        assert t.nbytes == 3 * 128 * 10**9
        ids = np.array([0, 999_999_999, 123_456_789])
        before, at_first = t.stored_bytes, t.lookup(ids)
        assert before < 200_000
        t.read(ids)
        t.prefetch(ids)
        assert t.stored_bytes == before  # reading touches none
        t.update(ids, np.ones((3, 64), np.float32))
        t.prefetch(ids)
        assert t.stored_bytes < before + 100_000
        assert (t.lookup(ids) != at_first).all()
        assert t.optimizer_state["mean"][ids].all()
        assert not t.optimizer_state["mean"][5:100].any()
        t.save(tmp_path / "few.safetensors")
    assert (tmp_path / "few.safetensors").stat().st_size < 5000


def test_first_weights_that_are_given(tmp_path):
    init = np.random.default_rng(0).normal(size=(len(ROWS), DIM)) * 1e5
    twin = lp.EmbeddingTable(SIZES, DIM, seed=7, optimizer=lp.FTRL(0.5), init=init)
    arguments = {"name": "FTRL", "optimizer": lp.FTRL(0.5), "init_range": None}
    for given_init in (init, None, init.tolist()):  # made, opened, opened
        with make(tmp_path / "a.table", **arguments, init=given_init) as table:
            assert contents(table) == contents(twin)
    with pytest.raises(ValueError, match=r"made with init=an array of checksum \d+ and not an arr"):
        make(tmp_path / "a.table", **arguments, init=init * 2)
    with pytest.raises(ValueError, match=r"init must have shape \(32, 3\), got \(31, 3\)"):
        make(tmp_path / "b.table", **arguments, init=init[1:])
    assert os.listdir(tmp_path) == ["a.table"]  # what cannot be made is not left


def test_a_saved_table_is_loaded_in_little_memory(quick_folder):
    """Rows are copied some at a time; those that were not saved cost nothing, as before."""
    with lp.EmbeddingTable(10**9, 64, path=quick_folder / "big.table") as table:
        table.update([7, 10**9 - 1], np.ones((2, 64), np.float32))
        table.save(quick_folder / "few.safetensors")
    with lp.load(quick_folder / "few.safetensors", path=quick_folder / "again.table") as again:
        assert again.stored_bytes < 300_000
        again.update([7], np.ones((1, 64), np.float32))
        assert again.step == 2
    with pytest.raises(FileExistsError, match=r"not overwritten.*again\.table"):
        lp.load(quick_folder / "few.safetensors", path=quick_folder / "again.table")
