"""How many threads kernels use: as `set_num_threads` says, and no result depends on it."""

import numba
import numpy as np
import pytest

import lowprec as lp
from lowprec.kernels.cpu import launch
from tests import children

BEFORE = lp.get_num_threads()


@pytest.fixture(autouse=True)
def as_before():
    yield
    lp.set_num_threads(BEFORE)


def test_kernels_use_so_many():
    script = """
import numba
import lowprec as lp
from lowprec.kernels.cpu import launch

def threads():
    used = launch.threads_for(1 << 30)
    return int(used), numba.get_num_threads()

assert lp.get_num_threads() == 3 and threads() == (3, 3)
lp.set_num_threads(2)
assert lp.get_num_threads() == 2 and threads() == (2, 3)
numba.set_num_threads(1)
assert lp.get_num_threads() == 2 and threads() == (1, 1)
"""
    never = "import lowprec.kernels.cpu.contention as contention; contention.TOO_LONG = 2\n"
    children.run("-c", never + script, NUMBA_NUM_THREADS="3")


@pytest.mark.parametrize("n", [0, -1, numba.config.NUMBA_NUM_THREADS + 1, 2**70])
def test_out_of_range(n):
    with pytest.raises(ValueError, match="n must be"):
        lp.set_num_threads(n)
    assert lp.get_num_threads() == BEFORE


@pytest.mark.parametrize("n", [1.5, "2", None, True])
def test_no_number(n):
    with pytest.raises(TypeError, match="n must be"):
        lp.set_num_threads(n)
    assert lp.get_num_threads() == BEFORE


def test_results_do_not_depend_on_it(monkeypatch):
    monkeypatch.setattr(launch, "NUMBERS_PER_THREAD", 1)
    X, y, _ = lp.datasets.make_clicks(1500, [40, 30], 5)
    weights = []
    for n in sorted({1, BEFORE}):
        lp.set_num_threads(n)
        for make in (lp.DLRM, lp.LogisticRegression):
            sizes = {"embedding_dim": 8} if make is lp.DLRM else {}
            model = make([40, 30], batch_size=1200, **sizes).fit(X, y)
            weights.append([np.copy(model.table_.weight), model.predict_proba(X)])
    for one, other in zip(weights[:2], weights[-2:], strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
