"""A `fit` or a `fit_stream` that is resumed from a file."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.files.checkpoint import Checkpoint, CheckpointError
from lowprec.files.reading import describe, read
from lowprec.models import history
from lowprec.models.best import Best
from lowprec.models.data import Labelled
from lowprec.models.identity import Training, another_parameter
from lowprec.models.model import Model, Position, is_fitted
from lowprec.models.parameters import described_parameters
from lowprec.models.ranks import Alone
from lowprec.models.restoring import without_rows
from lowprec.models.shards import spread_table
from lowprec.models.training import check_standardized, naming, take_optimizers
from lowprec.tables import verbs


class Stopped(NamedTuple):
    """A training that was stopped, as a file has it."""

    found: Checkpoint
    model: Model  # whose table is to get its rows
    rows: verbs.SavedRows | None  # None if it has them
    begun: Position


def identity_in(
    path: str | os.PathLike[str], model: Model, training: Training | None
) -> Training | None:
    """The training of a file, if it can be this one, which may begin elsewhere."""
    its = Training.check(describe(path)[1].get("training"))
    alike = None not in (its, training) and its[1:] == training[1:]  # type: ignore[index]
    return its if alike else training


@in_standard_arithmetic
def stopped_in(path: Any, model: Model, ranks: Alone) -> Stopped:
    """The training in a file, if it has the kind and the parameters of a model.

    Of its table, a rank reads its shard.
    """
    found = read(path, mmap=model.path is not None)
    found.expect(type(model).__name__)
    # which checks all of it
    saved, rows = without_rows(type(model), found, model.device, model.path, ranks)
    there, here = described_parameters(saved), described_parameters(model)
    begun = Position.check(found.state["position"])
    if reason := another_parameter(there, here):
        raise ValueError(
            f"{path} is of another training: {reason}; resume with its parameters, or start a "
            "new training, without resume and in another folder"
        )
    if begun is None:
        raise ValueError(f"{path} was not written while a fit was running: nothing to resume")
    return Stopped(found, saved, rows, begun)


@in_standard_arithmetic
def resume(
    model: Model,
    path: os.PathLike[str],
    labelled: Labelled,
    training: Training | None,
    validation: Labelled | None,
    patience: int | None,
    ranks: Alone,
) -> Position:
    """Take over all that training changes from a file that was written in this `fit`."""
    stopped: Stopped = ranks.agreed(lambda: stopped_in(path, model, ranks))
    saved, begun, samples = stopped.model, stopped.begun, labelled.samples
    if saved._stream is not None:
        raise ValueError(f"{path} was written by fit_stream, which can resume it")
    if begun.samples != len(samples):
        raise ValueError(
            f"{path} is of a fit on {begun.samples} samples, there are {len(samples)} here"
        )
    if saved.num_dense_ != samples.dense.shape[1]:
        raise ValueError(
            f"{path} is of a fit on {saved.num_dense_} dense features, "
            f"there are {samples.dense.shape[1]} here"
        )
    its = saved._training  # files of earlier versions have none
    if its is not None and training is not None and its.samples != training.samples:
        raise ValueError(
            f"{path} is of a fit on other samples, or other labels, or in another order: resume "
            "with those, or start a new training, without resume and in another folder"
        )
    check_standardized(saved, samples)
    take_over(model, stopped, training, validation, patience, model.epochs)
    model.classes_ = labelled.classes
    spread_table(model)
    return begun


def take_over(
    model: Model,
    stopped: Stopped,
    training: Training | None,
    validation: Labelled | None,
    patience: int | None,
    epochs: int,
) -> None:
    """Restore a model to the state in which its training stopped, if that can be resumed."""
    found, saved, rows, begun = stopped
    path, its = found.path, saved._training
    validated = history.VALIDATION in saved.history_
    other = its is not None and training is not None and its.validation != training.validation
    if other or validated != (validation is not None):
        raise ValueError(
            f"{path} is of a fit {'with' if validated else 'without'} validation samples, which "
            "must be the same, with the same patience, to resume it"
        )
    if epochs < begun.epochs_begun:
        raise ValueError(
            f"{path} is of epoch {begun.epochs_begun} of a fit: epochs must be at least "
            f"{begun.epochs_begun} to resume it, got {epochs}"
        )
    if validation is not None:
        with naming("validation"):
            check_standardized(saved, validation.samples)
    saved._best = Best.from_file(found, saved)
    is_best = patience is not None and saved.best_epoch_ is not None and saved._best is None
    if is_best and (saved.best_epoch_ != begun.epoch or not begun.ended):
        raise CheckpointError(f"{path} lacks the best epoch, which is {saved.best_epoch_}")
    _fill_table(model, saved, rows)  # last of what may fail: it may replace the rows of a file
    if is_best:
        saved._best = Best.of(saved)
    saved._epochs_before -= begun.epochs_begun
    parameters = model.get_params()
    own = (*parameters, "_trainings", "_steps")
    vars(model).update({name: value for name, value in vars(saved).items() if name not in own})
    take_optimizers(model)
    model._training = training


def _fill_table(model: Model, saved: Model, rows: verbs.SavedRows | None) -> None:
    """Give a saved table its rows: in the file of the model's table, if it has one, now closed."""
    if rows is None:
        return
    path = None if model.path is None else os.path.abspath(model.path)
    if path is not None and is_fitted(model) and model.table_.path == path:
        model.table_.close()
    verbs.fill(saved.table_, rows, model.path, replaces=True)
