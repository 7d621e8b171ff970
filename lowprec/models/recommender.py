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
from lowprec.models.data import Labelled
from lowprec.models.diagnostics import Diagnostics
from lowprec.models.estimator import take_names
from lowprec.models.fitting import Arguments, check_diagnostics, check_fit, fit
from lowprec.models.identity import Training, fingerprint
from lowprec.models.model import is_fitted
from lowprec.models.progress import progress
from lowprec.models.shards import write_model
from lowprec.models.streamed import Streamed
from lowprec.models.together import ranks_of_fit, training_ranks
from lowprec.models.warm import check_file
from lowprec.roundoff.report import RoundoffReport
from lowprec.typing import DeviceName

Self = TypeVar("Self", bound="Recommender")


class Recommender(Streamed):
    """A model of samples with dense features and ids, trained by minibatch steps."""

    _write = write_model

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
        comm: Any = None,
    ) -> Self:
        """Train from scratch for `epochs` passes over the samples, or resume such a training.

        With ``warm_start=True``, a fitted model is trained for `epochs` more passes instead.

        Ctrl-C ends training after the current batch, with a KeyboardInterrupt that says how far it
        got.  A second Ctrl-C ends it at once.

        Parameters
        ----------
        X : Samples, tuple, array_like, frame or sparse matrix
            `Samples`, or a tuple of its first arguments: ``(dense, indices)``,
            ``(dense, indices, offsets)`` for jagged bags, whose ids are summed, or
            ``(dense, indices, offsets, weights)``, where each may be None.  An array or a frame of
            integers (n, num_features) holds ids, one of other numbers dense features.  A sparse
            matrix of SciPy is one feature: its columns are ids, its entries the weights of these
            ids.
        y : array_like, shape (n,)
            Labels: any two values.
        sample_weight : array_like of numbers, shape (n,), optional
            Factor of the loss of each sample, before the division by the number of samples of the
            batch.
        validation : tuple, optional
            ``(X, y)`` or ``(X, y, sample_weight)``: samples whose loss is computed after each
            epoch, as a mean weighted by `sample_weight` only.  Does not change the training.
        patience : int, optional
            Stop after this many epochs without a lower validation loss, and after `epochs` at the
            latest.  In both cases the weights, states and step of the best epoch are restored, bit
            for bit.  During training, a copy of them is kept on the host, as large as the table
            with its states and the dense layers.
        callback : callable, optional
            Called as ``callback(model, samples)`` after each step, with the number of samples so
            far.  It may use the model to predict.
        save : Checkpoints, optional
            When and where to write files; one is also written when Ctrl-C ends training.  The
            folder must not contain files of another training.  With `patience`, each file holds the
            current state and the best epoch, so twice the arrays.
        resume : path, optional
            A file that `save` wrote, or its folder, of which the newest file is used.  Training
            continues after the last batch of that file, and ends with the same bits as a training
            that was never interrupted.  Samples, parameters, `validation` and `patience` must be
            the same.  Only `epochs` may differ, but must not be smaller than the number of epochs
            that were begun.
        diagnose : Diagnostics, optional
            Which steps to diagnose, for `roundoff_`.  Does not change the training.
        comm : communicator of mpi4py, optional
            Such as ``MPI.COMM_WORLD``: all its ranks train the model together, with the bits of one
            process.  All call `fit` with the same arguments, and each computes its part of every
            batch.  `table_` is a `lowprec.mpi.ShardedTable`.

        Returns
        -------
        self

        Raises
        ------
        IndexError, TypeError, ValueError
            If a sample is malformed or a parameter is invalid: names it; or if the file to resume
            is corrupted (CheckpointError), or belongs to other samples or parameters; or if the
            folder of `save` has files of another training; or if `patience` is given without
            `validation`; or if `comm` is given together with what one process does alone:
            ``device="cuda"``, `l2`, `diagnose`, `warm_start` of a fitted model, `save` with
            `patience`.  With `comm`, all ranks raise what one of them does.
        FloatingPointError
            If training diverges: the loss or a gradient is not finite.  The model is as it was
            before that step.  If a logit of `validation` is not a number: the model is as it was
            after the epoch.
        OSError
            If a file cannot be written or read.
        RuntimeError
            If another thread trains this model.  Other threads may call `save`, copy and pickle;
            they get the model after a complete batch.

        Notes
        -----
        A FloatingPointError, KeyboardInterrupt or OSError that ends training has the model as its
        attribute `model`, because ``model = Model(...).fit(X, y)`` does not assign it then.  At a
        prompt it is ``sys.last_value.model``.

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
        ranks = ranks_of_fit(self, comm, diagnose, save, patience)
        given = Arguments(validation, patience, callback, save, resume, diagnose, ranks)
        ranks.agreed(lambda: check_fit(self, given))
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
        comm: Any = None,
    ) -> Self:
        """Train for one pass over the samples, in their order, from the current state.

        The first call creates the model, as `fit` does.  Parameters that were set since then apply
        from the next step on.  `history_` does not change.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array_like, optional
            Both labels, for the first call, if its samples may contain only one of them.  Not
            needed for labels 0 and 1.
        diagnose : Diagnostics, optional
            As for `fit`; reports are added to those of earlier calls.
        comm : communicator of mpi4py, optional
            As for `fit`; the same ranks in every call.

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
            fitted = is_fitted(self)
            ranks = training_ranks(self, comm, goes_on=fitted, diagnose=diagnose)

            def check() -> tuple[Labelled, list[str] | None]:
                names = training.names_for(self, X)
                check_diagnostics(diagnose)
                self._check_parameters(step=self.table_.step if fitted else 0)
                if fitted:
                    check_file(self)
                found = training.labelled_for(
                    self, X, y, sample_weight, classes, fitted=fitted, in_parts=True
                )
                return found, names

            samples, names = ranks.agreed(check)
            ranks.check_alike("samples", lambda: fingerprint(samples))
            with self._steps.alone("this model is trained"):
                if fitted:
                    training.take_optimizers(self)
                    history.leave(self)
                else:
                    identity = Training.of(self, samples)
                    training.start(self, samples, identity, ranks=ranks)
                    take_names(self, names)
                self._diagnose, self._position, self._stream = diagnose, None, None
            with (
                training.carried_by_errors(self),
                progress(self, len(samples)) as report,
                interrupted_between_batches() as is_interrupted,
            ):
                training.train(self, samples.batches(self.batch_size), report, is_interrupted)
                if ranks.any(is_interrupted()):  # since the last batch
                    raise training.interrupted(self)
        return self

    @property
    def roundoff_(self) -> RoundoffReport | None:
        """What low precision did to the diagnosed steps: the sum of their reports.

        None if no step was diagnosed.  `roundoff_history_` has each report with the number of its
        step.
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
    def _from_file(
        cls: type[Self], found: Checkpoint, device: DeviceName, path: Any = None
    ) -> Self:
        return restoring.from_file(cls, found, device, path)
