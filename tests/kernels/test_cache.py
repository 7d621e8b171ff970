"""Compiled kernels on disk: found later, and never in place of something else."""

import hashlib
import pickle
import re
import shutil

import numba
import numpy as np
import pytest
from numba import njit

from lowprec._version import __version__
from lowprec.kernels.cache import cached
from lowprec.kernels.storage import cache_folder
from tests.kernels.kept import Doubling, double, files, hits, run, total


def test_a_kernel_is_compiled_once(folder):
    first, second = cached(njit(double)), cached(njit(double))
    assert not folder.exists()
    assert (first(2), hits(first)) == (4, 0)
    assert (second(2), hits(second)) == (4, 1)
    assert (second(2.5), hits(second)) == (5.0, 1)  # another type
    assert len(files(folder)) == 2
    (own,) = folder.iterdir()
    assert second.stats.cache_path == str(own) == str(cache_folder())
    assert re.fullmatch(re.escape(__version__) + "-[0-9a-f]{16}", own.name)


def test_a_parallel_kernel(folder):
    first, second = (cached(njit(parallel=True)(total)) for _ in range(2))
    assert first(np.ones(100)) == second(np.ones(100)) == 100.0
    assert (hits(first), hits(second)) == (0, 1)


def test_a_kernel_with_a_rule(folder):
    for expected in 0, 1:
        kernel = cached(njit(run))
        assert (kernel(Doubling(1.0), 3.0), hits(kernel)) == (7.0, expected)


def test_what_changes_the_code_is_in_the_name(folder, monkeypatch):
    cached(njit(double))(2)
    for options in {"boundscheck": True}, {"error_model": "numpy"}:
        kernel = cached(njit(**options)(double))
        assert (kernel(2), hits(kernel)) == (4, 0), options
    for name, value in ("BOUNDSCHECK", 1), ("OPT", 2), ("LOOP_VECTORIZE", 0):
        with monkeypatch.context() as patch:
            patch.setattr(numba.config, name, value)
            kernel = cached(njit(double))
            assert (kernel(2), hits(kernel)) == (4, 0), name


def test_off_and_on_and_flushed(folder):
    kernel = cached(njit(double))
    kernel._cache.disable()
    kernel(2)
    assert files(folder) == []
    kernel._cache.enable()
    kernel(2.0)
    cached(njit(total))(np.ones(3))
    assert len(files(folder)) == 2
    kernel.recompile()  # flushes
    assert hits(kernel) == 0
    assert [name.split("-")[0].split(".")[-1] for name in files(folder)] == ["double"] * 2 + [
        "total"
    ]


def test_without_a_compiler_functions_stay_as_they_are():
    assert cached(double) is double  # what njit makes of it where NUMBA_DISABLE_JIT is set


def _flip(data):
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


def _checked(payload):
    """A file with a checksum that fits, of something else than a kernel."""
    return lambda data, name: hashlib.sha256(name.encode() + payload).digest() + payload


@pytest.mark.parametrize(
    "damage",
    [
        lambda data, name: b"",
        lambda data, name: data[:20],
        lambda data, name: data[:-1],
        lambda data, name: _flip(data),
        lambda data, name: data + b"\0",
        _checked(b"no pickle"),
        _checked(pickle.dumps((1, 2))),
        _checked(b"cmissing_module\nRule\n."),  # ImportError
        _checked(b"cos\nmissing_name\n."),  # AttributeError
    ],
)
def test_a_damaged_file_is_compiled_again(folder, damage):
    cached(njit(double))(2)
    (path,) = folder.rglob("*.kernel")
    whole = path.read_bytes()
    path.write_bytes(damage(whole, path.name))
    kernel = cached(njit(double))
    assert (kernel(2), hits(kernel)) == (4, 0)
    kernel = cached(njit(double))
    assert (kernel(2), hits(kernel)) == (4, 1)  # it was replaced
    assert len(files(folder)) == 1


def test_a_file_under_a_wrong_name_is_not_loaded(folder):
    cached(njit(double))(2)
    (integers,) = folder.rglob("*.kernel")
    cached(njit(double))(2.0)
    (floats,) = set(folder.rglob("*.kernel")) - {integers}
    shutil.copy(integers, floats)
    kernel = cached(njit(double))
    assert (kernel(2.5), hits(kernel)) == (5.0, 0)


def test_a_folder_in_the_place_of_a_file(folder):
    cached(njit(double))(2)
    (path,) = folder.rglob("*.kernel")
    path.unlink()
    path.mkdir()
    kernel = cached(njit(double))
    with pytest.warns(RuntimeWarning, match="LOWPREC_CACHE_DIR"):
        assert kernel(2) == 4
    assert not list(folder.rglob("*.tmp"))
