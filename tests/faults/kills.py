"""`kill -9` at any moment."""

import hashlib
import mmap
import shutil

import numpy as np

import lowprec as lp
from tests.children import forked, in_child, kill_after
from tests.faults.files import differing_bytes, is_readable, left_over, lp_files
from tests.faults.promises import check
from tests.faults.training import SIZES, big_table, make_model, samples, train


def save_again_and_again(path, sources, ready):
    tables = [lp.load(source) for source in sources]
    ready()
    while True:
        for table in tables:
            table.save(path)


def kills_of_saving(folder, kills, rng):
    """Two tables of 2 MB take turns; a file is one of the two, whole."""
    sources, path = [folder / "a", folder / "b"], folder / "file.safetensors"
    for seed, source in enumerate(sources):
        in_child(lambda ready, seed=seed, to=source: big_table(seed).save(to))
    whole = [source.read_bytes() for source in sources]
    shutil.copy(sources[0], path)
    lost = unreadable = done = 0
    while done < kills:
        done += kill_after(*forked(save_again_and_again, path, sources), rng.uniform(0, 0.05))
        lost += min(differing_bytes(path.read_bytes(), data) for data in whole)
        unreadable += not is_readable(path)
    return {"kills": done, "bytes lost": lost, "unreadable": unreadable, **left_over(folder)}


def kills_of_training(folder, kills, rng):
    """Trainings of 400 steps, each killed until it has come to its end."""
    alone = folder / "alone.safetensors"
    in_child(lambda ready: make_model().fit(*samples()).save(alone))
    lost = unreadable = done = ended = left = moved = 0
    while done < kills or ended == 0:
        home, end = folder / f"run{ended}", folder / f"end{ended}.safetensors"
        home.mkdir()
        while not end.exists() and done < kills:
            before = max(lp_files(home), default="")
            done += kill_after(*forked(train, home, end), rng.exponential(0.1))
            moved += max(lp_files(home), default="") > before
            unreadable += sum(not is_readable(home / name) for name in lp_files(home))
        in_child(train, home, end)
        lost += differing_bytes(end.read_bytes(), alone.read_bytes())
        left += left_over(home)["temporary files left"]
        ended += 1
    return {
        "kills": done, "that came after new files": moved, "trainings": ended,
        "bytes lost": lost, "unreadable": unreadable, "temporary files left": left,
    }  # fmt: skip


# --- a model whose table is in a file ---


def stream(folder=None):
    """A model and the arguments of its `fit_stream`; of 40 steps."""
    path = None if folder is None else folder / "big.table"
    model = make_model(l2=0.0, optimizer=lp.Adagrad(0.1, initial_accumulator=0.25), path=path)
    X, y = samples()
    whole = lp.Samples(*X)
    return model, {"reader": [(whole[:170], y[:170]), (whole[170:], y[170:])], "epochs": 4}


def train_in_file(folder, ready):
    """Goes on where files end, until the end; the hash of the model."""
    model, given = stream(folder)
    resume = folder if lp_files(folder) else None
    if resume is None:  # killed before the first one: nothing was trained that can be resumed
        (folder / "big.table").unlink(missing_ok=True)
    begins = [ready]

    def callback(model, done):
        while begins:
            begins.pop()()

    model.fit_stream(
        **given, callback=callback, save=lp.Checkpoints(folder, every_batches=1), resume=resume
    )
    found = hash_of(model.table_, sum(SIZES)), model.history_
    model.table_.close()
    return found


def hash_in_memory(ready):
    model, given = stream()
    model.fit_stream(**given)
    return hash_of(model.table_, sum(SIZES)), model.history_


def kills_of_models_in_files(folder, kills, rng):
    """`fit_stream` with `path` and `save`, killed until it has come to its end."""
    expected = in_child(hash_in_memory)
    killed = trainings = lost = 0
    while killed < kills or trainings == 0:
        home = folder / f"run{trainings}"
        home.mkdir()
        while killed < kills:
            if not kill_after(*forked(train_in_file, home), rng.exponential(0.05)):
                break
            killed += 1
        lost += in_child(train_in_file, home) != expected
        trainings += 1
    check(not lost, f"{lost} of {trainings} trainings did not end with the bits of one in memory")
    return {"kills": killed, "trainings": trainings}


# --- tables in files ---

ROWS, IDS = 20_000, 3000  # a step takes long enough to be killed in it


def table_in_file(path=None):
    optimizer = lp.Adagrad(0.1, initial_accumulator=0.25, state_dtype="bfloat16")
    return lp.EmbeddingTable(ROWS, 16, seed=1, optimizer=optimizer, path=path)


def step_of(table):
    """A step whose batch is a function of its number; of most rows in the end."""
    rng = np.random.default_rng(table.step)
    ids = rng.integers(0, ROWS, IDS)
    table.update(ids, table.lookup(ids) + rng.normal(size=(IDS, 16)).astype(np.float32))


def hash_of(table, rows=ROWS):
    found = hashlib.blake2b(table.read(np.arange(rows)).tobytes(), digest_size=8)
    for array in table.optimizer_state.values():
        found.update(np.asarray(array).tobytes())
    return found.hexdigest()


def step_again_and_again(path, told, ready):
    """Tells what the last one left: its step and hash; and each step that has ended."""
    with table_in_file(path) as table:
        told[8:24], told[24:40] = b"%-16d" % table.step, hash_of(table).encode()
        first = table.step
        while True:
            told[:8] = table.step.to_bytes(8, "little")
            step_of(table)
            if table.step == first + 1:  # kernels have come from the cache
                ready()


def kills_of_tables_in_files(folder, kills, rng):
    """A table is trained in its file, killed, and goes on; steps that had ended are never lost.

    One more may have ended than the child could tell.  The hashes must be those of a table in
    memory at the same steps.
    """
    path, told = folder / "big.table", mmap.mmap(-1, 40)  # which its children share
    unreadable = killed = ended = within = 0
    found = {}
    while killed <= kills:  # the last one only looks
        if killed % 10 == 0:
            path.unlink(missing_ok=True)  # the first steps touch most new rows
            ended = 0
        told[:] = bytes(40)
        killed += kill_after(*forked(step_again_and_again, path, told), rng.uniform(0, 0.05))
        within += is_within_a_change(path)
        if told[8] == 0:
            unreadable += 1
            path.unlink()
            killed += 1
            continue
        step, found_hash = int(told[8:24]), told[24:40].decode()
        check(ended <= step <= ended + 1, f"step {ended} had ended, {step} was found")
        check(found.setdefault(step, found_hash) == found_hash, f"two tables of step {step}")
        ended = int.from_bytes(told[:8], "little")
    expected = in_child(hashes_in_memory, max(found))
    differ = sum(expected[step] != each for step, each in found.items())
    check(not differ, f"{differ} tables are not those in memory")
    return {
        "kills": killed - 1,
        "in a change": within,
        "different steps": len(found),
        "unreadable": unreadable,
    }


def is_within_a_change(path):
    """Whether a log is to be undone: docs/tables-in-files.md has the words."""
    with open(path, "rb") as file:
        words = np.frombuffer(file.read(4096), "<u8")
    return bool(words[20 + 8 * int(words[7])])


def hashes_in_memory(last, ready):
    table = table_in_file()
    hashes = [hash_of(table)]
    while table.step < last:
        step_of(table)
        hashes.append(hash_of(table))
    return hashes
