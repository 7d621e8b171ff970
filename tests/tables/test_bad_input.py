"""Tables, given what they do not take: a clear error, and nothing changed."""

import tempfile

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import lowprec as lp
from tests.bad_input import BAD_ARGUMENTS, F32, bits, clear, make_table, plain, refuses, state
from tests.fuzz.strategies import (
    INT_EDGES,
    LAYOUTS,
    layouts,
    not_arrays,
    with_mask,
    wrong_for_ids,
    wrong_for_numbers,
)
from tests.fuzz.verdicts import EXPECTED

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


# --- tables ---


def jagged():
    return {
        "indices": np.array([4, 0, 2, 1, 1, 3, 0]),
        "offsets": np.array([0, 2, 3, 3, 4, 5, 7]),
        "per_sample_weights": np.linspace(-1, 1, 7, dtype=F32),
        "grad": np.ones((2, 3, 2), F32),
    }


def refuses_batch(batch, expected=EXPECTED):
    """Neither `update` nor `lookup` nor `batch` takes it, and the table stays as it was."""
    table = make_table()
    before = state(table)
    refuses(lambda: table.update(**batch), expected)
    ids = {name: value for name, value in batch.items() if name != "grad"}
    grad_is_bad = not isinstance(clear(lambda: table.lookup(**ids)), type(None))
    if not grad_is_bad:
        refuses(lambda: table.lookup(**ids), expected)
        refuses(lambda: table.batch(**ids), expected)
    assert state(table) == before


batches = st.sampled_from([plain, jagged])


@given(batches, st.data())
def test_arguments_that_are_no_arrays(make, data):
    batch = make()
    name = data.draw(st.sampled_from(list(batch)))
    wrong = wrong_for_ids if name in ("indices", "offsets") else wrong_for_numbers
    value = data.draw(not_arrays | wrong.map(lambda d: np.ones(batch[name].shape).astype(d)))
    assume(not (value is None and name in ("offsets", "per_sample_weights")))
    refuses_batch({**batch, name: value})


@given(batches, st.data())
def test_arguments_of_other_shapes(make, data):
    batch = make()
    name = data.draw(st.sampled_from(list(batch)))
    array = batch[name]
    change = data.draw(st.sampled_from([
        lambda a: a[None], lambda a: a[..., None], lambda a: a[:-1], lambda a: a[:0],
        lambda a: np.concatenate([a, a]), lambda a: a.reshape(-1)[0],
        lambda a: np.broadcast_to(a, (2, *a.shape)),
    ]))  # fmt: skip
    refuses_batch({**batch, name: change(array)})


@given(batches, st.data(), st.sampled_from(INT_EDGES))
def test_ids_out_of_range(make, data, value):
    batch = make()
    place = data.draw(st.integers(0, batch["indices"].size - 1))
    batch["indices"].flat[place] = value
    refuses_batch(batch, IndexError)


@given(st.integers(0, 6), st.sampled_from([*INT_EDGES, 8, -3]), st.sampled_from(["i4", "i8"]))
def test_hostile_offsets(place, value, dtype):
    batch = jagged()
    assume(np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)
    batch["offsets"] = batch["offsets"].astype(dtype)
    batch["offsets"][place] = value
    refuses_batch(batch, ValueError)


@given(batches, st.sampled_from([np.nan, np.inf, -np.inf]), st.data())
def test_numbers_that_are_not_finite(make, value, data):
    batch = make()
    name = data.draw(st.sampled_from([n for n in batch if batch[n].dtype == F32]))
    # of a bag that has ids
    places = np.arange(batch[name].size)
    if name == "grad" and make is jagged:
        places = places[(places // 2) != 2]
    batch[name].flat[data.draw(st.sampled_from(list(places)))] = value
    refuses_batch(batch, (ValueError, FloatingPointError))


@given(batches, st.data())
def test_arguments_in_other_layouts(make, data):
    batch, table, twin = make(), make_table(), make_table()
    given_batch = {
        name: LAYOUTS[data.draw(layouts, label=name)](array) for name, array in batch.items()
    }
    ids = {name: value for name, value in batch.items() if name != "grad"}
    given_ids = {name: value for name, value in given_batch.items() if name != "grad"}
    assert bits(table.lookup(**given_ids)) == bits(twin.lookup(**ids))
    table.update(**given_batch)
    twin.update(**batch)
    assert state(table) == state(twin)


@pytest.mark.parametrize("name", ["indices", "offsets", "per_sample_weights", "grad"])
def test_masked_batches_are_refused(name):
    batch = jagged()
    refuses_batch({**batch, name: with_mask(batch[name])}, TypeError)


def test_ids_of_an_array_without_end():
    """More than positions are counted to, without the memory for them."""
    table = lp.EmbeddingTable(3, 1)
    with pytest.raises(ValueError, match="indices has 4294967296 entries; a batch has at most"):
        table.lookup(np.broadcast_to(np.int64(1), (2**32,)))
    with pytest.raises(ValueError, match="offsets has 4294967297 entries"):
        table.lookup(np.zeros(1, int), np.broadcast_to(np.int64(0), (2**32 + 1,)))


@given(
    st.sampled_from(["pooling", "across_features"]),
    st.sampled_from(
        [None, 3, "max", ["sum"], np.array(["sum", "mean"]), np.ones(2), 1.0, "no", b""]
    ),
)
def test_words_and_flags(name, value):
    refuses_batch({**jagged(), name: value}, (TypeError, ValueError))


MATRIX = np.zeros((4, 2), F32)
BAD_OUTS = {
    "list": [[0.0] * 2] * 4,
    "float64": np.zeros((4, 2)),
    "shape": np.zeros((4, 3), F32),
    "big-endian": np.zeros((4, 2), ">f4"),
    "fortran": np.zeros((2, 4), F32).T,
    "negative strides": MATRIX[::-1],
    "broadcast": np.broadcast_to(MATRIX[0], (4, 2)),
    "unaligned": np.zeros(33, np.uint8)[1:].view(F32).reshape(4, 2),
    "masked": np.ma.zeros((4, 2), F32),
    "text": "out",
}


@pytest.mark.parametrize("name", BAD_OUTS)
def test_bad_outputs(name):
    table = lp.EmbeddingTable(5, 2)
    refuses(lambda: table.lookup(np.arange(4), out=BAD_OUTS[name]), (TypeError, ValueError))


def test_outputs_of_subclasses():
    table = lp.EmbeddingTable(5, 2)
    expected = bits(table.lookup(np.arange(4)))
    with tempfile.TemporaryFile() as file:
        out = np.memmap(file, F32, "w+", shape=(4, 2))
        assert table.lookup(np.arange(4), out=out) is out
        assert bits(out) == expected
    out = np.asmatrix(np.zeros((4, 2), F32))
    table.lookup(np.arange(4), out=out)
    assert bits(out) == expected


def test_outputs_that_are_read_from():
    """Writing to them would have changed the table, or what is looked up next."""
    table = lp.EmbeddingTable(6, 1, "float32")
    before = bits(table.weight)
    with pytest.raises(ValueError, match="out shares memory"):
        table.lookup(np.arange(6)[::-1], out=table.weight)
    weights = np.ones(6, F32)
    with pytest.raises(ValueError, match="out shares memory"):
        table.lookup(np.arange(6), per_sample_weights=weights, out=weights[:, None])
    bounds = np.arange(7)
    with pytest.raises(ValueError, match="out shares memory"):
        table.lookup(np.arange(6), bounds, out=bounds.view(F32)[:6, None])
    assert bits(table.weight) == before


@pytest.mark.parametrize("dim", [1, 2, 20])
def test_gradients_that_are_the_weights(dim):
    """Rows were written while others' gradients were still to be read from them."""
    rows = 1000
    table = lp.EmbeddingTable(rows, dim, "float32", optimizer=lp.SGD(1.0))
    twin = lp.EmbeddingTable(rows, dim, "float32", optimizer=lp.SGD(1.0))
    order = np.random.default_rng(0).permutation(rows)
    table.update(order, table.weight)
    twin.update(order, twin.weight.copy())
    assert bits(table.weight) == bits(twin.weight)
    factors = table.weight[:, 0][:rows]
    grad = np.ones((rows, dim), F32)
    twin.update(order, grad, per_sample_weights=factors.copy())
    table.update(order, grad, per_sample_weights=factors)
    assert bits(table.weight) == bits(twin.weight)


def test_a_batch_that_is_changed_after_its_check():
    """Its offsets were the user's own array: reading with others is reading anywhere."""
    arrays = jagged()
    grad = arrays.pop("grad")
    table, twin = make_table(), make_table()
    batch = table.batch(**arrays)
    before = bits(table.lookup(batch))
    for array in arrays.values():
        array[...] = 2**31 - 1
    assert bits(table.lookup(batch)) == before
    table.update(batch, grad)
    arrays = jagged()
    twin.update(**arrays)
    assert state(table) == state(twin)


def test_the_mean_across_a_single_feature():
    """Raised a ValueError of NumPy: there were no bags to find the sizes of."""
    table, twin = lp.EmbeddingTable(5, 2), lp.EmbeddingTable(5, 2)
    weights, grad = np.array([1, 2, 3], F32), np.ones((3, 2), F32)
    table.update(np.arange(3), grad, None, "mean", weights, across_features=True)
    twin.update(np.arange(3), grad, None, "sum", weights)
    assert bits(table.weight) == bits(twin.weight)


@settings(max_examples=300)
@given(st.data())
def test_arguments_of_a_table(data):
    name = data.draw(st.sampled_from(list(BAD_ARGUMENTS)))
    value = data.draw(BAD_ARGUMENTS[name])
    assume(not (name in ("num_embeddings", "embedding_dim") and type(value) is np.True_))
    refuses(lambda: make_table(**{name: value}), (TypeError, ValueError))


def test_sizes_that_are_changed_afterwards():
    """The list was the user's own; a file then said what had never been."""
    sizes = [5, 3]
    table = lp.EmbeddingTable(sizes, 2)
    sizes[0] = 100
    with tempfile.TemporaryDirectory() as folder:
        table.save(f"{folder}/t")
        assert lp.load(f"{folder}/t").weight.shape == (8, 2)
