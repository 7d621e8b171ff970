"""Models that are trained on streams: files and other data that are larger than memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from numpy.typing import ArrayLike

from lowprec.checks import check_int
from lowprec.models.checkpoints import Checkpoints
from lowprec.models.diagnostics import Diagnostics
from lowprec.models.fitting import Arguments, check_fit
from lowprec.models.model import Model
from lowprec.models.sources import Source, source_of
from lowprec.models.streaming import fit_stream
from lowprec.models.together import ranks_of_fit

Self = TypeVar("Self", bound="Streamed")


class Streamed(Model):
    """A model that reads its samples block by block."""

    def fit_stream(
        self: Self,
        reader: Iterable[Any],
        epochs: int = 1,
        *,
        validation: Sequence[Any] | None = None,
        patience: int | None = None,
        callback: Callable[[Any, int], None] | None = None,
        save: Checkpoints | None = None,
        resume: str | os.PathLike[str] | None = None,
        classes: ArrayLike | None = None,
        diagnose: Diagnostics | None = None,
        comm: Any = None,
    ) -> Self:
        """Train from scratch on samples that need not fit into memory, or resume such a training.

        Samples are used in the order of the stream, in steps of the model's `batch_size`, which may
        span blocks: how the stream is cut into blocks does not change the result.  The model's
        parameters `epochs` and `shuffle` are not used; readers shuffle.

        Ctrl-C ends training as in `fit`.

        Parameters
        ----------
        reader : ParquetReader, CriteoReader, CsvReader or iterable
            Blocks ``(X, y)`` or ``(X, y, sample_weight)``, as `fit` takes them.  A thread reads
            ahead of the training.  An iterable is iterated over once an epoch.
        epochs : int, default 1
            Passes over the stream.  An iterator can be passed over once.
        validation, patience, callback
            As for `fit`.  Where the reader has an encoder, `validation` may hold a frame.
        save : Checkpoints, optional
            As for `fit`.  Files store the position in the stream, and the names, sizes and numbers
            of rows of the files that are read.
        resume : path, optional
            As for `fit`.  A reader continues from the position in the file.  An iterable is read
            from the beginning of its epoch; samples that were used before are compared and skipped.
        classes : array_like, optional
            Both labels, if the first 65,536 samples may contain only one of them.  Not needed for
            labels 0 and 1.
        diagnose : Diagnostics, optional
            As for `fit`.
        comm : communicator of mpi4py, optional
            As for `fit`.  Each rank reads all of the stream.

        Returns
        -------
        self

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `fit`; if `class_weight` is "balanced", which needs all labels; if the ids of the
            samples are not bounded by `num_embeddings` of the model, of the samples or of the
            reader; if the stream to resume was changed: names the file, and what changed.  Blocks
            are validated when they are reached; the error names the number of the block, and the
            model keeps the state after the last batch.
        FloatingPointError, OSError, RuntimeError
            As for `fit`.

        Notes
        -----
        Any error that ends training has the model as its attribute `model`, as in `fit`.

        ``standardize=True`` takes the mean and the deviation of each dense feature from the first
        65,536 samples.  Features made by a `TabularEncoder` are already standardised by all rows on
        which it was fitted; their mean and deviation are then about 0 and 1.

        With ``warm_start=True``, a fitted model is trained further, and a shuffled reader continues
        with the order of its next epoch.

        Examples
        --------
        >>> import tempfile, pyarrow, pyarrow.parquet, lowprec as lp
        >>> frame = pyarrow.table({"city": ["Rome", "Oslo"] * 200, "click": [0, 1] * 200})
        >>> encoder = lp.TabularEncoder().fit(frame.select(["city"]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for day in "12":
        ...         pyarrow.parquet.write_table(frame, f"{folder}/{day}.parquet")
        ...     reader = lp.ParquetReader(folder, encoder, label="click", shuffle=True)
        ...     model = lp.LogisticRegression(batch_size=100).fit_stream(reader, epochs=2)
        >>> model.table_.step
        16
        """
        ranks = ranks_of_fit(self, comm, diagnose, save, patience)
        given = Arguments(validation, patience, callback, save, resume, diagnose, ranks)

        def check() -> tuple[Source, int]:
            passes = check_int("epochs", epochs, low=1)
            check_fit(self, given)
            if isinstance(getattr(self, "class_weight", None), str):
                raise ValueError(
                    "class_weight='balanced' needs all labels at once, which a stream does not "
                    "have; give {label: weight}"
                )
            return source_of(reader, passes), passes

        source, passes = ranks.agreed(check)
        with self._trainings.alone("this model is trained"):
            fit_stream(self, source, passes, classes, given)
        return self
