"""Seconds of the import and of first calls, with nothing compiled and in a later process.

    python -m benchmarks.first_call

Each column is one process that takes these steps in this order: the first with an empty folder for
compiled kernels, the second with what the first left there.
"""

from __future__ import annotations

import os
import tempfile
import time

from benchmarks import child, machine

NAMES = ("`import lowprec`", "the first lookup", "the first update", "`DLRM.fit` on 2000 clicks")


def steps() -> dict[str, float]:
    """Seconds of each step, in a process that has imported neither NumPy nor Numba before."""
    clock = [time.perf_counter()]
    import lowprec as lp

    clock.append(time.perf_counter())
    import numpy as np

    table = lp.EmbeddingTable([1000, 1000], 16, "float16")
    indices = np.zeros((8, 2), np.int64)
    table.lookup(indices)
    clock.append(time.perf_counter())
    table.update(indices, np.ones((8, 2, 16), np.float32))
    clock.append(time.perf_counter())
    sizes = [100] * 4
    X, y, _ = lp.datasets.make_clicks(2000, sizes, seed=0)
    before = time.perf_counter()
    lp.DLRM(sizes).fit(X, y)
    seconds = [*np.diff(clock).tolist(), time.perf_counter() - before]
    names = (
        "`import lowprec`",
        "the first lookup",
        "the first update",
        "`DLRM.fit` on 2000 clicks",
    )
    return dict(zip(names, seconds, strict=True))


def main() -> None:
    """Print the table of docs/install.md."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "LOWPREC_CACHE_DIR": folder}
        cold, warm = (child.call("benchmarks.first_call:steps", {}, environment) for _ in range(2))
    from benchmarks.report import markdown_table  # which imports lowprec

    print(f"{machine.describe()['processor']}, {machine.cores()} processors")
    rows = [[name, f"{cold[name]:.1f}", f"{warm[name]:.1f}"] for name in cold]
    print(markdown_table(["", "nothing on disk", "later processes"], rows))


if __name__ == "__main__":
    main()
