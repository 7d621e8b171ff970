"""Calls on one object: who waits for whom, and who is refused."""

import copy
import os
import pickle
import signal
import threading

import pytest

from lowprec.turns import Turns
from tests.children import in_child

posix = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="signals as on POSIX")


def started(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def waits(turns, count):
    """Until so many calls are inside or stand in line."""
    while len(turns._queue) < count:
        threading.Event().wait(0.001)


def test_in_the_order_in_which_they_came():
    """One that changes, two that read, and one that changes: none of them overlap."""
    turns, seen, go = Turns(), [], threading.Event()

    def enter(block, name):
        with block("it is touched"):
            seen.append(name)
            if name == "first":
                go.wait(60)
            seen.append(name)

    threads = [started(lambda: enter(turns.alone, "first"))]
    waits(turns, 1)
    for count, name in enumerate(("second", "third"), 2):
        threads.append(started(lambda name=name: enter(turns.unchanged, name)))
        waits(turns, count)
    assert seen == ["first"]
    go.set()
    for thread in threads:
        thread.join(60)
    assert seen == ["first", "first", "second", "second", "third", "third"]
    with turns.alone("it is changed"):
        assert len(turns._queue) == 1


def test_a_change_waits_for_a_reader_and_a_second_change_is_refused():
    turns, go, changed = Turns(), threading.Event(), []

    def read():
        with turns.unchanged("it is read"):
            go.wait(60)
            assert not changed

    def change():
        with turns.alone("it is changed"):
            changed.append(True)

    reader = started(read)
    waits(turns, 1)
    writer = started(change)
    waits(turns, 2)
    with pytest.raises(RuntimeError, match="it is changed by two calls at once"):
        change()
    assert not changed
    go.set()
    reader.join(60)
    writer.join(60)
    assert changed == [True]
    assert turns._queue == []


def test_a_reader_within_a_reader():
    turns = Turns()
    with turns.unchanged("it is read"), turns.unchanged("it is copied"):
        with pytest.raises(RuntimeError, match="in the middle of a call on it in the same thread"):
            turns.alone("it is changed").__enter__()
        assert len(turns._queue) == 1
    assert turns._queue == []


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
@pytest.mark.parametrize("block", [Turns.alone, Turns.unchanged])
def test_an_error_inside_ends_the_turn(block, error):
    turns = Turns()
    with pytest.raises(error), block(turns, "it is touched"):
        raise error
    assert turns._queue == []


@posix
def test_a_signal_handler_in_the_middle_of_a_change():
    """It would wait for what it has interrupted."""
    turns, seen = Turns(), []

    def handler(number, frame):
        with pytest.raises(RuntimeError, match="by a signal handler"):
            turns.unchanged("it is saved").__enter__()
        seen.append(number)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with turns.alone("it is changed"):
            os.kill(os.getpid(), signal.SIGUSR1)
        assert seen
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert turns._queue == []


@posix
def test_a_signal_handler_while_its_thread_waits():
    turns, go = Turns(), threading.Event()

    def change():
        with turns.alone("it is changed"):
            go.wait(60)

    def handler(number, frame):
        go.set()
        with turns.unchanged("it is saved"):
            pass

    before = signal.signal(signal.SIGUSR1, handler)
    writer = started(change)
    waits(turns, 1)
    main = threading.main_thread().ident
    started(lambda: waits(turns, 2) or signal.pthread_kill(main, signal.SIGUSR1))
    try:
        with pytest.raises(RuntimeError, match="signal handler"), turns.unchanged("it is read"):
            pass
    finally:
        signal.signal(signal.SIGUSR1, before)
    writer.join(60)
    assert turns._queue == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("changes", [True, False])
def test_a_fork_in_the_middle(changes):
    """The child has no such thread, so nobody would ever leave."""
    turns, go = Turns(), threading.Event()

    def touch():
        with turns.alone("it is changed") if changes else turns.unchanged("it is read"):
            go.wait(60)

    def child(ready):
        try:
            with turns.unchanged("it is saved"):
                return "saved"
        except RuntimeError as error:
            return str(error)

    thread = started(touch)
    waits(turns, 1)
    try:
        answer = in_child(child)
    finally:
        go.set()
        thread.join(60)
    refused = "it is saved in a process that was forked while it was changed"
    assert answer == (refused if changes else "saved")


@pytest.mark.parametrize(
    "twin", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_begin_with_nobody_inside(twin):
    turns = Turns()
    with turns.alone("it is changed"), twin(turns).alone("the copy is changed"):
        assert twin(turns)._queue == []
