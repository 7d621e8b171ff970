"""The tests of the CPU, run on Numba's simulator of a GPU, in processes of their own.

The tables of both devices are compared with the same oracles bit for bit, and with each other in
`tests/test_cuda.py`, which runs there too.
"""

import os
import re

import pytest

import lowprec.cuda
from tests.children import run

FILES = {  # and how many of their tests pass at least
    "tables": (150, [
        "tests/test_cuda.py",
        "tests/test_rounding.py",
        "tests/test_rounding_randomness.py",
        "tests/tables/test_embedding.py",
        "tests/tables/test_memory_and_views.py",
        "tests/tables/test_bad_batches.py",
        "tests/tables/test_contents.py",
        "tests/tables/test_reset.py",
        "tests/datasets/test_hashing.py",
        "tests/kernels/test_routing.py",
        "tests/mpi/test_nccl.py",
        "tests/files/test_known_files.py::test_a_table_trains_on_a_gpu",
    ]),
    "optimizers": (100, [
        "tests/optimizers/test_all.py",
        "tests/optimizers/test_low_precision_states.py",
        "tests/optimizers/test_finite_steps.py",
        "tests/optimizers/test_own_rule.py",
        "tests/optimizers/test_rowwise_adagrad.py",
    ]),
    "models": (150, [
        "tests/models/test_on_cuda.py",
        "tests/models/test_graphs.py",
        "tests/models/test_recommender.py",
        "tests/models/test_predictions.py",
        "tests/models/test_bad_samples.py",
        "tests/models/test_dlrm.py",
        "tests/models/test_logistic.py",
        "tests/models/test_logistic_optimum.py",
        "tests/test_losses.py",
    ]),
}  # fmt: skip


@pytest.mark.skipif("LOWPREC_TEST_DEVICE" in os.environ, reason="this is the inner run")
@pytest.mark.skipif(lowprec.cuda.cuda is None, reason="there is no numba.cuda")
@pytest.mark.parametrize("part", FILES)
def test_in_the_simulator(part):
    fewest, files = FILES[part]
    done = run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, timeout=None,
        without=[name for name in os.environ if name.startswith("PYTEST_")],
        NUMBA_ENABLE_CUDASIM="1", LOWPREC_TEST_DEVICE="cuda",
    )  # fmt: skip
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= fewest, done.stdout
