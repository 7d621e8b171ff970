"""Parts of a kernel, each by a thread of its own."""

from typing import NamedTuple

import numba
import numpy as np
import pytest

from lowprec.kernels.cpu.compiling import parallel, serial
from lowprec.kernels.cpu.launch import launch
from lowprec.kernels.cpu.options import SERIAL
from lowprec.kernels.cpu.parts import in_parts
from lowprec.scalar.internal import internal
from tests.children import run


class Pair(NamedTuple):
    values: np.ndarray
    factor: np.float32


@parallel
def note(pairs, negative, calls, by, part, parts):
    first, second = pairs
    calls[part] += 1
    by[part] = numba.get_thread_id()
    total = first.values[part] * first.factor + second.values[part] * second.factor
    first.values[part] = -total if negative else total + np.float32(parts)


@parallel
def fail_in_one(done, failing, part, parts):
    done[part] = 1
    if part == failing:
        raise ValueError("of a part")


@internal(**SERIAL)
def double(values, part, parts):
    for i in range(part, values.size, parts):
        values[i] *= 2


@internal(**SERIAL)
def add(values, number, part, parts):
    for i in range(part, values.size, parts):
        values[i] += number


@serial
def double_and_add(values, rounds, parts):
    for i in range(rounds):
        in_parts(double, values, parts)
        in_parts(add, values, i, parts)


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
@pytest.mark.parametrize("negative", [False, True])
def test_each_part_is_done_once_with_the_arguments(parts, negative):
    values, others = np.arange(10, dtype=np.float32), np.full(10, 3, np.float32)
    calls, by = np.zeros(10, np.int64), np.full(10, -1)
    pairs = Pair(values, np.float32(2)), Pair(others, np.float32(0.5))
    launch(note, parts, pairs, negative, calls, by)
    assert calls.tolist() == [1] * parts + [0] * (10 - parts)
    expected = np.arange(10) * 2 + 1.5
    expected = -expected if negative else expected + parts
    np.testing.assert_array_equal(values[:parts], expected[:parts])
    np.testing.assert_array_equal(values[parts:], np.arange(parts, 10))
    if numba.threading_layer() == "omp" and parts <= numba.config.NUMBA_NUM_THREADS:
        assert sorted(by[:parts]) == list(range(parts))


def test_no_part_at_all():
    calls, by = np.zeros(3, np.int64), np.zeros(3, np.int64)
    pairs = (Pair(np.zeros(3, np.float32), np.float32(1)),) * 2
    launch(note, 0, pairs, False, calls, by)
    assert not calls.any()


def test_later_kernels_have_as_many_threads_as_before():
    before = numba.get_num_threads()
    launch(fail_in_one, before + 1, np.zeros(before + 1), -1)
    assert numba.get_num_threads() == before


@pytest.mark.parametrize(("parts", "failing"), [(1, 0), (2, 0), (2, 1)])
def test_an_error_is_raised_when_all_have_ended(parts, failing):
    done = np.zeros(parts)
    with pytest.raises(ValueError, match="of a part"):
        launch(fail_in_one, parts, done, failing)
    assert done.all()
    launch(fail_in_one, parts, done, -1)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_kernel_of_several_loops(parts):
    values = np.ones(5, np.int64)
    launch(double_and_add, parts, values, 3)
    assert values.tolist() == [2 * (2 * (2 * 1 + 0) + 1) + 2] * 5


def test_on_threads_of_numbas_own():
    """Which are given several parts a call, unlike those of OpenMP."""
    script = """
import numba, numpy as np
from tests.kernels.test_parts import fail_in_one, launch
for parts in range(1, 6):
    done = np.zeros(parts)
    launch(fail_in_one, parts, done, -1)
    assert done.all()
print(numba.threading_layer())
"""
    done = run("-c", script, NUMBA_THREADING_LAYER="workqueue", NUMBA_NUM_THREADS="5")
    assert done.stdout == "workqueue\n"
