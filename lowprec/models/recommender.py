"""Recommenders: trained from scratch, or on and on."""

from __future__ import annotations

import functools
import operator
import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from numpy.typing import ArrayLike, NDArray

from lowprec.batches.inputs import SamplesLike
from lowprec.files.checkpoint import Checkpoint
from lowprec.interrupts import interrupted_between_batches
from lowprec.models import history, restoring, training
from lowprec.models.checkpoints import Checkpoints
from lowprec.models.diagnostics import Diagnostics
from lowprec.models.estimator import take_names
from lowprec.models.fitting import Arguments, check_arguments, check_diagnostics, fit
from lowprec.models.identity import Training
from lowprec.models.model import is_fitted
from lowprec.models.progress import progress
from lowprec.models.streamed import Streamed
from lowprec.models.warm import is_warm
from lowprec.roundoff.report import RoundoffReport
from lowprec.typing import DeviceName

Self = TypeVar("Self", bound="Recommender")


class Recommender(Streamed):
    """A model of samples with dense features and ids, trained by minibatch steps."""

    def fit(
        self: Self,
        X: SamplesLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        validation: Sequence[Any] | None = None,
        patience: int | None = None,
        callback: Callable[[Any, int], None] | None = None,
        save: Checkpoints | None = None,
        resume: str | os.PathLike[str] | None = None,
        diagnose: Diagnostics | None = None,
    ) -> Self:
        """Train from scratch, `epochs` times over the samples; or go on with such a training.

        With ``warm_start=True`` a fitted model is trained on instead, for `epochs` more.

        Ctrl-C ends training after the batch at hand, with a KeyboardInterrupt that says how far it
        came; a second one ends it at once.

        Parameters
        ----------
        X : Samples, tuple, array_like, frame or sparse matrix
            `Samples`, or a tuple of its first arguments: ``(dense, indices)``, ``(dense, indices,
            offsets)`` for jagged bags, whose ids are summed, or ``(dense, indices, offsets,
            weights)``, where each may be None.  An array or a frame of integers
            (n, num_features) is ids, one of other numbers is dense features.  A sparse matrix of
            SciPy is one feature: columns are its ids, entries the weights of these.
        y : array_like, shape (n,)
            Labels: any two values.
        sample_weight : array_like of numbers, shape (n,), optional
            What the loss of each sample is multiplied with, before it is divided by the number
            of samples of the batch.
        validation : tuple, optional
            ``(X, y)`` or ``(X, y, sample_weight)``: samples to compute the loss of after each
            epoch, the mean weighted by `sample_weight` alone.  Changes no bit of the training.
        patience : int, optional
            End after so many epochs without a lower validation loss; `epochs` is the most.  The
            weights, states and step of the best epoch then return, bit for bit, also where
            `epochs` ended the training.  A copy of the best is kept on the host meanwhile, as
            large as the table with its states and the dense layers.
        callback : callable, optional
            Called as ``callback(model, samples)`` after each step, with how many samples were
            trained on so far; the model can predict then.
        save : Checkpoints, optional
            When to write files, and where; one is written when Ctrl-C ends training, too.  Their
            folder must have none of another training.  With `patience` they hold training as it
            stands and the best epoch beside it, also the last one, so twice the arrays.
        resume : path, optional
            A file that `save` wrote, or its folder, whose newest file is taken.  Training goes on
            after the last batch of that file, and ends with the bits of a training that was never
            interrupted.  The samples and the parameters must be those of that training; `epochs`
            may be more, or fewer than was asked for, but not than were begun.  So must
            `validation` and `patience`.
        diagnose : Diagnostics, optional
            Which steps to diagnose, for `roundoff_`.  Changes no bit of the training.

        Returns
        -------
        self

        Raises
        ------
        IndexError, TypeError, ValueError
            If a sample is malformed or a parameter is none of what it may be: names it; or if the
            file to resume is damaged (CheckpointError), or of other samples or parameters; or if
            the folder of `save` has files of another training; or if `patience` is given without
            `validation`.
        FloatingPointError
            If training diverges: the loss or a gradient is not finite.  The model is as it was
            before that step.  If a logit of `validation` is not a number: the model is as it was
            after the epoch.
        OSError
            If a file cannot be written or read.
        RuntimeError
            If another call trains this model; `save`, copies and pickles may be made by other
            threads, and are those of the model after a whole batch.

        Notes
        -----
        A FloatingPointError, a KeyboardInterrupt or an OSError that ends training has the model as
        its attribute `model`, which ``model = Model(...).fit(X, y)`` would have lost; at a prompt
        it is ``sys.last_value.model``.

        Examples
        --------
        >>> import lowprec as lp
        >>> X, y, p = lp.datasets.make_clicks(2000, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=100, epochs=3)
        >>> seen = []
        >>> model = model.fit(X, y, callback=lambda model, samples: seen.append(samples))
        >>> seen[0], seen[-1]
        (100, 6000)
        >>> len(model.history_["train_loss"])
        3
        """
        self._check_parameters(step=self.table_.step if is_warm(self) else 0)
        given = Arguments(validation, patience, callback, save, resume, diagnose)
        check_arguments(given)
        with self._trainings.alone("this model is trained"):
            fit(self, X, y, sample_weight, given)
        return self

    def partial_fit(
        self: Self,
        X: SamplesLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        diagnose: Diagnostics | None = None,
    ) -> Self:
        """Train once over the samples in the order they have, from where training stands.

        The first call makes the model, as `fit` does; parameters set since then are used from the
        next step on.  `history_` stays that of the last `fit`.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array_like, optional
            Both labels, for the first call, if its samples may have one alone.  Labels that are 0
            or 1 need none.
        diagnose : Diagnostics, optional
            As for `fit`; reports are added to those of calls before.

        Returns
        -------
        self

        Raises
        ------
        IndexError, TypeError, ValueError, FloatingPointError, RuntimeError
            As for `fit`.

        Examples
        --------
        >>> import lowprec as lp
        >>> (dense, indices), y, p = lp.datasets.make_clicks(2000, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=100)
        >>> for rows in (slice(0, 1000), slice(1000, 2000)):  # as from a reader of files
        ...     model = model.partial_fit((dense[rows], indices[rows]), y[rows])
        >>> model.table_.step
        20
        """
        with self._trainings.alone("this model is trained"):
            fitted, names = is_fitted(self), training.names_for(self, X)
            check_diagnostics(diagnose)
            self._check_parameters(step=self.table_.step if fitted else 0)
            samples = training.labelled_for(
                self, X, y, sample_weight, classes, fitted=fitted, in_parts=True
            )
            with self._steps.alone("this model is trained"):
                if fitted:
                    training.take_optimizers(self)
                    history.leave(self)
                else:
                    training.start(self, samples, Training.of(self, samples))
                    take_names(self, names)
                self._diagnose, self._position, self._stream = diagnose, None, None
            with (
                training.carried_by_errors(self),
                progress(self, len(samples)) as report,
                interrupted_between_batches() as is_interrupted,
            ):
                training.train(self, samples.batches(self.batch_size), report, is_interrupted)
                if is_interrupted():  # since the last batch
                    raise training.interrupted(self)
        return self

    @property
    def roundoff_(self) -> RoundoffReport | None:
        """What low precision did to the steps that were diagnosed: the sum of their reports.

        None where none were.  `roundoff_history_` has each report with the number of its step.
        """
        if not is_fitted(self) or not self.roundoff_history_:
            return None
        return functools.reduce(operator.add, (report for _, report in self.roundoff_history_))

    @property
    def precision_(self) -> RoundoffReport | None:
        """The former name of `roundoff_`."""
        warnings.warn("precision_ is now called roundoff_", DeprecationWarning, stacklevel=2)
        return self.roundoff_

    @property
    def precision_history_(self) -> list[tuple[int, RoundoffReport]]:
        """The former name of `roundoff_history_`."""
        warnings.warn(
            "precision_history_ is now called roundoff_history_", DeprecationWarning, stacklevel=2
        )
        return self.roundoff_history_

    def _contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return restoring.contents_of(self)

    @classmethod
    def _from_file(cls: type[Self], found: Checkpoint, device: DeviceName) -> Self:
        return restoring.from_file(cls, found, device)
