"""Made-up results of a whole run."""

import numpy as np
import pytest

from benchmarks import generators, limits, table_step
from benchmarks.peers import TABLES
from benchmarks.results import LOWPREC, NEAREST, REFERENCE, SUBJECT, Comparison, Options

ROUNDS = 9


def activity(clock, busy=0.0):
    """An activity of a machine whose own processes do nothing."""
    return {"clock": clock, "load": 0.5, "busy": busy, "stolen": 0.0, "own": 0.0, "switches": 0}


@pytest.fixture
def make_comparison():
    """A comparison from the median milliseconds of each contestant."""
    rng = np.random.default_rng(0)

    def make(suite, setting, milliseconds, subject=SUBJECT, busy=0.0, **more):
        noise = 1.0 + 0.01 * rng.standard_normal(ROUNDS)
        seconds = {name: [float(t / 1e3 * x) for x in noise] for name, t in milliseconds.items()}
        return Comparison(
            suite, setting, subject, seconds,
            before=activity(0.0), after=activity(1.0, busy), environment={"all": {}}, **more,
        )  # fmt: skip

    return make


@pytest.fixture
def whole_run(make_comparison):
    """A comparison of each suite and size, where stochastic takes 1 ns a weight."""
    options = Options(threads=(1, 2))
    slowness = {name: 1.0 + 0.1 * i for i, name in enumerate([SUBJECT, NEAREST, REFERENCE])}
    others = {name: 3.0 + 0.5 * i for i, name in enumerate(TABLES)}
    found = []
    for with_peers, sizes in zip((True, False), table_step.sizes(options), strict=True):
        for size in sizes:
            for ids in size.ids:
                cost = 26 * size.batch * size.dim * 1e-6 / size.threads * size.rows**0.05
                times = {name: cost * slowness[name] for name in LOWPREC}
                times |= {name: cost * slow for name, slow in others.items() if with_peers}
                setting = {
                    "rows": size.rows, "dim": size.dim, "threads": size.threads,
                    "batch": size.batch, "ids": ids,
                }  # fmt: skip
                found.append(make_comparison("table", setting, times, notes=["made up"]))
    for dim in (64, 16):
        for threads in options.threads:
            setting = {"rows": 10**7, "dim": dim, "threads": threads, "batch": 4096}
            update = {
                limits.UPDATE: 4.0, limits.ROWS: 3.4, limits.ROWS_ASCENDING: 3.3,
                limits.LIMIT: 3.9,
            }  # fmt: skip
            lookup = {limits.LOOKUP: 3.0, "rows read, output written": 2.8}
            found += [
                make_comparison("limits", setting, {n: t / threads for n, t in times.items()}, name)
                for name, times in ((limits.UPDATE, update), (limits.LOOKUP, lookup))
            ]
        setting = {"rows": 10**6, "dim": dim, "threads": 2, "batch": 4096}
        names = (generators.KWX32, generators.NONE, generators.XORSHIFT)
        names += (generators.NUMBA_TWISTER, generators.NUMPY_TWISTER)
        times = dict(zip(names, (5.0, 4.8, 21.0, 61.0, 55.0), strict=True))
        found.append(make_comparison("generators", setting, times, generators.KWX32))
    samples = {"amount": 2048.0, "unit": "samples/s"}
    models = {**slowness, "PyTorch": 1.5}
    for dim in (16, 64):
        setting = {"rows": 2_600_000, "dim": dim, "batch": 2048, "threads": 2}
        megabytes = {name: {"tables, MB": 1.5, "peak, MB": 1234.0} for name in models}
        found.append(make_comparison("dlrm", setting, models, table=megabytes, **samples))
    setting = {"rows": 2_600_000, "batch": 2048, "threads": 2}
    models["NumPy add.at"] = 3.5
    found.append(make_comparison("logistic", setting, models, **samples))
    found.append(Comparison("memory", {"rows": 10**7}, table={"float16": {"table, MB": 1280.0}}))
    return found
