"""Reading ahead: bounded, in order, with the errors of the thread, which always ends."""

import gc
import os
import threading
import time

import pytest

from lowprec.datasets.ahead import ReadAhead
from tests import children

THREAD = "lowprec reads ahead"


def threads():
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not threads()


def test_all_items_in_order():
    assert list(ReadAhead(lambda: iter(range(1000)), 2)) == list(range(1000))


def test_no_more_than_it_may_be_ahead():
    made = []

    def items():
        for number in range(50):
            made.append(number)
            yield number

    ahead = ReadAhead(items, 3)
    for number in ahead:
        time.sleep(0.002)
        # 3 wait, one is made, and this one
        assert len(made) <= number + 5
    assert len(made) == 50


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise FileNotFoundError("gone")

    ahead = ReadAhead(items, 5)
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(FileNotFoundError, match="gone"):
        next(ahead)
    assert not threads()
    with pytest.raises(StopIteration):
        next(ahead)


def test_an_error_of_the_beginning():
    def make():
        raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such thing"):
        next(ReadAhead(make, 1))


@pytest.mark.parametrize("end", ["close", "collect", "break"])
def test_ending_early_ends_the_thread_and_its_iterator(end):
    """Which waits for room, as the iterator has no end."""
    closed = []

    def items():
        try:
            while True:
                yield bytes(10)
        finally:
            closed.append(True)

    ahead = ReadAhead(items, 1)
    next(ahead)
    assert len(threads()) == 1
    if end == "close":
        ahead.close()
        assert list(ahead) == []
    else:
        if end == "break":
            for _ in ahead:
                break
        del ahead
        gc.collect()
    assert not threads()
    assert closed == [True]


def test_a_program_that_ends_in_the_middle():
    """With a thread that waits for room; it hung, or died, if the thread was not ended before."""
    script = (
        "import itertools, pyarrow\nfrom lowprec.datasets.ahead import ReadAhead\n"
        "def items():\n    while True: yield pyarrow.array(range(100))\n"
        "ahead = ReadAhead(items, 2)\nprint(len(next(ahead)))"
    )
    assert children.run("-c", script, timeout=60).stdout == "100\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_of_a_fork_does_not_wait_for_ever():
    ahead = ReadAhead(lambda: iter(range(10**9)), 1)
    next(ahead)

    def read(ready):
        for _ in range(3):
            try:
                next(ahead)
            except RuntimeError as error:
                return str(error)

    told = children.in_child(read)
    ahead.close()
    assert "start reading in the process that continues to read" in told
