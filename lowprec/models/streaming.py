"""A `fit_stream`: epochs over blocks that are read one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

from lowprec.interrupts import InterruptedBetweenBatches, interrupted_between_batches
from lowprec.models import history, resuming, training, warm
from lowprec.models.checkpoints import check_folder, newest
from lowprec.models.data import Labelled, in_batches, without_first
from lowprec.models.estimator import take_names
from lowprec.models.fitting import (
    Arguments,
    Validated,
    described_training,
    end_epoch,
    return_best,
)
from lowprec.models.heads import Head, read_head
from lowprec.models.identity import Training
from lowprec.models.model import Model, Position
from lowprec.models.progress import Report, progress
from lowprec.models.shards import spread_table
from lowprec.models.sources import Block, Source, encoded
from lowprec.models.validation import check_patience, check_validation


class _Begun(NamedTuple):
    """Where training begins, and what was read to find out."""

    position: Position
    validation: Labelled | None
    head: Head | None = None


def fit_stream(model: Model, source: Source, epochs: int, classes: Any, given: Arguments) -> None:
    """Check what is given and the first samples, and then train."""
    agreed = given.ranks.agreed
    patience = agreed(lambda: check_patience(model, given.patience, given.validation))
    given = given._replace(validation=agreed(lambda: encoded(source, given.validation)))
    with ExitStack() as stack:
        if given.resume is not None:
            begun = _resume(model, source, epochs, given, patience)
        elif warm.is_warm(model):
            begun = _go_on(model, source, given, patience)
        else:
            begun = _start(model, source, classes, given, patience, stack)
        model._diagnose, model._stream = given.diagnose, source.description
        model._position = begun.position
        with training.carried_by_errors(model, (KeyboardInterrupt, Exception)):
            try:
                _epochs(model, source, epochs, Validated(begun.validation, patience), begun, given)
            except InterruptedBetweenBatches as interrupt:
                if given.save:
                    given.save.write(model)
                    folder = os.fspath(given.save.folder)
                    interrupt.args = (
                        f"{interrupt}; fit_stream(..., resume={folder!r}) resumes it",
                    )
                raise
            if given.save:
                given.save.write(model)
            if patience is not None:
                return_best(model)


def _start(
    model: Model, source: Source, classes: Any, given: Arguments, patience: int | None,
    stack: ExitStack,
) -> _Begun:  # fmt: skip
    """Make the model anew for the first samples."""

    def read() -> tuple[Head, Labelled | None, Training | None]:
        blocks = stack.enter_context(closing(source.begin(0, 0)[0]))
        head = read_head(model, source, blocks, classes)
        validation = check_validation(model, given.validation, head.samples, fitted=False)
        identity = Training.of(model, source.identity(), validation, patience)
        if given.save:
            check_folder(given.save, model, identity, resumes=False)
        return head, validation, identity

    head, validation, identity = given.ranks.agreed(read)
    moments = head.for_moments()
    given.ranks.check_alike("samples and parameters", lambda: described_training(identity, moments))
    with model._steps.alone("this model is trained"):
        training.start(model, moments, identity, validation, given.ranks)
        take_names(model, head.names)
    return _Begun(Position(0, 0, None), validation, head)


def _go_on(model: Model, source: Source, given: Arguments, patience: int | None) -> _Begun:
    """Begin with the fitted model."""
    warm.check_made_alike(model)
    validation = check_validation(model, given.validation, None, fitted=True)
    identity = Training.of(model, source.identity(), validation, patience)
    identity = warm.identity_after(model, identity)
    if given.save:
        check_folder(given.save, model, identity, resumes=False)
    with model._steps.alone("this model is trained"):
        warm.go_on(model, identity, validated=validation is not None)
    return _Begun(Position(0, 0, None), validation)


def _resume(
    model: Model, source: Source, epochs: int, given: Arguments, patience: int | None
) -> _Begun:
    """Go on from a file of this training."""
    ranks = given.ranks
    path: Path = ranks.agreed(lambda: newest(given.resume or ""))
    stopped: resuming.Stopped = ranks.agreed(lambda: resuming.stopped_in(path, model, ranks))
    saved = stopped.model
    if saved._stream is None:
        raise ValueError(f"{path} was written by fit, which can resume it")
    try:
        with stopped.found.reading():
            before = dict(saved._stream)
            source.description["samples_before"] = int(before["samples_before"])
        source.check_same(before)
    except ValueError as error:
        raise ValueError(
            f"{path} is of a stream of other samples: {error}; resume with the same, or begin "
            "anew, without resume and in another folder"
        ) from error
    validation = check_validation(saved, given.validation, None, fitted=True)
    identity = resuming.identity_in(
        path, model, Training.of(model, source.identity(), validation, patience)
    )
    if given.save:
        check_folder(given.save, model, identity, resumes=True)
    with model._steps.alone("this model is trained"):
        resuming.take_over(model, stopped, identity, validation, patience, epochs)
        spread_table(model)
    return _Begun(stopped.begun, validation)


def _epochs(
    model: Model, source: Source, epochs: int, validated: Validated, begun: _Begun, given: Arguments
) -> None:
    """The epochs from where training has begun, up to the last one or until patience ends."""
    after_batch = given.save.after_batches(model) if given.save else training.nothing
    expected, description = source.expected(), source.description
    total = None if expected is None else expected * epochs
    done = description["samples_before"] + begun.position.done
    with (
        progress(model, total, done, given.callback) as report,
        interrupted_between_batches() as is_interrupted,
    ):
        for epoch in range(begun.position.epoch, epochs):
            first = epoch == begun.position.epoch
            if not first:
                assert model._position is not None
                description["samples_before"] += model._position.done
            if history.is_exhausted(model, validated.patience):
                break
            position = begun.position if first else Position(epoch, 0, None)
            model._position = position
            if not position.ended:
                with ExitStack() as stack:
                    head = begun.head if first else None
                    batches = _batches(model, source, position, head, stack)
                    training.train(model, batches, report, is_interrupted, after_batch, source.note)
            _end(model, source, validated, report, epochs)
        if model._ranks.any(is_interrupted()):  # since the last batch
            raise training.interrupted(model)


def _batches(
    model: Model, source: Source, position: Position, head: Head | None, stack: ExitStack
) -> Iterator[Labelled]:
    """The batches of an epoch from a position on."""
    if head is not None:
        return in_batches(head.then(_labelled(model, head.rest, head.count)), model.batch_size)
    number = model._epochs_before + position.epoch
    blocks, passed = source.begin(number, position.done)
    labelled = _labelled(model, stack.enter_context(closing(blocks)))
    if passed:
        labelled = without_first(labelled, passed, source.check_passed)
    return in_batches(labelled, model.batch_size)


def _labelled(model: Model, blocks: Iterable[Block], number: int = 0) -> Iterator[Labelled]:
    for block in blocks:
        with training.naming(f"block {number}"):
            found = training.labelled_for(model, *block, fitted=True, in_parts=True)
        yield found
        number += 1


def _end(model: Model, source: Source, validated: Validated, report: Report, epochs: int) -> None:
    """End an epoch, whose number of samples is known now."""
    position = model._position
    assert position is not None
    if position.done == 0:
        raise ValueError(
            f"the stream has no samples in epoch {position.epoch + 1}: an iterable must start "
            "again each time it is iterated over"
        )
    before = source.description["samples_before"]
    report.expect(before + position.done * (epochs - position.epoch))
    with model._steps.alone("this model is trained"):
        model._position = position._replace(samples=position.done)
    if position.epoch == len(model.history_[history.TRAIN]):
        end_epoch(model, position.done, validated, report.validated)
