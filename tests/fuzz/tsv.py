"""Cases of Criteo's files: sound ones and damaged ones."""

import gzip
from unittest import mock

import numpy as np

from lowprec.datasets import CriteoReader, load_criteo, tsv
from tests import naive_data
from tests.fuzz.checks import attempt, check
from tests.fuzz.inputs import folder, pick

HEX = b"0123456789abcdefABCDEF"
NOISE = [b"", b"\t", b"\n", b"\r", b"\r\n", b"-", b"0", b'"', b"\\", b"\x00", b"\xff", b"9" * 25]
SIZES = tuple(range(1, 27))


def random_line(rng):
    fields = [b"%d" % rng.integers(2)]
    for _ in range(13):
        scale = int(rng.integers(1, 64))
        fields.append(
            b"" if rng.random() < 0.2 else b"%d" % rng.integers(-(2**scale), 2**scale - 1)
        )
    digits = rng.integers(0, len(HEX), (26, 8))
    lengths = rng.integers(0, 9, 26)
    fields += [
        bytes(HEX[d] for d in row[:length]) for row, length in zip(digits, lengths, strict=True)
    ]
    return b"\t".join(fields)


def random_text(rng):
    if rng.random() < 0.1:
        return rng.bytes(int(rng.integers(0, 200)))
    end = pick(rng, [b"\n", b"\r\n", b"\n", b"\r"])
    lines = [random_line(rng) for _ in range(int(rng.integers(0, 4) if rng.random() < 0.9 else 12))]
    text = bytearray(end.join(lines) + (end if rng.random() < 0.7 else b""))
    while rng.random() < 0.4:
        start = int(rng.integers(0, len(text) + 1))
        stop = start + int(rng.integers(0, 4))
        text[start:stop] = pick(rng, NOISE) if rng.random() < 0.8 else rng.bytes(3)
    if rng.random() < 0.01:
        text[0:0] = b"7" * int(rng.integers(1, 10_000))
    return bytes(text)


def case_of_tsv(rng, around):
    text = random_text(rng)
    data, sound = text, True
    if rng.random() < 0.4:
        cut = int(rng.integers(0, len(text) + 1)) if rng.random() < 0.3 else len(text)
        data = b"".join(gzip.compress(part, 1) for part in (text[:cut], text[cut:]) if part or cut)
        if rng.random() < 0.4 and data:
            sound, data = False, bytearray(data)
            if rng.random() < 0.5:
                del data[int(rng.integers(len(data))) :]
            else:
                data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    try:
        expected = naive_data.parse_criteo(text.removeprefix(b"\xef\xbb\xbf"), SIZES)
    except ValueError:
        expected = None
    path = folder() / "day.tsv"
    path.write_bytes(data)
    size = pick(rng, [1, 2, 5, 100])
    block = pick(rng, [4096, 1 << 20])

    def read():
        if rng.random() < 0.7:
            (dense, indices), y = load_criteo(path, SIZES)
        else:
            batches = [(*X, y) for X, y in CriteoReader(path, SIZES, size)]
            check(all(len(b[2]) == size for b in batches[:-1]), "the size of a batch")
            dense, indices, y = (np.concatenate(part) for part in zip(*batches, strict=True))
        return dense, indices, y

    with mock.patch.object(tsv, "BLOCK_BYTES", block):
        found = attempt(lambda: around.run(read), ValueError)
    if found is None:
        too_long = any(len(line) >= block for line in text.splitlines())
        check(expected is None or not sound or too_long, "a sound file was refused")
        return
    check(expected is not None, "a bad file was read")
    equal = all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    check(equal, "a file was read wrongly")
