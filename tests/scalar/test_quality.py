"""The quality of the bits of the generator KWX32, and generators that must fail."""

import numpy as np
import pytest
from numba import njit

from lowprec.scalar import xorshift
from lowprec.scalar.xorshift import derive, mix64
from tests import naive
from tests.scalar import battery, kxs32

u32, u64 = np.uint32, np.uint64


# --- quality ---


@njit
def row_key_of_update(seed, step, row):
    return derive(derive(derive(mix64(seed), xorshift.STREAM_UPDATE), step), row)


def test_the_generator_passes():
    """No test of the battery fails; see there for what they are and how sure this is."""
    source = battery.make_source(row_key_of_update, xorshift.word)
    assert source([9], [4], [7], [5])[0, 0] == naive.word(naive.row_key(9, 0, 4, 7), 5)
    assert battery.failures(source) == {}


@njit
def word_of_state(low, high, position):
    """As a state of the row takes them; the seed of `row_key_of_update` is that of the row."""
    own_low, own_high = xorshift.state_key(low, high, 1)
    return xorshift.word(own_low, own_high, position)


def test_the_words_of_states_pass():
    assert battery.failures(battery.make_source(row_key_of_update, word_of_state)) == {}


# What is left of the generator when a part of it is left out or made weaker.  Each must fail: that
# shows that the battery sees such a defect, and why the part is there.
@njit
def start(low, high, position):
    return u32(low + u32(position * u32(high | u32(1))))


@njit
def shift_three_times(x):
    x = u32(x ^ u32(x << u32(13)))
    x = u32(x ^ u32(x >> u32(17)))
    return u32(x ^ u32(x << u32(5)))


@njit
def multiply(x):
    return u32(u32(x) * u32(0x2C1B3C6D))


@njit
def fold(x):
    return u32(u32(x) ^ u32(u32(x) >> u32(16)))


@njit
def without_fold(low, high, position):
    return multiply(shift_three_times(start(low, high, position)) + high)


@njit
def without_multiply(low, high, position):
    return fold(shift_three_times(start(low, high, position)) + high)


@njit
def without_steps(low, high, position):
    return fold(multiply(shift_three_times(u32(low + u32(position))) + high))


@njit
def without_xorshift(low, high, position):
    return fold(multiply(start(low, high, position) + high))


@njit
def all_linear(low, high, position):
    """Linear over bits: every word of a key is a fixed xor of every other."""
    golden = u32(position) * u32(0x9E3779B9)
    return fold(shift_three_times(u32(low ^ golden)) ^ high)


@njit
def with_a_short_key(low, high, position):
    """Of the upper half of a key, 8 bits."""
    short = u32(u32(high & u32(0xFF)) * u32(0x01010101))
    return xorshift.word(low, short, position)


@njit
def base_plus_row(seed, step, row):
    return u64(derive(derive(mix64(seed), 0), step) + row)


@njit
def base_plus_weyl_of_row(seed, step, row):
    return u64(derive(derive(mix64(seed), 0), step) + u64(row * u64(0x9E3779B97F4A7C15)))


WEAK = {
    # name: (key, word, a test that fails), and what it sees
    # The lowest bits of a product depend on the lowest bits of its factor alone.
    "no fold": (row_key_of_update, without_fold, "uniform: 16 bits, even, over positions"),
    # An xorshift is linear over bits, and one row shows it.
    "no multiply": (row_key_of_update, without_multiply, "uniform: 13 bits, odd, over positions"),
    # Neighbouring positions start from states that differ in a few low bits.
    "steps of one": (row_key_of_update, without_steps, "pairs: position + 1, even bits 3-8"),
    # Equal steps of position are equal steps of the product.
    "no xorshift": (row_key_of_update, without_xorshift, "collisions: differences"),
    # Everything is linear: two words of a key differ by the same bits under every key.
    "all linear": (row_key_of_update, all_linear, "bits"),
    # Rows of equal steps run through the same states.
    "a short key": (row_key_of_update, with_a_short_key, "collisions: differences"),
    # The steps of all rows are equal, and the upper half of a key moves a row by a constant.
    "KXS32": (row_key_of_update, kxs32.word, "collisions: words"),
    "KXS32, differences": (row_key_of_update, kxs32.word, "collisions: differences"),
    "KXS32, pairs": (row_key_of_update, kxs32.word, "close pairs"),
    # Keys of neighbouring rows differ in the lowest bits of their low half alone.
    "base + row": (base_plus_row, xorshift.word, "pairs: row + 1, even bits 3-8"),
    # The low halves of the keys of rows 2**31 apart differ in their upper bits alone.
    "base + Weyl of row": (
        base_plus_weyl_of_row, xorshift.word, "pairs: row + 2147483648, odd top",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("key", "word", "caught_by"), WEAK.values(), ids=WEAK.keys())
def test_a_weaker_generator_fails(key, word, caught_by):
    assert battery.p_value(battery.make_source(key, word), caught_by) < battery.THRESHOLD
