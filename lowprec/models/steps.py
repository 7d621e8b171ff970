"""One step of a model: a batch on its device, its outputs, and the gradients of its loss."""

from __future__ import annotations

from typing import Any

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.batches.samples import with_an_empty_bag
from lowprec.device import get_device
from lowprec.models import standardize
from lowprec.models.data import Labelled, Minibatch
from lowprec.models.model import Model
from lowprec.models.parameters import optimizer_of_dense
from lowprec.optimizers.dense import update_dense
from lowprec.optimizers.rules import rules_of
from lowprec.staging import Staging
from lowprec.tables import verbs


def to_device(model: Model, batch: Labelled, staging: Staging) -> Minibatch:
    """The batch on the model's device, its dense features standardised, if that is asked for."""
    samples = batch.samples
    if not samples.num_features:
        samples = with_an_empty_bag(samples)
    given = [
        samples.dense, samples.indices, batch.y, samples.offsets, samples.weights, batch.weights
    ]  # fmt: skip
    copies = iter(staging.copy_in([array for array in given if array is not None]))
    on_device: list[Any] = [None if array is None else next(copies) for array in given]
    dense, indices, y, offsets, id_weights, weights = on_device
    if model._standardized:
        dense = standardize.apply(dense, model.dense_mean_, model.dense_scale_)
    # what `samples_for` has checked is not asked for again where that would mean to wait
    ids = verbs.batch_of(
        model.table_, indices, offsets, id_weights, model._pools_across_features,
        checked=get_device(model.device).asynchronous,
    )  # fmt: skip
    part = get_device(model.device).kernels.samples_of_part(len(batch))
    return Minibatch(dense, ids, y, weights, samples.num_features, part)


@in_standard_arithmetic
def step(model: Model, batch: Labelled) -> Any:
    """One optimizer step; returns the batch's loss before it, a number on the device."""
    number = model.table_.step
    dense_optimizer = optimizer_of_dense(model)
    rules_of(dense_optimizer, number)  # a bad schedule raises before anything is written
    device = get_device(model.device)
    loaded = to_device(model, batch, model._staging)
    outputs, cache = model._forward(loaded, model._scratch)
    loss, doutputs = model._loss(device, outputs, loaded)
    dembeddings, by_parts = model._backward(doutputs, cache, model._scratch)
    gradients = [device.kernels.add_parts(parts) for parts in by_parts]
    model._divergence.record(number, [outputs, *gradients])
    model._update_table(loaded, dembeddings)
    update_dense(
        device, dense_optimizer, model._dense_parameters(), model._dense_states, gradients, number,
        model._divergence.diverged,
    )  # fmt: skip
    return loss
