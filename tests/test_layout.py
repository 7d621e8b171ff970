"""The house: which module may import which."""

import ast
from graphlib import TopologicalSorter

import pytest

from tests.sources import SOURCES, inside

# Lower floors first: a module may import its own floor and those below.  The longest matching
# prefix says where a module lives.
FLOORS = {
    "lowprec.threads": 0,
    "lowprec.cores": 0,
    "lowprec._version": 0,
    "lowprec.checks": 0,
    "lowprec.typing": 0,
    "lowprec.cuda": 1,
    "lowprec.scalar": 1,
    "lowprec.formats": 2,
    "lowprec.kernels": 3,
    "lowprec.arithmetic": 4,
    "lowprec.device": 4,
    "lowprec.": 5,  # every other module
    "lowprec.batches": 6,
    "lowprec.roundoff": 6,
    "lowprec.files": 6,
    "lowprec.mapping": 6,
    "lowprec.tables": 7,
    "lowprec.encoders": 7,
    "lowprec.datasets": 7,
    "lowprec.mpi": 8,
    "lowprec.models": 8,
    "lowprec": 9,  # the package itself, which only collects
    "lowprec.commands": 10,
    "lowprec.__main__": 11,
}


def imports(name):
    """Every module that module `name` imports, at its head or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(SOURCES[name])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            # `from package import module` imports the module, `from module import name` does not
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in SOURCES else node.module)
    return found


def floor(name):
    matches = [home for home in FLOORS if name == home or name.startswith(home.rstrip(".") + ".")]
    return FLOORS[max(matches, key=len)]


@pytest.mark.parametrize("name", SOURCES)
def test_imports_go_down(name):
    upward = {other for other in imports(name) if other in SOURCES and floor(other) > floor(name)}
    assert not upward, f"{name} imports {upward} from above"


def test_floors():
    assert floor("lowprec.scalar.bits") < floor("lowprec.formats.words")
    assert floor("lowprec.formats.words") < floor("lowprec.kernels.cpu.update")
    assert floor("lowprec.kernels.cpu.update") < floor("lowprec.device") < floor("lowprec.layers")
    assert floor("lowprec.layers") < floor("lowprec.batches.batch") < floor("lowprec.tables.keys")
    assert floor("lowprec.tables.keys") < floor("lowprec.models.recommender") < floor("lowprec")


def test_no_import_cycles():
    below = {name: imports(name) & SOURCES.keys() - {name} for name in SOURCES}
    list(TopologicalSorter(below).static_order())  # CycleError names the modules


def test_devices_do_not_import_each_other():
    for name in SOURCES:
        others = imports(name)
        if inside(name, "lowprec.kernels.cpu"):
            assert not [other for other in others if inside(other, "lowprec.kernels.cuda")], name
        if inside(name, "lowprec.kernels.cuda"):
            assert not [other for other in others if inside(other, "lowprec.kernels.cpu")], name


@pytest.mark.parametrize("name", [name for name in SOURCES if inside(name, "lowprec.models")])
def test_models_know_no_compiler(name):
    forbidden = ("numba", "llvmlite", "lowprec.kernels", "lowprec.scalar")
    assert not [other for other in imports(name) for outside in forbidden if inside(other, outside)]


def test_llvm_is_in_eight_files():
    users = {name for name in SOURCES if any(inside(other, "llvmlite") for other in imports(name))}
    assert users == {
        "lowprec.scalar.bits",
        "lowprec.scalar.lanes",
        "lowprec.kernels.blocks",
        "lowprec.kernels.cpu.memory",
        "lowprec.kernels.cpu.parts",
        "lowprec.kernels.cpu.processor",
        "lowprec.kernels.cpu.products",
        "lowprec.kernels.cpu.tails",
    }


def test_only_compiled_code_and_the_device_import_numba():
    users = {name for name in SOURCES if any(inside(other, "numba") for other in imports(name))}
    compiled = (
        "lowprec.scalar",
        "lowprec.formats",
        "lowprec.kernels",
        "lowprec.device",
        "lowprec.cuda",
    )
    assert not [name for name in users if not any(inside(name, home) for home in compiled)]


def test_one_module_imports_numba_cuda_and_cupy():
    outside = ("numba.cuda", "cupy", "cupyx")
    users = {
        name
        for name in SOURCES
        if any(inside(other, package) for other in imports(name) for package in outside)
    }
    assert users == {"lowprec.cuda"}


def test_both_devices_have_the_same_kernels():
    """Of the same names and parameters, read from the sources: a GPU need not be importable."""

    def functions(device):
        package = f"lowprec.kernels.{device}"
        homes = {
            alias.name: node.module
            for node in ast.walk(ast.parse(SOURCES[package]))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        return {
            name: (module.removeprefix(package), _parameters(SOURCES[module], name))
            for name, module in homes.items()
        }

    cpu, cuda = functions("cpu"), functions("cuda")
    assert cpu == cuda
    assert len(cpu) > 10


def _parameters(source, name):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return [argument.arg for argument in node.args.args]
    raise AssertionError(f"{name} is not defined where it is imported from")


def test_only_optimizers_know_sgd():
    """And the package itself, which exports it."""
    for name, source in SOURCES.items():
        if inside(name, "lowprec.optimizers") or name == "lowprec":
            continue
        nodes = list(ast.walk(ast.parse(source)))
        found = {
            getattr(node, key, None) for node in nodes for key in ("id", "attr", "name", "arg")
        }
        assert not [each for each in found if isinstance(each, str) and "sgd" in each.lower()], name


def test_no_fast_math():
    for name, source in SOURCES.items():
        words = {
            word.arg if isinstance(word, ast.keyword) else word.value
            for word in ast.walk(ast.parse(source))
            if isinstance(word, (ast.keyword, ast.Constant))
        }
        assert "fastmath" not in words, name


def test_a_wrong_import_is_seen(monkeypatch):
    monkeypatch.setitem(
        SOURCES,
        "lowprec.scalar.bits",
        "def f():\n    from lowprec.tables import embedding\n    from lowprec import device",
    )
    assert imports("lowprec.scalar.bits") == {"lowprec.tables.embedding", "lowprec.device"}
    with pytest.raises(AssertionError, match="from above"):
        test_imports_go_down("lowprec.scalar.bits")
    with pytest.raises(ValueError, match="cycle"):
        test_no_import_cycles()
