"""Cases of files of tables and models: damaged in one way."""

import functools
import json
import zlib

import numpy as np

import lowprec as lp
from tests import naive_models
from tests.fuzz.checks import attempt
from tests.fuzz.inputs import folder, pick
from tests.fuzz.verdicts import EXPECTED

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


@functools.cache
def sound_files():
    """(header, description, bytes of the arrays) of small files of all kinds."""
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


def case_of_files(rng, around):
    data, _ = random_file(rng)
    path = folder() / "damaged"
    path.write_bytes(data)
    mmap = bool(rng.random() < 0.3)
    thing = attempt(lambda: around.run(lambda: lp.load(path, mmap=mmap)), lp.CheckpointError)
    if thing is None:
        return

    def works(call):
        attempt(lambda: around.run(call), EXPECTED)

    # nothing that can be seen is wrong, so it must work; other samples may not fit other sizes
    works(lambda: thing.save(folder() / "again"))
    if isinstance(thing, lp.EmbeddingTable):
        ids = np.zeros((2, len(thing.row_offsets) - 1), np.int64)
        out = around.run(lambda: thing.lookup(ids))
        works(lambda: thing.update(ids, np.ones_like(out)))  # not a decay beyond 1
    else:
        X, y = naive_models.samples(8, [3, 2], 2)
        works(lambda: thing.predict_proba(X))
        thing.set_params(batch_size=8, verbose=False)
        works(lambda: thing.partial_fit(X, y))
