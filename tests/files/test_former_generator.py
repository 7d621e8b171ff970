"""Files of KXS32, the generator before KWX32: they load, and say that the bits are others.

``tests/data/version_1`` has them; `tests.known_files` says what they are.
"""

import json
import warnings

import numpy as np
import pytest

import lowprec as lp
from tests import known_files
from tests.conftest import ROOT

DATA = ROOT / "tests" / "data" / "version_1"
KNOWN = json.loads((DATA / "digests.json").read_text())
WITHOUT_BITS = ["float32", "float16_nearest", "float8_e5m2_nearest"]
WITH_BITS = sorted(KNOWN["tables"].keys() - set(WITHOUT_BITS))


def load(name, **how):
    """A file, and how many warnings there were of other random bits."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        loaded = lp.load(DATA / f"{name}.safetensors", **how)
    told = [str(warning.message) for warning in seen]
    assert all("with the random bits of KXS32; training continues with" in each for each in told)
    return loaded, len(told)


@pytest.mark.parametrize("name", WITHOUT_BITS)
def test_a_table_without_random_bits_trains_on_with_the_same(name):
    table, told = load(name)
    assert told == 0
    assert known_files.of_table(table) == KNOWN["tables"][name]["loaded"]
    assert known_files.of_trained(table) == KNOWN["tables"][name]["trained"]


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("name", WITH_BITS)
def test_a_table_loads_with_one_warning(name, mmap):
    table, told = load(name, mmap=mmap)
    assert told == 1
    found, known = known_files.of_table(table), KNOWN["tables"][name]["loaded"]
    for part in ("step", "skipped_rows", "learning_rate", "weight", "lookups"):
        assert found[part] == known[part]
    trained = known_files.of_trained(table)
    assert trained["step"] == KNOWN["tables"][name]["trained"]["step"]
    # word 0 of a key is that of KXS32, and a table of one column needs no other
    same = trained["weight"] == KNOWN["tables"][name]["trained"]["weight"]
    assert same == (name == "column")


def test_it_is_saved_as_one_of_the_new_generator(tmp_path):
    table, _ = load("float16")
    table.save(tmp_path / "t.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = lp.load(tmp_path / "t.safetensors")
    np.testing.assert_array_equal(again.weight, table.weight)


@pytest.mark.parametrize("name", sorted(KNOWN["models"]))
def test_a_model_loads_with_one_warning(name):
    model, told = load(name)
    assert told == 1
    assert known_files.of_loaded(model) == KNOWN["models"][name]
    model.partial_fit(*known_files.samples(3))


def test_a_fit_is_resumed_with_a_warning():
    model = known_files.models()["dlrm"]
    with pytest.warns(UserWarning, match="the random bits of KXS32"):
        model.fit(*known_files.samples(1), resume=DATA / "dlrm_in_fit.safetensors")
    assert model.table_.step == 20
