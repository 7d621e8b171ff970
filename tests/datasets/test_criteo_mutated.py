"""Criteo files that were changed at random: parsed rightly, or an error."""

import contextlib
import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowprec.datasets import load_criteo
from tests import naive_data
from tests.datasets.criteo_files import GOOD, SIZES, equal, lines


# Fuzzing
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutated_files_parse_rightly_or_raise(data):
    content = bytearray(b"\n".join(data.draw(st.lists(lines, min_size=1, max_size=4))))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(start, min(start + 3, len(content))))
        content[start:stop] = data.draw(
            st.sampled_from([b"", b"\t", b"\n", b"\r", b"\r\n", b"-", b"0", b'"', b"\\", b"\x00"])
            | st.binary(max_size=3)
        )
    check_against_the_oracle(bytes(content))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_random_bytes_parse_rightly_or_raise(content, compress):
    check_against_the_oracle(content, compress)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_mutated_gzip_parses_rightly_or_raises(place, byte):
    content = GOOD + b"\n" + GOOD
    packed = bytearray(gzip.compress(content, mtime=0))
    packed[place % len(packed)] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "day.tsv")
        path.write_bytes(packed)
        with contextlib.suppress(ValueError):
            assert equal(load_criteo(path, SIZES), naive_data.parse_criteo(content, SIZES))


def check_against_the_oracle(content, compress=False):
    try:
        expected = naive_data.parse_criteo(content.removeprefix(b"\xef\xbb\xbf"), SIZES)
    except ValueError:
        expected = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "day.tsv")
        path.write_bytes(gzip.compress(content) if compress else content)
        if expected is None:
            with pytest.raises(ValueError, match=r"line|empty|: the file is "):
                load_criteo(path, SIZES)
        else:
            assert equal(load_criteo(path, SIZES), expected)
