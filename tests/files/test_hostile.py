"""Files that were damaged or forged: no damage goes unseen."""

import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowprec as lp
from tests import naive_models
from tests.files.made import SIZES, make_table, state


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of a small table's file."""
    path = tmp_path_factory.mktemp("sound") / "t.safetensors"
    lp.EmbeddingTable([4, 3], 5, seed=1).save(path)
    return path.read_bytes()


def load_bytes(data, folder):
    path = folder / "damaged.safetensors"
    path.write_bytes(data)
    return lp.load(path)


def test_every_cut_is_seen(sound, tmp_path):
    for length in range(len(sound)):
        with pytest.raises(lp.CheckpointError):
            load_bytes(sound[:length], tmp_path)
    with pytest.raises(lp.CheckpointError):
        load_bytes(sound + b"\0", tmp_path)


@settings(max_examples=400)
@given(data=st.data())
def test_every_flipped_bit_is_seen(data, sound, tmp_path_factory):
    """Or changes nothing: JSON has bytes that mean nothing."""
    place = data.draw(st.integers(0, len(sound) - 1))
    damaged = bytearray(sound)
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    folder = tmp_path_factory.getbasetemp()
    expected = state(load_bytes(sound, folder))
    try:
        found = load_bytes(bytes(damaged), folder)
    except lp.CheckpointError:
        return
    assert state(found) == expected


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_garbage_is_seen(tmp_path_factory, data):
    with pytest.raises(lp.CheckpointError):
        load_bytes(data, tmp_path_factory.getbasetemp())


def rewrite(sound, change, tensors=None):
    """The file with another description, whose checksum fits."""
    (length,) = struct.unpack("<Q", sound[:8])
    header = json.loads(sound[8 : 8 + length])
    entry = json.loads(header["__metadata__"]["lowprec"].partition(" ")[2])
    change(entry)
    text = json.dumps(entry)
    header["__metadata__"] = {"lowprec": f"{zlib.crc32(text.encode()):08x} {text}"}
    if tensors:
        tensors(header)
    new = json.dumps(header).encode()
    return struct.pack("<Q", len(new)) + new + sound[8 + length :]


def setting(**values):
    return lambda entry: entry["state"].update(values)


LIES = {
    "other version": (lambda e: e.update(format_version=2), "has format version 2"),
    "other generator": (lambda e: e.update(generator=["KXS64", 1]), "made with generator"),
    "other hash": (lambda e: e.update(hash_version=7), "made with hash_version 7"),
    "unknown kind": (lambda e: e.update(kind="Tree"), "holds an unknown 'Tree'"),
    "other kind": (lambda e: e.update(kind="DLRM"), "lacks 'parameters'"),
    "missing key": (lambda e: e["state"].pop("seed"), "lacks 'seed'"),
    "negative step": (setting(step=-1), r"step must be in \[0, "),
    "step of text": (setting(step="5"), "step must be an integer"),
    "more rows": (setting(num_embeddings=[4, 4]), r"'weight' is float16 \(7, 5\), not"),
    "huge rows": (setting(num_embeddings=[2**31, 3]), "'weight' is float16"),
    "rows beyond all": (setting(num_embeddings=[2**40]), "adds up to"),
    "other columns": (setting(embedding_dim=6), "'weight' is float16"),
    "other dtype": (setting(dtype="bfloat16"), "'weight' is float16"),
    "no dtype": (setting(dtype="int8"), "dtype must be one of"),
    "bad rounding": (setting(rounding="up"), "rounding must be one of"),
    "bad rate": (setting(optimizer={"optimizer": "SGD", "learning_rate": -1}), "finite and not"),
    "no optimizer": (setting(optimizer={"optimizer": "Vanished"}), "unknown optimizer, 'Vanished'"),
    "no schedule": (
        setting(optimizer={"optimizer": "SGD", "learning_rate": {"schedule": "os.system"}}),
        "lacks 'os.system'",
    ),
    "no state": (lambda e: e.update(state=None), "the 'state' of its description is no dict"),
    "no checksums": (lambda e: e.update(checksums={}), "its arrays differ from those"),
    "wrong checksum": (lambda e: e.update(checksums={"weight": 1}), "the checksum of 'weight'"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_seen(lie, sound, tmp_path):
    change, message = LIES[lie]
    with pytest.raises(lp.CheckpointError, match=message):
        load_bytes(rewrite(sound, change), tmp_path)


@pytest.fixture(scope="module")
def sound_models(tmp_path_factory):
    """The bytes of a model's file, of each kind, written while a fit was running."""
    folder, found = tmp_path_factory.mktemp("models"), {}
    X, y = naive_models.samples(40, SIZES, 3)
    small = {"embedding_dim": 4, "bottom_mlp": (3,), "top_mlp": (3,)}
    for kind, kwargs in (("LogisticRegression", {"l2": 0.01}), ("DLRM", small)):
        model = getattr(lp, kind)(SIZES, batch_size=8, **kwargs)
        model.fit(X, y, save=lp.Checkpoints(folder / kind))
        found[kind] = next((folder / kind).iterdir()).read_bytes()
    return found


def parameter(**values):
    return lambda entry: entry["state"]["parameters"].update(values)


def of_table(**values):
    return lambda entry: entry["state"]["table"].update(values)


def progress(**values):
    return lambda entry: entry["state"]["progress"].update(values)


HUGE = 10**400
LIES_OF_ALL_MODELS = {
    "no progress": (setting(progress=None), "progress"),
    "progress of a list": (setting(progress=[]), "progress"),
    "more progress": (progress(_step=3), "progress"),
    "position of text": (setting(position="abc"), "epoch|samples|done"),
    "position of one": (setting(position=[1]), "not enough values"),
    "position of a float": (setting(position=[0, 1.5, 40]), "done must be an integer"),
    "position beyond the end": (setting(position=[0, 41, 40]), r"done must be in \[0, 41\)"),
    "negative position": (setting(position=[-1, 0, 40]), "epoch must be in"),
    "no position": (lambda e: e["state"].pop("position"), "lacks 'position'"),
    "standardized of text": (setting(standardized="no"), "standardized must be True or False"),
    "no parameters": (setting(parameters=None), "parameters without names"),
    "parameters as pairs": (setting(parameters=[["num_embeddings", 3]]), "without names"),
    "a parameter is missing": (lambda e: e["state"]["parameters"].pop("epochs"), "lacks 'epochs'"),
    "a parameter too many": (parameter(momentum=0.9), "momentum"),
    "a device": (parameter(device="cpu"), "device"),
    "shuffle of text": (parameter(shuffle="no"), "shuffle must be True or False"),
    "epochs of text": (parameter(epochs="1"), "epochs must be an integer"),
    "seed too large": (parameter(seed=2**64), "seed must be in"),
    "no such dtype": (parameter(dtype="int8"), "dtype must be one of"),
    "no such rounding": (parameter(rounding=[]), "rounding must be one of"),
    "sizes of others": (parameter(num_embeddings=[1, 99]), "its table is not that of its model"),
    "sizes of text": (parameter(num_embeddings=["a"]), "must be an integer, got 'a'"),
    "sizes in sizes": (parameter(num_embeddings=[[1], [2, 3]]), "must be an integer"),
    "rate too large": (
        parameter(optimizer={"optimizer": "SGD", "learning_rate": HUGE}), "finite and not"
    ),
    "rate is no number": (
        parameter(optimizer={"optimizer": "SGD", "learning_rate": float("nan")}), "finite and not"
    ),
    "rate of nothing": (parameter(dense_optimizer=[]), "the state of its"),
    "more dense features": (setting(num_dense=4), "is float32"),
    "endless dense features": (setting(num_dense=2**62), "is float32"),
    "table of nothing": (setting(table=None), "the state of its"),
    "table of steps too many": (of_table(step=2**64), "step must be in"),
    "table of skipped text": (of_table(skipped_rows="3"), "skipped_rows must be an integer"),
    "table of others": (of_table(num_embeddings=[30, 50, 20]), "its table is not that of its"),
    "description of a list": (lambda e: e.update(state=[]), "the 'state' of its description"),
    "kind of a list": (lambda e: e.update(kind=[]), "the 'kind' of its description is no str"),
    "no kind": (lambda e: e.pop("kind"), "the 'kind' of its description"),
    "checksums of nothing": (lambda e: e.update(checksums=None), "the 'checksums' of its"),
}  # fmt: skip
LIES_OF_KINDS = {
    "LogisticRegression": {
        "scale of text": (progress(table_scale_="1"), "table_scale_ must be a number"),
        "scale is no number": (progress(table_scale_=float("nan")), "table_scale_"),
        "scale too small": (progress(table_scale_=0.25), r"not in \[0.5, 1\]"),
        "scale too large": (progress(table_scale_=1.5), r"not in \[0.5, 1\]"),
        "halvings of a float": (progress(_halvings=1.5), "_halvings must be an integer"),
        "negative halvings": (progress(_halvings=-1), "_halvings must be in"),
        "l2 of text": (parameter(l2="1"), "l2 must be a number"),
    },
    "DLRM": {
        "interaction of others": (parameter(interaction="cat"), "is float32|lacks|unexpected"),
        "no interaction": (parameter(interaction=3), "interaction must be one of"),
        "layers of others": (parameter(bottom_mlp=[4]), "'bottom.0.weight' is float32"),
        "more layers": (parameter(top_mlp=[3, 3]), "top.1"),
        "fewer layers": (parameter(top_mlp=[]), "'top.0.weight' is float32"),
        "layers of text": (parameter(bottom_mlp="ab"), "must be an integer, got 'a'"),
        "layers without end": (parameter(bottom_mlp=[2**24] * 3), "'bottom.0.weight' is float32"),
        "layers beyond all": (parameter(bottom_mlp=[2**62]), r"bottom_mlp\[0\] must be in"),
        "other columns": (parameter(embedding_dim=3), "its table is not that of its model"),
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "lie"),
    [(kind, lie) for kind in LIES_OF_KINDS for lie in (LIES_OF_ALL_MODELS | LIES_OF_KINDS[kind])],
)
def test_lies_about_models_are_seen(kind, lie, sound_models, tmp_path):
    """Many came to light late: when training went on, in an error of Python or NumPy, or never."""
    change, message = (LIES_OF_ALL_MODELS | LIES_OF_KINDS[kind])[lie]
    with pytest.raises(lp.CheckpointError, match=message):
        load_bytes(rewrite(sound_models[kind], change), tmp_path)


@pytest.mark.parametrize("kind", ["LogisticRegression", "DLRM"])
def test_arrays_that_are_too_many_are_seen(kind, sound_models, sound, tmp_path):
    from safetensors.numpy import load, save

    for data in (sound_models[kind], sound):
        arrays = {**load(data), "more": np.zeros(3, np.float32)}
        (length,) = struct.unpack("<Q", data[:8])
        text = json.loads(data[8 : 8 + length])["__metadata__"]["lowprec"]
        entry = json.loads(text.partition(" ")[2])
        entry["checksums"]["more"] = zlib.crc32(arrays["more"].tobytes())
        text = json.dumps(entry)
        metadata = {"lowprec": f"{zlib.crc32(text.encode()):08x} {text}"}
        with pytest.raises(lp.CheckpointError, match="has the unexpected array 'more'"):
            load_bytes(save(arrays, metadata), tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "null", "[" * 100_000, '{"a":' * 100_000, "1" * 5000, "NaN", "\0"]
)
def test_descriptions_that_are_none(text, sound, tmp_path):
    (length,) = struct.unpack("<Q", sound[:8])
    header = json.loads(sound[8 : 8 + length])
    header["__metadata__"] = {"lowprec": f"{zlib.crc32(text.encode()):08x} {text}"}
    new = json.dumps(header).encode()
    with pytest.raises(lp.CheckpointError, match="its description is"):
        load_bytes(struct.pack("<Q", len(new)) + new + sound[8 + length :], tmp_path)


def test_arrays_at_odd_places_are_not_mapped(path):
    """The format does not forbid them; kernels would have been given an unaligned table."""
    table = lp.EmbeddingTable(4, 5, "float32")
    table.save(path)
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    shifted = struct.pack("<Q", length + 1) + data[8 : 8 + length] + b" " + data[8 + length :]
    path.write_bytes(shifted)
    again = lp.load(path, mmap=True)
    assert again._weight.flags.aligned
    assert state(again) == state(table)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**8, 0, 1])
def test_giant_headers_are_seen(length, sound, tmp_path):
    with pytest.raises(lp.CheckpointError):
        load_bytes(struct.pack("<Q", length) + sound[8:], tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [2**40, 2**40]},
        {"shape": [7, 4]},
        {"dtype": "F64"},
        {"dtype": "I16"},
        {"data_offsets": [0, 2**60]},
        {"data_offsets": [2, 72]},
        {"data_offsets": [70, 0]},
    ],
)
def test_lies_about_arrays_are_seen(change, sound, tmp_path):
    damaged = rewrite(sound, lambda e: None, lambda header: header["weight"].update(change))
    with pytest.raises(lp.CheckpointError):
        load_bytes(damaged, tmp_path)


def test_files_of_others(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "other.safetensors"
    save_file({"weight": np.zeros((3, 2), np.float16)}, path)
    with pytest.raises(lp.CheckpointError, match="not a checkpoint of lowprec"):
        lp.load(path)
    make_table().save(path)
    with pytest.raises(lp.CheckpointError, match="holds a EmbeddingTable, not a DLRM"):
        lp.DLRM.load(path)
    with pytest.raises(ValueError, match="device must be"):
        lp.load(path, device="tpu")
