"""Samples that a model is not trained on, and its loss on them after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.checks import check_int
from lowprec.models.data import Labelled
from lowprec.models.model import Model
from lowprec.models.predicting import outputs_of
from lowprec.models.training import naming, samples_for, sizes_of


def check_patience(model: Model, patience: Any, validation: Any) -> int | None:
    """TypeError or ValueError unless `patience` is None, or a number and epochs are validated."""
    if patience is None:
        return None
    if model.path is not None:
        raise ValueError(
            f"patience={patience!r} keeps a copy of the whole table in memory, where a table with "
            f"path={model.path!r} may not fit: leave out one of both"
        )
    if validation is None:
        raise ValueError(f"patience={patience!r} needs validation=(X, y) to know what is better")
    return check_int("patience", patience, low=1)


@in_standard_arithmetic
def check_validation(
    model: Model, validation: Any, trained: Labelled | None, *, fitted: bool
) -> Labelled | None:
    """The samples of `validation`, checked beside those that are `trained` on; None for None.

    Beside a fitted model where there are none to compare with.

    Raises
    ------
    IndexError, TypeError, ValueError
        If they are malformed, or not like the samples trained on: begins with ``validation:``.
    """
    if validation is None:
        return None
    if not isinstance(validation, Sequence) or isinstance(validation, (str, bytes)):
        raise TypeError(
            f"validation must be (X, y) or (X, y, sample_weight), got {type(validation).__name__}"
        )
    if len(validation) not in (2, 3):
        raise ValueError(
            f"validation must be (X, y) or (X, y, sample_weight), got {len(validation)} entries"
        )
    with naming("validation"):
        return _checked(model, trained, fitted, *validation)


def _checked(
    model: Model, trained: Labelled | None, fitted: bool, X: Any, y: Any, sample_weight: Any = None
) -> Labelled:
    if y is None:
        raise TypeError("y must be labels, got None")
    sizes = None if fitted or trained is None else sizes_of(model, trained.samples)
    samples = samples_for(model, X, fitted=fitted, sizes=sizes)
    num_dense = model.num_dense_ if trained is None else trained.samples.num_dense
    classes = model.classes_ if trained is None else trained.classes
    if samples.num_dense != num_dense:
        raise ValueError(
            f"dense features must have shape (n, {num_dense}), got {samples.dense.shape}"
        )
    if len(samples) == 0:
        raise ValueError("X has no samples")
    labelled = model._targets_of_validation(samples, y, sample_weight, classes)
    if labelled.weights is not None and not float(labelled.weights.sum(dtype=np.float64)) > 0:
        raise ValueError("the sum of sample_weight must be above 0")
    return labelled


@in_standard_arithmetic
def validation_loss(model: Model, labelled: Labelled) -> float:
    """The mean of the losses of samples, weighted by the samples' weights; float64."""
    to_host = labelled.device.to_host
    outputs = outputs_of(model, labelled).astype(np.float64)
    losses = model._losses(outputs, to_host(labelled.y))
    if labelled.weights is None:
        return float(losses.sum() / len(losses))
    weights = to_host(labelled.weights).astype(np.float64)
    with np.errstate(invalid="ignore"):  # 0 * inf: a sample without weight has no loss
        weighted = np.where(weights > 0, weights * losses, 0.0)
    return float(weighted.sum() / weights.sum())
