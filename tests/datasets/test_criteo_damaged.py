"""Criteo files with anything wrong in them: parsed rightly, or a clear error."""

import bz2
import errno
import gzip
import io
import lzma
import random
import tarfile
import zipfile

import numpy as np
import pytest

from lowprec.datasets import CriteoReader, load_criteo, tsv
from tests.datasets.criteo_files import GOOD, equal, flat, pyarrow, replaced

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
