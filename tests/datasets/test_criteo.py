"""Criteo files: equal to the oracle line by line, and clear about everything that is wrong."""

import bz2
import contextlib
import errno
import gzip
import io
import lzma
import os
import pickle
import random
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowprec.datasets import CriteoReader, load_criteo, tsv
from tests import naive_data

pyarrow = pytest.importorskip("pyarrow")

SIZES = tuple(range(1, 27))
GOOD = b"\t".join([b"1", *[b"%d" % i for i in range(-6, 7)], *[b"0a1b2c3d"] * 26])

dense_fields = st.just(b"") | st.integers(-(2**63), 2**63 - 1).map(b"%d".__mod__)
hex_fields = st.text("0123456789abcdefABCDEF", max_size=8).map(str.encode)
lines = st.tuples(
    st.sampled_from([b"0", b"1"]),
    st.lists(dense_fields, min_size=13, max_size=13),
    st.lists(hex_fields, min_size=26, max_size=26),
).map(lambda parts: b"\t".join([parts[0], *parts[1], *parts[2]]))


@pytest.fixture
def write(tmp_path):
    def write(content, name="day.tsv"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def replaced(field, value, line=GOOD):
    """The line with another value in field number `field`, counted from 1."""
    fields = line.split(b"\t")
    fields[field - 1] = value
    return b"\t".join(fields)


def equal(loaded, expected):
    (dense, indices), y = loaded
    got = (dense, indices, y)
    return all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(got, expected, strict=True)
    )


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


def flat(batch):
    (dense, indices), y = batch
    return dense, indices, y


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


# Errors in a line

BAD_LINES = {
    "39 fields": (GOOD.rpartition(b"\t")[0], "has 39 tab-separated fields, not 40"),
    "41 fields": (GOOD + b"\t", "has 41 tab-separated fields, not 40"),
    "spaces": (GOOD.replace(b"\t", b" "), "has 1 tab-separated fields, not 40"),
    "empty": (b"", "holds no values, expected 40 tab-separated fields"),
    "only tabs": (b"\t" * 39, "holds no values, expected 40 tab-separated fields"),
    "no hex": (replaced(15, b"0a1b2c3g"), r", field 15 \(category 1\): '0a1b2c3g' is not 1"),
    "9 digits": (replaced(40, b"123456789"), r", field 40 \(category 26\): '123456789' is not"),
    "quoted": (replaced(20, b'"12"'), r", field 20 \(category 6\): '\"12\"' is not 1 to 8 hex"),
    "null byte": (replaced(20, b"12\x00"), r", field 20 \(category 6\): '12\\x00' is not 1 to"),
    "not utf-8": (replaced(16, b"\xff\xfe"), r", field 16 \(category 2\): '\\xff\\xfe' is not"),
    "a word": (replaced(2, b"many"), r", field 2 \(integer 1\): 'many' is not a 64-bit integer"),
    "a float": (replaced(14, b"1.5"), r", field 14 \(integer 13\): '1.5' is not a 64-bit integer"),
    "minus": (replaced(3, b"-"), r", field 3 \(integer 2\): '-' is not a 64-bit integer"),
    "plus": (replaced(3, b"+3"), r", field 3 \(integer 2\): '\+3' is not a 64-bit integer"),
    "2**63": (replaced(4, b"%d" % 2**63), r", field 4 \(integer 3\): '9223372036854775808' is not"),
    "-2**63 - 1": (
        replaced(4, b"-%d" % (2**63 + 1)),
        r", field 4 \(integer 3\): '-9223372036854775809' is",
    ),
    "long": (replaced(5, b"x" * 99), r", field 5 \(integer 4\): 'x{40}'\.\.\. \(99 bytes\) is not"),
    "label 2": (replaced(1, b"2"), r", field 1 \(the label\): '2' is not 0 or 1"),
    "no label": (replaced(1, b""), r", field 1 \(the label\): '' is not 0 or 1"),
    "label -1": (replaced(1, b"-1"), r", field 1 \(the label\): '-1' is not 0 or 1"),
    "header": (b"\t".join(b"c%d" % i for i in range(40)), r", field 1 \(the label\): 'c0' is not"),
    "not utf-8, 2 fields": (b"\xff\xfe\t\xff", "has 2 tab-separated fields, not 40"),
}


@pytest.mark.parametrize("before", [0, 4, 20_000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(("line", "message"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_bad_line(write, line, message, line_end, before):
    path = write(line_end.join([*[GOOD] * before, line, *[GOOD] * 3, b""]))
    with pytest.raises(ValueError, match=rf"day\.tsv: line {before + 1},? ?{message.lstrip(', ')}"):
        load_criteo(path)


def test_names_the_file_and_its_own_line(write):
    paths = [write(GOOD, "a.tsv"), write(GOOD + b"\n" + replaced(1, b"x"), "b.tsv")]
    with pytest.raises(ValueError, match=r"b\.tsv: line 2, field 1"):
        load_criteo(paths)


def test_reports_the_first_bad_line_of_a_block_and_its_first_bad_field(write):
    late = replaced(1, b"x")
    early = replaced(39, b"?", replaced(30, b"?"))
    with pytest.raises(ValueError, match="line 2, field 30"):
        load_criteo(write(b"\n".join([GOOD, early, late])))


@pytest.mark.parametrize("ends", ["\n\n", "\r\n\r\n", "\r\r", "\n\r\n", "\n" * 9, "\r\n" * 5000])
@pytest.mark.parametrize("before", [1, 4, 9000])
@pytest.mark.parametrize("compress", [False, True])
def test_blank_last_lines(write, ends, before, compress):
    content = b"\n".join([GOOD] * before) + ends.encode()
    path = write(gzip.compress(content, 1) if compress else content)
    expected = load_criteo(write(b"\n".join([GOOD] * before), "same.tsv"))
    assert equal(load_criteo(path), flat(expected))
    assert [len(y) for _, y in CriteoReader([path, path], batch_size=before)] == [before] * 2


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    ("content", "line"),
    [
        (GOOD + b"\n\n" + GOOD, 2),
        (b"\n" + GOOD, 1),
        (b"\n", 1),
        (b"\n\n\r\n", 1),
        (GOOD + b"\n" + b"\t" * 39, 2),  # as many fields as a line has, and no label
        (GOOD + b"\n" + b"\t" * 39 + b"\n\n", 2),
        (GOOD + b"\n\n" + b"\t" * 39 + b"\n", 2),
        ((GOOD + b"\n") * 9 + b"\n" * 3 * 2**20 + GOOD, 10),  # blocks of them
    ],
)
def test_other_blank_lines(write, content, line, compress):
    path = write(gzip.compress(content, 1) if compress else content)
    with pytest.raises(ValueError, match=rf"day\.tsv: line {line} holds no values, expected 40"):
        load_criteo(path)


@pytest.mark.parametrize("before", [0, 7000])
def test_a_line_without_end(write, before):
    content = (GOOD + b"\n") * before + b"7" * 3 * tsv.BLOCK_BYTES
    with pytest.raises(ValueError, match=f"line {before + 1} is longer than 1048576 bytes"):
        load_criteo(write(content))


# Errors of a file


@pytest.mark.parametrize("name", ["day.tsv", "day.tsv.gz"])
def test_empty_file(write, name):
    with pytest.raises(ValueError, match=rf"{name}: the file is empty"):
        load_criteo([write(GOOD, "first"), write(b"", name)])


def test_empty_gzip(write):
    with pytest.raises(ValueError, match=r"day\.gz: the file is empty"):
        load_criteo(write(gzip.compress(b""), "day.gz"))


@pytest.mark.parametrize("lost", [1, 8, 9, 500])
def test_cut_gzip(write, lost):
    packed = gzip.compress(random_lines(3000))
    with pytest.raises(ValueError, match=r"day\.gz: .* is cut or corrupted somewhere after line"):
        load_criteo(write(packed[:-lost], "day.gz"))


@pytest.mark.parametrize("length", [2, 3, 9, 10, 11])
def test_gzip_cut_in_its_header(write, length):
    packed = gzip.compress(GOOD)[:length]
    with pytest.raises(ValueError, match=r"day\.gz: the file is cut or corrupted .* line 0: "):
        load_criteo(write(packed, "day.gz"))


@pytest.mark.parametrize("place", [0.3, 0.9, -5, -1])  # in the data, the checksum, the length
def test_corrupted_gzip(write, place):
    packed = bytearray(gzip.compress(random_lines(3000)))
    packed[int(place * len(packed)) if place > 0 else place] ^= 0x55
    with pytest.raises(ValueError, match=r"day\.gz: "):
        load_criteo(write(packed, "day.gz"))


def test_gzip_with_something_behind_it(write):
    with pytest.raises(ValueError, match=r"day\.gz: the file is cut or corrupted"):
        load_criteo(write(gzip.compress(GOOD + b"\n") + b"more", "day.gz"))


LINES = (GOOD + b"\n") * 50


def in_tar(content):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("train.txt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def in_zip(content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.txt", content)
    return packed.getvalue()


def as_parquet(content):
    parquet = pytest.importorskip("pyarrow.parquet")
    packed = io.BytesIO()
    parquet.write_table(pyarrow.table({"line": [content]}), packed)
    return packed.getvalue()


def as_npy(content):
    packed = io.BytesIO()
    np.save(packed, np.frombuffer(content, np.uint8))
    return packed.getvalue()


def by_arrow(codec):
    def compress(content):
        if not pyarrow.Codec.is_available(codec):
            pytest.skip(f"pyarrow was built without {codec}")
        packed = io.BytesIO()
        with pyarrow.CompressedOutputStream(pyarrow.PythonFile(packed, "w"), codec) as stream:
            stream.write(content)
            stream.flush()
            return packed.getvalue()

    return compress


OTHER_KINDS = {
    "day.tsv.zst": (by_arrow("zstd"), r"compressed by zstd \(\.zst\)"),
    "day.tsv.lz4": (by_arrow("lz4"), r"compressed by LZ4 \(\.lz4\)"),
    "day.tsv.bz2": (bz2.compress, r"compressed by bzip2 \(\.bz2\)"),
    "day.tsv.xz": (lzma.compress, r"compressed by xz \(\.xz\)"),
    "day.zip": (in_zip, r"a ZIP archive \(\.zip\)"),
    "dac.tar": (in_tar, r"a tar archive \(\.tar\)"),
    "day.parquet": (as_parquet, r"a Parquet file \(\.parquet\)"),
    "day.npy": (as_npy, r"a NumPy file \(\.npy\)"),
}


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("name", OTHER_KINDS)
def test_other_kinds_of_files_are_named(write, name, renamed):
    pack, kind = OTHER_KINDS[name]
    path = write(pack(LINES), "day.tsv" if renamed else name)
    with pytest.raises(ValueError, match=rf"{path.name}: the file is {kind}, not tab-separated"):
        load_criteo(path)


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_other_kinds_within_gzip_are_named(write, name):
    """Such as dac.tar.gz, as the challenge's data are given out."""
    pack, kind = OTHER_KINDS[name]
    path = write(gzip.compress(pack(LINES)), f"{name}.gz")
    with pytest.raises(ValueError, match=rf"the file is gzip, and in it something that is {kind}"):
        next(iter(CriteoReader(path)))


def test_gzip_within_gzip(write):
    path = write(gzip.compress(gzip.compress(LINES)), "day.gz")
    with pytest.raises(ValueError, match="in it something that is compressed by gzip"):
        load_criteo(path)


def test_named_gz_but_plain(write):
    with pytest.raises(ValueError, match=r"day\.GZ: named \.gz, but its first bytes b'1\\t'"):
        load_criteo(write(GOOD, "day.GZ"))


def random_lines(n):
    digits = random.Random(0)
    line = GOOD.rpartition(b"\t")[0]
    return b"".join(b"%s\t%08x\n" % (line, digits.getrandbits(32)) for _ in range(n))


def test_missing_file(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"none\.tsv") as caught:
        CriteoReader([write(GOOD), tmp_path / "none.tsv"])
    assert caught.value.errno == errno.ENOENT


def test_file_that_went_away(write):
    reader = CriteoReader(path := write(GOOD))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"day\.tsv"):
        list(reader)


def test_folder(tmp_path, write):
    with pytest.raises(ValueError, match=f"{tmp_path.name} is a folder without a file"):
        load_criteo(tmp_path)
    paths = [write(GOOD + b"\n", name) for name in ("b.tsv", "a.tsv")]
    assert CriteoReader(tmp_path).paths == tuple(map(str, reversed(paths)))


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
