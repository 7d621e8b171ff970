"""Criteo files: equal to the oracle line by line."""

import gzip
import os
import pickle
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowprec.datasets import CriteoReader, load_criteo, tsv
from tests import naive_data
from tests.datasets.criteo_files import GOOD, SIZES, equal, flat, lines, pyarrow, replaced


# Values
@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(lines, min_size=1, max_size=12), min_size=1, max_size=3),
    st.integers(1, 15),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
    st.booleans(),
)
def test_equals_the_oracle(files, batch_size, line_end, ends_with_one, compress):
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(tsv, "BLOCK_BYTES", 2048):
        paths = []
        for number, rows in enumerate(files):
            content = line_end.join(rows) + (line_end if ends_with_one else b"")
            paths.append(Path(folder, f"{number}"))
            paths[-1].write_bytes(gzip.compress(content) if compress else content)
        loaded = load_criteo(paths, SIZES)
        batches = list(CriteoReader(paths, SIZES, batch_size))
    every_line = [line for rows in files for line in rows]
    expected = naive_data.parse_criteo(b"\n".join(every_line), SIZES)
    assert equal(loaded, expected)
    assert [len(y) for _, y in batches[:-1]] == [batch_size] * (len(batches) - 1)
    dense, indices, y = (np.concatenate(parts) for parts in zip(*map(flat, batches), strict=True))
    assert equal(((dense, indices), y), expected)


def test_transforms(write):
    fields = {1: b"0", 2: b"", 3: b"-0", 4: b"1", 5: b"-1", 15: b"", 16: b"F", 17: b"0000000f"}
    line = GOOD
    for field, value in fields.items():
        line = replaced(field, value, line)
    (dense, indices), y = load_criteo(write(line), 1000)
    assert y[0] == 0
    assert dense[0, :4].tolist() == [0.0, 0.0, np.float32(np.log(2)), -np.float32(np.log(2))]
    assert indices[0, 0] == naive_data.category_id(2**32, 0, 1000)
    assert indices[0, 1] == naive_data.category_id(15, 1, 1000)
    assert indices[0, 2] == naive_data.category_id(15, 2, 1000)


def test_one_number_of_embeddings_serves_every_feature(write):
    path = write(GOOD)
    (_, one), _ = load_criteo(path, 1000)
    (_, many), _ = load_criteo(path, np.full(26, 1000))
    assert np.array_equal(one, many)
    assert load_criteo(path, 2**31)[0][1].min() >= 0


@pytest.mark.parametrize("as_path", [str, Path, lambda path: [path], lambda path: iter([path])])
def test_kinds_of_paths(write, as_path):
    assert len(load_criteo(as_path(write(GOOD)))[1]) == 1


def test_gzip_is_known_by_its_first_bytes(write):
    assert len(load_criteo(write(gzip.compress(GOOD), "day.tsv"))[1]) == 1


def test_gzip_of_several_members(write):
    member = gzip.compress(GOOD + b"\n")
    assert len(load_criteo(write(member * 3, "day.gz"))[1]) == 3


def test_a_byte_order_mark_is_skipped(write):
    assert len(load_criteo(write(b"\xef\xbb\xbf" + GOOD))[1]) == 1


# Streaming
def test_batches_run_across_files_and_iterate_again(write):
    paths = [write((GOOD + b"\n") * n, f"{n}.tsv") for n in (3, 1, 5)]
    reader = CriteoReader(paths, batch_size=4)
    for _ in range(2):
        assert [len(y) for _, y in reader] == [4, 4, 1]


def test_iterations_do_not_disturb_each_other(write):
    reader = CriteoReader(write((GOOD + b"\n") * 4), batch_size=2)
    pairs = [(len(one), len(other)) for (_, one), (_, other) in zip(reader, reader, strict=True)]
    assert pairs == [(2, 2), (2, 2)]


def test_batches_own_their_memory(write):
    for (dense, indices), y in CriteoReader(write((GOOD + b"\n") * 9), batch_size=4):
        for array in (dense, indices, y):
            assert array.base is None
            assert array.flags.c_contiguous
            assert array.flags.writeable


def test_reader_is_plain_data(write):
    reader = pickle.loads(pickle.dumps(CriteoReader(write(GOOD), 1000, batch_size=7)))
    assert reader.num_embeddings == (1000,) * 26
    assert reader.batch_size == 7
    assert len(list(reader)) == 1


def test_the_first_batch_does_not_wait_for_the_end_of_the_file(write):
    # 25 MB: were the file read first, its last line would be the first thing to be seen.
    batches = iter(CriteoReader(write((GOOD + b"\n") * 90_000 + b"bad"), batch_size=1000))
    assert len(next(batches)[1]) == 1000
    with pytest.raises(ValueError, match="line 90001 has 1 tab-separated fields"):
        list(batches)


def test_memory_does_not_grow_with_the_file(write):
    # Arrow reads ahead, by its number of threads: 43 MB here, for this file and for larger ones.
    text = (GOOD + b"\n") * 400_000
    path = write(gzip.compress(text, 1), "day.tsv.gz")
    threads = pyarrow.cpu_count()
    pyarrow.set_cpu_count(2)
    try:
        held = [pyarrow.total_allocated_bytes() for _ in CriteoReader(path, batch_size=4096)]
    finally:
        pyarrow.set_cpu_count(threads)
    assert len(held) == 98
    assert max(held) < len(text) / 2


# Arguments
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"paths": []}, ValueError, "paths must name at least one file"),
        ({"paths": 3}, TypeError, "paths must be a path or an iterable of paths, got 3"),
        ({"paths": b"day"}, TypeError, "paths must be a path or an iterable of paths, got b'day'"),
        ({"paths": [None]}, TypeError, "a path must be a str or os.PathLike, got None"),
        ({"num_embeddings": 0}, ValueError, "num_embeddings must be in"),
        ({"num_embeddings": 2**31 + 1}, ValueError, "num_embeddings must be in"),
        ({"num_embeddings": 10.0}, TypeError, "num_embeddings must be an integer, got 10.0"),
        ({"num_embeddings": True}, TypeError, "num_embeddings must be an integer, got True"),
        ({"num_embeddings": [5] * 25}, ValueError, "must have 26 entries, got 25"),
        ({"num_embeddings": [5] * 25 + [0]}, ValueError, r"num_embeddings\[25\] must be in"),
        ({"num_embeddings": [5] * 25 + [1.5]}, TypeError, r"num_embeddings\[25\] must be an int"),
        ({"batch_size": 0}, ValueError, "batch_size must be in"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an integer, got 2.0"),
    ],
)
def test_bad_arguments(write, arguments, error, message):
    with pytest.raises(error, match=message):
        CriteoReader(**{"paths": write(GOOD), **arguments})


def test_without_pyarrow(write):
    path = write(GOOD)
    with (
        mock.patch.dict(sys.modules, {"pyarrow": None}),
        pytest.raises(ImportError, match=r'pip install "lowprec\[data\]"'),
    ):
        CriteoReader(path)


# Real rows
def real_file(name):
    root = Path(os.environ.get("LOWPREC_DATA", Path(__file__).parents[2] / "../shared/data"))
    path = root / "criteo_kaggle" / name
    if not path.exists():
        pytest.skip(f"{path} does not exist; LOWPREC_DATA names the folder of the Criteo sample")
    return path


def test_real_sample():
    (dense, indices), y = load_criteo(real_file("train.tsv.gz"), 100_000)
    assert len(y) == 109_712
    assert y.mean() == pytest.approx(0.25657, abs=5e-6)
    assert np.isfinite(dense).all()
    assert indices.min() >= 0
    assert indices.max() < 100_000


def test_real_rows_equal_the_oracle():
    path = real_file("first10k.tsv.gz")
    expected = naive_data.parse_criteo(gzip.decompress(path.read_bytes()), [1000] * 26)
    assert equal(load_criteo(path, 1000), expected)
