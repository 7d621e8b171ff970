"""One step of a model: a batch on its device, its outputs, and the gradients of its loss."""

from __future__ import annotations

from typing import Any

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


def to_device(
    model: Model, batch: Labelled, staging: Staging, ranks: Alone | None = None
) -> Minibatch:
    """The batch on the model's device, its dense features standardised, if that is asked for.

    Of ranks other than the model's own, each has all of the table.
    """
    device, ranks = get_device(model.device), ranks or model._ranks
    samples, count = batch.samples, len(batch)
    part = device.kernels.samples_of_part(count)
    if not samples.num_features:
        samples = with_an_empty_bag(samples)
    own = ranks.own_samples(samples, part if model._splits_batches else 1)
    rows = slice(None)
    if model._splits_batches:
        samples, rows = own, ranks.own_rows(count, part)
    given = [samples.dense, own.indices, batch.y, own.offsets, own.weights, batch.weights]
    copies = iter(staging.copy_in([array for array in given if array is not None]))
    on_device: list[Any] = [None if array is None else next(copies) for array in given]
    dense, indices, y, offsets, id_weights, weights = on_device
    if model._standardized:
        dense = standardize.apply(device, dense, model.dense_mean_, model.dense_scale_)
    across = model._pools_across_features
    ids: Any
    if isinstance(ranks, Ranks):
        counts = None if model._splits_batches else ranks.counts(count, 1)
        ids = SharedIds((indices, offsets, "sum", id_weights), across, ranks, counts)
    else:
        # what `samples_for` has checked is not asked for again where that would mean to wait
        ids = verbs.batch_of(
            model.table_, indices, offsets, id_weights, across, checked=device.asynchronous
        )
    return Minibatch(dense, ids, y, weights, own.num_features, rows, part)


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
    dense_optimizer = optimizer_of_dense(model)
    rules_of(dense_optimizer, number)  # a bad schedule raises before anything is written
    device = get_device(model.device)
    loaded = to_device(model, batch, model._staging)
    outputs, cache = outputs_of_batch(model, loaded, model._scratch)
    loss, doutputs = model._loss(device, outputs, loaded)
    dembeddings, parts = model._backward(doutputs[loaded.rows], cache, model._scratch)
    adding = model._ranks if model._splits_batches else ALONE
    gradients = adding.add_parts(device, parts, len(batch), loaded.part)
    model._divergence.record(number, [outputs, *gradients])
    model._update_table(loaded, dembeddings)
    update_dense(
        device, dense_optimizer, model._dense_parameters(), model._dense_states, gradients, number,
        model._divergence.diverged,
    )  # fmt: skip
    return loss
