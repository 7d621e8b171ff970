"""Random calls, valid and not: ``python tests/fuzz.py [--cases N | --full] [--seed S]``.

What one case is:

- rounding: an array of 1 to 64 (one in fifty: to 2048) float32 numbers of arbitrary bits into one
  format, by one of the three functions, compared number by number;
- tables: a table, a batch, one lookup and one update, compared bit by bit; in half of the cases one
  thing about the batch is wrong, which must be refused and must leave the table as it was;
- tsv: one file of 0 to 12 lines, sound or damaged, plain or gzip, read whole or in batches;
- files: one file of a table or a model, damaged in its bytes, in its header, or in its description
  with a checksum that fits; it must be refused, or give an object that works.

Cases are a function of (seed, area, number).  They run in child processes, so that one that crashes
or hangs is counted, named, and left out when its area goes on behind it.  The exit status is 1 if
anything was found.  To see one again: ``--area tables --case 12345 --seed S``.
"""

import argparse
import atexit
import functools
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from pathlib import Path

import numpy as np

from lowprec.formats.entries import FORMATS

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:  # run as a script
    sys.path.insert(0, str(ROOT))

FULL = {"rounding": 800_000, "tables": 60_000, "tsv": 60_000, "files": 100_000}
ONE_THREAD = {**os.environ, "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
ONE_THREAD["OPENBLAS_NUM_THREADS"] = "1"  # arrays are small
KINDS = ("crashes", "hangs", "unclear errors", "wrong answers")
SECONDS_TO_HANG = float(os.environ.get("FUZZ_SECONDS_TO_HANG", "600"))
SHOWN = 20  # findings an area, after which it ends


class WrongError(Exception):
    """A wrong answer."""


class UnclearError(Exception):
    """An error that does not say what was wrong, or not by lowprec's own words."""


def check(condition, what):
    if not condition:
        raise WrongError(what)


def attempt(call, expected):
    """The result of a call, or None where it raised one of the `expected` errors, clearly."""
    from tests.verdicts import in_short, is_clear

    try:
        return call()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of a Rust library is no Exception
        if not is_clear(error, expected):
            raise UnclearError(in_short(error)) from error
        return None


def pick(rng, choices):
    return choices[int(rng.integers(len(choices)))]


# --- rounding ---


def floats_of_any_bits(rng, size):
    """All patterns alike, or the numbers around those that a format can hold."""
    bits = rng.integers(0, 2**32, size, np.uint32)
    if rng.random() < 0.5:
        return bits.view(np.float32)
    exponents = rng.integers(-30, 20, size)
    mantissas = 1 + rng.integers(0, 2**11, size) / 2.0**11
    near = (mantissas * 2.0**exponents * rng.choice([-1, 1], size)).astype(np.float32)
    return (near.view(np.int32) + rng.integers(-2, 3, size).astype(np.int32)).view(np.float32)


def layouts(rng, array):
    """The same values, laid out otherwise.

    Numba compiles kernels anew for arrays that cannot be written, so only some functions see them.
    """
    kind = int(rng.integers(6 if array.dtype == np.float32 and array.ndim == 1 else 5))
    if kind == 0:
        return np.repeat(array, 2, axis=0)[::2]
    if kind == 1:
        return np.ascontiguousarray(array[::-1])[::-1]
    if kind == 2:
        return array.astype(array.dtype.newbyteorder(">"))
    if kind == 3:
        shifted = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        shifted[...] = array
        return shifted
    if kind == 4:
        return np.asfortranarray(array)
    copy = array.copy()
    copy.setflags(write=False)
    return copy


def same(found, expected):
    """Equal bits, but for NaN, which is any NaN."""
    words = np.dtype(f"u{found.dtype.itemsize}")
    one, other = found.astype(np.float64), expected.astype(np.float64)
    undefined = np.isnan(one) & np.isnan(other)
    return (undefined | (found.view(words) == expected.view(words))).all()


def case_of_rounding(rng):
    import lowprec as lp
    from tests import naive, naive_arrays

    name = pick(rng, list(naive.FORMATS))
    size = int(rng.integers(1, 2049 if rng.random() < 0.02 else 65))
    x = floats_of_any_bits(rng, size)
    seed = int(rng.integers(0, 2**64, dtype=np.uint64))
    given = layouts(rng, x) if rng.random() < 0.3 else x
    function = pick(rng, ["stochastic_round", "nearest_round", "round_up_probability"])
    with np.errstate(invalid="ignore", over="ignore"):
        if function == "stochastic_round":
            keys = [naive.row_key(seed, 1, 0, block) for block in range((size + 1023) // 1024)]
            found = lp.stochastic_round(given, name, seed)
            expected = naive_arrays.stochastic(x, keys, name)
        elif function == "nearest_round":
            found, expected = lp.nearest_round(given, name), naive_arrays.nearest(x, name)
        else:
            found = lp.round_up_probability(given, name)
            expected = naive_arrays.round_up_probability(x, name) + 0.0  # no -0.0
        check(same(found, expected), f"{function} of {name}")


# --- tables ---


def random_table(rng):
    import lowprec as lp

    single = rng.random() < 0.2
    sizes = [int(n) for n in rng.integers(1, 9, 1 if single else int(rng.integers(1, 4)))]
    dtypes = ["float32", *(fmt.name for fmt in FORMATS)]
    table = lp.EmbeddingTable(
        sizes[0] if single else sizes,
        pick(rng, [1, 2, 3, 15, 16, 17, 33]),
        pick(rng, dtypes),
        pick(rng, ["stochastic", "nearest"]),
        lp.SGD(float(rng.choice([0.0, 0.5, 0.3, 1e-3, 7.0]))),
        int(rng.integers(0, 2**64, dtype=np.uint64)),
        on_nonfinite=pick(rng, ["raise", "skip"]),
    )
    scale = 10.0 ** rng.uniform(-6, 1)
    table.weight[:] = (rng.normal(size=table.weight.shape) * scale).astype(table.dtype)
    return table, sizes


def random_batch(rng, sizes, single, dim):
    """Arguments of `lookup` and a gradient, all of them valid."""
    features, samples = len(sizes), int(rng.integers(0, 6))
    batch = {"pooling": pick(rng, ["sum", "mean"]), "across_features": bool(rng.random() < 0.2)}
    counts = np.ones(samples * features, np.int64)
    if rng.random() < 0.5:
        counts = rng.integers(0, 4, samples * features)
        batch["offsets"] = np.concatenate([[0], np.cumsum(counts)]).astype(pick(rng, ["i4", "i8"]))
    limits = np.repeat(np.tile(sizes, samples), counts)
    ids = (rng.random(limits.size) * limits).astype(pick(rng, ["i4", "i8"]))
    if "offsets" not in batch and not (single and rng.random() < 0.5):
        ids = ids.reshape(samples, features)
    if rng.random() < 0.4:
        batch["per_sample_weights"] = rng.normal(size=ids.shape).astype(np.float32)
    bags = (samples,) if single and ids.ndim == 1 else (samples, features)
    if batch["across_features"]:
        bags = (samples,)
    grad = (rng.normal(size=(*bags, dim)) * 10.0 ** rng.uniform(-5, 1)).astype(np.float32)
    return {"indices": ids, **batch}, grad


def with_entry(array, place, value):
    copy = np.array(array)
    copy.flat[place] = value
    return copy


WRONG_TYPES = [
    None, 3, "text", b"bytes", [[1, 2], [3]], {"a": 1}, object(), [None], ["a"], np.float32(1.5),
    [[]],
    np.datetime64("2020-01-01"), np.array([1 + 2j]), np.array(["x"]), np.array([object()]), 1e300,
    2**70, np.array([True]), np.array([2**63], np.uint64), np.zeros((1, 1, 1, 1, 1)), float("nan"),
]  # fmt: skip
INT_EDGES = [-1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**40, -(2**40)]


def spoil(rng, batch, grad, sizes):
    """One thing that is wrong: (batch, grad)."""
    ids, batch = batch["indices"], dict(batch)
    choices = [
        "ids",
        "ids",
        "type",
        "type",
        "dtype",
        "offsets",
        "offsets",
        "weights",
        "grad",
        "word",
    ]
    kind = pick(rng, choices)
    if kind == "ids" and ids.size:
        low, high = np.iinfo(ids.dtype).min, np.iinfo(ids.dtype).max
        edges = [edge for edge in [*INT_EDGES, max(sizes)] if low <= edge <= high]
        batch["indices"] = with_entry(ids, int(rng.integers(ids.size)), pick(rng, edges))
        return batch, grad
    if kind == "type":
        name = pick(rng, ["indices", "offsets", "per_sample_weights", "grad"])
        wrong = [value for value in WRONG_TYPES if not (value is None and name[0] in "op")]
        value = pick(rng, wrong)
        return (batch, value) if name == "grad" else ({**batch, name: value}, grad)
    if kind == "dtype":
        dtype = pick(
            rng, ["f4", "f8", "u8", "u4", "i2", "?", "O", "c8", "U5", "M8[s]", "m8[s]", "f2"]
        )
        batch["indices"] = ids.astype(np.int64).astype(dtype)
        return batch, grad
    if kind == "offsets" and batch.get("offsets") is not None:
        bounds = batch["offsets"].astype(np.int64)
        how = pick(rng, ["first", "last", "inside", "count", "shape", "float"])
        if how == "first":
            bounds = with_entry(bounds, 0, pick(rng, [1, *INT_EDGES]))
        elif how == "last":
            bounds = with_entry(bounds, -1, ids.size + pick(rng, [-1, 1, 7, 2**31, 2**62]))
        elif how == "inside" and bounds.size > 2:
            place = int(rng.integers(1, bounds.size - 1))
            edges = [-1, -(2**63), ids.size + 1, 2**31, 2**63 - 1]
            bounds = with_entry(bounds, place, pick(rng, edges))
        elif how == "count":
            bounds = np.concatenate([bounds[:1], bounds]) if len(sizes) > 1 else bounds[:0]
        elif how == "shape":
            bounds = bounds[None]
        else:
            bounds = bounds.astype(pick(rng, ["f8", "u8", "O", "?"]))
        return {**batch, "offsets": bounds}, grad
    if kind == "weights" and ids.size:
        weights = np.ones(ids.shape, np.float32)
        bad = [
            with_entry(weights, int(rng.integers(ids.size)), pick(rng, [np.nan, np.inf, -np.inf])),
            weights.astype(np.float64), weights[..., None], np.ones(ids.size + 1, np.float32),
        ]  # fmt: skip
        return {**batch, "per_sample_weights": pick(rng, bad)}, grad
    if kind == "word":
        pairs = [
            ("pooling", "max"), ("pooling", None), ("pooling", ["sum"]), ("across_features", "no"),
            ("across_features", None), ("across_features", np.ones(2)), ("pooling", np.ones(2)),
        ]  # fmt: skip
        name, value = pick(rng, pairs)
        return {**batch, name: value}, grad
    bad = [
        grad.astype(np.float64), grad[..., None], grad[None], grad[..., :-1], grad.astype(complex),
        grad.astype(object), np.ones((2 * len(grad) + 1, *grad.shape[1:]), np.float32),
    ]  # fmt: skip
    return batch, pick(rng, bad)


def state_of_table(table):
    return table.weight.tobytes(), table.step, table.skipped_rows


def case_of_tables(rng):
    from tests import naive_arrays
    from tests.verdicts import EXPECTED

    table, sizes = random_table(rng)
    single = isinstance(table.num_embeddings, int)
    batch, grad = random_batch(rng, sizes, single, table.embedding_dim)
    before = state_of_table(table)
    if rng.random() < 0.5:
        batch, grad = spoil(rng, batch, grad, sizes)
        accepted = attempt(lambda: table.update(grad=grad, **batch) or True, EXPECTED)
        check(accepted is None, "an update took what is wrong")
        check(state_of_table(table) == before, "a refused update changed the table")
        attempt(lambda: table.lookup(**batch), EXPECTED)
        check(state_of_table(table) == before, "a lookup changed the table")
        return
    given = {
        name: layouts(rng, value) if isinstance(value, np.ndarray) and rng.random() < 0.2 else value
        for name, value in batch.items()
    }
    merged = len(sizes) if batch["across_features"] else 1
    plain = {
        "indices": batch["indices"],
        "offsets": batch.get("offsets"),
        "pooling": batch["pooling"],
        "weights": batch.get("per_sample_weights"),
        "merged": merged,
    }
    out = table.lookup(**given)
    expected = naive_arrays.lookup(table, **plain)
    check(out.reshape(expected.shape).tobytes() == expected.tobytes(), "lookup")
    check(out.shape == grad.shape, "the shape of a lookup")
    bad = rng.random() < 0.1 and grad.size > 0
    if bad:
        grad = with_entry(grad, int(rng.integers(grad.size)), pick(rng, [np.nan, np.inf]))
        if table.on_nonfinite == "raise":
            accepted = attempt(lambda: table.update(grad=grad, **given) or True, FloatingPointError)
            reached = naive_arrays.rows_and_bags(
                table.row_offsets, plain["indices"], plain["offsets"], merged
            )[1]
            hit = not np.isfinite(grad.reshape(-1, table.embedding_dim)[reached]).all()
            check(not hit or accepted is None, "an update took a gradient that is not finite")
            check(accepted or state_of_table(table) == before, "a refused update changed the table")
            return
    with np.errstate(all="ignore"):
        new = naive_arrays.update(table, table.optimizer.learning_rate, grad=grad, **plain)
        if bad:
            kept = ~np.isfinite(new.astype(np.float64)).all(axis=1)
            return check_skipped(table, grad, given, plain, kept)
    table.update(grad=layouts(rng, grad) if rng.random() < 0.2 else grad, **given)
    check(table.weight.tobytes() == new.tobytes(), "update")
    check(table.step == before[1] + 1, "step")


def check_skipped(table, grad, given, plain, kept):
    """Rows that a number which is not finite reaches stay as they are."""
    from tests import naive_arrays

    rows, bags = naive_arrays.rows_and_bags(
        table.row_offsets, plain["indices"], plain["offsets"], plain["merged"]
    )
    finite = np.isfinite(grad.reshape(-1, table.embedding_dim)).all(axis=1)
    reached = np.unique(rows[~finite[bags]])
    before = table.weight.copy()
    table.update(grad=grad, **given)
    check(table.skipped_rows == reached.size, "skipped_rows")
    check(table.weight[reached].tobytes() == before[reached].tobytes(), "a row was not skipped")


# --- Criteo's files ---

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


def case_of_tsv(rng):
    from unittest import mock

    from lowprec.datasets import CriteoReader, load_criteo, tsv
    from tests import naive_data

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
        found = attempt(read, ValueError)
    if found is None:
        too_long = any(len(line) >= block for line in text.splitlines())
        check(expected is None or not sound or too_long, "a sound file was refused")
        return
    check(expected is not None, "a bad file was read")
    equal = all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    check(equal, "a file was read wrongly")


# --- files of tables and models ---


@functools.cache
def folder():
    """Where files are written: in memory, if there is such a place."""
    home = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    holder = tempfile.mkdtemp(dir=home)
    atexit.register(shutil.rmtree, holder)
    return Path(holder)


@functools.cache
def sound_files():
    """(header, description, bytes of the arrays) of small files of all kinds."""
    import lowprec as lp
    from tests import naive_models

    X, y = naive_models.samples(8, [3, 2], 2)
    rate = lp.SGD(lp.schedules.InverseTime(0.5, decay=0.1))
    small = {"batch_size": 4, "optimizer": rate}
    things = [
        lp.EmbeddingTable([4, 3], 5, seed=1),
        lp.EmbeddingTable(4, 1, "float8_e5m2", optimizer=rate),
        lp.LogisticRegression([3, 2], l2=0.01, **small).partial_fit(X, y),
        lp.DLRM([3, 2], 2, (3,), (2,), standardize=True, **small).partial_fit(X, y),
    ]
    checkpoints = lp.Checkpoints(folder() / "run")
    things.append(lp.LogisticRegression([3, 2], **small).fit(X, y, save=checkpoints))
    files = []
    for thing in things:
        path = folder() / "sound"
        thing.save(path)
        files.append(path.read_bytes())
    return [(data, *split(data)) for data in files]


def split(data):
    """(header, description, arrays) of a file."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    entry = json.loads(header["__metadata__"]["lowprec"].partition(" ")[2])
    return header, entry, data[8 + length :]


def joined(header, text, arrays):
    """A file with a description whose checksum fits."""
    crc = zlib.crc32(text.encode("utf-8", "surrogatepass"))
    header = {**header, "__metadata__": {"lowprec": f"{crc:08x} {text}"}}
    new = json.dumps(header).encode()
    return len(new).to_bytes(8, "little") + new + arrays


HOSTILE = [
    None, True, False, 0, 1, -1, 2, 5, 0.5, -0.5, 1e39, 1e308, float("nan"), float("inf"), 2**31,
    2**32, 2**53, 2**63, 2**64, 2**70, 10**400, "", "1", "float16", "stochastic", "os.system", "\0",
    "\ud800", [], [[]], [1], [1, 2], [3, 2], [-1], [1e9], [[1], [2, 3]], {}, {"a": 1},
    {"schedule": []},
    {"schedule": "Constant", "learning_rate": 10**400}, {"optimizer": "SGD", "learning_rate": None},
    {"schedule": "InverseTime", "learning_rate": 1.0, "decay": 1.0, "more": 1}, [0, 0, 1],
    [0, 9, 1], [0, 0, 2**70], ["a", 0, 1], [None], "x" * 300, [2**24] * 3, [0] * 40,
    {"optimizer": []},
]  # fmt: skip


def places_in(value, path=()):
    """Every place of nested JSON."""
    yield path
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield from places_in(value[key], (*path, key))


def mutate(rng, entry):
    """A description with something else somewhere."""
    root = {"root": json.loads(json.dumps(entry))}
    *above, last = ("root", *pick(rng, list(places_in(entry))))
    parent = functools.reduce(lambda value, key: value[key], above, root)
    value = pick(rng, HOSTILE)
    how = rng.random()
    if how < 0.6:
        parent[last] = value
    elif how < 0.75:
        del parent[last]
    elif isinstance(parent, dict):
        parent[pick(rng, ["new", "seed", "device", "dtype", ""])] = value
    else:
        parent.insert(int(rng.integers(len(parent) + 1)), value)
    return root.get("root")


def random_file(rng):
    """(data, data of the sound file): damaged in one way."""
    data, header, entry, arrays = pick(rng, sound_files())
    how = rng.random()
    if how < 0.6:
        entry = mutate(rng, entry)
        if rng.random() < 0.2:
            entry = mutate(rng, entry) if isinstance(entry, dict | list) else entry
        return joined(header, json.dumps(entry), arrays), data
    if how < 0.65:
        deep = int(rng.integers(1, 100_000))
        texts = [
            "[" * deep + "]" * deep,
            '{"a":' * deep,
            "9" * deep,
            "{",
            "",
            "null",
            "\x00",
            "[1,]",
        ]
        return joined(header, pick(rng, texts), arrays), data
    if how < 0.8:
        header = json.loads(json.dumps(header))
        name = pick(rng, [key for key in header if key != "__metadata__"])
        numbers = [0, 1, -1, 2, 7, 14, 70, 2**31, 2**60, 2**63, 2**64, 1.5, "1", None]
        change = pick(rng, ["shape", "dtype", "data_offsets"])
        if change == "dtype":
            header[name][change] = pick(rng, ["F64", "F32", "F16", "I16", "U8", "F8_E5M2", "X", 3])
        else:
            count = int(rng.integers(0, 4)) if change == "shape" else 2
            header[name][change] = [pick(rng, numbers) for _ in range(count)]
        return joined(header, json.dumps(entry), arrays), data
    damaged = bytearray(data)
    if how < 0.9:
        for _ in range(int(rng.integers(1, 4))):
            damaged[int(rng.integers(len(damaged)))] ^= 1 << int(rng.integers(8))
    elif how < 0.95:
        del damaged[int(rng.integers(len(damaged))) :]
    else:
        length = pick(rng, [0, 1, 2**20, 2**31, 2**63, 2**64 - 1, len(damaged)])
        damaged[:8] = length.to_bytes(8, "little")
    return bytes(damaged), data


def case_of_files(rng):
    import lowprec as lp
    from tests import naive_models
    from tests.verdicts import EXPECTED

    data, _ = random_file(rng)
    path = folder() / "damaged"
    path.write_bytes(data)
    mmap = bool(rng.random() < 0.3)
    thing = attempt(lambda: lp.load(path, mmap=mmap), lp.CheckpointError)
    if thing is None:
        return
    # nothing that can be seen is wrong, so it must work; other samples may not fit other sizes
    attempt(lambda: thing.save(folder() / "again"), EXPECTED)
    if isinstance(thing, lp.EmbeddingTable):
        ids = np.zeros((2, len(thing.row_offsets) - 1), np.int64)
        out = thing.lookup(ids)
        thing.update(ids, np.ones_like(out))
    else:
        X, y = naive_models.samples(8, [3, 2], 2)
        attempt(lambda: thing.predict_proba(X), EXPECTED)
        thing.set_params(batch_size=8, verbose=False)
        attempt(lambda: thing.partial_fit(X, y), EXPECTED)


# --- the children ---


def case_of_nothing(rng):
    """Goes wrong in every way, for the test of this script; no case of a usual run."""
    kind = pick(rng, ["crash", "hang", "unclear", "wrong", "fine", "fine", "fine", "fine"])
    check(kind != "wrong", "a wrong answer")
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "hang":
        time.sleep(3600)
    elif kind == "unclear":
        np.asarray([[1, 2], [3]])


AREAS = {
    "rounding": case_of_rounding,
    "tables": case_of_tables,
    "tsv": case_of_tsv,
    "files": case_of_files,
    "nothing": case_of_nothing,
}


def run_cases(area, first, stop, seed, progress):
    """Prints findings of cases `first` to `stop` - 1; the number of each is noted before it runs.

    At once, as what comes next may end the process.
    """
    number, findings = list(AREAS).index(area), 0
    for case in range(first, stop):
        progress[0] = case
        try:
            AREAS[area](np.random.default_rng([seed, number, case]))
            continue
        except WrongError as error:
            kind, detail = "wrong answers", str(error)
        except UnclearError as error:
            kind, detail = "unclear errors", str(error)
        except Exception:
            kind, detail = "unclear errors", traceback.format_exc(limit=-3)
        print(json.dumps({"case": case, "kind": kind, "detail": detail[:1000]}), flush=True)
        progress[0], findings = case + 1, findings + 1
        if findings >= SHOWN:
            return
    progress[0] = stop


def run_in_child(area, first, stop, seed):
    """(findings, the first case that is left, seconds)."""
    with tempfile.TemporaryDirectory() as home:
        notes = np.memmap(Path(home, "case"), np.int64, "w+", shape=1)
        notes[0] = first
        command = [sys.executable, __file__, "--area", area, "--seed", str(seed), "--child"]
        command += [str(first), str(stop), str(Path(home, "case"))]
        errors = open(Path(home, "stderr"), "w+")  # noqa: SIM115 - closed below
        began = time.monotonic()
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=ONE_THREAD
        )
        hung, last, since = False, first, began
        while child.poll() is None:
            time.sleep(0.05)
            if notes[0] != last:
                last, since = int(notes[0]), time.monotonic()
            elif time.monotonic() - since > SECONDS_TO_HANG:
                hung = True
                child.kill()
                child.wait()
        seconds, case = time.monotonic() - began, int(notes[0])
        text = child.stdout.read()
        child.stdout.close()
        errors.seek(0)
        tail = errors.read()[-1000:]
        errors.close()
    found = [json.loads(line) for line in text.splitlines()]
    if hung:
        found.append({"case": case, "kind": "hangs", "detail": f"{SECONDS_TO_HANG} s"})
    elif child.returncode != 0:
        detail = f"exit status {child.returncode}: {tail}"
        found.append({"case": case, "kind": "crashes", "detail": detail})
    else:
        return found, case, seconds
    return found, case + 1, seconds


def run_area(area, cases, seed, minutes, at_once=5_000):
    """The report of an area; no child begins after so many minutes."""
    deadline = time.monotonic() + 60 * minutes
    findings, first, seconds, done = [], 0, 0.0, 0
    while first < cases and len(findings) < SHOWN and time.monotonic() < deadline:
        stop = min(first + at_once, cases)
        found, next_case, took = run_in_child(area, first, stop, seed)
        findings += found
        seconds += took
        done += next_case - first
        first = next_case
    counts = {kind: sum(found["kind"] == kind for found in findings) for kind in KINDS}
    return {"area": area, "cases": done, "seconds": round(seconds, 1), **counts, "found": findings}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cases", type=int, default=200, help="of each area")
    parser.add_argument("--full", action="store_true", help=f"{sum(FULL.values()):,} cases")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="at most, an area")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="OUT")
    parser.add_argument("--area", choices=list(AREAS))
    parser.add_argument("--case", type=int, help="one case of an area, in this process")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.child:
        first, stop, notes = int(args.child[0]), int(args.child[1]), args.child[2]
        progress = np.memmap(notes, np.int64, "r+", shape=1)
        run_cases(args.area, first, stop, args.seed, progress)
        return 0
    if args.case is not None:
        AREAS[args.area](
            np.random.default_rng([args.seed, list(AREAS).index(args.area), args.case])
        )
        print("nothing was found")
        return 0
    counts = FULL if args.full else dict.fromkeys(AREAS, args.cases)
    reports = []
    print(f"{'area':10}{'cases':>10}{'seconds':>9}" + "".join(f"{kind:>16}" for kind in KINDS))
    for area in [args.area] if args.area else FULL:
        report = run_area(area, counts[area], args.seed, args.minutes)
        reports.append(report)
        numbers = "".join(f"{report[kind]:16,}" for kind in KINDS)
        print(f"{area:10}{report['cases']:10,}{report['seconds']:9,.0f}{numbers}", flush=True)
        for found in report["found"]:
            print(f"  {area} case {found['case']}, {found['kind']}: {found['detail']}", flush=True)
    total = sum(report["cases"] for report in reports)
    print(f"{'all':10}{total:10,}")
    if args.json:
        Path(args.json).write_text(json.dumps({"seed": args.seed, "areas": reports}, indent=1))
    return int(any(report["found"] for report in reports))


if __name__ == "__main__":
    sys.exit(main())
