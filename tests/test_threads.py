"""How idle threads wait after `import lowprec`, and what becomes of a fork."""

import os

import pytest

from tests import children

SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OPENBLAS_THREAD_TIMEOUT")


def run(code, **environment):
    """What a process prints that starts with `environment` and none of the settings beside it."""
    done = children.run("-c", code, without=SETTINGS, timeout=300, **environment)
    return done.stdout.strip()


PRINT = "import os, lowprec; print([os.environ.get(name) for name in {names}])"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ["10000", "18"]),
        ({"GOMP_SPINCOUNT": "1000"}, ["1000", "18"]),
        ({"OMP_WAIT_POLICY": "active"}, [None, "18"]),
        ({"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "7"}, ["7", "18"]),
        ({"OPENBLAS_THREAD_TIMEOUT": "20"}, ["10000", "20"]),
    ],
)
def test_the_user_has_the_last_word(environment, expected):
    names = ("GOMP_SPINCOUNT", "OPENBLAS_THREAD_TIMEOUT")
    assert run(PRINT.format(names=names), **environment) == str(expected)


BLAS_AFTER_NUMPY = """
import numpy as np
x = np.ones((300, 300), np.float32)
before = x @ x
import ctypes
import lowprec
from lowprec.threads import _loaded_openblas
assert np.array_equal(x @ x, before)
for path in _loaded_openblas():
    library = ctypes.CDLL(path)
    if hasattr(library, "openblas_thread_timeout"):
        print(library.openblas_thread_timeout())
"""


@pytest.mark.parametrize(
    ("environment", "expected"), [({}, "18"), ({"OPENBLAS_THREAD_TIMEOUT": "20"}, "20")]
)
def test_openblas_that_was_loaded_before(environment, expected):
    timeouts = run(BLAS_AFTER_NUMPY, **environment).split()
    if not timeouts:
        pytest.skip("NumPy has no OpenBLAS here that tells its setting")
    assert timeouts[0] == expected


FORK = """
import multiprocessing, sys
import numpy as np
import lowprec as lp

def child(queue):
    attempts = (
        lambda: table.lookup([1]),
        lambda: lp.nearest_round(np.zeros(3, np.float32), "float16"),
        lambda: lp.EmbeddingTable(2, 2),
    )
    for attempt in attempts:
        try:
            attempt()
            queue.put("ran")
        except RuntimeError as error:
            queue.put(str(error)[:23])

if {used_before}:
    table = lp.EmbeddingTable(3, 2)
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
if not {used_before}:
    def make_and_run(queue):
        global table
        table = lp.EmbeddingTable(3, 2)
        child(queue)
process = context.Process(target=child if {used_before} else make_and_run, args=(queue,))
process.start()
print([queue.get() for _ in range(3)])
process.join()
sys.exit(process.exitcode)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize(
    ("used_before", "expected"), [(True, "this process was forked"), (False, "ran")]
)
def test_fork(used_before, expected):
    code = "import warnings; warnings.simplefilter('ignore')\n" + FORK.format(
        used_before=used_before
    )
    assert run(code) == str([expected] * 3)
