"""Ctrl-C at any moment."""

import os
import signal
import threading
import time

import numpy as np

import lowprec as lp
from tests.children import SECONDS, ChildError, answer_of, forked, in_child
from tests.faults.files import differing_bytes, is_readable, lp_files
from tests.faults.promises import check
from tests.faults.training import train, whole_training


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
        except ChildError as error:
            check("Interrupt" in str(error), error)  # the end of a traceback
            seen += 1
        check(all(is_readable(home / name) for name in lp_files(home)), "a file is not whole")

    def compare(ready):
        return differing_bytes(end.read_bytes(), whole_training(folder))

    lost = in_child(compare)
    check(lost == 0, f"{lost} bytes differ")
    return {"interrupts": seen, "bytes lost": lost}
