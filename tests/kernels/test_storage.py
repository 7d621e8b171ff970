"""Where compiled kernels are kept, and when old ones go."""

import os
import re
import shutil
import sys
import threading
import time
import warnings
from pathlib import Path

import numba
import pytest
from numba import njit

import lowprec
from lowprec.kernels import storage
from lowprec.kernels.cache import cached
from lowprec.kernels.fingerprint import UnknownError
from lowprec.kernels.storage import cache_folder, source_stamp
from tests.kernels.kept import double, files, hits

DAY = 24 * 3600


def test_which_folder(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(sys, "platform", "linux")

    def parent():
        storage._folder.cache_clear()
        found = cache_folder()
        return None if found is None else found.parent

    assert parent() == folder
    monkeypatch.delenv("LOWPREC_CACHE_DIR")
    assert parent() == tmp_path / "numba" / "lowprec"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "set"))
    assert parent() == tmp_path / "set" / "lowprec"
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    assert parent() == tmp_path / "xdg" / "lowprec"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says its specification
    assert parent() == tmp_path / ".cache" / "lowprec"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert parent() == tmp_path / "Library" / "Caches" / "lowprec"
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    assert parent() is None
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_one_warning(folder, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOWPREC_CACHE_DIR", str(tmp_path / "file" / "below"))
    kernels = [cached(njit(double)) for _ in range(4)]
    results = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=lambda k=k: results.append(k(2))) for k in kernels]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        cached(njit(double))(2)
    assert results == [4] * 4
    (warning,) = caught
    assert warning.category is RuntimeWarning
    assert warning.filename == __file__
    for part in str(tmp_path / "file" / "below"), "Not a directory", "LOWPREC_CACHE_DIR":
        assert part in str(warning.message)


def test_a_folder_that_can_only_be_read_is_read(folder, monkeypatch):
    cached(njit(double))(2)

    def refuse(*args):
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(Path, "write_bytes", refuse)
    kernel = cached(njit(double))
    assert (kernel(2), hits(kernel)) == (4, 1)


def test_sources_give_the_stamp(tmp_path, monkeypatch):
    package = tmp_path / "lowprec"
    shutil.copytree(Path(lowprec.__file__).parent / "scalar", package)
    for path in package.rglob("*"):
        os.utime(path, (1, 1))
    before = source_stamp(package)
    assert before == source_stamp(shutil.copytree(package, tmp_path / "elsewhere"))
    assert re.fullmatch("[0-9a-f]{16}", before)

    (package / "notes.txt").write_text("no source")
    assert source_stamp(package) == before
    stamps = {before}
    for change in (
        lambda: (package / "bits.py").write_text((package / "bits.py").read_text() + "\n"),
        lambda: (package / "bits.py").rename(package / "bits2.py"),
        lambda: (package / "bits2.py").unlink(),
    ):
        change()
        for path in package.rglob("*.py"):
            os.utime(path, (1, 1))
        stamps.add(source_stamp(package))
    assert len(stamps) == 4

    os.utime(package / "__init__.py")  # edited after the import: what runs is something else
    monkeypatch.setattr(storage, "_imported", time.time() - 60)
    with pytest.raises(UnknownError, match="changed after"):
        source_stamp(package)
    with pytest.raises(UnknownError, match="no sources"):
        source_stamp(tmp_path / "missing")


def _make(folder, days, *names):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (time.time() - days * DAY,) * 2)
    os.utime(folder, (time.time() - days * DAY,) * 2)


def test_old_kernels_are_removed(folder):
    kernel = f"lowprec.f-{'0' * 32}.kernel"
    temporary = f"{kernel}.{'1' * 32}.tmp"
    for i in range(9):
        _make(folder / f"0.1.0-{i:016x}", i + 1, kernel)
    _make(folder / f"0.0.9-{'a' * 16}", 31, kernel, temporary)
    _make(folder / f"0.0.9-{'b' * 16}", 40, kernel, "notes.txt")  # not ours, and stays
    _make(folder / "mine", 50, kernel)
    (folder / "link").mkdir()
    try:
        (folder / f"0.0.8-{'c' * 16}").symlink_to(folder / "mine")
    except OSError:  # Windows asks for a right that users need not have
        (folder / f"0.0.8-{'c' * 16}").write_bytes(b"")

    cached(njit(double))(2)
    left = {path.name for path in folder.iterdir()} - {cache_folder().name}
    assert left == {
        *(f"0.1.0-{i:016x}" for i in range(7)),  # with the new one, eight
        f"0.0.9-{'b' * 16}",
        "mine",
        "link",
        f"0.0.8-{'c' * 16}",
    }
    assert files(folder / f"0.0.9-{'b' * 16}") == ["notes.txt"]
    assert files(folder / "mine") == [kernel]


def test_use_is_noted(folder):
    cached(njit(double))(2)
    (own,) = folder.iterdir()
    (path,) = own.iterdir()
    for aged in own, path:
        os.utime(aged, (1, 1))
    cached(njit(double))(2)
    assert min(own.stat().st_mtime, path.stat().st_mtime) > time.time() - DAY


def test_others_may_remove_at_the_same_time(folder, monkeypatch):
    _make(folder / f"0.0.9-{'a' * 16}", 31, f"lowprec.f-{'0' * 32}.kernel")
    unlink = Path.unlink

    def gone(path, **options):
        unlink(path, **options)
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "unlink", gone)
    assert cached(njit(double))(2) == 4
    assert [path.name for path in folder.iterdir()] == [cache_folder().name]
