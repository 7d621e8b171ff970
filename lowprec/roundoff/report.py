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
    """What low precision does to updates of a table, as counts that can be added over updates.

    `EmbeddingTable.diagnose` returns one, and so does `fit` with `diagnose`.  Here a *number* is
    one weight (a row and a column), and its *step* is the change by the optimizer, computed in
    float64 from the summed gradients.  All properties describe the table's own format; `of` returns
    the report of another format.

    Parameters
    ----------
    dtype : str
        The storage format that the properties describe.
    rounding : {"stochastic", "nearest"}
        How the table rounds.
    updates : int
        How many updates were diagnosed.
    rows, skipped_rows : int
        Rows that were diagnosed, and rows that were skipped because their gradient is not finite.
    weights, nonfinite : int
        Numbers of these rows that are finite after the step, and those that are inf or NaN.
    steps : int
        How many of `weights` have a nonzero step.
    sum_of_sizes, sum_of_squares : float
        The sums of the sizes and of the squares of the steps.
    formats : mapping of str to FormatCounts
        The counts of each format.

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
    Shares of zero steps are 0.  The counts of another format are for these steps, from these
    weights rounded to nearest; a training in that format would take other steps.

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
                "cannot be added"
            )
        added = {
            f.name: getattr(self, f.name) + getattr(other, f.name)
            for f in fields(self)
            if f.name not in ("dtype", "rounding", "formats")
        }
        formats = {name: self.formats[name] + other.formats[name] for name in self.formats}
        return RoundoffReport(self.dtype, self.rounding, **added, formats=formats)

    def recommend(self, max_noise: float = 1.0, *, eight_bits: bool = False) -> Recommendation:
        """The smallest format that stores these steps without much noise, with the reason.

        Parameters
        ----------
        max_noise : float, default 1.0
            The largest acceptable `noise_share`.  With 1, rounding adds as much variance as the
            steps have, which costs a factor of two at a 1/t rate (``docs/theory.md``).
        eight_bits : bool, default False
            Whether to consider 8-bit formats, which cost quality in our measurements
            (``docs/diagnose.md``).

        Returns
        -------
        Recommendation
            Among the smallest formats in which no weight saturates and the noise is acceptable, the
            one with the least noise; float32 if there is none.

        Raises
        ------
        TypeError, ValueError
            If `max_noise` is not a number, or is negative; or if the report has no steps.

        Notes
        -----
        The recommendation uses only the steps of this report.  Late in a training steps are
        smaller, and other learning rates give other steps.

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
