"""The model of a step on many machines: its page, and what was measured."""

import numpy as np
import pytest

from benchmarks import page_tables, scale
from benchmarks.data import FEATURES, draw_ids, shares_of_ranks
from tests.conftest import ROOT

MEASURED = scale.read(scale.MEASURED)


def test_the_page_has_what_the_command_prints(capsys):
    scale.main([])
    made = page_tables.tables_of(capsys.readouterr().out)
    page = page_tables.tables_of((ROOT / "docs/scale.md").read_text())
    assert [table.rows for table in made] == [page[0].rows, page[2].rows]


def test_bytes_are_those_measured():
    """Within 1 %: distinct ids are drawn, and the model has their mean."""
    several = [(case, found) for case, found in MEASURED if case.ranks > 1]
    assert {case.ranks for case, _ in several} == {2, 4}
    for case, found in several:
        assert case.ranks * scale.bytes_of_rank(case) == pytest.approx(found["bytes"], rel=0.01)


def test_cpu_time_is_near_what_was_measured():
    """Three numbers are fitted to six."""
    fits = scale.fits_of(MEASURED)
    for case, found in MEASURED:
        assert fits[case[4:]].of(case) == pytest.approx(found["cpu_ms"], rel=0.25)
    for cpu in fits.values():
        assert min(cpu) > 0


@pytest.mark.parametrize("ids", ["uniform", "zipf"])
def test_distinct_rows_and_the_busiest_owner_are_those_of_drawn_ids(ids):
    """Within 2 % and 5 % of one draw of a million ids; the seed is fixed."""
    rows, samples, ranks = 5000, 40_000, 7
    case = scale.Case(ranks, samples * ranks, rows, 64, ids, "float16")
    drawn = draw_ids(np.random.default_rng(0), rows, (samples, FEATURES), ids).astype(np.int64)
    found = sum(np.unique(drawn[:, feature]).size for feature in range(FEATURES))
    assert scale.distinct(case) == pytest.approx(found, rel=0.02)
    owners = (drawn + rows * np.arange(FEATURES)) % ranks
    load = np.bincount(owners.reshape(-1), minlength=ranks)
    assert scale.imbalance(case) == pytest.approx(load.max() / load.mean(), rel=0.05)


@pytest.mark.parametrize("head", [1, 10, 5000])
def test_shares_add_up(head):
    """Also where most ids are in groups."""
    shares, counts = shares_of_ranks(5000, "zipf", head)
    assert counts.sum() == 5000
    assert (shares * counts).sum() == pytest.approx(1.0)
    assert (np.diff(shares) < 0).all()
