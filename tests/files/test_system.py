"""Files where the system is not POSIX: what Windows refuses is refused here, and saves go on."""

import errno
import os
import stat

import pytest

import lowprec as lp
from lowprec.files import system


@pytest.fixture
def table():
    return lp.EmbeddingTable(4, 2)


@pytest.fixture
def windows(monkeypatch):
    """This system as Windows is: handles that are read do not flush, folders do not open."""
    fcntl = pytest.importorskip("fcntl", reason="to tell which handles can be written")
    flush, open_ = os.fsync, os.open

    def fsync(handle):
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flush(handle)

    def open_files(path, *arguments, **options):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return open_(path, *arguments, **options)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "open", open_files)
    monkeypatch.setattr(system, "WINDOWS", True)
    monkeypatch.setattr(system, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(os, "chmod", lambda *_: pytest.fail("Windows has no permissions to keep"))
    for name in ("O_DIRECTORY", "O_CLOEXEC", "fchmod", "fork", "umask"):
        monkeypatch.delattr(os, name, raising=False)
    return monkeypatch


def refuse(monkeypatch, times):
    """`os.replace` is refused so many times; what was asked of it."""
    asked, replace = [], os.replace

    def held(source, target):
        asked.append(target)
        if len(asked) <= times:
            raise PermissionError(errno.EACCES, "Access is denied", source, 5, target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", held)
    return asked


def test_saves_and_replaces(table, windows, tmp_path):
    path = tmp_path / "t.safetensors"
    for step in range(2):
        table.save(path)
        assert lp.EmbeddingTable.load(path).step == step
        table.update([1], table.lookup([1]))
    assert os.listdir(tmp_path) == ["t.safetensors"]


def test_a_training_saves_and_goes_on(windows, tmp_path):
    X, y, _ = lp.datasets.make_clicks(60, num_embeddings=[6, 4], seed=0)
    model = lp.LogisticRegression([6, 4], batch_size=10, epochs=2)
    model.fit(X, y, save=lp.Checkpoints(tmp_path, every_batches=2, keep=2))
    longer = lp.LogisticRegression([6, 4], batch_size=10, epochs=3)
    assert longer.fit(X, y, resume=tmp_path).table_.step == 18


def test_a_file_that_is_held_for_a_moment(table, windows, tmp_path):
    asked = refuse(windows, times=2)
    table.save(tmp_path / "t.safetensors")
    assert len(asked) == 3
    assert lp.load(tmp_path / "t.safetensors").step == 0


def test_a_file_that_stays_open(table, windows, tmp_path):
    path = tmp_path / "t.safetensors"
    path.write_bytes(b"before")
    refuse(windows, times=10)
    with pytest.raises(PermissionError, match="does not replace a file that is open") as error:
        table.save(path)
    assert error.value.errno == errno.EACCES
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["t.safetensors"]


def test_a_folder_that_cannot_be_read(table, tmp_path, monkeypatch):
    """The file was there, and the save failed."""
    open_ = os.open

    def refused(path, *arguments, **options):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return open_(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refused)
    table.save(tmp_path / "t.safetensors")
    assert lp.load(tmp_path / "t.safetensors").step == 0


def test_elsewhere_a_refusal_is_raised_at_once(table, tmp_path, monkeypatch):
    monkeypatch.setattr(system, "WINDOWS", False)
    asked = refuse(monkeypatch, times=1)
    with pytest.raises(PermissionError, match="Access is denied"):
        table.save(tmp_path / "t.safetensors")
    assert len(asked) == 1
    assert not os.listdir(tmp_path)


def test_the_first_error_is_told_where_nothing_can_be_removed(table, tmp_path, monkeypatch):
    def held(path):
        raise PermissionError(errno.EACCES, "it is open elsewhere")

    refuse(monkeypatch, times=10)
    monkeypatch.setattr(system, "_PAUSES", ())
    monkeypatch.setattr(os, "unlink", held)
    with pytest.raises(PermissionError, match="Access is denied"):
        table.save(tmp_path / "t.safetensors")


def test_permissions_are_set_before_the_file_is_flushed(table, tmp_path, monkeypatch):
    """So that a crash leaves no file that only its owner can read."""
    if system.WINDOWS:
        pytest.skip("Windows has no permissions to keep")
    path, seen, flush = tmp_path / "t.safetensors", [], os.fsync
    path.write_bytes(b"before")
    path.chmod(0o644)

    def fsync(handle):
        if stat.S_ISREG(mode := os.fstat(handle).st_mode):
            seen.append(stat.S_IMODE(mode))
        flush(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    table.save(path)
    assert seen == [0o644]
