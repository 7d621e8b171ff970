"""What launches of a GPU's kernels cost Python."""

import pytest

import lowprec.cuda
from tests.children import run


@pytest.mark.skipif(lowprec.cuda.cuda is None, reason="there is no numba.cuda")
def test_a_step_of_a_table_is_five_launches():
    done = run("-m", "benchmarks.launches", without=("NUMBA_ENABLE_CUDASIM", "LOWPREC_TEST_DEVICE"))
    lines = [line.split() for line in done.stdout.splitlines()]
    launches = {name: int(number) for name, *_, number, _ in lines}
    several = {"update": 3, "all": 5, "DLRM": 20}
    assert launches == dict.fromkeys(launches, 1) | several
    assert launches["batch"] == launches["lookup"] == 1
    assert launches["captured"] == 1
    assert all(float(microseconds) < 50_000 for _, microseconds, *_ in lines)  # 10 to 1,000
