"""A `fit`: epochs of batches, validated after each, in files, until they get no better."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lowprec.interrupts import (
    InterruptedBetweenBatches,
    Uninterrupted,
    interrupted_between_batches,
)
from lowprec.models import history, resuming, training, warm
from lowprec.models.best import Best
from lowprec.models.checkpoints import Checkpoints, check_folder, newest
from lowprec.models.data import Labelled
from lowprec.models.diagnostics import Diagnostics
from lowprec.models.estimator import take_names
from lowprec.models.identity import Training, fingerprint
from lowprec.models.model import Model, Position
from lowprec.models.progress import progress
from lowprec.models.ranks import Alone, shard_of
from lowprec.models.validation import check_patience, check_validation, validation_loss


class Arguments(NamedTuple):
    """The arguments of `fit` beside its samples."""

    validation: Any
    patience: Any
    callback: Callable[[Any, int], None] | None
    save: Checkpoints | None
    resume: str | os.PathLike[str] | None
    diagnose: Diagnostics | None
    ranks: Alone


class Validated(NamedTuple):
    """What epochs are validated on, and how long one without a gain is waited for."""

    samples: Labelled | None
    patience: int | None


def check_fit(model: Model, given: Arguments) -> None:
    """TypeError or ValueError if a parameter or an argument of `fit` is wrong."""
    model._check_parameters(step=shard_of(model.table_).step if warm.is_warm(model) else 0)
    check_diagnostics(given.diagnose)
    if given.save is not None and not isinstance(given.save, Checkpoints):
        raise TypeError(f"save must be a lowprec.Checkpoints, got {given.save!r}")
    if given.callback is not None and not callable(given.callback):
        raise TypeError(f"callback must be callable, got {given.callback!r}")


def described_training(identity: Training | None, samples: Labelled) -> str:
    """What trainings are compared by on ranks, also where their parameters cannot be written."""
    return fingerprint(samples) if identity is None else identity.identity


def check_diagnostics(diagnose: Any) -> None:
    """TypeError unless it is `Diagnostics` or None."""
    if diagnose is not None and not isinstance(diagnose, Diagnostics):
        raise TypeError(f"diagnose must be a lowprec.Diagnostics, got {diagnose!r}")


class _Checked(NamedTuple):
    """What `fit` trains on, all of it checked."""

    samples: Labelled
    names: list[str] | None
    validated: Validated
    identity: Training | None
    path: Path | None  # of the file to resume
    goes_on: bool  # with the fitted model


def _check(model: Model, X: Any, y: Any, sample_weight: Any, given: Arguments) -> _Checked:
    patience = check_patience(model, given.patience, given.validation)
    goes_on = given.resume is None and warm.is_warm(model)
    if goes_on:
        warm.check_made_alike(model)
    names = training.names_for(model, X)
    samples = training.labelled_for(model, X, y, sample_weight, fitted=goes_on, in_parts=False)
    validation = check_validation(model, given.validation, samples, fitted=goes_on)
    identity = Training.of(model, samples, validation, patience)
    path = None
    if given.resume is not None:
        path = newest(given.resume)
        identity = resuming.identity_in(path, model, identity)
    elif goes_on:
        identity = warm.identity_after(model, identity)
    if given.save:
        check_folder(given.save, model, identity, resumes=path is not None)
    return _Checked(samples, names, Validated(validation, patience), identity, path, goes_on)


def fit(model: Model, X: Any, y: Any, sample_weight: Any, given: Arguments) -> None:
    """Check all that is given, and then train; nothing of the model changes before."""
    ranks = given.ranks
    checked: _Checked = ranks.agreed(lambda: _check(model, X, y, sample_weight, given))
    samples, names, validated, identity, path, goes_on = checked
    ranks.check_alike("samples and parameters", lambda: described_training(identity, samples))
    save, begun = given.save, Position(0, 0, len(samples))
    with model._steps.alone("this model is trained"):
        if path is not None:
            begun = resuming.resume(
                model, path, samples, identity, validated.samples, validated.patience, ranks
            )
        elif goes_on:
            warm.go_on(model, identity, validated=validated.samples is not None)
        else:
            training.start(model, samples, identity, validated.samples, ranks)
        if not goes_on:
            take_names(model, names)
        model._diagnose, model._position, model._stream = given.diagnose, begun, None
    with training.carried_by_errors(model):
        try:
            _epochs(model, samples, validated, begun, given)
        except InterruptedBetweenBatches as interrupt:
            if save:
                save.write(model)
                folder = os.fspath(save.folder)
                interrupt.args = (f"{interrupt}; fit(..., resume={folder!r}) resumes it",)
            raise
        if save:
            save.write(model)
        if validated.patience is not None:
            return_best(model)


def _epochs(
    model: Model, samples: Labelled, validated: Validated, begun: Position, given: Arguments
) -> None:
    """The epochs from where training has `begun`, up to the last one or until patience ends."""
    n = len(samples)
    rng = np.random.default_rng([model.seed, 1])
    if model.shuffle:
        for _ in range(model._epochs_before):  # of fits before, which are not repeated
            rng.permutation(n)
    after_batch = given.save.after_batches(model) if given.save else training.nothing
    done = begun.epoch * n + begun.done
    with (
        progress(model, n * int(model.epochs), done, given.callback) as report,
        interrupted_between_batches() as is_interrupted,
    ):
        for epoch in range(model.epochs):
            order = rng.permutation(n) if model.shuffle else None
            if epoch < begun.epoch:
                continue
            if history.is_exhausted(model, validated.patience):
                break
            first = begun.done if epoch == begun.epoch else 0
            batches = samples.batches(model.batch_size, order, first)
            model._position = Position(epoch, first, n)
            training.train(model, batches, report, is_interrupted, after_batch)
            if epoch == len(model.history_[history.TRAIN]):
                end_epoch(model, n, validated, report.validated)
        if model._ranks.any(is_interrupted()):  # since the last batch
            raise training.interrupted(model)


def end_epoch(model: Model, n: int, validated: Validated, report: Callable[[float], None]) -> None:
    """Note the losses of an epoch of n samples, and the best one."""
    loss = None
    if validated.samples is not None:
        loss = validation_loss(model, validated.samples)
        report(loss)
    with model._steps.alone("this model is trained"):
        if history.end_epoch(model, n, loss) and validated.patience is not None:
            model._best = Best.of(model, model._best)


def return_best(model: Model) -> None:
    """Make the model what it was after its best epoch."""
    with Uninterrupted(), model._steps.alone("this model is trained"):
        best = model._best
        assert best is not None
        if best.step < shard_of(model.table_).step:
            best.give_back(model)
            history.leave(model)
        model._best = None
