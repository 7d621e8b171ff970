"""Numbers in ASCII, and the fields of a Criteo line."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lowprec.scalar import criteo, hashing, text
from tests import naive_data

# Mostly characters that belong to numbers, so that many texts are numbers.
texts = st.binary(max_size=24) | st.text("-0123456789", max_size=24).map(str.encode)
hex_texts = st.binary(max_size=10) | st.text("0123456789abCDefg", max_size=10).map(str.encode)


def parsed(parser, content):
    """The parser on a field in the middle of a column: its neighbours must not matter."""
    data = np.frombuffer(b"7a" + content + b"7a", np.uint8)
    return parser(data, 2, 2 + len(content))


@settings(deadline=None)  # the first example compiles
@given(texts)
@example(b"9223372036854775807")
@example(b"9223372036854775808")
@example(b"-9223372036854775808")
@example(b"-9223372036854775809")
@example(b"18446744073709551616")
@example(b"-")
@example(b"+1")
@example(b"1.5")
@example(b"00000000000000000000000000001")
def test_dense_field(content):
    value, ok = parsed(criteo.parse_dense, content)
    try:
        expected = naive_data.parse_dense(content)
    except ValueError:
        assert not ok
    else:
        assert ok
        assert value == np.float32(expected)


@settings(deadline=None)  # the first example compiles
@given(st.integers(-(2**63), 2**63 - 1))
def test_every_int64_is_read_back(x):
    assert parsed(text.parse_int64, b"%d" % x) == (x, True)


@settings(deadline=None)  # the first example compiles
@given(hex_texts)
def test_category_field(content):
    value = parsed(criteo.parse_category, content)
    try:
        naive_data.parse_category(content, 0, 1)
    except ValueError:
        assert value == -1
    else:
        assert value == (int(content, 16) if content else hashing.MISSING_CATEGORY)


@pytest.mark.parametrize("byte", range(256))
def test_digits(byte):
    character = chr(byte)
    decimal, hexadecimal = "0123456789".find(character), "0123456789abcdef".find(character.lower())
    assert text.decimal_digit(np.uint8(byte)) == decimal
    assert text.hex_digit(np.uint8(byte)) == hexadecimal


@pytest.mark.parametrize(
    ("content", "label"),
    [(b"0", 0), (b"1", 1), (b"", -1), (b"2", -1), (b"/", -1), (b"01", -1), (b"-1", -1)],
)
def test_label_field(content, label):
    assert parsed(criteo.parse_label, content) == label


def test_signed_log1p():
    assert criteo.signed_log1p(0) == 0.0
    assert criteo.signed_log1p(1) == np.float32(math.log(2))
    assert criteo.signed_log1p(-3) == -np.float32(math.log(4))
    assert math.copysign(1.0, parsed(criteo.parse_dense, b"-0")[0]) == 1.0
