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
from tests.mpi import models, training
from tests.mpi.communicators import results
from tests.mpi.test_sharded import digest_of

pytest.importorskip("mpi4py", reason="comes with the extra `mpi`")
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
SECONDS = 300


def mpiexec(ranks, *arguments):
    """What the ranks print, and how they end."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1"}
    environment |= {"OPENBLAS_NUM_THREADS": "1"}
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
def test_models_on_ranks(tmp_path):
    """Their bits, files and predictions; `tests.mpi.test_models` has other numbers of ranks."""
    done = mpiexec(3, "-m", "tests.mpi.models", tmp_path)
    assert done.returncode == 0, done.stderr[-5000:]
    assert json.loads(done.stdout) == {name: models.in_one_process(name) for name in models.CASES}
    for name in models.CASES:
        (file,) = (tmp_path / name).glob("*.safetensors")
        assert lp.load(file).table_.step == 6


@pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec")
def test_a_rank_that_dies(tmp_path):
    """It ends the job with its error; fewer ranks go on from the last files."""
    folder, name = tmp_path / "t", "mean"
    program = (
        "import lowprec as lp; from mpi4py import MPI; from tests.mpi import training\n"
        f"comm, name = MPI.COMM_WORLD, {name!r}\n"
        "table = lp.mpi.ShardedTable(comm, **training.arguments(name))\n"
        "for step in range(training.STEPS):\n"
        "    if comm.rank == 1 and step == 2: raise KeyError('the rank that dies')\n"
        "    training.train(table, name, comm.rank, comm.size, [step])\n"
        f"    table.save({str(folder)!r})\n"
    )
    done = mpiexec(3, "-c", program)
    assert done.returncode != 0
    assert "the rank that dies" in done.stderr

    def go_on(comm):
        table = lp.mpi.load(folder, comm)
        steps = range(table.step, training.STEPS)
        training.train(table, name, comm.rank, comm.size, steps)
        return table, len(steps)

    found = results(2, go_on)
    assert [steps for _, steps in found] == [2, 2]
    one, _ = training.in_one_process(name)
    assert digest_of([table for table, _ in found]) == training.digest_of(one)


@pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec")
def test_the_example(tmp_path):
    """The hash of all parameters is one for any number of ranks, and so is the loss."""
    script, arguments = ROOT / "examples" / "sharded.py", ["--samples", "4000"]
    found = []
    for ranks in (1, 3):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        files = ["--json", folder / "out.json", "--figure", folder / "out.png"]
        done = mpiexec(ranks, script, *arguments, *files, "--save", folder / "model")
        assert done.returncode == 0, done.stderr[-5000:]
        found.append(json.loads((folder / "out.json").read_text()))
        assert found[-1]["hash"] in done.stdout
    one, three = found
    for name in ("hash", "log_loss", "losses"):
        assert one[name] == three[name]
    assert one["megabytes_per_step"] == 0 < three["megabytes_per_step"]
    first, second = (lp.load(tmp_path / str(ranks) / "model").table_ for ranks in (1, 3))
    assert training.digest_of(first) == training.digest_of(second)
    assert one["losses"][-1] < one["losses"][0]
