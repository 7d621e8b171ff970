"""Steps of a model on a GPU, each asked for in one launch of a CUDA graph.

A graph has the addresses of all arrays, so it serves batches of one shape as long as nothing moves.
The batch and the numbers of the step, such as the learning rate, are copied to the same places.
"""

from __future__ import annotations

import functools
from typing import Any

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.device import get_device
from lowprec.graphs import Graphs, Same, cells_of, in_cells
from lowprec.models.data import Labelled
from lowprec.models.model import Model
from lowprec.models.parameters import optimizer_of_dense
from lowprec.models.steps import OfStep, Staged, on_device, stage
from lowprec.optimizers.rules import rules_of
from lowprec.tables import verbs


@in_standard_arithmetic
def step(model: Model, batch: Labelled) -> Any:
    """One optimizer step, as `lowprec.models.steps.step` does it.

    The first step of its kind is done as it is, which compiles kernels and makes arrays.  The
    second one is captured.
    """
    graphs, table, number = model._graphs, model.table_, model.table_.step
    # a bad schedule raises before anything is written
    numbers = (*verbs.step_numbers(table), rules_of(optimizer_of_dense(model), number))
    staged = _at_its_place(graphs, batch, stage(model, batch, model._staging, cells_of(numbers)))
    rules, this_step, limit, of_dense = in_cells(numbers, staged.cells)
    held = OfStep(verbs.StepNumbers(rules, this_step, limit), of_dense)
    work = functools.partial(on_device, model, staged, held)
    model._divergence.begin(number)
    key = _key(model, staged)
    if not graphs.knows(key):
        loss = work()
        graphs.note(_key(model, staged))  # the work may have made arrays anew
        return loss
    graph = graphs.of(key, functools.partial(verbs.at_step, table, number, work))
    return verbs.stepped_by(table, graph)


def _at_its_place(graphs: Graphs, batch: Labelled, staged: Staged) -> Staged:
    """A batch that lies on the GPU is copied to where that before it was."""
    if not batch.device.asynchronous:
        return staged
    arrays = []
    for number, array in enumerate((*staged.arrays, staged.cells)):
        if array is not None:
            given = array
            array = graphs.inputs.empty(str(number), given.shape, given.dtype)
            array[...] = given
        arrays.append(array)
    return staged._replace(arrays=arrays[:-1], cells=arrays[-1])


def _key(model: Model, staged: Staged) -> Any:
    """All that a graph depends on: where arrays are, and what Python decides by."""
    arrays = [
        *staged.arrays, staged.cells, model.dense_mean_, model.dense_scale_,
        model._divergence.diverged, *model._dense_parameters(),
        *(array for states in model._dense_states for array in states.values()),
    ]  # fmt: skip
    address = get_device(model.device).address
    places = tuple(
        None if array is None else (address(array), array.shape, array.dtype) for array in arrays
    )
    of_table = verbs.what_graphs_depend_on(model.table_)
    return places, Same(optimizer_of_dense(model)), model._scratch.version, of_table
