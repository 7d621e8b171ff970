"""Files: what comes back, and that it goes on with the same bits."""

import os
import textwrap

import numpy as np
import pytest
from safetensors.numpy import load_file

import lowprec as lp
from lowprec.formats.entries import FORMATS
from tests import naive_models
from tests.children import run
from tests.files.made import SIZES, make_table, state

DTYPES = ["float32", *(fmt.name for fmt in FORMATS)]


def step(table, seed):
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, [30, 5], (40, 2))
    table.update(indices, rng.normal(size=(40, 2, 17)).astype(np.float32))


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_table_goes_on_with_the_same_bits(dtype, mmap, path):
    table = make_table(dtype, rounding="stochastic", on_nonfinite="skip")
    for seed in range(3):
        step(table, seed)
    table.save(path)
    before = path.read_bytes()
    for again in (lp.EmbeddingTable.load(path, mmap=mmap), lp.load(path, mmap=mmap)):
        assert state(again) == state(table)
        assert again.optimizer == table.optimizer
        twin = table.to("cpu")
        for seed in range(3, 6):
            step(twin, seed)
            step(again, seed)
        assert state(again) == state(twin)
    assert path.read_bytes() == before  # not even where it is mapped


@pytest.mark.parametrize("num_embeddings", [7, [7], [3, 4]])
def test_shapes_come_back(num_embeddings, path):
    table = lp.EmbeddingTable(num_embeddings, 3)
    table.save(path)
    again = lp.load(path)
    assert again.num_embeddings == num_embeddings
    ids = np.zeros((2, np.size(num_embeddings)), np.int64)
    assert again.lookup(ids).shape == table.lookup(ids).shape


def test_other_tools_read_the_weights(path):
    table = make_table("float16")
    table.save(path)
    found = load_file(path)
    assert list(found) == ["weight"]
    assert found["weight"].dtype == np.float16
    np.testing.assert_array_equal(found["weight"], table.weight)


KINDS = ["table", "LogisticRegression", "DLRM"]


def go_on(folder, to):
    """Train on what is in each file of a folder, and save it in another one."""
    for kind in KINDS:
        thing = lp.load(f"{folder}/{kind}.safetensors")
        if kind == "table":
            for seed in range(3, 6):
                step(thing, seed)
        else:
            thing.partial_fit(*naive_models.samples(300, SIZES, 3))
        thing.save(f"{to}/{kind}.safetensors")


@pytest.fixture(scope="module")
def by_threads(tmp_path_factory):
    """Files, and those of processes of one, two and two threads that went on from them."""
    folders = [tmp_path_factory.mktemp("files") for _ in range(4)]
    for kind in KINDS:
        if kind == "table":
            thing = make_table()
            for seed in range(3):
                step(thing, seed)
        else:
            thing = make_model(kind)
        thing.save(folders[0] / f"{kind}.safetensors")
    script = "import sys\nfrom tests.files.test_checkpoint import go_on\ngo_on(*sys.argv[1:])"
    env = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for threads, folder in zip("122", folders[1:], strict=True):
        run("-c", script, folders[0], folder, NUMBA_NUM_THREADS=threads, **env)
    return folders


@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_on_in_another_process(kind, by_threads):
    """N + M steps are N steps, a file, another process with other threads, and M steps."""
    paths = [folder / f"{kind}.safetensors" for folder in by_threads]
    before, one, two, again = (path.read_bytes() for path in paths)
    assert one == two == again
    assert one != before
    if kind == "table":
        thing = make_table()
        for seed in range(6):
            step(thing, seed)
        assert state(lp.load(paths[1])) == state(thing)


def make_model(kind, **kwargs):
    X, y = naive_models.samples(300, SIZES, 3)
    if kind == "DLRM":
        kwargs = {"embedding_dim": 4, "bottom_mlp": (8,), "top_mlp": (8,), **kwargs}
    else:
        kwargs = {"l2": 1e-3, **kwargs}
    rates = {"optimizer": lp.SGD(2.0), "dense_optimizer": lp.SGD(lp.schedules.Constant(0.2))}
    made = getattr(lp, kind)(SIZES, batch_size=32, standardize=True, **rates, **kwargs)
    return made.fit(X, y)


def model_state(model):
    arrays = [model.table_.weight, model.dense_mean_, model.dense_scale_]
    arrays += model._dense_parameters()
    return [array.tobytes() for array in arrays], model.table_.step, model._progress_of_training()


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("kind", ["LogisticRegression", "DLRM"])
def test_a_model_goes_on_with_the_same_bits(kind, mmap, path):
    X, y = naive_models.samples(300, SIZES, 3)
    model = make_model(kind)
    model.save(path)
    again = lp.load(path, mmap=mmap)
    assert repr(again) == repr(model)
    assert model_state(again) == model_state(model)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    model.partial_fit(X, y)
    again.partial_fit(X, y)
    assert model_state(again) == model_state(model)
    assert type(model).load(path).table_.step == 10


def test_a_cat_model_comes_back(path):
    model = make_model("DLRM", interaction="cat", dtype="bfloat16")
    model.save(path)
    assert model_state(lp.load(path)) == model_state(model)


# --- what cannot be written ---


def test_what_cannot_be_saved(path):
    with pytest.raises(ValueError, match="this DLRM is not fitted yet"):
        lp.DLRM(5).save(path)
    table = lp.EmbeddingTable(3, 2, optimizer=lp.SGD(lambda step: 0.1))
    with pytest.raises(ValueError, match=r"cannot be written to a file; one of lowprec.schedules"):
        table.save(path)
    assert not os.listdir(path.parent)


def test_a_full_disk_leaves_the_old_file(path):
    """The limit on the size of files stands for the disk."""
    pytest.importorskip("resource", reason="this system has no limit on the size of files")
    old = lp.EmbeddingTable(10, 4)
    old.save(path)
    before = path.read_bytes()
    script = textwrap.dedent("""
        import resource, signal, sys
        import lowprec as lp
        table = lp.EmbeddingTable(100_000, 16)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            table.save(sys.argv[1])
        except OSError as error:
            print("OSError", error)
    """)
    done = run("-c", script, path)
    assert done.stdout.startswith("OSError"), done.stderr
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_failed_write_leaves_nothing(path, monkeypatch):
    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        make_table().save(path)
    assert not os.listdir(path.parent)


def test_no_such_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        make_table().save(tmp_path / "missing" / "t.safetensors")
    with pytest.raises(FileNotFoundError):
        lp.load(tmp_path / "t.safetensors")
    with pytest.raises((IsADirectoryError, PermissionError)):  # the latter on Windows
        lp.load(tmp_path)
