"""Counts of what rounding does to steps, in each storage format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from lowprec.formats.entries import storage_name
from lowprec.typing import Rounding, Storage, StorageName

Self = TypeVar("Self", bound="Counts")


@dataclass(frozen=True)
class FormatCounts:
    """What one format does to the steps of a `RoundoffReport`."""

    lost: int = 0
    lost_mass: float = 0.0
    subnormal: int = 0
    saturated: int = 0
    noise: float = 0.0
    error: float = 0.0
    squared_error: float = 0.0

    def __add__(self, other: FormatCounts) -> FormatCounts:
        return FormatCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Counts:
    """Counts of some updates, and what follows from them; `RoundoffReport` documents them."""

    dtype: StorageName
    rounding: Rounding
    updates: int
    rows: int
    skipped_rows: int
    weights: int
    nonfinite: int
    steps: int
    sum_of_sizes: float
    sum_of_squares: float
    formats: Mapping[str, FormatCounts]

    def of(self: Self, dtype: Storage) -> Self:
        """The same steps in another format.

        Parameters
        ----------
        dtype : str or dtype
            As for `EmbeddingTable`.

        Returns
        -------
        RoundoffReport

        Raises
        ------
        ValueError
            If `dtype` is not a storage format.

        Examples
        --------
        >>> import numpy as np, lowprec as lp
        >>> table = lp.EmbeddingTable(4, embedding_dim=2, dtype="float32")
        >>> report = table.diagnose(np.array([3]), np.ones((1, 2), np.float32))
        >>> report.of("float16").dtype
        'float16'
        """
        return replace(self, dtype=storage_name(dtype))

    @property
    def _counts(self) -> FormatCounts:
        """Those of `dtype`."""
        return self.formats[self.dtype]

    @property
    def lost(self) -> int:
        """How many steps rounding to nearest loses."""
        return self._counts.lost

    @property
    def lost_share(self) -> float:
        """`lost` as a share of `steps`."""
        return share(self.lost, self.steps)

    @property
    def lost_mass_share(self) -> float:
        """The sum of the sizes of the lost steps, as a share of that of all steps."""
        return share(self._counts.lost_mass, self.sum_of_sizes)

    @property
    def subnormal(self) -> int:
        """How many weights are nonzero and below the smallest normal number after the step."""
        return self._counts.subnormal

    @property
    def saturated(self) -> int:
        """How many finite weights are out of range and saturate."""
        return self._counts.saturated

    @property
    def mean_error(self) -> float:
        """The mean error of the table's rounding along the step, in distances of neighbours.

        Negative if weights move less than they should.  Saturated weights do not count.
        """
        return share(self._counts.error, self.steps)

    @property
    def rms_error(self) -> float:
        """The root of the mean square of that error."""
        return float(np.sqrt(share(self._counts.squared_error, self.steps)))

    @property
    def noise_share(self) -> float:
        """The variance that stochastic rounding adds over the sum of the squares of the steps.

        Below 1, rounding adds less than the steps themselves, with their gradient noise.
        """
        return share(self._counts.noise, self.sum_of_squares)


def share(part: float, whole: float) -> float:
    """A part of a whole; of nothing, 0."""
    return part / whole if whole else 0.0
