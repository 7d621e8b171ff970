"""What type checkers say to users: nothing to a sound script, and a word to each typo."""

import re
import typing

import pytest

import lowprec as lp
import lowprec.typing
from lowprec.batches.batch import POOLINGS
from lowprec.formats.entries import FORMATS, storage_name
from lowprec.models.dlrm import INTERACTIONS
from lowprec.tables.store import ON_NONFINITE, ROUNDINGS
from tests.children import run
from tests.conftest import ROOT

TYPOS = [
    ('make_table("bfloat16")', 'make_table("bfloat_16")'),
    ('dtype="float16"', 'dtype="fp16"'),
    ('rounding: Rounding = "stochastic"', 'rounding: Rounding = "stochastik"'),
    ('pooling="sum"', 'pooling="avg"'),
    ('interaction="dot"', 'interaction="dott"'),
    ('decay="catch_up"', 'decay="catchup"'),
    ("again.coef_", "again.coeff_"),
    ("lp.Adagrad(", "lp.AdaGrad("),
    ("partial_fit(X, y)\n", "partial_fit(X, y, epoch=3)\n"),
]


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """{script: {number of a line: what mypy says}} of the sound one and of one with the typos."""
    pytest.importorskip("mypy", reason="comes with the extra `test`")
    folder = tmp_path_factory.mktemp("users")
    sound = (ROOT / "tests" / "user_script.py").read_text()
    wrong = sound
    for old, new in TYPOS:
        assert sound.count(old) == 1, old
        wrong = wrong.replace(old, new)
    for name, text in (("sound", sound), ("wrong", wrong)):
        (folder / f"{name}.py").write_text(text)
    out = run(
        "-m", "mypy", "--strict", "--follow-imports", "silent", "--config-file", "",
        "--no-error-summary", "--no-pretty", "--cache-dir", ROOT / ".mypy_cache" / "users",
        "sound.py", "wrong.py", cwd=folder, status=None, MYPYPATH=str(ROOT),
    ).stdout  # fmt: skip
    found = {"sound": {}, "wrong": {}}
    for name, line, text in re.findall(r"^(\w+)\.py:(\d+): error: (.*)$", out, re.MULTILINE):
        found[name][int(line)] = text
    assert out.count(": error: ") == sum(map(len, found.values())), out
    return found


def test_a_sound_script(errors):
    assert errors["sound"] == {}


def test_every_typo_is_found(errors):
    lines = (ROOT / "tests" / "user_script.py").read_text().split("\n")
    planted = {
        number for number, line in enumerate(lines, 1) for old, _ in TYPOS if old in line + "\n"
    }
    assert len(planted) == len(TYPOS)
    assert set(errors["wrong"]) == planted


def test_the_script_runs():
    out = run("-W", "error", ROOT / "tests" / "user_script.py").stdout
    assert re.fullmatch(r"True 1\n\d\.\d+\n", out)


def test_types_are_those_that_are_taken():
    names = typing.get_args(lowprec.typing.StorageName)
    assert set(names) == {"float32", *(fmt.name for fmt in FORMATS)}
    for name in names:
        assert storage_name(name) == lp.EmbeddingTable(3, 2, name).dtype.name == name
    assert ROUNDINGS == typing.get_args(lowprec.typing.Rounding) == ("stochastic", "nearest")
    assert POOLINGS == ("sum", "mean")
    assert ON_NONFINITE == ("raise", "skip")
    assert INTERACTIONS == ("dot", "cat")
    for decay in typing.get_args(lowprec.typing.Decay):
        assert lp.Adam(weight_decay=0.1, decay=decay).catches_up == (decay == "catch_up")


def test_storage_names_of_dtypes():
    assert storage_name(lp.EmbeddingTable(3, 2, "bfloat16").dtype) == "bfloat16"
    with pytest.raises(ValueError, match="dtype must be one of"):
        storage_name("float64")
