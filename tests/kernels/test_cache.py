"""Compiled kernels on disk: found by later processes, and never in place of something else."""

import hashlib
import inspect
import os
import pickle
import re
import shutil
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import pytest
from numba import njit, prange
from numba.core.bytecode import FunctionIdentity
from numba.core.caching import NullCache, _Cache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps
from numba.extending import overload

import lowprec
from lowprec._version import __version__
from lowprec.kernels import cache, storage
from lowprec.kernels.cache import KernelCache, cached
from lowprec.kernels.fingerprint import UnknownError, fingerprint
from lowprec.kernels.names import tell_apart
from lowprec.kernels.storage import cache_folder, source_stamp
from tests import children

DAY = 24 * 3600


# --- kernels in this process: another dispatcher of a function has only the disk to find it ---


def _double(x):
    return x + x


def _total(values):
    total = 0.0
    for i in prange(values.size):
        total += values[i]
    return total


def apply(rule, x): ...


@overload(apply)
def _apply(rule, x):
    step = njit(rule.instance_class.step)
    return lambda rule, x: step(rule, x)


def _run(rule, x):
    return apply(rule, x)


class Doubling(NamedTuple):
    """As users write them."""

    rate: float

    @staticmethod
    def step(rule, x):
        return x * 2.0 + rule.rate


def hits(kernel):
    return sum(kernel.stats.cache_hits.values())


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


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


def test_a_kernel_is_compiled_once(folder):
    first, second = cached(njit(_double)), cached(njit(_double))
    assert not folder.exists()
    assert (first(2), hits(first)) == (4, 0)
    assert (second(2), hits(second)) == (4, 1)
    assert (second(2.5), hits(second)) == (5.0, 1)  # another type
    assert len(files(folder)) == 2
    (own,) = folder.iterdir()
    assert second.stats.cache_path == str(own) == str(cache_folder())
    assert re.fullmatch(re.escape(__version__) + "-[0-9a-f]{16}", own.name)


def test_a_parallel_kernel(folder):
    first, second = (cached(njit(parallel=True)(_total)) for _ in range(2))
    assert first(np.ones(100)) == second(np.ones(100)) == 100.0
    assert (hits(first), hits(second)) == (0, 1)


def test_a_kernel_with_a_rule(folder):
    for expected in 0, 1:
        kernel = cached(njit(_run))
        assert (kernel(Doubling(1.0), 3.0), hits(kernel)) == (7.0, expected)


def test_what_changes_the_code_is_in_the_name(folder, monkeypatch):
    cached(njit(_double))(2)
    for options in {"boundscheck": True}, {"error_model": "numpy"}:
        kernel = cached(njit(**options)(_double))
        assert (kernel(2), hits(kernel)) == (4, 0), options
    for name, value in ("BOUNDSCHECK", 1), ("OPT", 2), ("LOOP_VECTORIZE", 0):
        with monkeypatch.context() as patch:
            patch.setattr(numba.config, name, value)
            kernel = cached(njit(_double))
            assert (kernel(2), hits(kernel)) == (4, 0), name


def test_off_and_on_and_flushed(folder):
    kernel = cached(njit(_double))
    kernel._cache.disable()
    kernel(2)
    assert files(folder) == []
    kernel._cache.enable()
    kernel(2.0)
    cached(njit(_total))(np.ones(3))
    assert len(files(folder)) == 2
    kernel.recompile()  # flushes
    assert hits(kernel) == 0
    assert [name.split("-")[0].split(".")[-1] for name in files(folder)] == ["_double"] * 2 + [
        "_total"
    ]


def test_without_a_compiler_functions_stay_as_they_are():
    assert cached(_double) is _double  # what njit makes of it where NUMBA_DISABLE_JIT is set


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
    cached(njit(_double))(2)
    (path,) = folder.rglob("*.kernel")
    whole = path.read_bytes()
    path.write_bytes(damage(whole, path.name))
    kernel = cached(njit(_double))
    assert (kernel(2), hits(kernel)) == (4, 0)
    kernel = cached(njit(_double))
    assert (kernel(2), hits(kernel)) == (4, 1)  # it was replaced
    assert len(files(folder)) == 1


def test_a_file_under_a_wrong_name_is_not_loaded(folder):
    cached(njit(_double))(2)
    (integers,) = folder.rglob("*.kernel")
    cached(njit(_double))(2.0)
    (floats,) = set(folder.rglob("*.kernel")) - {integers}
    shutil.copy(integers, floats)
    kernel = cached(njit(_double))
    assert (kernel(2.5), hits(kernel)) == (5.0, 0)


def test_a_folder_in_the_place_of_a_file(folder):
    cached(njit(_double))(2)
    (path,) = folder.rglob("*.kernel")
    path.unlink()
    path.mkdir()
    kernel = cached(njit(_double))
    with pytest.warns(RuntimeWarning, match="LOWPREC_CACHE_DIR"):
        assert kernel(2) == 4
    assert not list(folder.rglob("*.tmp"))


# --- rules ---


def test_classes_that_no_process_can_import_are_not_kept(folder):
    class Local(NamedTuple):
        rate: float

        @staticmethod
        def step(rule, x):
            return x - rule.rate

    kernel = cached(njit(_run))
    assert kernel(Local(1.0), 3.0) == 2.0
    assert files(folder) == []


def test_a_rule_inside_other_tuples_counts(folder):
    nested = numba.typeof(((Doubling(1.0), np.ones(3)), np.float32(1)))
    assert fingerprint(nested) != fingerprint(numba.typeof(((1.0, np.ones(3)), np.float32(1))))
    before = fingerprint(nested)
    original = Doubling.step
    Doubling.step = staticmethod(lambda rule, x: x)
    try:
        assert fingerprint(nested) != before
    finally:
        Doubling.step = staticmethod(original)
    assert fingerprint(nested) == before


SOURCE = """
from typing import NamedTuple
import numpy as np
from numba import njit
TABLE, FACTOR, NAMES, ARRAY = (1, 2.0), np.float32(3), {"a": 1}, np.arange(3)

def plain(x, by=2): return x + by

@njit
def compiled(x): return plain(x) * FACTOR

def maker(by):
    def inner(x): return x * by
    return inner

made = maker(5)

class Other(NamedTuple):
    rate: float = 0.5
    @staticmethod
    def step(rule, x): return x - 1

class Rule(NamedTuple):
    rate: float
    @staticmethod
    def step(rule, x):
        return compiled(x) + made(x) + TABLE[1] + ARRAY[0] + np.sqrt(x) + Other(x).rate
    def row(rule, x): return Rule(x) if x > 0 else Rule.row(rule, 7)
"""
CHANGES = [
    ("TABLE[1]", "TABLE[0]"),
    ("(1, 2.0)", "(1, 2)"),
    ("np.float32(3)", "np.float32(4)"),
    ("np.float32(3)", "np.float64(3)"),
    ("np.arange(3)", "np.arange(4)"),
    ("np.sqrt", "np.exp"),
    ("by=2", "by=3"),
    ("x + by", "x - by"),
    ("@njit\n", "@njit(error_model='numpy')\n"),
    ("maker(5)", "maker(6)"),
    ("x * by", "x / by"),
    ("0.5", "0.25"),
    ("x - 1", "x - 2"),
    ("x > 0", "x >= 0"),
    ("rate: float\n", "speed: float\n"),
]


def fingerprint_of(source, monkeypatch, name="user_rules"):
    module = type(sys)(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(source, vars(module))
    return fingerprint(module.Rule)


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_a_change_of_a_rule_changes_its_fingerprint(monkeypatch, old, new):
    before = fingerprint_of(SOURCE, monkeypatch)
    assert old in SOURCE
    assert fingerprint_of(SOURCE.replace(old, new), monkeypatch) != before


def test_what_changes_nothing_keeps_the_fingerprint(monkeypatch):
    before = fingerprint_of(SOURCE, monkeypatch)
    assert fingerprint_of("# a comment\n\n" + SOURCE + "\nmore = 1\n", monkeypatch) == before
    assert fingerprint_of(SOURCE, monkeypatch, name="other_rules") != before


def with_factor(value):
    return SOURCE.replace("FACTOR,", "UNUSED,") + f"\nFACTOR = {value}\n"


@pytest.mark.parametrize("value", ["object()", "np.array([None])", "(1, [object()])", "iter([])"])
def test_what_has_no_content_is_not_kept(monkeypatch, value):
    with pytest.raises(UnknownError):
        fingerprint_of(with_factor(value), monkeypatch)


def test_what_has_a_name_or_content_is_kept(monkeypatch):
    values = [
        "len",
        "np.sqrt",
        "np.dtype([('a', 'u2')])",
        "{1, 2}",
        "None",
        "'text'",
        "-0.0",
        "0.0",
    ]
    found = [fingerprint_of(with_factor(value), monkeypatch) for value in values]
    assert len(set(found)) == len(values)


# --- where ---


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
    kernels = [cached(njit(_double)) for _ in range(4)]
    results = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=lambda k=k: results.append(k(2))) for k in kernels]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        cached(njit(_double))(2)
    assert results == [4] * 4
    (warning,) = caught
    assert warning.category is RuntimeWarning
    assert warning.filename == __file__
    for part in str(tmp_path / "file" / "below"), "Not a directory", "LOWPREC_CACHE_DIR":
        assert part in str(warning.message)


def test_a_folder_that_can_only_be_read_is_read(folder, monkeypatch):
    cached(njit(_double))(2)

    def refuse(*args):
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(Path, "write_bytes", refuse)
    kernel = cached(njit(_double))
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


# --- old kernels ---


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

    cached(njit(_double))(2)
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
    cached(njit(_double))(2)
    (own,) = folder.iterdir()
    (path,) = own.iterdir()
    for aged in own, path:
        os.utime(aged, (1, 1))
    cached(njit(_double))(2)
    assert min(own.stat().st_mtime, path.stat().st_mtime) > time.time() - DAY


def test_others_may_remove_at_the_same_time(folder, monkeypatch):
    _make(folder / f"0.0.9-{'a' * 16}", 31, f"lowprec.f-{'0' * 32}.kernel")
    unlink = Path.unlink

    def gone(path, **options):
        unlink(path, **options)
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "unlink", gone)
    assert cached(njit(_double))(2) == 4
    assert [path.name for path in folder.iterdir()] == [cache_folder().name]


# --- other processes ---

KERNELS = """
import numpy as np
from numba import njit, prange
from numba.extending import overload
from lowprec.kernels.cache import cached

def apply(rule, x): ...

@overload(apply)
def _apply(rule, x):
    step = njit(rule.instance_class.step)
    return lambda rule, x: step(rule, x)

@cached
@njit
def run(rule, x):
    return apply(rule, x)

@cached
@njit(parallel=True)
def total(values):
    total = 0.0
    for i in prange(values.size):
        total += values[i]
    return total

def hits(kernel):
    return sum(kernel.stats.cache_hits.values())
"""
RULES = """
from typing import NamedTuple
import helpers
FACTOR = 2.0

class Rule(NamedTuple):
    rate: float

    @staticmethod
    def step(rule, x):
        return helpers.tripled(x) * FACTOR + rule.rate
"""
HELPERS = "from numba import njit\n@njit\ndef tripled(x):\n    return x * 3.0\n"


def write_modules(folder, **sources):
    folder.mkdir(exist_ok=True)
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    return folder


def start(code, parent, *paths, **options):
    names = ("LOWPREC_CACHE_DIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "PYTHONPATH")
    if parent is not None:
        options["LOWPREC_CACHE_DIR"] = str(parent)
    command = ("-B", "-W", "error", "-c", code)
    return children.start(*command, paths=paths, without=names, **options)


def printed(child):
    done = children.finish(child, timeout=120)
    return done.stdout.split("\n")[:-1], done.stderr


def test_processes(tmp_path):
    """What one process compiles another one finds, unless something that it uses has changed."""
    modules = write_modules(tmp_path / "modules", kernels=KERNELS, helpers=HELPERS)
    write_modules(modules, rules=RULES, same_rules=RULES.replace("2.0", "20.0"))
    variants = {
        "rule": {"rules": RULES.replace("+ rule", "- rule")},
        "constant": {"rules": RULES.replace("2.0", "4.0")},
        "helper": {"helpers": HELPERS.replace("3.0", "5.0")},
    }
    for name, sources in variants.items():
        write_modules(tmp_path / name, **sources)
    package = Path(lowprec.__file__).parent
    before = files(package)
    (tmp_path / "cwd").mkdir()

    first = "; ".join(
        [
            "import numpy as np, kernels, rules, same_rules",
            "from lowprec.kernels.names import tell_apart",
            "tell_apart(rules.Rule), tell_apart(same_rules.Rule)",
            "print(kernels.total(np.ones(9)), kernels.hits(kernels.total))",
            "print(kernels.run(rules.Rule(1.0), 1.0), kernels.hits(kernels.run))",
            "print(kernels.run(same_rules.Rule(1.0), 1.0), kernels.hits(kernels.run))",
        ]
    )
    parent = tmp_path / "kept"
    for expected in (["9.0 0", "7.0 0", "61.0 0"], ["9.0 1", "7.0 1", "61.0 2"]):
        child = start(first, parent, modules, cwd=tmp_path / "cwd")
        assert printed(child)[0] == expected
    assert len(files(parent)) == 3

    once = (
        "import kernels, rules; print(kernels.run(rules.Rule(1.0), 1.0), kernels.hits(kernels.run))"
    )
    for name, expected in ("rule", "5.0 0"), ("constant", "13.0 0"), ("helper", "11.0 0"):
        child = start(once, parent, tmp_path / name, modules, cwd=tmp_path / "cwd")
        assert printed(child)[0] == [expected], name

    # a process that has none of these rules
    other = write_modules(tmp_path / "other", kernels=KERNELS, helpers=HELPERS, rules3=RULES)
    third = "import numpy as np, kernels, rules3; print(kernels.total(np.ones(9)), "
    third += "kernels.run(rules3.Rule(1.0), 1.0), kernels.hits(kernels.total))"
    assert printed(start(third, parent, other))[0] == ["9.0 7.0 1"]

    assert files(package) == before
    assert files(tmp_path / "cwd") == []


def test_a_rule_in_main_works(tmp_path):
    modules = write_modules(tmp_path / "modules", kernels=KERNELS, helpers=HELPERS)
    code = RULES + "\nimport kernels; print(kernels.run(Rule(1.0), 1.0))"
    assert printed(start(code, tmp_path / "kept", modules))[0] == ["7.0"]
    assert files(tmp_path / "kept") == []


def test_without_a_home_there_is_one_warning(tmp_path):
    modules = write_modules(tmp_path / "modules", kernels=KERNELS)
    code = "\n".join(
        [
            "import warnings, lowprec, kernels, numpy as np",
            "from lowprec.kernels import storage",
            "assert storage._folder.cache_info().misses == 0",
            "warnings.simplefilter('always')",
            "print(kernels.total(np.ones(9)), kernels.total(np.ones(9, np.float32)))",
        ]
    )
    home = tmp_path / "missing"
    out, error = printed(start(code, None, modules, HOME=str(home), NUMBA_CACHE_DIR=""))
    assert out == ["9.0 9.0"]
    assert error.count("RuntimeWarning: lowprec cannot keep compiled kernels") == 1
    assert str(home) in error
    assert not home.exists()


def test_processes_at_once(tmp_path):
    modules = write_modules(tmp_path / "modules", kernels=KERNELS, helpers=HELPERS, rules=RULES)
    code = "\n".join(
        [
            "import numpy as np, kernels, rules, numba",
            "print(kernels.total(np.ones(9)), kernels.run(rules.Rule(1.0), 1.0))",
            "again = kernels.cached(numba.njit(kernels.run.py_func))",
            "print(again(rules.Rule(1.0), 1.0), kernels.hits(again))",
        ]
    )
    children = [start(code, tmp_path / "kept", modules) for _ in range(4)]
    assert [printed(child)[0] for child in children] == [["9.0 7.0", "7.0 1"]] * 4
    assert len(files(tmp_path / "kept")) == 2  # and no temporary ones


FORMATS = """
import numpy as np
from numba import njit
from numba.extending import overload
from lowprec.kernels.cache import cached

def name(x): ...

@overload(name)
def _name(x):
    length = float(len(next(iter(x.dtype.fields))))
    return lambda x: length

@njit
def not_inlined(x, y):
    for _ in range(2):
        LINES
    return y

@cached
@njit
def run(x):
    return not_inlined(x, 0.5) + not_inlined(x, 1.5) * not_inlined(x, 2.5)

A, B = np.zeros(3, np.dtype([("a", "u2")])), np.zeros(3, np.dtype([("bbb", "u2")]))
"""


def test_kernels_of_two_processes_in_a_third(tmp_path):
    """Functions of equal names inside kernels, which only their records' fields tell apart."""
    lines = "\n        ".join(
        f"y = np.sin(y) * {i}.5 + np.log(y * y + {i + 1}) + name(x)" for i in range(30)
    )
    modules = write_modules(tmp_path / "modules", formats=FORMATS.replace("LINES", lines))
    code = "import formats; print(*[repr(formats.run(x)) for x in ({},)], "
    code += "sum(formats.run.stats.cache_hits.values()))"

    def run(arrays):
        child = start(code.format(arrays), tmp_path / "kept", modules)
        return printed(child)[0][0].split()

    (one, _), (other, _) = run("formats.A"), run("formats.B")
    assert one != other
    assert run("formats.A, formats.B") == [one, other, "2"]


def test_classes_of_one_name_are_told_apart():
    kernel = njit(_run)
    results = []
    for by in 1.0, 2.0, 3.0:

        class Rule(NamedTuple):
            rate: float

            @staticmethod
            def step(rule, x, by=by):
                return x + by

        assert tell_apart(Rule) is tell_apart(Rule) is Rule
        results.append(kernel(Rule(1.0), 0.0))
        assert Rule.__qualname__.endswith("<locals>.Rule")
    assert results == [1.0, 2.0, 3.0]
    assert Rule.__name__ == "Rule_3"


# --- Numba ---


def test_numba_has_what_the_cache_relies_on():
    """Private parts of Numba: where this fails, `lowprec/kernels/cache.py` must follow a change."""
    kernel = njit(_double)
    assert isinstance(kernel, Dispatcher)
    assert isinstance(kernel._cache, NullCache), "Dispatcher._cache is no longer where caches go"
    assert _Cache.__abstractmethods__ == {
        "cache_path",
        "load_overload",
        "save_overload",
        "enable",
        "disable",
        "flush",
    }, "numba.core.caching._Cache asks for other methods"
    assert isinstance(cached(kernel)._cache, KernelCache)
    compiler = inspect.getsource(Dispatcher.compile)
    for call in "_cache.load_overload(sig, self.targetctx)", "_cache.save_overload(sig, cres)":
        assert call in compiler, "Dispatcher.compile asks its cache in another way"

    kernel._cache.disable()
    kernel(2)
    (result,) = kernel.overloads.values()
    assert result.lifted == ()
    assert result.library.has_dynamic_globals is False
    target = kernel.targetctx
    rebuilt = CompileResult._rebuild(target, *pickle.loads(dumps(result._reduce())))
    assert rebuilt.signature == result.signature, "CompileResult._reduce, _rebuild do not fit"
    triple, cpu, features = target.codegen().magic_tuple()
    assert all(isinstance(part, str) for part in (triple, cpu, features))
    missing = [name for name in cache._SETTINGS if not hasattr(numba.config, name)]
    assert not missing, "settings that numba.config no longer has"
    numbers = FunctionIdentity._unique_ids
    number = next(numbers)
    assert number < next(numbers) == FunctionIdentity.from_function(_double).unique_id - 1
    assert number > 2**32, "functions are numbered in another way"
    target.refresh()
    known = kernel.typingctx._lookup_global(apply)
    assert known.templates[0]._overload_func is not None, "overloads are found in another way"
