"""Pairs of runs whose gradients travel as float32 and float16."""

import pytest

from benchmarks.optimizer_settings import OPTIMIZERS, Data

pytest.importorskip("mpi4py", reason="comes with the extra `mpi`")


def test_pairs_differ_by_the_wire_alone(monkeypatch):
    from benchmarks import wire
    from lowprec.datasets import make_clicks
    from lowprec.mpi.sharded import ShardedTable

    sizes = [40, 20]
    (dense, indices), y, _ = make_clicks(1000, sizes, seed=0)
    data = Data(dense, indices, y, sizes)
    settings = OPTIMIZERS["RowWiseAdagrad"].settings("DLRM")
    losses = [wire.log_loss("RowWiseAdagrad", settings, data, each, 3) for each in wire.WIRES]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)
    of_all = property(lambda table: "float32", lambda *_: None)
    monkeypatch.setattr(ShardedTable, "wire", of_all, raising=False)
    assert wire.log_loss("RowWiseAdagrad", settings, data, "float16", 3) == losses[0]
