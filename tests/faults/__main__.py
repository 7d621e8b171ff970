"""What goes wrong around a program: ``python -m tests.faults [--kills 200] [--seed S]``.

Half of the kills (`kill -9`, at a random moment) hit a process that writes one file again and
again, half one that trains with `Checkpoints` and goes on where the one before was killed.  After
each, every file must be whole; what is trained in pieces must end with the bits of a training that
was left alone.  With `--only kills_of_tables_in_files` all kills hit a process that trains a table
in its file, and with `--only kills_of_models_in_files` one that trains a model with such a table.
Then: a full disk, a folder that cannot be written, several processes that write
one file, the folder of another training, several threads, on Numba's own threads and in other
floating-point states as well, a fork, read-only memory, permissions and links of files, and Ctrl-C.
The exit status is 1 if a promise was not held.

Children are forked from a process that has loaded lowprec and not used it, which is allowed, and
takes a tenth of the time that starting Python does.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.children import ChildError
from tests.faults.at_once import (
    fork_after_use,
    one_table_in_several_threads,
    saving_beside_updates,
    several_processes,
    several_threads,
)
from tests.faults.disks import (
    file_in_place_of_a_folder,
    full_disk,
    limit_of_file_size,
    read_only_folder,
)
from tests.faults.folders import folder_of_another_training
from tests.faults.interrupts import interrupts_of_fit, interrupts_of_update
from tests.faults.kills import (
    kills_of_models_in_files,
    kills_of_saving,
    kills_of_tables_in_files,
    kills_of_training,
)
from tests.faults.layers import threading_layers
from tests.faults.memory import read_only_memory
from tests.faults.modes import file_modes
from tests.faults.promises import BrokenError, Skip
from tests.faults.states import processor_state

SCENARIOS = (
    full_disk, limit_of_file_size, read_only_folder, file_in_place_of_a_folder, several_processes,
    folder_of_another_training, several_threads, one_table_in_several_threads,
    threading_layers, processor_state, saving_beside_updates, fork_after_use, read_only_memory,
    file_modes, interrupts_of_update, interrupts_of_fit,
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
        except (BrokenError, ChildError) as error:
            verdict, result = "BROKEN", {"reason": str(error)}
    row = {"fault": name, "verdict": verdict, **result, "seconds": time.monotonic() - began}
    details = ", ".join(f"{key} {value}" for key, value in result.items())
    print(f"{name:32}{verdict:10}{row['seconds']:6.1f} s  {details}", flush=True)
    return row


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    others = {kind.__name__: kind for kind in (kills_of_tables_in_files, kills_of_models_in_files)}
    names = {scenario.__name__: scenario for scenario in SCENARIOS} | others
    parser.add_argument("--only", choices=list(names), help="one of them, or of other kills")
    parser.add_argument("--json", metavar="OUT")
    args = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job may ignore it
    rng = np.random.default_rng(args.seed)
    if args.only:
        kills = (args.kills,) if args.only in others else ()
        return int(run(names[args.only], *kills, rng)["verdict"] == "BROKEN")
    rows = [run(kills_of_saving, args.kills // 2, rng)]
    rows.append(run(kills_of_training, args.kills - args.kills // 2, rng))
    rows += [run(scenario, rng) for scenario in SCENARIOS]
    if args.json:
        Path(args.json).write_text(json.dumps({"seed": args.seed, "faults": rows}, indent=1))
    return int(any(row["verdict"] == "BROKEN" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
