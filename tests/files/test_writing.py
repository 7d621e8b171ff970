"""Files as neighbours expect them: permissions, links, long names, folders that do not flush."""

import errno
import os
import stat
import sys

import pytest

import lowprec as lp

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="permissions as on POSIX")


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def table():
    return lp.EmbeddingTable(4, 2)


@pytest.fixture(params=[0o022, 0o077, 0o002, 0o027])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_new_file_has_what_the_umask_leaves(table, umask, tmp_path):
    table.save(tmp_path / "t.safetensors")
    assert mode_of(tmp_path / "t.safetensors") == 0o666 & ~umask
    assert os.listdir(tmp_path) == ["t.safetensors"]


@pytest.mark.parametrize("mode", [0o640, 0o600, 0o664, 0o444])
def test_a_file_that_was_there_keeps_its_permissions(table, mode, tmp_path):
    path = tmp_path / "t.safetensors"
    path.write_bytes(b"before")
    path.chmod(mode)
    table.save(path)
    assert mode_of(path) == mode
    assert lp.load(path).step == 0


def test_files_of_checkpoints(tmp_path):
    before = os.umask(0o022)
    try:
        X, y, _ = lp.datasets.make_clicks(60, num_embeddings=[6, 4], seed=0)
        lp.LogisticRegression([6, 4], batch_size=30).fit(X, y, save=lp.Checkpoints(tmp_path))
    finally:
        os.umask(before)
    assert [mode_of(path) for path in tmp_path.iterdir()] == [0o644]


@pytest.mark.parametrize("relative", [True, False])
def test_a_link_stays_one(table, relative, tmp_path):
    target = tmp_path / "elsewhere" / "real.safetensors"
    target.parent.mkdir()
    target.write_bytes(b"before")
    link = tmp_path / "t.safetensors"
    link.symlink_to("elsewhere/real.safetensors" if relative else target)
    table.save(link)
    assert link.is_symlink()
    assert lp.load(target).step == 0
    assert os.listdir(target.parent) == ["real.safetensors"]


def test_a_link_to_nothing_yet(table, tmp_path):
    link = tmp_path / "t.safetensors"
    link.symlink_to("new.safetensors")
    table.save(link)
    assert link.is_symlink()
    assert lp.load(tmp_path / "new.safetensors").step == 0


def test_the_longest_name(table, tmp_path):
    path = tmp_path / ("n" * (255 - len(".safetensors")) + ".safetensors")
    for _ in range(2):
        table.save(path)
    assert lp.load(path).step == 0
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_folder_that_cannot_be_flushed(table, number, tmp_path, monkeypatch):
    flush = os.fsync

    def of_files_alone(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        flush(handle)

    monkeypatch.setattr(os, "fsync", of_files_alone)
    table.save(tmp_path / "t.safetensors")
    assert lp.load(tmp_path / "t.safetensors").step == 0


def test_other_errors_of_a_folder_are_raised(table, tmp_path, monkeypatch):
    flush = os.fsync

    def broken(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EIO, "broken")
        flush(handle)

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="broken"):
        table.save(tmp_path / "t.safetensors")
