"""`kill -9` at any moment."""

import shutil

import lowprec as lp
from tests.children import forked, in_child, kill_after
from tests.faults.files import differing_bytes, is_readable, left_over, lp_files
from tests.faults.training import big_table, make_model, samples, train


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
