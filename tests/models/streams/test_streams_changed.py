"""Streams that are not what a file of a training was read from."""

import os

import pytest

import lowprec as lp
from tests import naive_models
from tests.models.small import SIZES, make_logistic, state
from tests.models.stopping import StopError, stop_at
from tests.models.streams.blocks import N, all_of, cut, model_of, reader_of

parquet = pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.filterwarnings("error")


def changed_name(folder):
    os.rename(folder / "1.parquet", folder / "3.parquet")


def changed_number(folder):
    os.remove(folder / "1.parquet")


def changed_size(folder):
    table = parquet.read_table(folder / "1.parquet")
    parquet.write_table(table, folder / "1.parquet", row_group_size=35, compression="none")


CHANGES = {
    changed_name: r"there was a file 1\.parquet, now there is 2\.parquet in its place",
    changed_number: "there were 3 files, now there are 2",
    changed_size: r"1\.parquet had \d+ bytes, now it has \d+",
}


@pytest.mark.parametrize("change", CHANGES)
def test_files_that_were_changed(folder, encoder, tmp_path, change):
    save = lp.Checkpoints(tmp_path / "run", every_batches=3)
    with pytest.raises(StopError):
        model_of(make_logistic).fit_stream(
            reader_of(folder, encoder, shuffle=False), save=save, callback=stop_at(5)
        )
    change(folder)
    fresh = model_of(make_logistic)
    match = f"is of a stream of other samples: {CHANGES[change]}; resume with the same"
    with pytest.raises(ValueError, match=match):
        fresh.fit_stream(reader_of(folder, encoder, shuffle=False), resume=tmp_path / "run")
    assert state(fresh) is None


def test_rows_that_were_changed(folder, encoder, tmp_path):
    """Where names and bytes are the same, as of a file whose rows were replaced."""
    described = reader_of(folder, encoder).describe()["files"]
    other = reader_of(folder, encoder)
    with pytest.raises(ValueError, match=r"0\.parquet has 109 rows, and had 110 before"):
        other.take_rows([[*described[0][:2], 109], *described[1:]])
    from lowprec.datasets.reader import why_other_files

    now = [[*described[0][:2], 109], *described[1:]]
    assert why_other_files(described, now) == "0.parquet had 110 rows, now it has 109"
    assert why_other_files(described, described) is None


def test_other_readers_and_encoders(folder, encoder, rows, tmp_path):
    save = lp.Checkpoints(tmp_path / "run", every_batches=3)
    with pytest.raises(StopError):
        model_of(make_logistic).fit_stream(
            reader_of(folder, encoder, seed=1), save=save, callback=stop_at(5)
        )
    other = lp.TabularEncoder(min_count=2).fit(rows.drop_columns(["click"]))
    blocks = list(reader_of(folder, encoder))
    for stream, reason in (
        (reader_of(folder, encoder, seed=2), "read with seed=1, this reader has 2"),
        (reader_of(folder, encoder, shuffle=False), "read with shuffle=True"),
        (reader_of(folder, encoder, seed=1, shuffle_window=91), "read with shuffle_window=90"),
        (reader_of(folder, other, seed=1), "read with encoder='"),
        (reader_of(folder, encoder, seed=1, sample_weight="click"), "read with sample_weight="),
        (blocks, "read with a ParquetReader, this is another iterable"),
    ):
        with pytest.raises(ValueError, match=reason):
            model_of(make_logistic).fit_stream(stream, resume=tmp_path / "run")
    # the size of the blocks changes nothing
    same = reader_of(folder, encoder, seed=1, batch_size=7)
    model_of(make_logistic).fit_stream(same, resume=tmp_path / "run")


def test_other_blocks_are_seen(tmp_path):
    X, y = naive_models.samples(N, SIZES, 3)
    save = lp.Checkpoints(tmp_path, every_batches=3)
    with pytest.raises(StopError):
        make_logistic().fit_stream(cut((X, y), [100]), save=save, callback=stop_at(5))
    flipped, moved = y.copy(), X[1].copy()
    flipped[40] = 1 - flipped[40]
    moved[40, 0] ^= 1
    for samples in ((X, flipped), ((X[0], moved), y), ((X[0] * 2, X[1]), y)):
        with pytest.raises(ValueError, match="up to where training was stopped are others"):
            make_logistic().fit_stream(cut(samples, [100]), resume=tmp_path)
    with pytest.raises(ValueError, match=r"has 60 samples in the epoch in which .* after 96"):
        make_logistic().fit_stream(cut((X, y), [60])[:1], resume=tmp_path)


def test_a_training_that_has_ended_is_resumed(samples, tmp_path):
    """There is nothing to do; its last file is written again, and more epochs may follow."""
    blocks, save = cut(samples, [77]), lp.Checkpoints(tmp_path)
    model = make_logistic().fit_stream(blocks, save=save)
    again = make_logistic().fit_stream(blocks, save=save, resume=tmp_path)
    assert all_of(again) == all_of(model)
    longer = make_logistic().fit_stream(blocks, 2, resume=tmp_path)
    assert all_of(longer) == all_of(make_logistic().fit_stream(blocks, 2))


def test_fit_and_fit_stream_do_not_resume_each_other(samples, tmp_path):
    make_logistic().fit(*samples, save=lp.Checkpoints(tmp_path / "fit"))
    make_logistic().fit_stream(cut(samples, [50]), save=lp.Checkpoints(tmp_path / "stream"))
    with pytest.raises(ValueError, match="was written by fit, which can resume it"):
        make_logistic().fit_stream(cut(samples, [50]), resume=tmp_path / "fit")
    with pytest.raises(ValueError, match="was written by fit_stream, which can resume"):
        make_logistic().fit(*samples, resume=tmp_path / "stream")
    for kwargs in ({"seed": 1}, {"batch_size": 30}):
        with pytest.raises(ValueError, match=r"of another training: it has (seed|batch_size)="):
            make_logistic(**kwargs).fit_stream(
                cut(samples, []), save=lp.Checkpoints(tmp_path / "stream")
            )


def test_a_model_that_trained_on_otherwise_is_saved_as_such(samples, tmp_path):
    """Not as one that could be resumed."""
    model = make_logistic().fit_stream(cut(samples, [50])).partial_fit(*samples)
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="nothing to resume"):
        make_logistic().fit_stream(cut(samples, [50]), resume=tmp_path / "m.safetensors")
