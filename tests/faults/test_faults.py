"""A short run of `python -m tests.faults`: a few kills, and every other fault once."""

import json
import os

import pytest

from tests.children import run
from tests.processor_states import STATES

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def test_faults(tmp_path):
    out = tmp_path / "faults.json"
    run("-m", "tests.faults", "--kills", "6", "--json", out)
    rows = json.loads(out.read_text())["faults"]
    assert len(rows) == 18
    assert sum(row.get("kills", 0) for row in rows) == 6
    # without the right to mount, two of them cannot be made
    skipped = {row["fault"] for row in rows if row["verdict"] == "skipped"}
    skipped -= set() if STATES else {"processor state"}
    assert skipped <= {"full disk", "read only folder"}


def test_kills_of_tables_in_files():
    """Set LOWPREC_TEST_KILLS=200 for more."""
    kills = os.environ.get("LOWPREC_TEST_KILLS", "20")
    out = run("-m", "tests.faults", "--only", "kills_of_tables_in_files", "--kills", kills).stdout
    assert "held" in out
    assert f"kills {kills}, in a change" in out
    assert out.rstrip().endswith("unreadable 0")


def test_kills_of_models_in_files():
    """Set LOWPREC_TEST_KILLS=200 for more."""
    kills = os.environ.get("LOWPREC_TEST_KILLS", "5")
    out = run("-m", "tests.faults", "--only", "kills_of_models_in_files", "--kills", kills).stdout
    assert "held" in out
    assert f"kills {kills}, trainings" in out
