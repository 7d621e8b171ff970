"""Tables in files: kills, full disks, damage, and the layout."""

import os
import shutil
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

import lowprec as lp
from lowprec.mapping import system
from tests.tables.in_files import DIM, ROWS, batch, contents, make


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
