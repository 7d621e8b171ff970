"""The losses of each epoch of a `fit`, and how many epochs there were."""

from __future__ import annotations

import math
from typing import Any

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.checks import check_int
from lowprec.device import get_device
from lowprec.models.model import Model, Position

TRAIN, VALIDATION = "train_loss", "validation_loss"
_MAX_COUNT = 2**63


def begin(model: Model, epochs_before: int, *, validated: bool = False) -> None:
    """Make the history of a `fit` that begins after this number of earlier epochs."""
    model.history_ = {TRAIN: [], **({VALIDATION: []} if validated else {})}
    model.best_epoch_, model._best = None, None
    model._loss_of_epoch, model._epochs_before = 0.0, epochs_before


def leave(model: Model) -> None:
    """No `fit` can continue exactly from here, because something else changed the model."""
    model._epochs_before = epochs_begun(model)
    model._position, model._best, model._loss_of_epoch = None, None, 0.0


def epochs_begun(model: Model) -> int:
    """The epochs of all `fit` since training started, including the current one."""
    position = model._position
    return model._epochs_before + (0 if position is None else position.epochs_begun)


@in_standard_arithmetic
def count(model: Model, loss: Any, samples: int) -> None:
    """Add the mean loss of a batch to that of the epoch, where it is: a GPU is not waited for."""
    device = get_device(model.device)
    if device.asynchronous:
        loss = device.xp.asarray(loss).astype("float64")
    model._loss_of_epoch = model._loss_of_epoch + loss * samples


@in_standard_arithmetic
def end_epoch(model: Model, samples: int, validation_loss: float | None) -> bool:
    """Note the losses of an epoch that has ended; returns whether it is the best one so far."""
    model.history_[TRAIN].append(_number(model) / samples)
    model._loss_of_epoch = 0.0
    if validation_loss is None:
        return False
    losses = model.history_[VALIDATION]
    losses.append(validation_loss)
    model.best_epoch_ = losses.index(min(losses))
    return model.best_epoch_ == len(losses) - 1


def is_exhausted(model: Model, patience: int | None) -> bool:
    """Whether `patience` epochs in a row had no lower validation loss."""
    if patience is None or model.best_epoch_ is None:
        return False
    return len(model.history_[VALIDATION]) - 1 - model.best_epoch_ >= patience


def describe(model: Model) -> dict[str, Any]:
    """The history as JSON has it."""
    return {
        "losses": {name: list(losses) for name, losses in model.history_.items()},
        "loss_of_epoch": _number(model),
        "epochs_before": model._epochs_before,
    }


def restore(model: Model, description: Any, position: Position | None) -> None:
    """Give a model the history of its file; TypeError, KeyError or ValueError if it is none.

    No fit is running: the epochs of that of the file's position are of one before.

    Files of earlier versions have none: the losses of their epochs are NaN.
    """
    begin(model, 0 if position is None else position.epochs_begun)
    if description is None:
        if position is not None:
            model.history_[TRAIN] = [math.nan] * position.epoch
            model._loss_of_epoch = math.nan if position.done else 0.0
        return
    losses = description["losses"]
    if set(losses) not in ({TRAIN}, {TRAIN, VALIDATION}):
        raise ValueError(f"has the history {losses!r}")
    ended = {len(each) for each in losses.values()}
    most = _MAX_COUNT
    if position is not None:
        most = position.epoch + position.ended
        if min(ended) not in (position.epoch, most):
            raise ValueError(f"has a history of {min(ended)} epochs, and is of {position.epoch}")
    if len(ended) != 1:
        raise ValueError("has a history of lists that differ in length")
    model.history_ = {name: [_check(number) for number in losses[name]] for name in losses}
    model._loss_of_epoch = _check(description["loss_of_epoch"])
    model._epochs_before += check_int(
        "epochs_before", description["epochs_before"], low=0, high=_MAX_COUNT
    )
    if validated := model.history_.get(VALIDATION):
        model.best_epoch_ = validated.index(min(validated))


def _check(number: Any) -> float:
    if not isinstance(number, float):
        raise TypeError(f"has the loss {number!r}")
    return number


def _number(model: Model) -> float:
    return float(get_device(model.device).to_host(model._loss_of_epoch))
