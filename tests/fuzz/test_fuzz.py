"""A short run of `python -m tests.fuzz`, and its oracles against those in rational arithmetic."""

import json

import numpy as np
import pytest

import lowprec as lp
from tests import naive, naive_arrays
from tests.children import run
from tests.fuzz.areas import KINDS
from tests.fuzz.batches import random_batch
from tests.fuzz.inputs import floats_of_any_bits
from tests.fuzz.rounding import same
from tests.fuzz.tables import random_table


def test_fuzz(tmp_path):
    out = tmp_path / "fuzz.json"
    run("-m", "tests.fuzz", "--cases", "60", "--json", out)
    assert [row["cases"] for row in json.loads(out.read_text())["areas"]] == [60] * 4


def test_what_goes_wrong_is_found(tmp_path):
    """An area whose cases crash, hang, raise and answer wrongly: all are run, and all are seen."""
    out = tmp_path / "fuzz.json"
    script = ["-m", "tests.fuzz", "--area", "nothing"]
    run(*script, "--cases", "16", "--json", out, status=1, timeout=300, FUZZ_SECONDS_TO_HANG="3")
    (report,) = json.loads(out.read_text())["areas"]
    assert report["cases"] == 16
    assert all(report[kind] for kind in KINDS), report
    # and each again, by its number
    wrong = next(each["case"] for each in report["found"] if each["kind"] == "wrong answers")
    again = run(*script, "--case", wrong, status=1)
    assert "WrongError: a wrong answer" in again.stderr


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid:RuntimeWarning")
def test_fma_of_arrays():
    rng = np.random.default_rng(0)
    x, y, z = (floats_of_any_bits(rng, 3000) for _ in range(3))
    near = -(x.astype(np.float64) * y).astype(np.float32)  # the sum cancels
    finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(z) & np.isfinite(near)
    for w in (z, near):
        found = naive_arrays.fma(x, y, w)
        for k in np.flatnonzero(finite):
            exact = naive.Fraction(float(x[k])) * naive.Fraction(float(y[k]))
            exact += naive.Fraction(float(w[k]))
            if abs(exact) < 2**128:
                assert found[k] == naive.fma(x[k], y[k], w[k])


@pytest.mark.parametrize("name", naive.FORMATS)
def test_rounding_of_arrays(name):
    rng = np.random.default_rng(1)
    x = floats_of_any_bits(rng, 1500)
    x = x[np.isfinite(x)]
    keys = [naive.row_key(7, 1, 0, block) for block in range(2)]
    expected = naive.stochastic_round(x, name, 7)
    assert same(naive_arrays.stochastic(x, keys, name), expected)
    chances = naive_arrays.round_up_probability(x, name)
    for number, chance in zip(x[:200], chances[:200], strict=True):
        assert chance == naive.round_up_probability(number, name)


def test_tables_of_arrays():
    rng = np.random.default_rng(2)
    for _ in range(30):
        table, sizes = random_table(rng)
        single = isinstance(table.num_embeddings, int)
        batch, grad = random_batch(rng, sizes, single, table.embedding_dim)
        if batch.pop("across_features"):
            continue
        batch["weights"] = batch.pop("per_sample_weights", None)
        new = naive_arrays.update(table, table.optimizer.learning_rate, grad=grad, **batch)
        old = naive.update(table, table.optimizer.learning_rate, grad=grad, **batch)
        assert new.tobytes() == old.tobytes()
        one, other = naive_arrays.lookup(table, **batch), naive.lookup(table, **batch)
        np.testing.assert_array_equal(one, other)  # but for the sign of zero
    assert isinstance(table, lp.EmbeddingTable)
