"""Importing lowprec lets idle OpenMP threads spin only briefly, unless the user has said more."""

import os
import subprocess
import sys

import pytest

PRINT = "import os, lowprec; print(os.environ.get('GOMP_SPINCOUNT'))"


def spin_count_after_import(root, **environment):
    """`GOMP_SPINCOUNT` in a process that starts with `environment` and imports lowprec."""
    kept = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", PRINT],
        env={**kept, **environment},
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "10000"),
        ({"GOMP_SPINCOUNT": "1000"}, "1000"),
        ({"OMP_WAIT_POLICY": "active"}, "None"),
        ({"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "7"}, "7"),
    ],
)
def test_the_user_has_the_last_word(root, environment, expected):
    assert spin_count_after_import(root, **environment) == expected
