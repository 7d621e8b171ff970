"""The outputs of a fitted model, batch by batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import StandardArithmetic
from lowprec.device import get_device
from lowprec.models.data import Labelled, fitting
from lowprec.models.model import Model
from lowprec.models.ranks import Alone
from lowprec.models.steps import minibatch, outputs_of_batch, stage
from lowprec.staging import Staging
from lowprec.workspace import Allocator

_PREDICT_BATCH = 16384


def outputs_of(model: Model, labelled: Labelled, ranks: Alone | None = None) -> NDArray[np.float32]:
    """The outputs of checked samples (n,), in the memory of the host; their labels are not read.

    Computed by the model's own ranks, or by others that have all of its table.

    FloatingPointError if one is not a number.
    """
    device = get_device(model.device)
    staging = Staging(device)
    size = max(1, fitting(labelled.samples, _PREDICT_BATCH))
    # what overflows is looked for below
    with StandardArithmetic(), np.errstate(over="ignore", invalid="ignore"):
        loaded = (
            minibatch(model, stage(model, batch, staging, ranks=ranks))
            for batch in labelled.batches(size)
        )
        parts = [outputs_of_batch(model, batch, Allocator(device), ranks)[0] for batch in loaded]
    none = np.empty(0, np.float32)  # of no samples
    outputs = np.concatenate([none, *(device.to_host(part) for part in parts)])
    undefined = np.isnan(outputs)
    if undefined.any():
        raise FloatingPointError(f"the logit of sample {int(undefined.argmax())} is not a number")
    return outputs
