"""A folder of kernels for one test."""

import time

import pytest

from lowprec.kernels import storage


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that this process, as if it were new, keeps its kernels in."""

    def forget():
        storage._folder.cache_clear()
        storage._note_use.cache_clear()
        storage._gave_up = storage._pruned = False

    parent = tmp_path / "kept"
    monkeypatch.setenv("LOWPREC_CACHE_DIR", str(parent))
    monkeypatch.setattr(storage, "_imported", time.time())  # sources edited since the tests began
    forget()
    yield parent
    forget()
