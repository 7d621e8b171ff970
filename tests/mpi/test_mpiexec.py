"""Real ranks: mpiexec runs the training of `tests.mpi.training`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lowprec as lp
from tests.conftest import ROOT
from tests.mpi import training

pytest.importorskip("mpi4py", reason="comes with the extra `mpi`")
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
SECONDS = 300


def mpiexec(ranks, *arguments):
    """What the ranks print, and how they end."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1"}
    return subprocess.run(
        [MPIEXEC, "-n", str(ranks), sys.executable, "-m", "mpi4py", *map(str, arguments)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def expected():
    return {name: training.digest_of(training.in_one_process(name)[0]) for name in training.CASES}


@pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec")
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_bits_are_those_of_one_process(ranks, expected, tmp_path):
    done = mpiexec(ranks, "-m", "tests.mpi.training", tmp_path)
    assert done.returncode == 0, done.stderr[-5000:]
    found = json.loads(done.stdout)
    assert f"rank {ranks - 1}: indices[0, 0] = 700 is out of range" in found.pop("error")
    assert found.pop("step") == training.STEPS
    assert found == expected
    assert training.digest_of(lp.load(tmp_path / "mean")) == expected["mean"]


@pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec")
def test_a_rank_that_dies_ends_the_job():
    program = (
        "from mpi4py import MPI; import lowprec as lp; c = MPI.COMM_WORLD\n"
        "table = lp.mpi.ShardedTable(c, 50, 4)\n"
        "if c.rank: raise KeyError('the rank that dies')\n"
        "table.lookup([1])"
    )
    done = mpiexec(2, "-c", program)
    assert done.returncode != 0
    assert "the rank that dies" in done.stderr
