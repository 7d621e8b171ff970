"""The Criteo hash against its specification."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from lowprec.scalar import hashing
from tests import naive_data

KNOWN = json.loads((Path(__file__).parents[1] / "data" / "criteo_hash.json").read_text())


@njit
def ids_of(values, feature, num_embeddings):
    out = np.empty(values.size, np.int64)
    for i in range(values.size):
        out[i] = hashing.category_id(values[i], feature, num_embeddings)
    return out


def test_known_answers():
    assert KNOWN["version"] == hashing.VERSION
    for value, feature, num_embeddings, expected in KNOWN["cases"]:
        assert hashing.category_id(value, feature, num_embeddings) == expected


@settings(deadline=None)  # the first example compiles
@given(st.integers(0, 2**32), st.integers(0, 25), st.integers(1, 2**31))
def test_is_the_specification(value, feature, num_embeddings):
    expected = naive_data.category_id(value, feature, num_embeddings)
    assert hashing.category_id(value, feature, num_embeddings) == expected
    assert 0 <= expected < num_embeddings


def test_missing_is_no_eight_digits():
    missing = hashing.MISSING_CATEGORY
    assert missing == int("ffffffff", 16) + 1


@pytest.mark.parametrize("feature", [0, 25])
@pytest.mark.parametrize("stride", [1, 1 << 12, 1 << 16])
def test_regular_values_spread_evenly(feature, stride):
    # Chi-square with 255 degrees of freedom: mean 255, standard deviation 22.6.
    ids = ids_of(np.arange(1 << 16, dtype=np.int64) * stride % 2**32, feature, 256)
    counts = np.bincount(ids, minlength=256)
    assert 255 - 6 * 22.6 < ((counts - 256) ** 2 / 256).sum() < 255 + 6 * 22.6


def test_features_are_unrelated():
    values = np.arange(100_000, dtype=np.int64)
    same = np.count_nonzero(ids_of(values, 3, 1000) == ids_of(values, 4, 1000))
    assert 40 < same < 160  # binomial: mean 100, standard deviation 10


def test_collisions_are_those_of_random_ids():
    ids = ids_of(np.arange(100_000, dtype=np.int64), 7, 100_000)
    assert np.unique(ids).size == pytest.approx(100_000 * (1 - np.exp(-1)), rel=0.01)
