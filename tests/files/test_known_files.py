"""Files of earlier versions: they load, and train on with the same bits.

The files in ``tests/data/kwx32`` are never made anew, and neither are the digests and arrays
beside them: if a test here fails, the code has changed what a file means.  `tests.known_files` has
the functions that wrote them.
"""

import json
import pickle

import numpy as np
import pytest

import lowprec as lp
from tests import known_files
from tests.conftest import ROOT
from tests.devices import with_gpu

DATA = ROOT / "tests" / "data" / "kwx32"
KNOWN = json.loads((DATA / "digests.json").read_text())
TABLES, MODELS = KNOWN["tables"], known_files.models()
IN_FIT = [f"{name}_in_fit" for name in MODELS]


def path_of(name):
    return DATA / f"{name}.safetensors"


def resaved(path, folder):
    """The path of a file that was loaded and saved."""
    again = folder / path.name
    lp.load(path).save(again)
    return again


@pytest.fixture(scope="module")
def arrays():
    """The results of models by name, each a dict of arrays."""
    found = {}
    with np.load(DATA / "models.npz") as stored:
        for key in stored.files:
            name, part = key.rsplit("/", 1)
            found.setdefault(name, {})[part] = stored[key]
    return found


def test_every_file_is_tested():
    names = {path.name.removesuffix(".safetensors") for path in DATA.glob("*.safetensors")}
    assert names == {*TABLES, *MODELS, *IN_FIT}
    assert set(KNOWN["models"]) == {*MODELS, *IN_FIT}


def test_inputs_are_those_of_the_files():
    """If this fails, no other failure here says anything."""
    assert known_files.of_inputs() == KNOWN["inputs"]


def test_numpy_draws_as_it_did():
    """If this fails, NumPy has changed, and failures of models, not of tables, say nothing."""
    assert known_files.of_generator() == KNOWN["generator"]


# --- tables ---

WAYS = {
    "EmbeddingTable.load": lambda path, folder: lp.EmbeddingTable.load(path),
    "load": lambda path, folder: lp.load(path),
    "mmap": lambda path, folder: lp.load(path, mmap=True),
    "saved again": lambda path, folder: lp.load(resaved(path, folder)),
    "to": lambda path, folder: lp.load(path).to("cpu"),
    "pickle": lambda path, folder: pickle.loads(pickle.dumps(lp.load(path))),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", TABLES)
def test_a_table_trains_on(name, way, tmp_path):
    table = WAYS[way](path_of(name), tmp_path)
    assert known_files.of_table(table) == TABLES[name]["loaded"]
    assert known_files.of_trained(table) == TABLES[name]["trained"]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_saved_in_the_middle(name, tmp_path):
    table = known_files.train(lp.load(path_of(name)), seed=2)
    table.save(tmp_path / "middle.safetensors")
    assert known_files.of_table(table) == known_files.of_table(
        lp.load(tmp_path / "middle.safetensors")
    )


@with_gpu
@pytest.mark.parametrize("name", TABLES)
def test_a_table_trains_on_a_gpu(name):
    table = known_files.train(lp.load(path_of(name), device="cuda"), seed=2, rounds=2)
    assert known_files.of_table(table.to("cpu")) == TABLES[name]["trained"]


# --- models ---


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_trains_on(name, mmap, arrays):
    model = lp.load(path_of(name), mmap=mmap)
    assert known_files.of_loaded(model) == KNOWN["models"][name]
    known_files.check_results(known_files.results(model), arrays[f"{name}/loaded"], model.dtype)
    model.partial_fit(*known_files.samples(3))
    known_files.check_results(known_files.results(model), arrays[f"{name}/trained"], model.dtype)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_is_saved_again_trains_on(name, arrays, tmp_path):
    model = lp.load(resaved(path_of(name), tmp_path)).partial_fit(*known_files.samples(3))
    known_files.check_results(known_files.results(model), arrays[f"{name}/trained"], model.dtype)


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_is_resumed(name, arrays):
    path = path_of(f"{name}_in_fit")
    assert known_files.of_loaded(lp.load(path)) == KNOWN["models"][f"{name}_in_fit"]
    seen = []
    model = known_files.models()[name].fit(
        *known_files.samples(1), resume=path, callback=lambda model, done: seen.append(done)
    )
    assert len(seen) == model.table_.step - known_files.STOPS[name] == 20 - known_files.STOPS[name]
    known_files.check_results(known_files.results(model), arrays[f"{name}/resumed"], model.dtype)


def test_other_random_bits_are_detected(arrays):
    """The tolerance of models is small enough for that."""
    for name in MODELS:
        model = lp.load(path_of(name))
        model.table_.seed += 1
        model.partial_fit(*known_files.samples(3))
        with pytest.raises(AssertionError, match="of the weights differ"):
            known_files.check_results(
                known_files.results(model), arrays[f"{name}/trained"], model.dtype
            )


# --- what is written again ---


def contains(new, old):
    """Whether `new` has all that `old` has: keys may be added to objects at any depth."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(
            key in new and contains(new[key], value) for key, value in old.items()
        )
    return type(new) is type(old) and new == old


@pytest.mark.parametrize("name", [*TABLES, *MODELS])
def test_a_file_is_written_again(name, tmp_path):
    old, old_arrays = known_files.contents(path_of(name))
    new, new_arrays = known_files.contents(resaved(path_of(name), tmp_path))
    assert new_arrays == old_arrays
    assert new["kind"] == old["kind"]
    assert new["checksums"] == old["checksums"]
    assert contains(new["state"], old["state"])


def test_contains():
    old = {"a": [1], "b": {"c": 1}}
    assert contains({"a": [1], "b": {"c": 1, "d": 2}, "e": 3}, old)
    assert not contains({"a": [1], "b": {}}, old)
    assert not contains({"a": [1, 2], "b": {"c": 1}}, old)
    assert not contains({"a": [1], "b": {"c": True}}, old)


# --- what is made anew, as version 1 made it ---


@pytest.mark.parametrize(
    "what", ["initial_weights", "trained_from_scratch", "diagnosed_from_scratch", "large_batch"]
)
def test_tables_from_scratch(what):
    assert getattr(known_files, what)() == KNOWN["fresh"][what]


def test_the_tables_of_the_files_from_scratch():
    found = {name: known_files.of_table(table) for name, table in known_files.tables()}
    assert found == {name: known["loaded"] for name, known in TABLES.items()}


@pytest.mark.parametrize("name", known_files.models_from_scratch())
def test_models_from_scratch(name, arrays):
    model = known_files.models_from_scratch()[name].fit(*known_files.samples(4))
    known_files.check_results(known_files.results(model), arrays[f"{name}/fresh"], model.dtype)
