"""That no kernel reads or writes outside its arrays."""

import signal
import sys
import textwrap

import pytest

from tests.children import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pages are protected as on Linux")


def test_a_step_too_far_is_seen():
    """By the way that kernels go: an intrinsic that loads a block through a raw pointer."""
    script = textwrap.dedent("""
        import numpy as np
        from numba import njit
        from lowprec.kernels.blocks import load, store
        from tests import guard

        @njit
        def copy_block(array, start, out):
            store(load(array, start, 16), out, 0)

        array = guard.empty((40,), np.float32, at_end={at_end})
        out = np.empty(16, np.float32)
        copy_block(array, {inside}, out)
        print("inside", flush=True)
        copy_block(array, {outside}, out)
    """)
    for at_end, inside, outside in ((True, 24, 25), (False, 0, -1)):
        code = script.format(at_end=at_end, inside=inside, outside=outside)
        done = run("-c", code, status=None)
        assert done.stdout == "inside\n", done.stderr
        assert done.returncode in (-signal.SIGSEGV, -signal.SIGBUS)


def test_no_kernel_steps_too_far():
    done = run("tests/guarded_calls.py")
    assert done.stdout == "no step too far\n"


def test_numbas_bounds_checks_reach_the_kernels(tmp_path):
    """With every set of options that kernels are compiled with; `.ci/run` has them checked."""
    script = textwrap.dedent("""
        import numpy as np
        from lowprec.kernels.cpu.compiling import parallel, serial
        from lowprec.kernels.cpu.launch import launch

        @serial
        def write(array, i):
            array[i] = 1.0

        @parallel
        def write_by_threads(array, i, part, parts):
            array[i + part] = 1.0

        memory = np.zeros(1000, np.float32)
        for call in (
            lambda: write(memory[:8], 100),
            lambda: launch(write_by_threads, 1, memory[:8], 100),
            lambda: launch(write_by_threads, 2, memory[:8], 7),
        ):
            try:
                call()
            except IndexError as error:
                print(type(error).__name__)
    """)
    done = run("-c", script, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout.split() == ["IndexError"] * 3, done.stdout + done.stderr
    assert run("-c", script, NUMBA_CACHE_DIR=str(tmp_path)).stdout == ""
