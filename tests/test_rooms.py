"""The rooms of the house: their sizes, and no private doors between them."""

import ast
import functools
import statistics

import pytest

from tests.sources import SOURCES, inside

MOST_LINES = {"lowprec.tables.embedding": 600}  # most of it docstrings
MOST_LINES_OF_ANY, MEDIAN_LINES = 300, 100
# Inherited: five of a classifier are what scikit-learn asks for beside `fit` and `predict`:
# score, n_features_in_, _repr_html_, __sklearn_tags__ and __sklearn_is_fitted__.
MOST_METHODS, MOST_WITH_INHERITED = 20, 33 + 5


def room(name):
    """The folder of a module: or the module itself, if it is in no folder."""
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
