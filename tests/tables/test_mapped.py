"""Tables in files: the bits of a table in memory, whatever is done, and whatever is damaged."""

import copy
import os
import pickle
import shutil
import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowprec as lp
from lowprec.mapping import system
from tests.children import run
from tests.tables.test_embedding import bits

SIZES, DIM = (20, 3, 9), 3
ROWS = np.arange(sum(SIZES))
TABLES = {
    "SGD": {"optimizer": lp.SGD(0.3)},
    "Adagrad": {"optimizer": lp.Adagrad(0.1, initial_accumulator=0.25), "padding_idx": -1},
    "Adam": {"optimizer": lp.Adam(0.1, state_dtype="bfloat16"), "on_nonfinite": "skip"},
    "FTRL": {"optimizer": lp.FTRL(0.5, l1=0.01), "init_range": 0.5},
    "catch up": {"optimizer": lp.SGD(0.1, weight_decay=0.5, decay="catch_up"), "dtype": "float32"},
}
OTHERS = {  # of the same states, which new rows must not see
    "SGD": lp.SGD(0.1),
    "Adagrad": lp.Adagrad(0.2, initial_accumulator=0.5),
    "Adam": lp.Adam(0.2, state_dtype="bfloat16"),
    "FTRL": lp.FTRL(0.25, l1=0.5),
    "catch up": lp.SGD(0.2, weight_decay=0.25, decay="catch_up"),
}


def contents(table):
    """All that a table holds, as bytes."""
    states = {name: bits(np.asarray(array)) for name, array in table.optimizer_state.items()}
    counts = table.step, table.skipped_rows, table.trainable, table.zeros
    return bits(table.read(ROWS)), states, counts, table.optimizer


def make(path=None, name="SGD", **kwargs):
    arguments = {"num_embeddings": SIZES, "embedding_dim": DIM, "seed": 7, **TABLES[name]}
    return lp.EmbeddingTable(**{**arguments, **kwargs}, path=path)


def batch(rng, n=4):
    return rng.integers(0, SIZES, (n, 3)), rng.normal(size=(n, 3, DIM)).astype(np.float32)


# --- the bits of a table in memory ---


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


# --- what is refused ---


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


# --- kills ---


class Snapshots:
    """Copies of a file at every line that this package runs: what a kill there would leave."""

    def __init__(self, path):
        self.path, self.found = path, []
        self.home = str(Path(lp.__file__).parent)
        # what may come between two changes of the file
        self.watched = ("mapping", "mapped.py", "update.py", "rows.py", "opening.py", "reset.py")

    def trace(self, frame, event, argument):
        name = frame.f_code.co_filename
        if not name.startswith(self.home) or not any(each in name for each in self.watched):
            return None
        data = self.path.read_bytes()
        if not self.found or self.found[-1] != data:
            self.found.append(data)
        return self.trace

    def of(self, call):
        sys.settrace(self.trace)
        try:
            call()
        finally:
            sys.settrace(None)
        return self.found


def log_is_active(path):
    words = np.frombuffer(path.read_bytes()[:4096], "<u8")
    return words[20 + 8 * int(words[7])] != 0


@pytest.mark.parametrize("change", ["update", "write", "reset"])
def test_a_kill_at_any_line_leaves_a_whole_step(tmp_path, change):
    """And one inside a kernel, which has then written anything to the rows that it steps."""
    path, rng = tmp_path / "a.table", np.random.default_rng(0)
    table = make(path, "Adam")
    table.update(*batch(rng))
    ids, grad = batch(rng)
    rows = np.unique(ids + table.row_offsets[:-1])
    calls = {
        "update": lambda: table.update(ids, grad),
        "write": lambda: table.write(rows, np.ones((rows.size, DIM))),
        "reset": lambda: table.reset(rows, rows),
    }
    before = contents(table)
    snapshots = Snapshots(path).of(calls[change])
    after, layout = contents(table), table._file._layout
    assert len(snapshots) > 5
    seen, active = [], 0
    other = tmp_path / "b.table"
    for data in snapshots:
        other.write_bytes(data)
        if log_is_active(other):
            active += 1
            scribbled = bytearray(data)
            for region in layout.arrays:
                size = DIM * region.dtype.itemsize
                for row in rows:
                    start = region.start + size * int(row)
                    scribbled[start : start + size] = rng.bytes(size)
            (tmp_path / "c.table").write_bytes(scribbled)
            with make(tmp_path / "c.table", "Adam") as found:
                assert contents(found) == before
        with make(other, "Adam") as found:
            seen.append(contents(found) == after)
            assert contents(found) in (before, after)
    assert active
    assert seen == sorted(seen)  # before, and from one moment on after
    assert set(seen) == {False, True} or change != "update"
    table.close()


def test_a_kill_while_a_file_is_made(tmp_path):
    path, other = tmp_path / "a.table", tmp_path / "b.table"
    path.touch()
    init = np.ones((len(ROWS), DIM))
    snapshots = Snapshots(path).of(lambda: make(path, init=init).close())
    assert len(snapshots) > 5
    for data in [*snapshots, path.read_bytes()[:8]]:
        other.write_bytes(data)
        with make(other, init=init) as table:
            assert (table.read(ROWS) == 1).all()


@pytest.mark.parametrize("rows", ["some", "all"])
def test_a_kill_while_a_saved_table_is_loaded(tmp_path, rows):
    """Leaves a file that is made anew, until it is complete."""
    path, saved = tmp_path / "a.table", tmp_path / "a.safetensors"
    with make(tmp_path / "b.table", "Adam") as table:
        table.update(*batch(np.random.default_rng(0)))
        expected = contents(table)
        (table if rows == "some" else table.to("cpu")).save(saved)
    path.touch()
    snapshots = Snapshots(path).of(lambda: lp.load(saved, path=path).close())
    assert len(snapshots) > 5
    complete = []
    for number, data in enumerate(snapshots):
        other = tmp_path / f"{number}.table"
        other.write_bytes(data)
        try:
            with lp.load(saved, path=other) as again:
                assert contents(again) == expected
            complete.append(False)
        except FileExistsError:
            complete.append(True)
        with make(other, "Adam") as again:
            assert contents(again) == expected
    assert complete == sorted(complete)
    assert set(complete) == {False, True}


def test_a_change_that_fails_is_undone(tmp_path, monkeypatch):
    table = make(tmp_path / "a.table", "Adam")
    table.update(*batch(np.random.default_rng(0)))
    before = contents(table)

    def fail(*arguments):
        table._weight[:5] = 3
        table._state["mean"][:5] = 3
        raise MemoryError("none is left")

    monkeypatch.setattr(table._device.kernels, "update_rows", fail)
    with pytest.raises(MemoryError, match="none is left"):
        table.update(*[each[:, :] for each in everything()])
    assert contents(table) == before


def everything():
    """A batch of the first rows of each feature."""
    ids = np.array([[0, 0, 0], [1, 1, 1], [2, 2, 2], [3, 0, 3], [4, 0, 4]])
    return ids, np.ones((5, 3, DIM), np.float32)


def test_a_full_disk_changes_nothing(tmp_path, monkeypatch):
    table = make(tmp_path / "a.table")
    before = contents(table)

    def full(file, start, nbytes):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(system, "reserve", full)
        with pytest.raises(
            OSError, match=r"No space left on device; nothing was changed.*a\.table"
        ):
            table.update(*everything())
        assert contents(table) == before
        with pytest.raises(OSError, match="No space"):
            make(tmp_path / "b.table")
    assert os.listdir(tmp_path) == ["a.table"]
    table.update(*everything())
    assert table.step == 1


# --- damage and loss of power ---


def test_damage_is_found(tmp_path):
    """Any byte of the header, of the description in use, and of a log that is to be undone."""
    path, other = tmp_path / "a.table", tmp_path / "b.table"
    with make(path) as table:
        table.update(*everything())
        unfinished = table._file.transaction(table, np.arange(3, dtype=np.uint32))
        unfinished.__enter__()
        data, layout, expected = path.read_bytes(), table._file._layout, contents(table)
        unfinished.__exit__(None, None, None)
    words = np.frombuffer(data[:4096], "<u8")
    record, room = 16 + 8 * int(words[7]), int(words[2])
    text = 4096 + room * int(words[record + 3])
    log = range(layout.end, layout.end + int(words[record + 4]))
    assert len(data) >= log.stop
    places = [*range(64), *range(8 * record, 8 * record + 64), *range(text, text + 600, 7), *log]
    damaged = 0
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << (place % 8)
        other.write_bytes(changed)
        try:
            with make(other) as found:
                assert contents(found) == expected
        except lp.CheckpointError:
            damaged += 1
    assert damaged > len(places) - 64  # but for a word without meaning, and the end of the text
    for cut in (layout.end - 1, 4096, 100):
        other.write_bytes(data[:cut])
        with pytest.raises(lp.CheckpointError, match=r"cut|damaged|checksum"):
            make(other)


def test_a_loss_of_power_is_told(tmp_path, monkeypatch):
    if not system.this_boot():
        pytest.skip("this system does not say when it was started")
    path, copies = tmp_path / "a.table", [tmp_path / f"{k}.table" for k in range(3)]
    table = make(path)
    table.update(*everything())
    shutil.copy(path, copies[0])
    table.flush()
    shutil.copy(path, copies[1])
    unfinished = table._file.transaction(table, np.arange(3, dtype=np.uint32))
    unfinished.__enter__()
    log = table._file._layout.end
    copies[2].write_bytes(path.read_bytes()[: log + 20])  # a log that did not come to disk
    unfinished.__exit__(None, None, None)
    table.close()
    monkeypatch.setattr("lowprec.tables.opening.this_boot", lambda: 5)
    for other in (copies[0], copies[2]):
        with pytest.warns(UserWarning, match=r"was changed after its last flush\(\)"):
            make(other).close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for other in (*copies, path):  # of the first, close was the flush
            make(other).close()


# --- the layout, as docs/tables-in-files.md tells it ---


def test_the_layout_is_as_documented(tmp_path):
    path = tmp_path / "a.table"
    with make(path, "Adagrad") as table:
        table.update(*everything())
        expected = table.read(ROWS), table.optimizer_state["sum"]
    data = path.read_bytes()
    words = np.frombuffer(data[:4096], "<u8")
    assert data[:8] == b"lowprecT"
    assert words[1] == 1
    assert words[4] == zlib.crc32(data[:32])
    record = words[16 + 8 * int(words[7]) :][:8]
    assert record[0] == 1  # the step
    assert record[7] == zlib.crc32(record[:7].tobytes())
    text = data[4096 + int(words[2]) * int(record[3]) :][: int(words[2])].rstrip(b"\0")
    assert text[:8].decode() == f"{zlib.crc32(text[9:]):08x}"
    aligned = lambda place: -(-place // 65536) * 65536
    bitmap = aligned(4096 + 2 * int(words[2]))
    weight = aligned(bitmap + -(-len(ROWS) // 8))
    sums = aligned(weight + len(ROWS) * DIM * 2)
    assert words[3] == aligned(sums + len(ROWS) * DIM * 4) == len(data)
    bits_of_rows = np.unpackbits(np.frombuffer(data, np.uint8, 4, bitmap), bitorder="little")
    touched = np.flatnonzero(bits_of_rows)
    assert touched.tolist() == [0, 1, 2, 3, 4, 20, 21, 22, 23, 24, 25, 26, 27]
    found = np.frombuffer(data, np.float16, len(ROWS) * DIM, weight).reshape(-1, DIM)
    np.testing.assert_array_equal(found[touched], expected[0][touched])
    found = np.frombuffer(data, np.float32, len(ROWS) * DIM, sums).reshape(-1, DIM)
    np.testing.assert_array_equal(found[touched], expected[1][touched])
