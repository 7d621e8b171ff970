"""A team's size, by a clock and a waiting time that the tests make."""

import sys
from itertools import pairwise

import pytest

from lowprec.kernels.cpu import contention
from lowprec.kernels.cpu.contention import FIRST_PAUSE, IN_A_ROW, LONGEST_PAUSE, WINDOW, Team
from tests import children


class World:
    """A machine on which a thread waits for some share of the time."""

    def __init__(self):
        self.now = self.waited = 100.0
        self.team = Team(lambda: self.waited, lambda: self.now)

    def sizes(self, seconds, share, allowed=8):
        """The team's sizes while it is asked every millisecond."""
        found = []
        for _ in range(round(seconds * 1000)):
            self.now += 0.001
            self.waited += 0.001 * (share(found) if callable(share) else share)
            found.append(self.team.size(allowed))
        return found


def changes(sizes):
    return [sizes[0]] + [after for before, after in pairwise(sizes) if before != after]


SETTLED = (IN_A_ROW + 2) * WINDOW


def test_all_threads_on_an_idle_machine():
    assert set(World().sizes(3, 0.0)) == {8}


def test_one_thread_where_it_always_waits():
    sizes = World().sizes(60, 0.5)
    assert changes(sizes[: round(4000 * SETTLED)]) == [8, 4, 2, 1]
    assert min(sizes) == 1
    assert sizes.count(1) > 0.9 * len(sizes)


def test_what_runs_once_in_a_while_is_no_reason():
    world = World()
    for _ in range(20):
        assert set(world.sizes((IN_A_ROW - 1) * WINDOW, 0.9)) == {8}
        assert set(world.sizes(2 * WINDOW, 0.0)) == {8}


def test_all_threads_again_once_the_others_have_ended():
    world = World()
    world.sizes(60, 0.5)
    assert world.sizes(LONGEST_PAUSE + 5, 0.0)[-1] == 8
    # and the next time it tries again as soon as the first time
    world.sizes(2 * (IN_A_ROW + 1) * WINDOW, 0.5, allowed=2)
    assert world.sizes(FIRST_PAUSE + 2 * WINDOW, 0.0, allowed=2)[-1] == 2


def test_a_team_that_fits_beside_the_others_is_tried_less_and_less_often():
    """Two of four cores are taken: more than two threads wait."""
    sizes = World().sizes(120, lambda found: 0.4 if (found or [4])[-1] > 2 else 0.0, allowed=4)
    assert set(sizes) == {2, 4}
    assert sizes[-40_000:].count(4) < 0.05 * 40_000
    assert sizes[1000:].count(4) > 0


def test_one_allowed_thread():
    assert set(World().sizes(1, 0.9, allowed=1)) == {1}


@pytest.mark.parametrize("allowed", [1, 2, 5])
def test_without_the_kernels_word(monkeypatch, allowed):
    """Systems other than Linux do not tell how long a thread waits."""

    monkeypatch.setattr(contention, "_SCHEDSTAT", "/none")
    assert contention._OfThread().team is None
    from lowprec.kernels.cpu import team

    monkeypatch.setattr(team, "team_of_thread", lambda: None)
    monkeypatch.setattr(team, "allowed_threads", lambda: 5)
    assert team.team_size(allowed) == allowed


@pytest.mark.skipif(sys.platform != "linux", reason="this system does not tell")
def test_seconds_waited():
    """Of a thread that has to share one core with another process."""
    script = """
import os, subprocess, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from lowprec.kernels.cpu.contention import seconds_waited
other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
before, start = seconds_waited(), time.process_time()
while time.process_time() < start + 0.5:
    pass
other.kill()
assert seconds_waited() - before > 0.05
"""
    children.run("-c", script)
