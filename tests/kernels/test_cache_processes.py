"""Compiled kernels on disk: found by later processes, and by several at once."""

import inspect
import pickle
from pathlib import Path
from typing import NamedTuple

import numba
from numba import njit
from numba.core.bytecode import FunctionIdentity
from numba.core.caching import NullCache, _Cache
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps

import lowprec
from lowprec.kernels import cache
from lowprec.kernels.cache import KernelCache, cached
from lowprec.kernels.names import tell_apart
from tests import children
from tests.kernels.kept import apply, double, files, run

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
    kernel = njit(run)
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


def test_numba_has_what_the_cache_relies_on():
    """Private parts of Numba: where this fails, `lowprec/kernels/cache.py` must follow a change."""
    kernel = njit(double)
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
    assert number < next(numbers) == FunctionIdentity.from_function(double).unique_id - 1
    assert number > 2**32, "functions are numbered in another way"
    target.refresh()
    known = kernel.typingctx._lookup_global(apply)
    assert known.templates[0]._overload_func is not None, "overloads are found in another way"
