"""What is no stream, errors in the middle, threads, and the bar."""

import threading

import numpy as np
import pytest

import lowprec as lp
from tests.models.small import SIZES, make_logistic, state
from tests.models.streams.blocks import (
    N,
    all_of,
    cut,
    model_of,
    reader_of,
    threads_that_read,
    train,
)

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.filterwarnings("error")


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
