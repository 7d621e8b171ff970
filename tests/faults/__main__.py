"""What goes wrong around a program: ``python tests/faults.py [--kills 200] [--seed S]``.

Half of the kills (`kill -9`, at a random moment) hit a process that writes one file again and
again, half one that trains with `Checkpoints` and goes on where the one before was killed.  After
each, every file must be whole; what is trained in pieces must end with the bits of a training that
was left alone.  Then: a full disk, a folder that cannot be written, several processes that write
one file, several threads, a fork, and Ctrl-C.  The exit status is 1 if a promise was not held.

Children are forked from a process that has loaded lowprec and not used it, which is allowed, and
takes a tenth of the time that starting Python does.
"""

import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:  # run as a script
    sys.path.insert(0, str(ROOT))

import lowprec as lp  # noqa: E402
from tests import naive_models  # noqa: E402

SIZES = [50, 30, 20]
LEFT_OVER = re.compile(r"\..*\.\d+\.[0-9a-f]{8}\.tmp")
SECONDS = 300  # for anything


class BrokenError(Exception):
    """A promise was not held."""


class Skip(Exception):  # noqa: N818 - no error
    """A fault that cannot be made here."""


def check(condition, what):
    if not condition:
        raise BrokenError(what)


# --- children ---


def forked(function, *arguments):
    """Runs a function in a child; (pid, what to read its word of being ready, and its answer)."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        status = 1
        try:
            with os.fdopen(writer, "w", buffering=1) as out:
                try:
                    answer = function(*arguments, ready=lambda: print("ready", file=out))
                    print(json.dumps({"answer": answer}), file=out)
                    status = 0
                except BaseException:
                    print(json.dumps({"error": traceback.format_exc(limit=-4)}), file=out)
        finally:
            os._exit(status)
    os.close(writer)
    return pid, os.fdopen(reader)


def answer_of(pid, out):
    """What the child of `forked` returned."""
    alarm = threading.Timer(SECONDS, os.kill, (pid, signal.SIGKILL))
    alarm.start()
    lines = [line for line in out.read().splitlines() if line != "ready"]
    out.close()
    status = os.waitpid(pid, 0)[1]
    alarm.cancel()
    check(lines, f"a child ended with status {status}, without a word")
    found = json.loads(lines[-1])
    check("error" not in found, found.get("error"))
    return found["answer"]


def in_child(function, *arguments):
    return answer_of(*forked(function, *arguments))


def kill_after(pid, out, seconds):
    """`kill -9` so long after the child was ready; whether it was still running."""
    out.readline()
    time.sleep(seconds)
    ended = os.waitpid(pid, os.WNOHANG)[0] == pid
    if not ended:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    out.close()
    return not ended


# --- kill -9 ---


def save_again_and_again(path, sources, ready):
    tables = [lp.load(source) for source in sources]
    ready()
    while True:
        for table in tables:
            table.save(path)


def differing_bytes(one, other):
    """How many bytes of two files differ; those that one of them lacks count."""
    shared = min(len(one), len(other))
    pair = [np.frombuffer(data[:shared], np.uint8) for data in (one, other)]
    return int((pair[0] != pair[1]).sum()) + abs(len(one) - len(other))


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


def big_table(seed):
    return lp.EmbeddingTable(65_536, 16, seed=seed)


def is_readable(path):
    try:
        lp.load(path)
    except (OSError, ValueError):
        return False
    return True


def left_over(folder):
    return {"temporary files left": sum(bool(LEFT_OVER.fullmatch(n)) for n in os.listdir(folder))}


def make_model(**kwargs):
    rates = {"optimizer": lp.SGD(2.0), "dense_optimizer": lp.SGD(0.2)}
    return lp.LogisticRegression(
        SIZES, **{"batch_size": 32, "epochs": 40, "l2": 1e-3, **rates, **kwargs}
    )


def samples():
    return naive_models.samples(300, SIZES, 3)


def train(folder, end, ready, save=None):
    """Trains where the files of a folder end, with a file after each batch; ready at the first."""
    resume = folder if lp_files(folder) else None
    save = save or lp.Checkpoints(folder, every_batches=1)
    begins = [ready]

    def callback(model, done):
        while begins:
            begins.pop()()

    make_model().fit(*samples(), save=save, resume=resume, callback=callback).save(end)


def lp_files(folder):
    return [name for name in os.listdir(folder) if name.startswith("step-")]


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


# --- disks ---


@contextlib.contextmanager
def mounted(folder, *options):
    """A mount on a folder; Skip where that is not permitted."""
    folder.mkdir(exist_ok=True)
    try:
        done = subprocess.run(["mount", *options, folder], capture_output=True, text=True)
    except FileNotFoundError:
        raise Skip("there is no mount command") from None
    if done.returncode != 0:
        raise Skip(f"mounting is not permitted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def refused(call, error=OSError):
    try:
        call()
    except error:
        return
    raise BrokenError(f"{error} was not raised")


def fill_the_disk(folder, ready):
    """A save and a training that find no room leave what was there."""
    path, home = folder / "t.safetensors", folder / "run"
    lp.EmbeddingTable(10, 4).save(path)
    before = path.read_bytes()
    refused(lambda: big_table(1).save(path))
    check(path.read_bytes() == before, "the old file changed")
    home.mkdir()
    save = lp.Checkpoints(home, every_batches=1, keep=10_000)  # which the disk cannot hold
    refused(lambda: make_model().fit(*samples(), save=save))
    check(lp_files(home), "no file was written before the disk was full")
    check(all(is_readable(home / name) for name in lp_files(home)), "a file is not whole")
    check(left_over(folder) == left_over(home) == {"temporary files left": 0}, "files are left")


def go_on_elsewhere(home, end, ready):
    make_model().fit(*samples(), resume=home).save(end)
    check(end.read_bytes() == whole_training(folder=end.parent), "the bits are others")


def whole_training(folder):
    make_model().fit(*samples()).save(folder / "whole.safetensors")
    return (folder / "whole.safetensors").read_bytes()


def full_disk(folder, rng):
    with mounted(folder / "disk", "-t", "tmpfs", "-o", "size=512k", "tmpfs") as disk:
        in_child(fill_the_disk, disk)
        in_child(go_on_elsewhere, disk / "run", folder / "end.safetensors")


def limit_of_file_size(folder, rng):
    def child(ready):
        path = folder / "t.safetensors"
        lp.EmbeddingTable(10, 4).save(path)
        before, table = path.read_bytes(), big_table(1)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        refused(lambda: table.save(path))
        check(path.read_bytes() == before, "the old file changed")
        check(os.listdir(folder) == [path.name], "files are left")

    in_child(child)


def read_only_folder(folder, rng):
    source = folder / "source"
    source.mkdir()
    in_child(lambda ready: lp.EmbeddingTable(10, 4).save(source / "t.safetensors"))
    before = (source / "t.safetensors").read_bytes()
    with mounted(folder / "view", "--bind", source) as view:
        options = ["mount", "-o", "remount,bind,ro", view]
        if subprocess.run(options, capture_output=True).returncode != 0:
            raise Skip("mounting read-only is not permitted")

        def child(ready):
            refused(lambda: big_table(1).save(view / "t.safetensors"))
            save = lp.Checkpoints(view / "run")
            refused(lambda: make_model().fit(*samples(), save=save))
            lp.load(view / "t.safetensors")

        in_child(child)
    check((source / "t.safetensors").read_bytes() == before, "the old file changed")
    check(os.listdir(source) == ["t.safetensors"], "files are left")


def file_in_place_of_a_folder(folder, rng):
    def child(ready):
        path = folder / "file"
        path.write_bytes(b"mine")
        refused(lambda: big_table(1).save(path / "t.safetensors"))
        refused(lambda: make_model().fit(*samples(), save=lp.Checkpoints(path)))
        check(path.read_bytes() == b"mine", "the file changed")

    in_child(child)


# --- processes, threads, forks ---


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
    threads = [threading.Thread(target=function, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def several_threads(folder, rng):
    """Lookups of one table, and updates of several, are what they are one after the other."""

    def child(ready):
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

    in_child(child)


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


# --- Ctrl-C ---


def interrupts_of_update(folder, rng, count=100):
    """After each, the table is that of so many whole updates."""

    def child(ready):
        table, twin = lp.EmbeddingTable(500, 16), lp.EmbeddingTable(500, 16)
        ids, grad = rng.integers(0, 500, 3000), np.ones((3000, 16), np.float32)
        table.update(ids, grad)  # compiled before the first Ctrl-C
        ends = threading.Event()

        def interrupt():
            for _ in range(count):
                time.sleep(rng.uniform(0, 0.01))
                pressed.clear()
                os.kill(os.getpid(), signal.SIGINT)
                pressed.wait(SECONDS)
            ends.set()

        pressed, seen = threading.Event(), 0
        threading.Thread(target=interrupt, daemon=True).start()
        while not ends.is_set():
            try:
                while not ends.is_set():
                    table.update(ids, grad)
            except KeyboardInterrupt:
                seen += 1
            while twin.step < table.step:
                twin.update(ids, grad)
            check(table.weight.tobytes() == twin.weight.tobytes(), f"after step {table.step}")
            pressed.set()
        return {"interrupts": seen}

    return in_child(child)


def interrupts_of_fit(folder, rng, count=10):
    """Each ends with a file, from which training goes on to the same bits."""
    home, end = folder / "run", folder / "end.safetensors"
    home.mkdir()
    seen = 0
    while not end.exists():
        pid, out = forked(train, home, end)
        out.readline()
        if seen < count:
            time.sleep(rng.uniform(0.0, 0.3))
            os.kill(pid, signal.SIGINT)
        try:
            answer_of(pid, out)
        except BrokenError as error:
            check("Interrupt" in str(error), error)  # the end of a traceback
            seen += 1
        check(all(is_readable(home / name) for name in lp_files(home)), "a file is not whole")

    def compare(ready):
        return differing_bytes(end.read_bytes(), whole_training(folder))

    lost = in_child(compare)
    check(lost == 0, f"{lost} bytes differ")
    return {"interrupts": seen, "bytes lost": lost}


SCENARIOS = (
    full_disk, limit_of_file_size, read_only_folder, file_in_place_of_a_folder, several_processes,
    several_threads, one_table_in_several_threads, fork_after_use, interrupts_of_update,
    interrupts_of_fit,
)  # fmt: skip


def run(scenario, *arguments):
    """A row of the report."""
    name = scenario.__name__.replace("_", " ")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = scenario(Path(folder), *arguments) or {}
            held = not (result.get("bytes lost") or result.get("unreadable"))
            verdict = "held" if held else "BROKEN"
        except Skip as reason:
            verdict, result = "skipped", {"reason": str(reason)}
        except BrokenError as error:
            verdict, result = "BROKEN", {"reason": str(error)}
    row = {"fault": name, "verdict": verdict, **result, "seconds": time.monotonic() - began}
    details = ", ".join(f"{key} {value}" for key, value in result.items())
    print(f"{name:32}{verdict:10}{row['seconds']:6.1f} s  {details}", flush=True)
    return row


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="OUT")
    args = parser.parse_args(arguments)
    rng = np.random.default_rng(args.seed)
    rows = [run(kills_of_saving, args.kills // 2, rng)]
    rows.append(run(kills_of_training, args.kills - args.kills // 2, rng))
    rows += [run(scenario, rng) for scenario in SCENARIOS]
    if args.json:
        Path(args.json).write_text(json.dumps({"seed": args.seed, "faults": rows}, indent=1))
    return int(any(row["verdict"] == "BROKEN" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
