"""What is timed in a checkout of the library: steps of tables and models, and the first use.

`benchmarks.against` runs these functions in a process for each checkout.  They use only what is
public, so older commits can be timed too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import FEATURES, draw_clicks, draw_ids

BATCHES = 16  # that rotate, so that the rows of none stay in cache
_WARM_STEPS = 5
_HIDDEN = [64, 32]

Step = Callable[[int], Any]  # called with the number of a batch


def import_lowprec(checkout: str) -> Any:
    """The package of a checkout; ImportError if Python finds another one."""
    sys.path.insert(0, checkout)
    import lowprec

    found = Path(lowprec.__file__).resolve().parent.parent
    if found != Path(checkout).resolve():
        raise ImportError(f"expected the lowprec of {checkout}, found that of {found}")
    return lowprec


def steps(checkout: str) -> Callable[[dict[str, Any]], Any]:
    """A contestant that is asked two kinds of questions.

    A setting makes what it describes, and returns the seconds of each of its steps.  A turn, which
    has `step`, `first` and `count`, returns the seconds of one step of what was made last.
    """
    lp = import_lowprec(checkout)
    import numba

    made: dict[str, Step] = {}

    def answer(question: dict[str, Any]) -> Any:
        if "step" in question:
            return seconds_of_step(made[question["step"]], question["first"], question["count"])
        made.clear()  # frees the tables of the setting before
        numba.set_num_threads(question["threads"])
        made.update(_MAKERS[question["work"]](lp, question))
        for step in made.values():
            step(0)  # compiles
        return {name: seconds_of_step(step, 0, _WARM_STEPS) for name, step in made.items()}

    return answer


def seconds_of_step(step: Step, first: int, count: int) -> float:
    """The mean of some steps in a row, on batches that rotate."""
    start = time.perf_counter()
    for number in range(first, first + count):
        step(number % BATCHES)
    return (time.perf_counter() - start) / count


def _table(lp: Any, setting: dict[str, Any]) -> dict[str, Step]:
    rng = np.random.default_rng(0)
    rows_of_feature, dim = setting["rows"] // FEATURES, setting["dim"]
    shape = (setting["batch"], FEATURES)
    sizes = [rows_of_feature] * FEATURES
    table = lp.EmbeddingTable(sizes, dim, setting["dtype"], optimizer=lp.SGD(0.01))
    batches = [draw_ids(rng, rows_of_feature, shape, "uniform") for _ in range(BATCHES)]
    grad = rng.normal(size=(*shape, dim)).astype(np.float32)
    out = np.empty_like(grad)
    return {
        "lookup": lambda number: table.lookup(batches[number], out=out),
        "update": lambda number: table.update(batches[number], grad),
    }


def _dlrm(lp: Any, setting: dict[str, Any]) -> dict[str, Step]:
    optimizers = {"optimizer": lp.SGD(0.1), "dense_optimizer": lp.SGD(0.02)}
    layers = {"bottom_mlp": _HIDDEN, "top_mlp": _HIDDEN}
    make = partial(lp.DLRM, embedding_dim=setting["dim"], **layers, **optimizers)
    return {"DLRM": _training(make, setting)}


def _logistic(lp: Any, setting: dict[str, Any]) -> dict[str, Step]:
    make = partial(lp.LogisticRegression, optimizer=lp.SGD(0.1))
    return {"LogisticRegression": _training(make, setting)}


def _training(make: Callable[..., Any], setting: dict[str, Any]) -> Step:
    """Trains a model on one batch at a time."""
    rows_of_feature, batch = setting["rows"] // FEATURES, setting["batch"]
    model = make([rows_of_feature] * FEATURES, dtype=setting["dtype"], batch_size=batch)
    batches = [draw_clicks(seed, batch, rows_of_feature) for seed in range(BATCHES)]

    def step(number: int) -> None:
        dense, indices, y = batches[number]
        model.partial_fit((dense, indices), y)

    return step


_MAKERS = {"table": _table, "DLRM": _dlrm, "LogisticRegression": _logistic}


def first_use(checkout: str, dtype: str, dim: int) -> dict[str, float]:
    """Seconds of importing the library and of the first calls, in a process that does only this."""
    clock = [time.perf_counter()]
    lp = import_lowprec(checkout)
    clock.append(time.perf_counter())
    table = lp.EmbeddingTable([1000, 1000], dim, dtype)
    clock.append(time.perf_counter())
    indices = np.zeros((8, 2), np.int32)
    table.lookup(indices)
    clock.append(time.perf_counter())
    table.update(indices, np.ones((8, 2, dim), np.float32))
    clock.append(time.perf_counter())
    names = ("import", "table", "lookup", "update")
    return dict(zip(names, np.diff(clock).tolist(), strict=True)) | {"all": clock[-1] - clock[0]}
