"""`fit_stream`: the bits of `fit` on the same samples, however they are cut; exact resume."""

import os
import threading
from itertools import pairwise

import numpy as np
import pytest

import lowprec as lp
from tests import naive_models
from tests.models.small import SIZES, make_dlrm, make_logistic, state
from tests.models.stopping import StopError, interrupt_at, stop_at

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.filterwarnings("error")

N = 300  # 10 batches an epoch, the last one smaller


@pytest.fixture(params=[make_logistic, make_dlrm], ids=["LogisticRegression", "DLRM"])
def make(request):
    """Makes a model of each kind; in order, as streams are."""
    return lambda **kwargs: request.param(**{"standardize": True, "shuffle": False, **kwargs})


@pytest.fixture(params=[False, True], ids=["plain", "jagged"])
def samples(request):
    return naive_models.samples(N, SIZES, 3, jagged=request.param)


def cut(samples, places, weights=None):
    """Blocks of the samples between these places."""
    (dense, *ids), y = samples
    whole = lp.Samples(dense, *ids)
    places = [0, *places, len(y)]
    return [
        (whole[start:stop], y[start:stop], *([] if weights is None else [weights[start:stop]]))
        for start, stop in pairwise(places)
    ]


def all_of(model):
    return state(model), model.history_, model._progress_of_training()


# --- the bits of `fit` ---


@pytest.mark.parametrize("places", [[], [150], [1, 2, 35, 64, 96, 299], list(range(7, 300, 7))])
def test_is_fit_whatever_the_blocks(make, samples, places):
    expected = make(epochs=2).fit(*samples)
    seen = []
    model = make().fit_stream(
        cut(samples, places), epochs=2, callback=lambda model, done: seen.append(done)
    )
    assert all_of(model) == all_of(expected)
    assert (seen[0], seen[9], seen[-1], len(seen)) == (32, N, 2 * N, 20)


def test_weights_classes_and_validation(make, samples):
    X, y = samples
    labels = np.where(y == 1, "yes", "no")
    weights = np.linspace(0.5, 2, N)
    held_out = naive_models.samples(80, SIZES, 3, jagged=len(X) == 3, seed=1)
    held_out = (held_out[0], np.where(held_out[1] == 1, "yes", "no"))
    class_weight = {"yes": 2.0, "no": 0.5}
    options = {"validation": held_out, "patience": 2}
    expected = make(epochs=6, class_weight=class_weight).fit(X, labels, weights, **options)
    blocks = cut((X, labels), [50, 51, 220], weights)
    model = make(class_weight=class_weight).fit_stream(blocks, 6, **options)
    assert all_of(model) == all_of(expected)
    assert model.best_epoch_ == expected.best_epoch_
    assert model.classes_.tolist() == ["no", "yes"]


def test_some_blocks_with_weights():
    X, y = naive_models.samples(N, SIZES, 3)
    weights = np.concatenate([np.ones(100), np.full(200, 3.0)])
    whole = make_logistic().fit_stream(cut((X, y), [100], weights))
    blocks = cut((X, y), [100])
    blocks[1] = (*blocks[1], weights[100:])
    assert all_of(make_logistic().fit_stream(blocks)) == all_of(whole)


def test_one_class_in_the_first_blocks():
    X, y = naive_models.samples(N, SIZES, 3)
    order = np.argsort(y, kind="stable")
    X, labels = lp.Samples(*X)[order], np.where(y[order] == 1, "b", "a")
    blocks = [(X[:20], labels[:20]), (X[20:], labels[20:])]
    expected = make_logistic(shuffle=False).fit(X, labels)
    assert all_of(make_logistic().fit_stream(blocks)) == all_of(expected)
    with pytest.raises(ValueError, match=r"y holds one class alone, 'a'.*give both as classes="):
        make_logistic().fit_stream(blocks[:1])
    model = make_logistic().fit_stream(blocks[:1], classes=["b", "a"])
    assert model.classes_.tolist() == ["a", "b"]


def test_standardisation_is_that_of_the_first_samples(monkeypatch):
    """Whatever the blocks: here the first 100."""
    from lowprec.models import heads

    monkeypatch.setattr(heads, "ROWS", 100)
    X, y = naive_models.samples(N, SIZES, 3)
    models = [
        make_logistic(standardize=True).fit_stream(cut((X, y), places))
        for places in ([], [99], [30, 60, 90, 120])
    ]
    assert len({str(state(model)) for model in models}) == 1
    np.testing.assert_allclose(models[0].dense_mean_, X[0][:100].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(models[0].dense_scale_, 1 / X[0][:100].std(axis=0), rtol=1e-5)


def test_warm_start_goes_on(make, samples):
    blocks = cut(samples, [77])
    expected = make().fit_stream(blocks, 3)
    model = make(warm_start=True).fit_stream(blocks, 1).fit_stream(blocks, 2)
    assert state(model) == state(expected)
    assert expected.history_["train_loss"][1:] == model.history_["train_loss"]


def test_no_shuffle_of_the_model():
    X, y = naive_models.samples(N, SIZES, 3)
    model = make_logistic(shuffle=True).fit_stream(cut((X, y), [10]))
    assert state(model) == state(make_logistic(shuffle=False).fit(X, y))


# --- files ---


@pytest.fixture(scope="module")
def rows():
    (dense, indices), y = naive_models.samples(N, SIZES, 3)
    columns = {f"id{k}": [f"{i}" for i in indices[:, k]] for k in range(3)}
    return pyarrow.table({**columns, "x": dense[:, 0], "click": y})


@pytest.fixture
def folder(tmp_path, rows):
    for number, start in enumerate(range(0, N, 110)):
        path = tmp_path / "rows" / f"{number}.parquet"
        path.parent.mkdir(exist_ok=True)
        parquet.write_table(rows.slice(start, 110), path, row_group_size=35)
    return tmp_path / "rows"


@pytest.fixture(scope="module")
def encoder(rows):
    return lp.TabularEncoder().fit(rows.drop_columns(["click"]))


def reader_of(folder, encoder, **kwargs):
    options = {"shuffle": True, "shuffle_window": 90, "batch_size": 50, **kwargs}
    return lp.ParquetReader(folder, encoder, label="click", **options)


def model_of(make, **kwargs):
    return make(num_embeddings=None, **kwargs)


@pytest.fixture(params=["reader", "blocks", "bags", "lines"])
def stream(request, folder, encoder, tmp_path):
    """Makes the same stream anew."""
    if request.param in ("blocks", "bags"):
        samples = naive_models.samples(N, SIZES, 3, jagged=request.param == "bags")
        return lambda: cut(samples, [100, 101, 222])
    if request.param == "reader":
        return lambda: reader_of(folder, encoder)
    lines = [
        "\t".join([str(k * k % 3 % 2), *[str(k % 17)] * 13, *[f"{k % 11:x}"] * 26]) + "\n"
        for k in range(400)
    ]
    (tmp_path / "0.tsv").write_text("".join(lines[:N]))
    (tmp_path / "1.tsv").write_text("".join(lines[N:]))
    return lambda: lp.CriteoReader(
        [tmp_path / "0.tsv", tmp_path / "1.tsv"], 40, batch_size=64, shuffle=True,
        shuffle_window=100,
    )  # fmt: skip


def train(make, stream, **kwargs):
    return make(num_embeddings=SIZES if isinstance(stream, list) else None).fit_stream(
        stream, 3, **kwargs
    )


def test_a_reader_is_its_blocks(make, folder, encoder):
    reader = reader_of(folder, encoder)
    model = model_of(make).fit_stream(reader, 2)
    X, y = zip(*[block for epoch in (0, 1) for block in reader.blocks(epoch)], strict=True)
    blocks = iter(zip(X, y, strict=True))
    first = model_of(make).fit_stream(list(reader.blocks(0)))
    expected = first.partial_fit(
        (
            np.concatenate([x.dense for x in X])[N:],
            np.concatenate([x.indices for x in X])[N:],
        ),
        np.concatenate(y)[N:],
    )
    assert state(model) == state(expected)
    assert state(model_of(make).fit_stream(blocks)) != state(expected)  # batches across epochs


def threads_that_read():
    return [each for each in threading.enumerate() if each.name == "lowprec reads ahead"]


@pytest.mark.parametrize("step", [1, 9, 10, 11, 25])
def test_goes_on_at_the_next_batch(make, stream, step, tmp_path):
    """In any block, before and after the end of an epoch; the thread has ended meanwhile."""
    whole = train(make, stream())
    save = lp.Checkpoints(tmp_path / "run", every_batches=1)
    with pytest.raises(StopError):
        train(make, stream(), save=save, callback=stop_at(step + 1))
    assert not threads_that_read()
    seen = []
    again = train(
        make, stream(), resume=tmp_path / "run", callback=lambda m, done: seen.append(done)
    )
    assert all_of(again) == all_of(whole)
    assert len(seen) == whole.table_.step - step
    assert seen[-1] % 3 == 0
    assert seen[0] <= seen[-1]
    # what was stopped twice, and more epochs
    with pytest.raises(StopError):
        train(make, stream(), save=save, resume=tmp_path / "run", callback=stop_at(step + 3))
    assert all_of(train(make, stream(), resume=tmp_path / "run")) == all_of(whole)


def test_ctrl_c_and_more_epochs(make, stream, tmp_path):
    whole = train(make, stream())
    told = r"interrupted after step 7: .*; fit_stream\(\.\.\., resume=.*\) resumes it$"
    with pytest.raises(KeyboardInterrupt, match=told) as caught:
        train(make, stream(), save=lp.Checkpoints(tmp_path / "run"), callback=interrupt_at(7))
    assert caught.value.model.table_.step == 7
    assert os.listdir(tmp_path / "run") == ["step-000000000007.safetensors"]
    save = lp.Checkpoints(tmp_path / "run", keep=1)
    sizes = SIZES if isinstance(stream(), list) else None
    two = make(num_embeddings=sizes).fit_stream(stream(), 2, resume=tmp_path / "run", save=save)
    assert two.history_["train_loss"] == whole.history_["train_loss"][:2]
    assert all_of(train(make, stream(), resume=tmp_path / "run")) == all_of(whole)
    assert not threads_that_read()


def test_patience_between_the_best_epoch_and_the_end(tmp_path):
    """The best epoch is in the file, and returns."""
    samples = naive_models.samples(N, SIZES, 3)
    held_out = naive_models.samples(80, SIZES, 3, seed=1)
    fast = {"optimizer": lp.SGD(30.0), "shuffle": False, "epochs": 8}
    blocks = cut(samples, [200])
    given = {"validation": held_out, "patience": 3}
    whole = make_logistic(**fast).fit_stream(blocks, 8, **given)
    assert whole.best_epoch_ + 3 < 8
    stop = (whole.best_epoch_ + 2) * 10 + 5
    save = lp.Checkpoints(tmp_path, every_batches=1)
    with pytest.raises(StopError):
        make_logistic(**fast).fit_stream(blocks, 8, **given, save=save, callback=stop_at(stop))
    again = make_logistic(**fast).fit_stream(blocks, 8, **given, resume=tmp_path)
    assert all_of(again) == all_of(whole)


def test_a_file_between_the_last_batch_and_its_validation(tmp_path, monkeypatch):
    """As another thread may write it: the epoch is validated when training goes on."""
    from lowprec.models import fitting

    samples = naive_models.samples(N, SIZES, 3)
    held_out = {"validation": naive_models.samples(80, SIZES, 3, seed=1)}
    whole = make_logistic().fit_stream(cut(samples, [200]), 3, **held_out)

    def stopped(model, labelled):
        model.save(tmp_path / "m.safetensors")
        raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "validation_loss", stopped)
        with pytest.raises(StopError):
            make_logistic().fit_stream(cut(samples, [200]), 3, **held_out)
    again = make_logistic().fit_stream(
        cut(samples, [200]), 3, **held_out, resume=tmp_path / "m.safetensors"
    )
    assert all_of(again) == all_of(whole)


def test_a_warm_training_is_resumed(folder, encoder, tmp_path):
    reader = reader_of(folder, encoder)
    first = model_of(make_logistic, warm_start=True).fit_stream(reader, 2)
    first.save(tmp_path / "first.safetensors")
    whole = first.fit_stream(reader, 2)
    again = lp.load(tmp_path / "first.safetensors")
    save = lp.Checkpoints(tmp_path / "run", every_batches=1)
    with pytest.raises(StopError):
        again.fit_stream(reader, 2, save=save, callback=stop_at(34))
    fresh = model_of(make_logistic, warm_start=True)
    fresh.fit_stream(reader, 2, resume=tmp_path / "run")
    assert state(fresh) == state(whole)


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


# --- what is wrong ---


def never(*_):
    raise AssertionError("was trained")


@pytest.mark.parametrize(
    ("stream", "error", "match"),
    [
        (3, TypeError, "must be a reader or an iterable of .* got int"),
        ("rows.parquet", TypeError, "must be a reader or an iterable of .* got str"),
        ([], ValueError, "the stream has no samples"),
        ([3], TypeError, "block 0 of the stream must be .* got int"),
        ([(1, 2, 3, 4)], TypeError, "block 0 of the stream must be .* got 4 entries"),
        ([(None, [1])], TypeError, "block 0: X must be"),
    ],
)
def test_what_is_no_stream(stream, error, match):
    model = make_logistic()
    with pytest.raises(error, match=match):
        model.fit_stream(stream, callback=never)
    assert state(model) is None


def test_bad_arguments(samples):
    blocks = cut(samples, [100])
    for kwargs, error, match in (
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"patience": 2}, ValueError, "needs validation"),
        ({"save": "folder"}, TypeError, "save must be a lowprec"),
        ({"callback": 3}, TypeError, "callback must be callable"),
        ({"diagnose": 3}, TypeError, "diagnose must be"),
        ({"classes": [0, 1, 2]}, ValueError, "classes must be two different labels"),
        ({"validation": 3}, TypeError, "validation must be"),
    ):
        with pytest.raises(error, match=match):
            make_logistic().fit_stream(blocks, **kwargs)
    with pytest.raises(ValueError, match="an iterator can be read once, and epochs=2"):
        make_logistic().fit_stream(iter(blocks), 2)
    make_logistic().fit_stream(iter(blocks))
    with pytest.raises(ValueError, match="class_weight='balanced' needs all labels"):
        make_logistic(class_weight="balanced").fit_stream(blocks)
    ids = np.zeros((N, 3), int)
    with pytest.raises(ValueError, match="give the model num_embeddings"):
        make_logistic(num_embeddings=None).fit_stream([(ids, samples[1])])
    with pytest.raises(ValueError, match="block 0: there are no labels: y is None"):
        make_logistic().fit_stream([(blocks[0][0], None)])


def test_a_stream_that_cannot_begin_anew(samples):
    """It is no iterator, but as good as one."""
    blocks = iter(cut(samples, [100]))

    class Once:
        def __iter__(self):
            return (block for block in blocks)

    model = make_logistic()
    with pytest.raises(ValueError, match="no samples in epoch 2: an iterable must start again"):
        model.fit_stream(Once(), 2)
    assert model.table_.step == 10


def test_a_bad_block_leaves_what_the_batches_before_it_made(samples, monkeypatch):
    from lowprec.models import heads

    monkeypatch.setattr(heads, "ROWS", 50)
    blocks = cut(samples, [100, 200])
    X = blocks[2][0]
    X.indices.flags.writeable = True
    bad = lp.Samples(X.dense, X.indices + 49, X.offsets)
    model = make_logistic()
    with pytest.raises(IndexError, match="block 2: ") as caught:
        model.fit_stream([*blocks[:2], (bad, blocks[2][1])])
    assert caught.value.model is model
    assert model.table_.step == 6  # 200 samples are 6 batches of 32 and some
    assert state(model) == state(make_logistic(shuffle=False).fit(
        lp.Samples(*samples[0][:1], *samples[0][1:])[:192], samples[1][:192]
    ))  # fmt: skip


def test_an_error_of_the_thread_ends_training(folder, encoder):
    reader = reader_of(folder, encoder, shuffle=False)
    (folder / "2.parquet").write_bytes(b"PAR1")
    model = model_of(make_logistic)
    with pytest.raises(ValueError, match=r"2\.parquet"):
        model.fit_stream(reader)
    assert not threads_that_read()


def test_in_another_thread_and_beside_a_save(stream, tmp_path):
    """A file that another thread writes meanwhile is one of a moment between two steps."""
    whole = train(make_logistic, stream())
    model = make_logistic(num_embeddings=SIZES if isinstance(stream(), list) else None)
    written = threading.Event()

    def wait(trained, done):
        if trained.table_.step == 12:
            written.wait(60)

    thread = threading.Thread(target=lambda: model.fit_stream(stream(), 3, callback=wait))
    thread.start()
    while getattr(getattr(model, "table_", None), "step", 0) < 12:
        pass
    model.save(tmp_path / "m.safetensors")
    written.set()
    thread.join()
    assert state(model) == state(whole)
    assert lp.load(tmp_path / "m.safetensors").table_.step == 12
    assert all_of(train(make_logistic, stream(), resume=tmp_path / "m.safetensors")) == all_of(
        whole
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_shows_the_share_and_the_time_left(stream, terminal, monkeypatch):
    import io
    import sys

    out = io.StringIO()
    out.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", out)
    sizes = SIZES if isinstance(stream(), list) else None
    make_logistic(num_embeddings=sizes, verbose=True).fit_stream(stream(), 2)
    last = out.getvalue().replace("\r", "\n").strip().splitlines()[-1]
    samples = 400 if isinstance(stream(), lp.CriteoReader) else N
    assert last.startswith("100%")
    assert f"{2 * samples}/{2 * samples}" in last
    assert "samples/s" in last
