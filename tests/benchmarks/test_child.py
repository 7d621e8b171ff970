"""Functions in processes of their own; those below are run there."""

import json
import os

import psutil
import pytest

from benchmarks import child, machine
from tests.children import run

HELPERS = """
import os

def environment(names):
    print("a library prints")
    os.write(1, b"and so does its C code\\n")
    return [os.environ.get(name) for name in names]

def contestant(start):
    kept = bytearray(start)

    def turn(number):
        if number == 13:
            raise ValueError("unlucky")
        kept.extend(bytes(number))

    return turn
"""


@pytest.fixture
def environment(tmp_path):
    """An environment in which the helpers can be imported."""
    (tmp_path / "helpers.py").write_text(HELPERS)
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    return {**child.environment(1), "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def test_call(environment):
    names = ["MALLOC_TRIM_THRESHOLD_", "THP_MEM_ALLOC_ENABLE", "NOBODY_SETS_THIS"]
    found = child.call("helpers:environment", {"names": names}, environment)
    assert found == [str(8 << 30), "1", None]


def test_contestant(environment):
    with child.Child("helpers:contestant", {"start": 1000}, environment) as process:
        process(0)
        low = process.peak_memory
        process(50_000_000)
        assert process.peak_memory > low + 40_000_000
        assert psutil.pid_exists(process.pid)
    assert not psutil.pid_exists(process.pid)


def test_a_failure_is_told(environment, capfd):
    with (
        pytest.raises(child.ChildError, match="helpers:contestant ended with 1"),
        child.Child("helpers:contestant", {"start": 0}, environment) as process,
    ):
        process(13)
    assert "unlucky" in capfd.readouterr().err
    with pytest.raises(child.ChildError):
        child.call("helpers:missing", {}, environment)


def test_environment(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert child.environment(2)["OMP_NUM_THREADS"] == "2"
    assert "OMP_NUM_THREADS" not in child.environment(4)
    assert "GOMP_SPINCOUNT" not in child.environment(2)
    assert child.environment(2, with_peers=True)["GOMP_SPINCOUNT"] == "10000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert child.environment(2, with_peers=True)["GOMP_SPINCOUNT"] == "7"


def test_the_parent_and_the_peers_import_no_lowprec():
    """Importing it changes the environment, and adds to the memory of a process."""
    program = (
        "import sys, json, benchmarks.__main__, benchmarks.peers.add_at;"
        "import benchmarks.against, benchmarks.checkout;"
        "print(json.dumps([name for name in sys.modules if name.startswith('lowprec')]))"
    )
    assert json.loads(run("-c", program).stdout) == []
