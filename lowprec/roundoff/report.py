"""What low precision does to the steps of a training: counted, not guessed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from typing import Any

from lowprec.roundoff.counts import Counts
from lowprec.roundoff.recommend import Recommendation, recommend
from lowprec.roundoff.text import as_text


@dataclass(frozen=True)
class RoundoffReport(Counts):
    """What low precision does to updates of a table: counts, which add up over updates.

    `EmbeddingTable.diagnose` makes one, and `fit` with `diagnose`.  A *number* here is one weight,
    a row and a column; its *step* is what the optimizer changes it by in float64, the gradients of
    equal rows summed.  Everything is about the table's own format; `of` gives that of another one.

    Parameters
    ----------
    dtype : str
        The storage format that the properties are about.
    rounding : {"stochastic", "nearest"}
        How the table rounds.
    updates : int
        Updates that were looked at.
    rows, skipped_rows : int
        Rows that these stepped, as far as they were looked at, and left out as their gradient is
        not finite.
    weights, nonfinite : int
        Numbers of these rows that are finite after the step, and that are inf or NaN.
    steps : int
        How many of `weights` have a step that is not zero.
    sum_of_sizes, sum_of_squares : float
        The sums of the sizes and of the squares of the steps.
    formats : mapping of str to FormatCounts
        What each format does to them.

    Attributes
    ----------
    lost, lost_share, lost_mass_share, subnormal, saturated, mean_error, rms_error, noise_share
        See the properties.

    Raises
    ------
    TypeError
        If an argument is missing.

    Notes
    -----
    Shares of nothing are 0.  What a report says of other formats is what they would do to these
    steps, from these weights, rounded to nearest: a training in such a format would take others.

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> table = lp.EmbeddingTable(4, embedding_dim=2, optimizer=lp.SGD(1.0))
    >>> table.weight[:] = 1.0
    >>> grad = np.array([[2**-14, 2**-9]], np.float32)
    >>> report = table.diagnose(np.array([3]), grad)
    >>> report.steps, report.lost, report.lost_share  # float16 is 2**-11 apart below 1
    (2, 1, 0.5)
    >>> report.of("bfloat16").lost
    2
    >>> (report + report).lost
    2
    """

    def __add__(self, other: RoundoffReport) -> RoundoffReport:
        if not isinstance(other, RoundoffReport):
            return NotImplemented
        if (self.dtype, self.rounding) != (other.dtype, other.rounding):
            raise ValueError(
                f"reports of {self.dtype}, {self.rounding} and of {other.dtype}, {other.rounding} "
                "do not add up"
            )
        added = {
            f.name: getattr(self, f.name) + getattr(other, f.name)
            for f in fields(self)
            if f.name not in ("dtype", "rounding", "formats")
        }
        formats = {name: self.formats[name] + other.formats[name] for name in self.formats}
        return RoundoffReport(self.dtype, self.rounding, **added, formats=formats)

    def recommend(self, max_noise: float = 1.0, *, eight_bits: bool = False) -> Recommendation:
        """The smallest format that stores these steps without much noise, and what speaks for it.

        Parameters
        ----------
        max_noise : float, default 1.0
            The most that `noise_share` may be.  With 1, rounding adds as much variance as the
            steps have, which costs a rate of 1/t a factor of two (``docs/theory.md``).
        eight_bits : bool, default False
            Whether the 8-bit formats are considered, which cost quality in what was measured
            (``docs/diagnose.md``).

        Returns
        -------
        Recommendation
            Of the smallest formats in which no weight saturates and the noise is not more than
            that, the one with the least; float32 if there is none.

        Raises
        ------
        TypeError, ValueError
            If `max_noise` is not a number, or is negative; or if there are no steps to judge by.

        Notes
        -----
        It is about the steps of this report and no others: late in a training steps are smaller,
        and other learning rates make other steps.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable(100, embedding_dim=16, optimizer=lp.SGD(1e-3), seed=0)
        >>> grad = np.random.default_rng(0).normal(size=(100, 16)).astype(np.float32)
        >>> report = table.diagnose(np.arange(100), grad)
        >>> report.recommend().dtype, report.recommend(max_noise=1e-6).dtype
        ('float16', 'float32')
        """
        return recommend(self, max_noise, eight_bits)

    def __str__(self) -> str:
        return as_text(self)

    @property
    def mass(self) -> float:
        """The former name of `sum_of_sizes`."""
        return self._renamed("mass", "sum_of_sizes")

    @property
    def energy(self) -> float:
        """The former name of `sum_of_squares`."""
        return self._renamed("energy", "sum_of_squares")

    def _renamed(self, old: str, new: str) -> Any:
        warnings.warn(f"{old} is now called {new}", DeprecationWarning, stacklevel=3)
        return getattr(self, new)
