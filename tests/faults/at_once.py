"""Several processes or threads at once, and a fork."""

import os
import shutil
import threading

import numpy as np

import lowprec as lp
from tests.children import answer_of, forked, in_child
from tests.faults.files import left_over
from tests.faults.promises import check, refused
from tests.faults.training import big_table, make_model, samples


def several_processes(folder, rng):
    """Four write one file 50 times each; whoever reads it sees one of the four, whole."""
    path, sources = folder / "file.safetensors", [folder / f"{k}" for k in range(4)]
    for seed, source in enumerate(sources):
        in_child(lambda ready, seed=seed, to=source: big_table(seed).save(to))
    whole = {source.read_bytes() for source in sources}
    shutil.copy(sources[0], path)

    def write(source, ready):
        table = lp.load(source)
        for _ in range(50):
            table.save(path)

    children = [forked(write, source) for source in sources]
    looks = 0
    while any(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
              for pid, _ in children):  # fmt: skip
        check(path.read_bytes() in whole, "a file is mixed or cut")
        looks += 1
    for child in children:
        answer_of(*child)
    check(left_over(folder) == {"temporary files left": 0}, "files are left")
    return {"looks": looks}


def in_threads(count, function):
    """Calls it in threads, with their numbers; raises what one of them raised."""
    errors = []

    def run(number):
        try:
            function(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def lookups_and_updates():
    """Lookups of one table, and updates of several, are what they are one after the other."""
    ids = np.random.default_rng(0).integers(0, 500, (4, 2000))
    grad = np.ones((2000, 16), np.float32)
    shared = lp.EmbeddingTable(500, 16)
    expected, found = [shared.lookup(batch).tobytes() for batch in ids], [None] * 4
    tables, twins = ([lp.EmbeddingTable(500, 16, seed=s) for s in range(4)] for _ in "ab")

    def work(number):
        for _ in range(20):
            found[number] = shared.lookup(ids[number]).tobytes()
            check(found[number] == expected[number], "a lookup beside others")
            tables[number].update(ids[number], grad)

    in_threads(4, work)
    for number, twin in enumerate(twins):
        for _ in range(20):
            twin.update(ids[number], grad)
        check(twin.weight.tobytes() == tables[number].weight.tobytes(), "an update")
    check(found == expected, "lookups")


def several_threads(folder, rng):
    in_child(lambda ready: lookups_and_updates())


def one_table_in_several_threads(folder, rng):
    """Updates are done one at a time, or refused with RuntimeError; each that is done counts."""

    def child(ready):
        ids = np.random.default_rng(0).integers(0, 500, (4, 2000))
        table, done, others = lp.EmbeddingTable(500, 16), [0] * 4, []

        def work(number):
            for count in range(1, 51):
                grad = np.ones((count * 40, 16), np.float32)  # scratch arrays of many sizes
                try:
                    table.update(ids[number][: count * 40], grad)
                    done[number] += 1
                except RuntimeError as error:
                    if "by two calls at once" not in str(error):
                        others.append(repr(error))

        in_threads(4, work)
        check(not others, others)
        check(table.step == sum(done), f"{table.step} steps of {sum(done)}")
        check(np.isfinite(table.weight.astype(np.float32)).all(), "weights")
        return {"done": sum(done), "refused": 200 - sum(done)}

    return in_child(child)


def saving_beside_updates(folder, rng):
    """Each file is the table after so many whole updates, which go on meanwhile."""

    def child(ready):
        table, twin = big_table(0), big_table(0)
        ids, grad, ends = np.arange(65_536), np.ones((65_536, 16), np.float32), threading.Event()
        path, steps, begun = folder / "file.safetensors", [], threading.Event()

        def work(number):
            if number == 0:
                while not ends.is_set():
                    table.update(ids, grad)
                    begun.set()
                return
            begun.wait()
            try:
                for _ in range(20):
                    table.save(path)
                    found = lp.load(path)
                    while twin.step < found.step:
                        twin.update(ids, grad)
                    check(found.weight.tobytes() == twin.weight.tobytes(), "a file is mixed")
                    steps.append(found.step)
            finally:
                ends.set()

        in_threads(2, work)
        check(len(steps) == 20, "files are missing")
        check(table.step > steps[0], "no update beside the files")
        return {"files": len(steps), "of different steps": len(set(steps))}

    return in_child(child)


def fork_after_use(folder, rng):
    def child(ready):
        table = lp.EmbeddingTable(500, 16)
        ids = np.zeros(2000, np.int64)
        table.update(ids, np.ones((2000, 16), np.float32))
        before = table.weight.tobytes()

        def grandchild(ready):
            refused(lambda: table.lookup(ids), RuntimeError)
            refused(lambda: table.update(ids, np.ones((2000, 16), np.float32)), RuntimeError)
            refused(lambda: make_model().fit(*samples()), RuntimeError)
            check(table.step == 1, "the step")
            check(table.weight.tobytes() == before, "weights")

        in_child(grandchild)
        table.update(ids, np.ones((2000, 16), np.float32))  # the parent is as before

    in_child(child)
