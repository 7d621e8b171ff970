"""The generator KWX32: known answers and its specification."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

import lowprec as lp
from lowprec.formats.entries import FORMATS
from lowprec.kernels.keys import stream_key
from lowprec.scalar import xorshift
from lowprec.scalar.xorshift import ROUND_BLOCK, derive, mix64
from tests import naive
from tests.scalar import kxs32

DATA = Path(__file__).parents[1] / "data"
WORDS = json.loads((DATA / "kwx32.json").read_text())
ROUNDED = json.loads((DATA / "stochastic_round_kwx32.json").read_text())
STATES = json.loads((DATA / "kwx32_states.json").read_text())
FORMER = json.loads((DATA / "kxs32.json").read_text())

u32, u64 = np.uint32, np.uint64
keys = st.integers(0, 2**64 - 1)
positions = st.integers(0, 2**32 - 1)
# Neighbours and numbers that differ in one bit are what a weak mixer would map close together.
values = keys | st.integers(0, 63).map(lambda bit: 1 << bit) | st.integers(0, 1000)


@njit
def one_word(key, position):
    low, high = xorshift.halves_of(key)
    return xorshift.word(low, high, position)


@njit
def one_draw(key, column, bits):
    low, high = xorshift.halves_of(key)
    return xorshift.draw(low, high, column, bits)


@njit
def derived(key, value):
    return derive(key, value)


def row_key(seed, stream, step, row):
    return int(derived(stream_key(seed, stream, step), u64(row)))


# --- known answers ---


def test_the_files_are_of_this_generator():
    assert (WORDS["name"], WORDS["version"]) == (xorshift.NAME, xorshift.VERSION)
    assert (ROUNDED["generator"], ROUNDED["version"]) == (xorshift.NAME, xorshift.VERSION)
    streams = (
        xorshift.STREAM_UPDATE, xorshift.STREAM_ROUND, xorshift.STREAM_INIT, xorshift.STREAM_WRITE,
        xorshift.STREAM_RESET, xorshift.STREAM_WIRE,
    )  # fmt: skip
    assert (*streams, ROUND_BLOCK) == (0, 1, 2, 3, 4, 5, 1024)


@pytest.mark.parametrize("case", WORDS["cases"], ids=lambda case: "-".join(map(str, case[:5])))
def test_known_words(case):
    seed, stream, step, row, column = (int(number) for number in case[:5])
    key, word, *draws = int(case[5], 16), int(case[6], 16), *case[7:]
    assert naive.row_key(seed, stream, step, row) == key
    assert row_key(seed, stream, step, row) == key
    assert naive.word(key, column) == word
    assert one_word(u64(key), u32(column)) == word
    for bits, draw in zip((13, 16, 19, 20, 21), draws, strict=True):
        assert naive.draw(key, column, bits) == draw
        assert one_draw(u64(key), u32(column), bits) == draw
        assert one_draw(u64(key), column, bits) == draw  # a signed loop variable


@pytest.mark.parametrize("case", WORDS["words"], ids=lambda case: "-".join(map(str, case[:2])))
def test_known_words_of_keys(case):
    key, at, word = int(case[0], 16), case[1], int(case[2], 16)
    assert naive.word(key, at) == one_word(u64(key), u32(at)) == word


@njit
def key_of_state(key, state):
    low, high = xorshift.halves_of(key)
    return xorshift.state_key(low, high, state)


@pytest.mark.parametrize("case", STATES["cases"], ids=lambda case: "-".join(map(str, case[:5])))
def test_known_draws_of_states(case):
    seed, step, row, state, column = (int(number) for number in case[:5])
    key, word, *draws = int(case[5], 16), int(case[6], 16), *case[7:]
    of_row = naive.row_key(seed, 0, step, row)
    low, high = key_of_state(u64(of_row), state)
    assert naive.state_key(of_row, state) == int(low) | int(high) << 32 == key
    assert one_word(u64(key), u32(column)) == word
    for bits, draw in zip((13, 16, 20, 21), draws, strict=True):
        assert one_draw(u64(key), u32(column), bits) == draw


@pytest.mark.parametrize("case", FORMER["cases"][::7], ids=lambda case: "-".join(case[3:6:2]))
def test_the_former_generator_is_the_one_that_is_tested(case):
    key, column = int(case[5], 16), case[4]
    found = kxs32.word(u32(key & 0xFFFFFFFF), u32(key >> 32), u32(column))
    assert found == int(case[6], 16)


def test_known_mixes():
    for value, mixed in WORDS["mix64"]:
        assert naive.mix64(int(value, 16)) == int(mix64(u64(int(value, 16)))) == int(mixed, 16)


@pytest.mark.parametrize("case", ROUNDED["cases"], ids=lambda case: "-".join(case[:2]))
def test_known_roundings(case):
    dtype, seed, first, last = case
    x = np.array(ROUNDED["float_bits"], np.uint32).view(np.float32)
    result = lp.stochastic_round(np.tile(x, ROUNDED["repeats"]), dtype, seed=int(seed))
    words = result.view(naive.FORMATS[dtype][1]).tolist()
    assert words[: x.size] == first
    assert words[-x.size :] == last


# --- the specification ---


@given(keys, positions)
def test_word_is_the_specification(key, position):
    assert one_word(u64(key), u32(position)) == naive.word(key, position)


@given(keys, positions, positions)
def test_words_from_a_position_on(key, first, position):
    low, high = u32(key & 0xFFFFFFFF), u32(key >> 32)
    found = xorshift.word(xorshift.low_from(low, high, u32(first)), high, u32(position))
    assert found == naive.word(key, (first + position) % 2**32)


@given(keys, positions, st.integers(1, 32))
def test_draw_is_the_specification(key, column, bits):
    draw = int(one_draw(u64(key), u32(column), bits))
    assert draw == naive.draw(key, column, bits)
    assert 0 <= draw < 2**bits


@given(keys, st.integers(0, 3), keys, keys)
def test_row_keys_are_the_specification(seed, stream, step, row):
    assert row_key(seed, stream, step, row) == naive.row_key(seed, stream, step, row)


@given(values, values)
def test_mix64_can_be_undone(z, other):
    mixed = int(mix64(u64(z)))
    assert unmix64(mixed) == z
    assert (mixed == int(mix64(u64(other)))) == (z == other)


def unmix64(z):
    inverse = pow(0xD6E8FEB86659FD93, -1, 2**64)
    for _ in range(2):
        z = (z ^ (z >> 32)) * inverse % 2**64
    return z ^ (z >> 32)


@given(keys, values, values)
def test_distinct_values_give_distinct_keys(key, first, second):
    same = derived(u64(key), u64(first)) == derived(u64(key), u64(second))
    assert same == (first == second)


def test_mix64_spreads_every_bit():
    """Flipping one bit in flips each bit out in about half of 20,000 numbers: at most 8 sigma off.

    64 * 64 binomial counts: for an ideal mixer and random numbers 5e-12 of false alarms.
    """
    numbers = np.random.default_rng(7).integers(0, 2**64, 20_000, dtype=np.uint64)
    mixed = mix_all(numbers)
    for bit in range(64):
        flipped = mix_all(numbers ^ u64(1 << bit)) ^ mixed
        flips = np.unpackbits(flipped.view(np.uint8), bitorder="little").reshape(-1, 64).sum(0)
        assert (np.abs(flips - 10_000.0) < 8 * np.sqrt(5000)).all()


@njit
def mix_all(numbers):
    out = np.empty_like(numbers)
    for i in range(numbers.size):
        out[i] = mix64(numbers[i])
    return out


def test_no_word_comes_twice_under_a_key():
    """`word` is one-to-one in the position: shown on 2**20 of the 2**32."""
    words = words_of(u64(naive.row_key(1, 0, 2, 3)), np.arange(2**20, dtype=np.uint32))
    assert np.unique(words).size == words.size


@njit
def words_of(key, at):
    out = np.empty(at.size, np.uint32)
    for i in range(at.size):
        out[i] = one_word(key, at[i])
    return out


def test_keys_that_differ_in_one_bit():
    """A limit that the specification states: in the lowest bit of the upper half, to be exact.

    Their words run through the same states, so the upper half-words differ by a constant.
    """
    at = np.arange(1000, dtype=np.uint32)
    key = u64(0x9ABCDEF012345678)
    difference = (words_of(key ^ u64(1 << 32), at) >> u32(16)) - (words_of(key, at) >> u32(16))
    assert np.unique(difference & u32(0xFFFF)).size == 2  # the constant, with or without a carry


def test_steps_of_a_key_are_odd():
    """Even ones would visit a part of the states alone."""
    at = np.arange(2**16, dtype=np.uint32)
    for high in (0, 1, 2, 2**31, 2**32 - 2):
        assert np.unique(words_of(u64(high << 32), at)).size == at.size


@pytest.mark.parametrize("dtype", [fmt.name for fmt in FORMATS])
def test_rounding_takes_the_draw_of_its_column(dtype):
    """Between 1 and its neighbour a number goes up exactly where the draw is large enough."""
    bits = 23 - naive.FORMATS[dtype][3]
    columns = 300
    draws = [naive.draw(naive.row_key(8, 1, 0, 0), c, bits) for c in range(columns)]
    for share in (0.5, 0.1, 0.9):
        needed = round((1 - share) * 2**bits)
        x = np.full(columns, 1 + (2**bits - needed) * 2.0**-23, np.float32)
        up = lp.stochastic_round(x, dtype, seed=8).astype(np.float32) > 1
        assert up.tolist() == [draw >= needed for draw in draws]
