"""How many cores a process may use, from made trees of cgroups and a child's affinity."""

import math
import os

import pytest

from lowprec.cores import allowed_cores, quota
from tests import children


def tree(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        # version 2
        ("0::/\n", {}, math.inf),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ("0::/a/b\n", {"a/b/cpu.max": "50000 100000\n", "a/cpu.max": "300000 100000\n"}, 0.5),
        # the group lies outside of what a container sees
        ("0::/../host/group\n", {"cpu.max": "200000 100000\n"}, 2),
        # version 1
        (
            "9:name=systemd:/x\n4:cpu,cpuacct:/x\n",
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "40", "cpu,cpuacct/x/cpu.cfs_period_us": "10"},
            4,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "1"}, math.inf),
        ("1:cpu:/gone\n", {"cpu/cpu.cfs_quota_us": "7", "cpu/cpu.cfs_period_us": "2"}, 3.5),
        ("3:cpuset:/\n", {"cpu.max": "1 1"}, math.inf),
        # what nobody wrote
        ("0::/\n", {"cpu.max": "much\n"}, math.inf),
        ("0::/\n", {"cpu.max": "0 100000\n"}, math.inf),
        ("\n", {}, math.inf),
    ],
)  # fmt: skip
def test_quota(tmp_path, membership, files, expected):
    tree(tmp_path / "cgroup", files)
    (tmp_path / "membership").write_text(membership)
    assert quota(tmp_path / "membership", tmp_path / "cgroup") == expected


def test_a_system_without_cgroups(tmp_path):
    assert quota(tmp_path / "none", tmp_path) == math.inf


@pytest.mark.parametrize(("limit", "expected"), [(0.2, 1), (1.5, 2), (3, 3), (math.inf, 5)])
def test_the_smaller_limit_rounded_up(monkeypatch, limit, expected):
    monkeypatch.setattr("lowprec.cores._affinity", lambda: 5)
    monkeypatch.setattr("lowprec.cores.quota", lambda: limit)
    assert allowed_cores() == expected


THREADS = """
import os
{before}
import lowprec as lp
print(lp.get_num_threads())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_kernels_follow_the_affinity():
    code = THREADS.format(before="os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})")
    assert children.run("-c", code, without=["NUMBA_NUM_THREADS"]).stdout == "1\n"


def test_kernels_follow_the_quota():
    code = THREADS.format(before="import lowprec.cores; lowprec.cores.quota = lambda: 0.5")
    assert children.run("-c", code, without=["NUMBA_NUM_THREADS"]).stdout == "1\n"


def test_the_user_has_the_last_word():
    code = THREADS.format(before="import lowprec.cores; lowprec.cores.quota = lambda: 1")
    assert children.run("-c", code, NUMBA_NUM_THREADS="3").stdout == "3\n"
