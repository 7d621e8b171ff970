"""The tests of the CPU, run on Numba's simulator of a GPU, in a process of its own.

The tables of both devices are compared with the same oracles bit for bit, and with each other in
`tests/test_cuda.py`, which runs there too.
"""

import os
import re
import subprocess
import sys

import pytest

FILES = {
    "rounding": ["tests/test_rounding.py"],
    "both devices": ["tests/test_cuda.py"],
    "contract": [
        "tests/test_table.py",
        "tests/models",
        "tests/test_losses.py",
        "tests/datasets/test_hashing.py",
    ],
}


@pytest.mark.skipif("LOWPREC_TEST_DEVICE" in os.environ, reason="this is the inner run")
@pytest.mark.parametrize("part", FILES)
def test_in_the_simulator(part, root):
    pytest.importorskip("numba.cuda")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env |= {"NUMBA_ENABLE_CUDASIM": "1", "LOWPREC_TEST_DEVICE": "cuda"}
    if part == "contract":  # thousands of steps
        env["LOWPREC_TEST_THREADS"] = "in turn"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES[part]],
        cwd=root,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 20, done.stdout
