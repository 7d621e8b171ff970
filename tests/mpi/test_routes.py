"""Which rank owns what."""

from types import SimpleNamespace

import pytest

import lowprec as lp
from lowprec.mpi import routes


def test_rows_that_ranks_cannot_number(monkeypatch):
    monkeypatch.setattr(routes.sharing, "num_rows", lambda table: 2**32 - 1)
    ranks = SimpleNamespace(size=7)
    with pytest.raises(
        ValueError, match="7 ranks can have at most 4294967292 rows, got 4294967295"
    ):
        routes.Router(ranks, None)
    monkeypatch.setattr(routes.sharing, "num_rows", lambda table: 4294967292)
    routes.Router(ranks, lp.EmbeddingTable(1, 1))
