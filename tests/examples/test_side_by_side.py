"""Processes that take turns: never two at once, each in every place, and errors end all."""

import threading

from side_by_side import Turn

from tests import children

FAILING = """
from side_by_side import run_side_by_side


def work(turn, number):
    turn.begin()
    if number == 1:
        raise ValueError("number 1 failed")
    turn.end()
    turn.begin()


if __name__ == "__main__":
    run_side_by_side(work, [(0,), (1,)])
"""


WAITING = """
import os
import threading

from side_by_side import run_side_by_side


def work(turn, number):
    turn.begin()
    if number == 0:
        print("began", flush=True)
    turn.end()
    turn.begin()
    if number == 1:
        os.kill(os.getppid(), 9)
        threading.Event().wait()
    turn.end()


if __name__ == "__main__":
    run_side_by_side(work, [(0,), (1,)])
"""


def test_one_at_a_time_and_each_first_once():
    count, rounds = 3, 4
    barrier, log = threading.Barrier(count, timeout=60), []

    def work(number):
        turn = Turn(number, count, barrier)
        for _ in range(rounds):
            turn.begin()
            log.append(("begin", number))
            log.append(("end", number))
            turn.end()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = [[0, 1, 2], [2, 0, 1], [1, 2, 0], [0, 1, 2]]
    order = [number for places in expected for number in places]
    assert log == [(what, number) for number in order for what in ("begin", "end")]


def test_an_error_of_one_ends_all(root, tmp_path):
    script = tmp_path / "failing.py"
    script.write_text(FAILING)
    done = children.run(script, paths=[root / "examples"], status=1, timeout=120)
    assert done.stderr.rstrip().endswith("ValueError: number 1 failed")


def test_none_waits_for_ever_without_its_parent(root, tmp_path):
    """They hold the pipe that is read here, so it ends when they do."""
    script = tmp_path / "waiting.py"
    script.write_text(WAITING)
    done = children.run(script, paths=[root / "examples"], status=None, timeout=120)
    assert done.returncode < 0
    assert done.stdout == "began\n"
