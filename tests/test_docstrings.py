"""Docstrings: every public name says what it takes, gives and raises, and shows it."""

import builtins
import inspect
import re

import pytest

import lowprec as lp
import lowprec.cuda
from lowprec.optimizers import Optimizer

# What is public beside the names of `lp.__all__`: (module, names).
MODULES = [
    (lp, [name for name in lp.__all__ if not name.startswith("__")]),
    (lp.datasets, lp.datasets.__all__),
    (lp.metrics, lp.metrics.__all__),
    (lp.mpi, lp.mpi.__all__),
    (lp.schedules, ["Constant", "InverseTime", "Schedule", "WarmupLinearDecay"]),
    (lowprec.cuda, ["why_unavailable"]),
]

# Between optimizers, tables, readers and models, and not for users: short docstrings are enough.
OPTIMIZERS = [
    name
    for name in lp.__all__
    if isinstance(getattr(lp, name), type) and issubclass(getattr(lp, name), Optimizer)
]
INSIDE = {
    **{name: ["kept_states", "states_for"] for name in OPTIMIZERS},
    "Checkpoints": ["after_batches"],
    **{name: ["describe", "take_rows"] for name in ("CriteoReader", "CsvReader", "ParquetReader")},
}

# These check nothing: whatever is wrong was found before, or cannot be.
RAISES_NOTHING = {
    "CheckpointError",
    "Schedule",
    "get_num_threads",
    "why_unavailable",
    "LogisticRegression.get_params",
    "DLRM.get_params",
    "TabularEncoder.get_params",
    *(f"{kind}.{method}" for kind in OPTIMIZERS for method in ("largest_gradient", "states")),
}

SECTION = re.compile(r"^(\w[\w ]*)\n-+$", re.MULTILINE)
AS_FOR = re.compile(r"[Aa]s for `([\w.]+)`")


def public_callables():
    """Every public function, class and method: {full name: (object, what "as for" looks in)}."""
    found = {}
    for module, names in MODULES:
        for name in names:
            value = getattr(module, name)
            if not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            found[name] = (value, [module, lp])
            if inspect.isclass(value):
                found |= {
                    f"{name}.{method}": (getattr(value, method), [value, module, lp])
                    for method in methods(value)
                    if method not in INSIDE.get(name, [])
                }
    return found


def defined_by_lowprec(kind, name):
    for home in kind.__mro__:
        if name in vars(home):
            return home.__module__.startswith("lowprec.")
    return False


def methods(kind):
    return [
        name
        for name, value in inspect.getmembers(kind)
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.ismethod(value))
        and defined_by_lowprec(kind, name)
    ]


def properties(kind):
    return [name for name, value in inspect.getmembers(kind) if isinstance(value, property)]


def sections(text):
    """{title: text} of a NumPy-style docstring; what comes before the first is under ""."""
    pieces = SECTION.split(text)
    return {"": pieces[0]} | dict(zip(pieces[1::2], pieces[2::2], strict=True))


def fields(text):
    """{name: description} of a section; names that share a description each have it."""
    found, names = {}, []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            names = [name.strip(" *`") for name in line.split(" : ")[0].split(",")]
            found |= dict.fromkeys(names, "")
        for name in names:
            found[name] += line.strip() + "\n"
    return found


def arguments(value):
    if value in (lp.CheckpointError, lp.schedules.Schedule):
        return []
    names = list(inspect.signature(value).parameters)
    return [name for name in names if name != "self"]


def looked_up(path, homes):
    """The object that a docstring means by `path`."""
    for home in homes:
        value = home
        for part in path.removeprefix("lowprec.").split("."):
            value = getattr(value, part, None)
        if value is not None:
            return value
    raise AssertionError(f"`{path}` is not there")


def faults(value, homes, name):
    """What a docstring lacks, in words."""
    text = inspect.getdoc(value)
    if not text:
        return ["has no docstring"]
    found, parts = [], sections(text)
    described = fields(parts.get("Parameters", ""))
    wanted = arguments(value)
    found += [f"does not name the parameter {each}" for each in wanted if each not in described]
    found += [f"names {each}, which it does not take" for each in described if each not in wanted]
    for each, description in described.items():
        for path in AS_FOR.findall(description):
            other = inspect.getdoc(looked_up(path, homes)) or ""
            if each not in fields(sections(other).get("Parameters", "")):
                found.append(f"sends for {each} to {path}, which does not have it")
    for path in AS_FOR.findall(parts.get("Raises", "")):
        if "Raises" not in sections(inspect.getdoc(looked_up(path, homes)) or ""):
            found.append(f"sends for exceptions to {path}, which names none")
    if "Raises" not in parts and name not in RAISES_NOTHING:
        found.append("does not say what it raises")
    for each in fields(parts.get("Raises", "")):
        kind = getattr(builtins, each, None) or getattr(lp, each, None)
        if not (inspect.isclass(kind) and issubclass(kind, Exception)):
            found.append(f"raises {each}, which is no exception")
    gives = None if inspect.isclass(value) else inspect.signature(value).return_annotation
    if gives not in (None, "None") and "Returns" not in parts:
        found.append("does not say what it returns")
    if ">>> " not in parts.get("Examples", ""):
        found.append("has no example")
    return found


@pytest.mark.parametrize("name", public_callables())
def test_docstring(name):
    value, homes = public_callables()[name]
    assert not faults(value, homes, name)


@pytest.mark.parametrize(
    "name", [name for name, (value, _) in public_callables().items() if inspect.isclass(value)]
)
def test_properties_have_docstrings(name):
    kind = public_callables()[name][0]
    for each in properties(kind):
        text = inspect.getdoc(getattr(kind, each)) or ""
        assert text.endswith("."), each


def test_methods_between_classes_say_what_they_do():
    for kind, names in INSIDE.items():
        assert set(names) <= set(methods(getattr(lp, kind)))
        assert all(inspect.getdoc(getattr(getattr(lp, kind), name)) for name in names)


def test_all_public_names_are_looked_at():
    names = set(public_callables())
    assert {"EmbeddingTable.lookup", "DLRM.fit", "LogisticRegression.load", "SGD"} <= names
    assert names >= RAISES_NOTHING
    assert len(names) > 40


# --- that it can fail ---


def _good(x: int, indices: int) -> int:
    """Add.

    Parameters
    ----------
    x : int
        A number.
    indices
        As for `EmbeddingTable.lookup`.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If `x` is none.

    Examples
    --------
    >>> 1 + 1
    2
    """
    return x + indices


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("", "", None),
        ("x : int", "y : int", "does not name the parameter x"),
        ("x : int", "x, y : int", "names y, which it does not take"),
        ("lookup`", "load`", "sends for indices to EmbeddingTable.load, which"),
        ("As for `EmbeddingTable.lookup`", "As for `SGD`", "sends for indices to SGD, which"),
        ("Raises\n------", "Notes\n-----", "does not say what it raises"),
        ("TypeError", "TypoError", "raises TypoError, which is no exception"),
        ("If `x` is none", "As for `CheckpointError`", "sends for exceptions to CheckpointError"),
        ("Returns\n-------", "Notes\n-----", "does not say what it returns"),
        (">>> 1 + 1", "1 + 1", "has no example"),
    ],
)
def test_what_a_docstring_lacks_is_seen(monkeypatch, old, new, fault):
    text = inspect.getdoc(_good)
    assert old in text
    monkeypatch.setattr(_good, "__doc__", text.replace(old, new, 1))
    found = faults(_good, [lp], "_good")
    if fault is None:
        assert not found
    else:
        assert any(each.startswith(fault) for each in found), found


def test_no_docstring_is_seen():
    assert faults(lambda x: x, [lp], "f") == ["has no docstring"]


def test_as_for_what_is_not_there_is_seen():
    with pytest.raises(AssertionError, match=r"`EmbeddingTable\.find` is not there"):
        looked_up("EmbeddingTable.find", [lp])
