"""What another floating-point state of the calling thread changes: nothing, and it stays as it is.

Libraries change the state: those linked with ``-ffast-math`` flush subnormal numbers once loaded.
"""

import json
import platform
import re
import sys
from pathlib import Path

import llvmlite.binding
import pytest

import lowprec.kernels.cpu
from tests.children import ANY_CPU, run

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="the state is set as on Linux, on x86-64 or AArch64",
)
STATES = ["flush", "up", "down", "zero", "trap"]


def calls(pattern, *states, **environment):
    return json.loads(run("tests/processor_calls.py", pattern, *states, **environment).stdout)


@pytest.fixture(scope="module")
def by_threads():
    return {threads: calls("", *STATES, NUMBA_NUM_THREADS=str(threads)) for threads in (1, 2)}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("state", STATES)
def test_another_state_changes_nothing(by_threads, threads, state):
    """It is set after the threads of the kernels have begun, so that they have another one."""
    assert len(by_threads[threads]["digests"]) > 30
    assert by_threads[threads]["wrong"][state] == []


def test_one_thread_computes_what_two_do(by_threads):
    assert by_threads[1]["digests"] == by_threads[2]["digests"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_state_from_before_the_import_changes_nothing(by_threads, threads):
    """The threads of the kernels then begin with it."""
    found = calls("", "--first", "flush", NUMBA_NUM_THREADS=str(threads))
    assert found["digests"] == by_threads[2]["digests"]


def test_without_f16c(by_threads):
    """Numbers of 16 bits are then converted by integers, and by arithmetic of float32."""
    if not llvmlite.binding.get_host_cpu_features().get("sse4.2"):
        pytest.skip("this is no x86-64 CPU")
    found = calls("^float16, |^rounding to float16", *STATES, **ANY_CPU)
    assert len(found["digests"]) == 3
    assert found["wrong"] == {state: [] for state in STATES}
    assert found["digests"].items() <= by_threads[2]["digests"].items()


@pytest.mark.parametrize("state", ["flush", "up"])
def test_kernels_compiled_in_another_state_are_the_same(by_threads, tmp_path, state):
    pattern = "^rounding to float8_e4m3fn"
    found = calls(pattern, "--first", state, NUMBA_CACHE_DIR=str(tmp_path))
    assert len(found["digests"]) == 1
    assert found["digests"].items() <= by_threads[2]["digests"].items()


def test_kernels_are_made_in_one_place():
    """Which has them run in the standard state."""
    folder = Path(lowprec.kernels.cpu.__file__).parent
    users = {
        path.name
        for path in folder.glob("*.py")
        if re.search(r"\bnjit\(|\bprange\(", path.read_text())
    }
    assert users == {"compiling.py", "processor.py"}


def test_the_states_are_set():
    """NumPy's own arithmetic is another one in them."""
    script = """
from tests.processor_calls import in_state, np

def more_than_one():
    return (np.ones(4, np.float32) + np.float32(2.0**-30) > 1).any()

def keeps_subnormal():
    return (np.full(4, 1e-40, np.float32) * np.ones(4, np.float32)).view(np.uint32).any()

print(more_than_one(), keeps_subnormal())
with in_state("up"):
    print(more_than_one())
with in_state("flush"):
    print(keeps_subnormal())
"""
    assert run("-c", script).stdout.split() == ["False", "True", "True", "False"]


BEYOND = """
import sys
import numpy as np
import lowprec as lp
from tests.processor_states import in_state

table, weights, ids = lp.EmbeddingTable(3, 1), np.full((2, 1), 1e39), np.zeros((2, 1), np.int64)
tiny = np.full((2, 1), 1e-50)  # and what rounds, which traps where a program asks for that
calls = [
    lambda number: table.batch(ids, per_sample_weights=number),
    lambda number: table.lookup(ids, per_sample_weights=number),
    lambda number: table.update(ids, np.ones((2, 1, 1), np.float32), per_sample_weights=number),
    lambda number: lp.Samples(indices=ids, weights=number),
    lambda number: lp.Samples(number, ids),
]
for call in calls:
    with in_state(sys.argv[1]):
        call(tiny)
        try:
            call(weights)
        except ValueError as error:
            told = str(error)
        else:
            told = "nothing"
    assert "float32" in told, told
with in_state(sys.argv[1]):
    for number in (np.nan, np.inf, 1e300):
        for make in (lp.SGD, lp.Adam, lp.schedules.Constant, lambda it: lp.SGD(0.1, momentum=it)):
            try:
                make(number)
            except ValueError:
                continue
            raise AssertionError((make, number))
"""


@pytest.mark.parametrize("state", STATES)
def test_numbers_beyond_float32_are_refused_in_every_state(state):
    """Rounded down, 1e39 became the largest float32; where a state traps, the process ended."""
    run("-c", BEYOND, state)
