"""One step of a model: a batch on its device, its outputs, and the gradients of its loss."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.batches.samples import with_an_empty_bag
from lowprec.device import get_device
from lowprec.models import standardize
from lowprec.models.data import Labelled, Minibatch
from lowprec.models.model import Model
from lowprec.models.parameters import optimizer_of_dense
from lowprec.models.ranks import ALONE, Alone, Ranks, SharedIds
from lowprec.optimizers.dense import update_dense
from lowprec.optimizers.rules import rules_of
from lowprec.staging import Staging
from lowprec.tables import verbs
from lowprec.workspace import Allocator


class Staged(NamedTuple):
    """The arrays of a batch on the model's device, as they were given."""

    arrays: list[Any]  # dense, indices, y, offsets, id weights, weights of the losses; or None
    cells: Any  # of the numbers of the step, if they are there
    num_features: int
    size: int  # samples of the whole batch
    rows: slice  # of these samples, those that are here
    part: int  # samples of a part of the batch
    ranks: Alone


class OfStep(NamedTuple):
    """Numbers of a step, by value or as the device finds them in its memory."""

    table: verbs.StepNumbers | None  # those of the table
    dense: Any  # `Rules`


def stage(
    model: Model, batch: Labelled, staging: Staging, cells: Any = None, ranks: Alone | None = None
) -> Staged:
    """Bring a batch to the model's device, and `cells` with it.

    Of ranks other than the model's own, each has all of the table.
    """
    ranks = ranks or model._ranks
    samples, count = batch.samples, len(batch)
    part = get_device(model.device).kernels.samples_of_part(count)
    if not samples.num_features:
        samples = with_an_empty_bag(samples)
    own = ranks.own_samples(samples, part if model._splits_batches else 1)
    rows = slice(None)
    if model._splits_batches:
        samples, rows = own, ranks.own_rows(count, part)
    given = [samples.dense, own.indices, batch.y, own.offsets, own.weights, batch.weights, cells]
    copies = iter(staging.copy_in([array for array in given if array is not None]))
    *arrays, cells = [None if array is None else next(copies) for array in given]
    return Staged(arrays, cells, own.num_features, count, rows, part, ranks)


def minibatch(model: Model, staged: Staged) -> Minibatch:
    """The samples of a step, their dense features standardised, if that is asked for."""
    device, ranks = get_device(model.device), staged.ranks
    dense, indices, y, offsets, id_weights, weights = staged.arrays
    if model._standardized:
        dense = standardize.apply(device, dense, model.dense_mean_, model.dense_scale_)
    across = model._pools_across_features
    ids: Any
    if isinstance(ranks, Ranks):
        counts = None if model._splits_batches else ranks.counts(staged.size, 1)
        ids = SharedIds((indices, offsets, "sum", id_weights), across, ranks, counts)
    else:
        # what `samples_for` has checked is not asked for again where that would mean to wait
        ids = verbs.batch_of(
            model.table_, indices, offsets, id_weights, across, checked=device.asynchronous
        )
    return Minibatch(dense, ids, y, weights, staged.num_features, staged.rows, staged.part)


def outputs_of_batch(
    model: Model, loaded: Minibatch, scratch: Allocator, ranks: Alone | None = None
) -> tuple[NDArray[np.float32], Any]:
    """The outputs of all samples, and what the backward pass needs of those that are here."""
    outputs, cache = model._forward(loaded, scratch)
    if model._splits_batches:
        outputs = (ranks or model._ranks).whole(outputs, len(loaded.y), loaded.part)
    return outputs, cache


@in_standard_arithmetic
def step(model: Model, batch: Labelled) -> Any:
    """One optimizer step; returns the batch's loss before it, a number on the device."""
    number = model.table_.step
    # a bad schedule raises before anything is written
    of_dense = rules_of(optimizer_of_dense(model), number)
    staged = stage(model, batch, model._staging)
    model._divergence.begin(number)
    return on_device(model, staged, OfStep(None, of_dense))


def on_device(model: Model, staged: Staged, numbers: OfStep) -> Any:
    """What the device does in a step, after `DivergenceCheck.begin`; returns the loss."""
    device = get_device(model.device)
    loaded = minibatch(model, staged)
    outputs, cache = outputs_of_batch(model, loaded, model._scratch)
    loss, doutputs = model._loss(device, outputs, loaded)
    dembeddings, parts = model._backward(doutputs[loaded.rows], cache, model._scratch)
    adding = model._ranks if model._splits_batches else ALONE
    gradients = adding.add_parts(device, parts, staged.size, loaded.part)
    model._divergence.look_through(outputs, gradients, model._scratch)
    model._update_table(loaded, dembeddings, numbers.table)
    update_dense(
        device, numbers.dense, model._dense_parameters(), model._dense_states, gradients,
        model._divergence.diverged, model._scratch,
    )  # fmt: skip
    return loss
