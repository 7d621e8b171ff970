"""Several threads on Numba's own threads, of which two parallel kernels at once end the process."""

import json

from tests.children import run
from tests.faults.promises import check

WITHOUT_POOLS = """
import sys
for name in ("omppool", "tbbpool"):
    sys.modules["numba.np.ufunc." + name] = None  # as where its library is missing
"""
WORKS = """
import json
import numba
from lowprec.kernels.cpu import launch
launch.NUMBERS_PER_THREAD = 1  # small batches use all threads too
from tests.faults.at_once import lookups_and_updates
lookups_and_updates()
print(json.dumps(numba.threading_layer()))
"""


def threading_layers(folder, rng):
    """Asked for, and where no other is there: threads do what they do one after the other."""
    ways = {
        "asked for": ("", {"NUMBA_THREADING_LAYER": "workqueue"}),
        "nothing else": (WITHOUT_POOLS, {}),
    }
    for way, (before, environment) in ways.items():
        done = run("-c", before + WORKS, status=None, NUMBA_NUM_THREADS="2", **environment)
        check(done.returncode == 0, f"{way}: {done.returncode}, {done.stderr[-300:]}")
        check(json.loads(done.stdout) == "workqueue", f"{way}: {done.stdout}")
    return {"processes": len(ways)}
