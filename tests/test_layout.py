"""The house: which module may import which, what is public, and that it is documented."""

import ast
import functools
import inspect
import statistics
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import lowprec as lp

PACKAGE = Path(lp.__file__).parent

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


def module_name(path):
    """``lowprec.scalar.bits`` of its file; a package goes by its own name."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


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


def inside(name, package):
    return name == package or name.startswith(package + ".")


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


def test_llvm_is_in_seven_files():
    users = {name for name in SOURCES if any(inside(other, "llvmlite") for other in imports(name))}
    assert users == {
        "lowprec.scalar.bits",
        "lowprec.scalar.lanes",
        "lowprec.kernels.blocks",
        "lowprec.kernels.cpu.memory",
        "lowprec.kernels.cpu.parts",
        "lowprec.kernels.cpu.processor",
        "lowprec.kernels.cpu.products",
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


# --- rooms: their sizes, and no private doors between them ---


MOST_LINES = {"lowprec.tables.embedding": 600}  # most of it docstrings
MOST_LINES_OF_ANY, MEDIAN_LINES = 300, 100
# Inherited: five of a classifier are what scikit-learn asks for beside `fit` and `predict`:
# score, n_features_in_, _repr_html_, __sklearn_tags__ and __sklearn_is_fitted__.
MOST_METHODS, MOST_WITH_INHERITED = 20, 33 + 5


def room(name):
    """The folder of a module: a module of the package itself is a room of its own."""
    package = name.rpartition(".")[0]
    return name if package == "lowprec" else package


def test_files_are_small():
    lines = {name: source.count("\n") for name, source in SOURCES.items()}
    large = {n: k for n, k in lines.items() if k > MOST_LINES.get(n, MOST_LINES_OF_ANY)}
    assert not large
    assert statistics.median(lines.values()) <= MEDIAN_LINES


def methods_of(node):
    """The methods that a class defines; a property and its setter are one."""
    return {item.name for item in node.body if isinstance(item, ast.FunctionDef)}


def classes():
    """Each class of the package by name: its methods, and the names of its bases."""
    found = {}
    for source in SOURCES.values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
                found.setdefault(node.name, (methods_of(node), bases))
    return found


def test_classes_are_small():
    found = classes()

    def all_methods(name):
        own, bases = found.get(name, (set(), []))
        return own.union(*map(all_methods, bases))

    assert not {name: len(own) for name, (own, _) in found.items() if len(own) > MOST_METHODS}
    whole = {name: len(all_methods(name)) for name in found}
    assert not {name: count for name, count in whole.items() if count > MOST_WITH_INHERITED}
    assert whole["DLRM"] > 20  # what it inherits counts


def private(name):
    return name.startswith("_") and not name.endswith("__")


def of_itself(node):
    """Whether an attribute is one of ``self`` or ``cls``."""
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


@functools.cache
def private_names(source):
    """The private names that a module defines: of functions, classes, variables and attributes."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found |= {node.attr} if of_itself(node) else set()
    return {each for each in found if private(each)}


def private_doors(name):
    """The private names of other rooms that a module uses."""
    rooms = {True: set(), False: set()}
    for other, source in SOURCES.items():
        rooms[room(other) == room(name)] |= private_names(source)
    theirs = rooms[False] - rooms[True]
    found = set()
    for node in ast.walk(ast.parse(SOURCES[name])):
        if isinstance(node, ast.ImportFrom):
            if inside(node.module, "lowprec") and room(node.module) != room(name):
                found |= {alias.name for alias in node.names if private(alias.name)}
        elif isinstance(node, ast.Attribute) and node.attr in theirs and not of_itself(node):
            found.add(node.attr)
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_there_are_no_private_doors(name):
    """Nothing outside a room touches another's underscored names."""
    assert not private_doors(name)


def test_a_private_door_is_seen(monkeypatch):
    source = (
        "from lowprec.batches.batch import _find_rows\n\ndef f(table):\n    table._weight = 1\n"
    )
    monkeypatch.setitem(SOURCES, "lowprec.models.dlrm", source)
    assert private_doors("lowprec.models.dlrm") == {"_find_rows", "_weight"}


def test_a_large_class_is_seen(monkeypatch):
    body = "".join(f"    def f{k}(self): ...\n" for k in range(MOST_METHODS + 1))
    monkeypatch.setitem(SOURCES, "lowprec.models.dlrm", f"class Large:\n{body}")
    with pytest.raises(AssertionError, match="Large"):
        test_classes_are_small()


# --- the public names ---


def public(module):
    """The names that a module of the package defines for its users."""
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def test_exported_names():
    assert sorted(lp.__all__) == [
        "Adagrad",
        "Adam",
        "CheckpointError",
        "Checkpoints",
        "CriteoReader",
        "CsvReader",
        "DLRM",
        "Diagnostics",
        "EmbeddingTable",
        "FTRL",
        "LAMB",
        "LogisticRegression",
        "ParquetReader",
        "Recommendation",
        "RoundoffReport",
        "RowWiseAdagrad",
        "SGD",
        "Samples",
        "Shard",
        "TabularEncoder",
        "Vocabulary",
        "__version__",
        "datasets",
        "get_num_threads",
        "load",
        "metrics",
        "mpi",
        "nearest_round",
        "round_up_probability",
        "schedules",
        "set_num_threads",
        "stochastic_round",
    ]
    assert sorted(lp.datasets.__all__) == [
        "CriteoReader",
        "CsvReader",
        "DEFAULT_NUM_EMBEDDINGS",
        "ParquetReader",
        "hash_categories",
        "load_criteo",
        "make_clicks",
    ]
    assert sorted(lp.mpi.__all__) == ["ShardedTable", "load"]
    assert sorted(lp.metrics.__all__) == [
        "calibration",
        "grouped_roc_auc",
        "log_loss",
        "ndcg_at_k",
        "normalized_entropy",
        "recall_at_k",
        "roc_auc",
    ]
    assert public(lp.schedules) == [
        "Constant",
        "InverseTime",
        "Schedule",
        "WarmupLinearDecay",
        "check_nonnegative",
        "check_positive",
        "describe",
        "from_description",
    ]


def documented():
    """Every public class and function, by its full name."""
    exported = {f"lp.{name}": getattr(lp, name) for name in lp.__all__}
    for module, names in (
        (lp.datasets, lp.datasets.__all__),
        (lp.metrics, lp.metrics.__all__),
        (lp.mpi, lp.mpi.__all__),
        (lp.schedules, ["Constant", "InverseTime", "WarmupLinearDecay"]),
    ):
        exported |= {f"{module.__name__}.{name}": getattr(module, name) for name in names}
    return {
        name: value
        for name, value in exported.items()
        if inspect.isclass(value) or inspect.isfunction(value)
    }


@pytest.mark.parametrize(("name", "value"), documented().items(), ids=documented())
def test_public_names_have_examples(name, value):
    text = inspect.getdoc(value) or ""
    assert "Examples\n--------\n" in text, name
    assert ">>> " in text, name


@pytest.mark.parametrize("name", SOURCES)
def test_every_module_says_what_it_is_for(name):
    module = ast.parse(SOURCES[name])
    assert not module.body or ast.get_docstring(module), name


def test_every_export_is_listed_once_and_there():
    assert len(set(lp.__all__)) == len(lp.__all__)
    assert all(hasattr(lp, name) for name in lp.__all__)
