"""Folders of shards: any number of files into any number of shards, whole or not at all."""

import json

import numpy as np
import pytest

import lowprec as lp
from tests.mpi import training
from tests.mpi.communicators import on_ranks, results
from tests.mpi.test_sharded import digest_of
from tests.tables.small import bits

NAME = "weighted"  # whose optimizer has most states: one of them has one number a row


def saved(folder, size=3, steps=range(2), name=NAME, **kwargs):
    def run(comm):
        table = lp.mpi.ShardedTable(comm, **training.arguments(name), **kwargs)
        training.train(table, name, comm.rank, comm.size, steps)
        table.save(folder)
        return table

    return results(size, run)


def test_another_number_of_ranks_goes_on(tmp_path):
    """3, then 2, then 5 and then 1 of them, and the file of a table; one process reads them."""
    one, _ = training.in_one_process(NAME, range(2))
    saved(tmp_path / "t")
    assert training.digest_of(lp.load(tmp_path / "t")) == training.digest_of(one)
    for step, size in ((2, 2), (3, 5), (4, 1)):
        training.train(one, NAME, steps=[step])

        def run(comm, step=step):
            table = lp.mpi.load(tmp_path / "t", comm)
            training.train(table, NAME, comm.rank, comm.size, [step])
            table.save(tmp_path / "t")
            return table

        assert digest_of(results(size, run)) == training.digest_of(one)
        assert len(list((tmp_path / "t").iterdir())) == size + 1  # older files are gone
    loaded = lp.EmbeddingTable.load(tmp_path / "t")
    assert (training.digest_of(loaded), loaded.step) == (training.digest_of(one), 5)
    loaded.save(tmp_path / "file.safetensors")
    found = results(4, lambda comm: lp.mpi.load(tmp_path / "file.safetensors", comm))
    assert digest_of(found) == training.digest_of(one)


def test_settings_come_back(tmp_path):
    saved(tmp_path, wire="float16", on_nonfinite="skip")
    wires = results(2, lambda comm: lp.mpi.load(tmp_path, comm).wire)
    assert wires == ["float16", "float16"]
    assert results(1, lambda comm: lp.mpi.load(tmp_path, comm, wire="float32").wire) == ["float32"]


def test_the_old_files_stay_until_the_manifest_is_written(tmp_path, monkeypatch):
    saved(tmp_path, steps=range(1))
    before = sorted(path.name for path in tmp_path.iterdir())
    expected = training.digest_of(lp.load(tmp_path))
    monkeypatch.setattr("lowprec.mpi.folders.write_manifest", raising)
    found = on_ranks(2, lambda comm: saved_by(comm, tmp_path))
    assert all(isinstance(error, OSError) for error in found)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert training.digest_of(lp.load(tmp_path)) == expected


def raising(*arguments):
    raise OSError("no room")


def saved_by(comm, folder):
    lp.mpi.ShardedTable(comm, **training.arguments(NAME)).save(folder)


def test_a_rank_that_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    found = on_ranks(2, lambda comm: saved_by(comm, tmp_path / "file"))
    assert all(isinstance(error, OSError) and "rank 0" in str(error) for error in found)


def change_manifest(folder, **values):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def remove_a_file(folder):
    min(folder.glob("*.safetensors")).unlink()


def exchange_two_files(folder):
    first, second, *_ = sorted(folder.glob("*.safetensors"))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def flip_a_bit(folder):
    path = max(folder.glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_a_file, "is not there"),
        (exchange_two_files, "is not Shard"),
        (flip_a_bit, "checksum of"),
        (lambda folder: change_manifest(folder, files=["../x"]), "checksum does not fit"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "is no manifest"),
    ],
)
def test_damage_is_detected(damage, message, tmp_path):
    saved(tmp_path, steps=range(1))
    damage(tmp_path)
    with pytest.raises(lp.CheckpointError, match=message):
        lp.load(tmp_path)
    found = on_ranks(2, lambda comm: lp.mpi.load(tmp_path, comm))
    assert all(isinstance(error, lp.CheckpointError) for error in found)
    assert all("rank" in str(error) for error in found)


def test_what_cannot_be_loaded(tmp_path):
    saved(tmp_path / "t", steps=range(1))
    with pytest.raises(ValueError, match="cannot be mapped"):
        lp.load(tmp_path / "t", mmap=True)
    with pytest.raises(lp.CheckpointError, match="not a DLRM"):
        lp.DLRM.load(tmp_path / "t")
    shard = min((tmp_path / "t").glob("*.safetensors"))
    assert lp.load(shard).shard == lp.Shard(0, 3)
    for wrong, kind in ((shard, "CheckpointError"), (tmp_path / "none", "FileNotFoundError")):
        (error,) = on_ranks(1, lambda comm, wrong=wrong: lp.mpi.load(wrong, comm))
        assert type(error).__name__ == kind


def test_equal_rows_of_pretrained_weights(tmp_path):
    """A file of any table becomes shards: also of one column, in 8 bits."""
    table = lp.EmbeddingTable([5, 4], 1, "float8_e5m2", init=np.arange(9).reshape(9, 1))
    table.save(tmp_path / "t.safetensors")
    found = results(4, lambda comm: lp.mpi.load(tmp_path / "t.safetensors", comm).gather())
    assert bits(found[0]) == bits(table.weight)


def test_the_file_of_a_table_in_a_file(tmp_path):
    """It has the touched rows alone: loaded and saved, it has all."""
    with lp.EmbeddingTable(9, 4, path=tmp_path / "big.table") as table:
        table.update([3], np.ones((1, 4)))
        table.save(tmp_path / "touched.safetensors")
    (error,) = on_ranks(1, lambda comm: lp.mpi.load(tmp_path / "touched.safetensors", comm))
    assert isinstance(error, lp.CheckpointError)
    assert "load it into memory" in str(error)
    whole = lp.load(tmp_path / "touched.safetensors")
    whole.save(tmp_path / "all.safetensors")
    found = results(2, lambda comm: lp.mpi.load(tmp_path / "all.safetensors", comm).gather())
    assert bits(found[0]) == bits(whole.weight)


def test_each_rank_has_a_file(tmp_path):
    """The bits of tables in memory; opened again, training goes on, if there are as many ranks."""
    one, seen = training.in_one_process(NAME)

    def run(comm, steps):
        given = training.arguments(NAME)
        table = lp.mpi.ShardedTable(comm, **given, path=tmp_path / "t")
        found = training.train(table, NAME, comm.rank, comm.size, steps)
        with pytest.raises(ValueError, match="not saved to others"):
            table.save(tmp_path / "other")
        whole = table.gather()
        table.table.close()
        return found, whole

    size, half = 2, training.STEPS // 2
    first = results(size, lambda comm: run(comm, range(half)))
    second = results(size, lambda comm: run(comm, range(half, training.STEPS)))
    for step, expected in enumerate(seen):
        parts = [found[step % half] for found, _ in (first if step < half else second)]
        assert bits(np.concatenate(parts)) == bits(expected)
    assert bits(second[0][1]) == bits(one.weight)
    names = sorted(path.name for path in (tmp_path / "t").iterdir())
    assert names == ["shard-00000-of-00002.table", "shard-00001-of-00002.table"]
    for error in on_ranks(3, lambda comm: run(comm, [])):
        assert isinstance(error, ValueError)
        assert "shard-00000-of-00002.table, and there are 3 ranks now" in str(error)


def test_a_step_that_another_rank_cannot_take(tmp_path):
    """Files are as before it, and can take the next one."""

    def run(comm):
        table = lp.mpi.ShardedTable(comm, 50, 19, path=tmp_path)
        table.update([3, 4], np.ones((2, 19)))
        before = bits(table.table.read(np.arange(comm.rank, 50, 2)))
        with pytest.raises(FloatingPointError, match="overflow float32"):
            table.update([2] * 2, np.full((2, 19), 2e38))
        assert bits(table.table.read(np.arange(comm.rank, 50, 2))) == before
        table.update([5], np.ones((1, 19)))
        table.table.close()
        return table.step

    assert results(2, run) == [2, 2]
