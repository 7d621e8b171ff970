"""How threads wait after `import lowprec`, which may run at once, and what becomes of a fork."""

import os

import pytest

from tests import children

SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def run(code, **environment):
    """What a process prints that starts with `environment` and none of the settings beside it."""
    done = children.run("-c", code, without=SETTINGS, timeout=300, **environment)
    return done.stdout.strip()


PRINT = "import os, lowprec; print(os.environ.get('GOMP_SPINCOUNT'))"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "10000"),
        ({"GOMP_SPINCOUNT": "1000"}, "1000"),
        ({"OMP_WAIT_POLICY": "active"}, None),
        ({"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "7"}, "7"),
    ],
)
def test_the_user_has_the_last_word(environment, expected):
    assert run(PRINT, **environment) == str(expected)


LAYER = """
import sys
for name in {hidden}:
    sys.modules["numba.np.ufunc." + name] = None  # as where its library is missing
import threading
import numpy as np
import numba
import lowprec as lp
import lowprec.kernels.cpu.launch
lowprec.kernels.cpu.launch.NUMBERS_PER_THREAD = {numbers}

table = lp.EmbeddingTable(1000, 16, "float16")
ids = np.arange(1000)
expected = table.lookup(ids)
others = [lp.EmbeddingTable(100, 4, "float16", seed=0) for _ in range(5)]
wrong = []

def work(other):
    for _ in range(300):
        if not np.array_equal(table.lookup(ids), expected):
            wrong.append("lookup")
        other.update(ids[:100], np.ones((100, 4), np.float32))

threads = [threading.Thread(target=work, args=(other,)) for other in others[:4]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
work(others[4])
if any(not np.array_equal(other.weight, others[4].weight) for other in others):
    wrong.append("update")
print(numba.threading_layer(), wrong)
"""


@pytest.mark.parametrize("numbers", [1, 1 << 16])
@pytest.mark.parametrize(
    ("hidden", "environment"),
    [(["omppool", "tbbpool"], {}), ([], {"NUMBA_THREADING_LAYER": "workqueue"})],
)
def test_numbas_own_threads_take_turns(hidden, environment, numbers):
    """Of two parallel kernels at once they would end the process, even of one thread's work."""
    code = LAYER.format(hidden=hidden, numbers=numbers)
    assert run(code, NUMBA_NUM_THREADS="2", **environment) == "workqueue []"


def test_threads_of_openmp_work_side_by_side():
    code = "from lowprec.kernels.cpu import launch\n" + LAYER.format(hidden=[], numbers=1)
    layer, *rest = run(code + "print(launch._turns)").split()
    assert rest == ["[]", "None"] if layer != "workqueue" else rest[0] == "[]"


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
