"""Which steps of a training are diagnosed."""

from __future__ import annotations

from dataclasses import dataclass

from lowprec.checks import check_int


@dataclass(frozen=True)
class Diagnostics:
    """Which steps of a training `fit` and `partial_fit` diagnose, and how closely.

    Parameters
    ----------
    every_batches : int, default 100
        Diagnose the steps whose number, from 0, is a multiple of this.
    max_numbers : int, optional
        Look at no more than about this many numbers of a step, as in `EmbeddingTable.diagnose`;
        None means all.  Default: 8192.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid.

    Examples
    --------
    >>> import lowprec as lp
    >>> X, y, p = lp.datasets.make_clicks(2000, num_embeddings=[50, 20], seed=0)
    >>> model = lp.LogisticRegression([50, 20], batch_size=100, epochs=3)
    >>> model = model.fit(X, y, diagnose=lp.Diagnostics(every_batches=20))
    >>> [step for step, report in model.roundoff_history_]
    [0, 20, 40]
    >>> model.roundoff_.updates
    3
    """

    every_batches: int = 100
    max_numbers: int | None = 8192

    def __post_init__(self) -> None:
        check_int("every_batches", self.every_batches, low=1)
        if self.max_numbers is not None:
            check_int("max_numbers", self.max_numbers, low=1)


def is_diagnosed(diagnose: Diagnostics | None, step: int) -> bool:
    """Whether a step is reported on."""
    return diagnose is not None and step % diagnose.every_batches == 0
