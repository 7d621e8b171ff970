"""Rules of users in the names of compiled kernels: what changes the code changes the name."""

import sys
from typing import NamedTuple

import numba
import numpy as np
import pytest
from numba import njit

from lowprec.kernels.cache import cached
from lowprec.kernels.fingerprint import UnknownError, fingerprint
from tests.kernels.kept import Doubling, files, run


def test_classes_that_no_process_can_import_are_not_kept(folder):
    class Local(NamedTuple):
        rate: float

        @staticmethod
        def step(rule, x):
            return x - rule.rate

    kernel = cached(njit(run))
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
