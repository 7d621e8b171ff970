"""What a file holds of an encoder comes back, and damage is named."""

import copy
import json

import numpy as np
import pytest

import lowprec as lp

pa = pytest.importorskip("pyarrow", reason="comes with the extra `data`")

from tests.encoders.libraries import bits  # noqa: E402

TABLE = pa.table({
    "city": ["Rome", "Oslo", "Rome", None], "age": [1.5, 2.0, None, 1e30],
    "tags": [["a"], [], None, ["b", "a"]], "none": pa.nulls(4),
})  # fmt: skip
MORE = pa.table({"city": ["Bonn"], "age": [3], "tags": [["c"]], "none": ["x"]})


def fitted(vocabulary="learn"):
    encoder = lp.TabularEncoder(
        vocabulary=vocabulary, categorical=("none",), buckets={"city": np.int64(50)}, bins=3
    )
    return encoder.fit(TABLE)


@pytest.mark.parametrize("vocabulary", ["learn", "hash", "grow"])
def test_an_encoder_comes_back_and_goes_on(vocabulary, tmp_path):
    encoder = fitted(vocabulary)
    path = tmp_path / "encoder.safetensors"
    encoder.save(path)
    described, arrays = encoder.contents()
    of_json = json.loads(json.dumps(described))
    for again in (
        lp.load(path),
        lp.TabularEncoder.load(path, mmap=True),
        lp.TabularEncoder.from_contents(of_json, arrays),
    ):
        assert again.get_params() == {
            **encoder.get_params(), "categorical": ["none"], "buckets": {"city": 50},
        }  # fmt: skip
        assert again.feature_names_in_.tolist() == TABLE.column_names
        assert bits(again.transform(TABLE)) == bits(encoder.transform(TABLE))
        expected = bits(copy.deepcopy(encoder).partial_fit(MORE).transform(MORE))
        assert bits(again.partial_fit(MORE).transform(MORE)) == expected


def test_an_encoder_that_is_not_fitted(tmp_path):
    with pytest.raises(ValueError, match="this TabularEncoder is not fitted yet; call fit first"):
        lp.TabularEncoder().save(tmp_path / "encoder")


def test_damage_of_a_vocabulary_is_named():
    told, arrays = fitted("grow").contents()
    with pytest.raises(ValueError, match="'rows'"):
        lp.TabularEncoder.from_contents(told, arrays | {"0.rows": arrays["0.rows"] * 0})
    with pytest.raises(ValueError, match="unexpected array"):
        lp.TabularEncoder.from_contents(told, arrays | {"0.more": arrays["0.rows"]})


def changes():
    """(what is done to the contents, what is said)"""

    def state(message, **values):
        return lambda told, arrays: told.update(values), message

    def column(number, message, **values):
        return lambda told, arrays: told["columns"][number].update(values), message

    def array(name, message, change):
        def apply(told, arrays):
            arrays[name] = change(arrays[name])

        return apply, message

    yield state("value hash 2, not 1", value_hash=2)
    yield state("unexpected array", columns=[])
    yield column(0, "has the columns", name="age")
    yield column(0, "column named 5", name=5)
    yield column(0, "the role of 'city' must be one of", role="label")
    yield column(0, "the kind of 'city' must be one of", kind="words")
    yield column(0, "the encoding of 'city' must be one of", encoding="sorted")
    yield column(0, "categorical column 'city' encoded as numbers", encoding="numbers")
    yield column(0, "min_count must be", min_count=0)
    yield column(1, "bins must be", bins=0)
    yield column(1, "corrupted sample of numbers", count=2)
    yield column(1, "corrupted sample of numbers", level=40)
    yield array("0.keys", "corrupted keys or counts", lambda keys: keys[::-1].copy())
    yield array("0.counts", "corrupted keys or counts", lambda counts: counts * 0)
    yield array("0.counts", "has counts of float32", lambda counts: counts.astype(np.float32))
    yield array("1.sample", "corrupted sample of numbers", lambda sample: sample * np.inf)
    yield array("1.places", "corrupted sample of numbers", lambda places: places[1:])
    yield (
        lambda told, arrays: arrays.update({"9.keys": arrays["0.keys"]}),
        "unexpected array '9.keys'",
    )
    yield (
        lambda told, arrays: arrays.update({"0.more": arrays["0.keys"]}),
        "unexpected array '0.more'",
    )
    yield lambda told, arrays: arrays.pop("0.keys"), "keys"
    yield lambda told, arrays: told["columns"][0].pop("kind"), "kind"
    yield lambda told, arrays: told["parameters"].update(size=3), "size"


@pytest.mark.parametrize(("change", "message"), list(changes()))
def test_damage_is_named(change, message):
    told, arrays = copy.deepcopy(fitted().contents())
    change(told, arrays)
    with pytest.raises((KeyError, TypeError, ValueError), match=message):
        lp.TabularEncoder.from_contents(told, arrays)


def test_files_of_other_kinds(tmp_path):
    path = tmp_path / "encoder.safetensors"
    fitted().save(path)
    with pytest.raises(lp.CheckpointError, match="holds a TabularEncoder, not a DLRM"):
        lp.DLRM.load(path)
