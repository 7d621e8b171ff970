"""What low precision does to the steps of a training: counted, not guessed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lowprec.checks import check_int
from lowprec.kernels.columns import CHAINS
from lowprec.kernels.cpu.precision import survey
from lowprec.kernels.gradients import ROW_SHIFT
from lowprec.kernels.keys import RowKeys
from lowprec.rounding import storage_dtype
from lowprec.scalar.formats import FORMATS, word_dtype
from lowprec.scalar.precision import Limits
from lowprec.schedules import check_rate
from lowprec.threads import before_kernels

_FLOAT32 = np.finfo(np.float32)
# from the smallest to the largest, the more exact first among equals
_LIMITS = {
    fmt.name: Limits(
        np.float64(2.0**-fmt.mantissa_bits), np.float32(fmt.min_normal), np.float32(fmt.max_finite)
    )
    for fmt in sorted(FORMATS, key=lambda fmt: (fmt.storage.itemsize, -fmt.mantissa_bits))
} | {"float32": Limits(np.float64(_FLOAT32.eps), _FLOAT32.smallest_normal, _FLOAT32.max)}


@dataclass(frozen=True)
class FormatCounts:
    """What one format does to the steps of a `PrecisionReport`."""

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
class Diagnose:
    """Which steps of a training `fit` and `partial_fit` diagnose, and how closely.

    Parameters
    ----------
    every_batches : int, default 100
        Look at the steps whose number, from 0, is a multiple of this.
    max_numbers : int, optional
        Look at about so many numbers of a step at most, as `EmbeddingTable.diagnose` does; None
        means all.  Default: 8192.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of what it may be.

    Examples
    --------
    >>> import lowprec as lp
    >>> X, y, p = lp.datasets.make_clicks(2000, num_embeddings=[50, 20], seed=0)
    >>> model = lp.LogisticRegression([50, 20], batch_size=100, epochs=3)
    >>> model = model.fit(X, y, diagnose=lp.Diagnose(every_batches=20))
    >>> [step for step, report in model.precision_history_]
    [0, 20, 40]
    >>> model.precision_.updates
    3
    """

    every_batches: int = 100
    max_numbers: int | None = 8192

    def __post_init__(self) -> None:
        check_int("every_batches", self.every_batches, low=1)
        if self.max_numbers is not None:
            check_int("max_numbers", self.max_numbers, low=1)


@dataclass(frozen=True)
class Recommendation:
    """A format and a rounding for tables, and the numbers that speak for them.

    Parameters
    ----------
    dtype : str
        The storage format.
    rounding : {"stochastic", "nearest"}
        How to round.
    reason : str
        Why, in words, with the numbers that it rests on.

    Raises
    ------
    TypeError
        If an argument is missing.

    Examples
    --------
    >>> import lowprec as lp
    >>> print(lp.Recommendation("float16", "stochastic", "nearest would lose 60 % of the steps."))
    float16, stochastic: nearest would lose 60 % of the steps.
    """

    dtype: str
    rounding: str
    reason: str

    def __str__(self) -> str:
        return f"{self.dtype}, {self.rounding}: {self.reason}"


@dataclass(frozen=True)
class PrecisionReport:
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
    mass, energy : float
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

    dtype: str
    rounding: str
    updates: int
    rows: int
    skipped_rows: int
    weights: int
    nonfinite: int
    steps: int
    mass: float
    energy: float
    formats: Mapping[str, FormatCounts]

    def __add__(self, other: PrecisionReport) -> PrecisionReport:
        if not isinstance(other, PrecisionReport):
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
        return PrecisionReport(self.dtype, self.rounding, **added, formats=formats)

    def of(self, dtype: DTypeLike) -> PrecisionReport:
        """The same steps in another format.

        Parameters
        ----------
        dtype : str or dtype
            As for `EmbeddingTable`.

        Returns
        -------
        PrecisionReport

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
        return replace(self, dtype=storage_dtype(dtype).name)

    @property
    def _counts(self) -> FormatCounts:
        """Those of `dtype`."""
        return self.formats[self.dtype]

    @property
    def lost(self) -> int:
        """How many steps rounding to nearest leaves where they were."""
        return self._counts.lost

    @property
    def lost_share(self) -> float:
        """`lost` as a share of `steps`."""
        return _share(self.lost, self.steps)

    @property
    def lost_mass_share(self) -> float:
        """The sizes of these steps as a share of the sizes of all."""
        return _share(self._counts.lost_mass, self.mass)

    @property
    def subnormal(self) -> int:
        """How many weights are below the smallest normal number after the step, and not zero."""
        return self._counts.subnormal

    @property
    def saturated(self) -> int:
        """How many finite weights are beyond the largest finite number, where they are stored."""
        return self._counts.saturated

    @property
    def mean_error(self) -> float:
        """The mean error of the table's own rounding along the step, in distances of neighbours.

        Below 0 where weights move less far than they should.  Saturated weights are left out.
        """
        return _share(self._counts.error, self.steps)

    @property
    def rms_error(self) -> float:
        """The root of the mean square of that error."""
        return float(np.sqrt(_share(self._counts.squared_error, self.steps)))

    @property
    def noise_share(self) -> float:
        """The variance that stochastic rounding adds, over the sum of the squares of the steps.

        Below 1, rounding adds less than the steps themselves, gradient noise and all.
        """
        return _share(self._counts.noise, self.energy)

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
        check_rate("max_noise", max_noise)
        if not self.steps:
            raise ValueError("this report has no steps to judge a format by")
        considered = [self.of(name) for name in _LIMITS if eight_bits or _itemsize(name) > 1]
        fitting = [
            told
            for told in considered
            if told.dtype == "float32" or (not told.saturated and told.noise_share <= max_noise)
        ]
        best = min(fitting, key=lambda told: (_itemsize(told.dtype), told.noise_share))
        rounding = "nearest" if best.dtype == "float32" else "stochastic"
        reasons = [_reason_for(best, max_noise)]
        reasons += [_reason_against(told) for told in considered if told is not best]
        basis = f"Seen in {self.updates:,} updates, {self.steps:,} steps."
        return Recommendation(best.dtype, rounding, " ".join([*filter(None, reasons), basis]))

    def __str__(self) -> str:
        limits = _LIMITS[self.dtype]
        subnormal, saturated = (_share(n, self.weights) for n in (self.subnormal, self.saturated))
        all_steps = f"{self.steps:,}"
        lines = [
            ("steps lost by nearest", _percent(self.lost_share), f"{self.lost:,} of {all_steps}"),
            ("movement lost by nearest", _percent(self.lost_mass_share), "by the sizes of steps"),
            ("weights subnormal", _percent(subnormal), f"not 0, below {limits.min_normal:.2g}"),
            ("weights saturated", _percent(saturated), f"beyond {limits.max_finite:.5g}"),
            ("rows skipped", f"{self.skipped_rows:,}", "their gradient is not finite"),
            ("mean rounding error", f"{self.mean_error:+.4f}", "neighbours, along the step"),
            ("rms rounding error", f"{self.rms_error:.4f}", "neighbours"),
        ]
        if self.nonfinite:
            lines.append(("weights not finite", f"{self.nonfinite:,}", "in none of the above"))
        return "\n".join(
            [
                f"{self.dtype}, {self.rounding}: {self.updates:,} updates, {self.rows:,} rows",
                *(f"  {name:<26}{value:>10}  {note}" for name, value, note in lines),
                f"  {'in each format':<16}{'steps lost':>15}{'movement lost':>15}"
                f"{'noise of stochastic':>21}{'saturated':>11}",
                *(self.of(name)._line() for name in reversed(_LIMITS)),
            ]
        )

    def _line(self) -> str:
        return (
            f"  {self.dtype:<16}{_percent(self.lost_share):>15}{_percent(self.lost_mass_share):>15}"
            f"{_percent(self.noise_share):>21}{self.saturated:>11,}"
        )


def _itemsize(dtype: str) -> int:
    return storage_dtype(dtype).itemsize


def _reason_for(told: PrecisionReport, max_noise: float) -> str:
    if told.dtype == "float32":
        return f"others saturate, or stochastic rounding adds more than {_percent(max_noise)}."
    return (
        f"no weight saturates, and stochastic rounding adds {_percent(told.noise_share)} to the "
        f"mean square of the steps; rounding to nearest would lose {_percent(told.lost_share)} of "
        f"the steps, {_percent(told.lost_mass_share)} of the movement."
    )


def _reason_against(told: PrecisionReport) -> str:
    if told.dtype == "float32":
        return ""
    saturated = f" and saturate {told.saturated:,} weights" if told.saturated else ""
    return f"{told.dtype} would add {_percent(told.noise_share)}{saturated}."


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _percent(share: float) -> str:
    """Two decimals, and never 0 for what is not nothing."""
    if 0 < share < 0.00005:
        return "< 0.01 %"
    return f"{100 * share:.2f} %" if share < 10 else f"{100 * share:,.0f} %"


# --- how a table is looked at ---


def scattered(step: int) -> int:
    """A number that has nothing to do with its neighbours', for each step."""
    return zlib.crc32(step.to_bytes(8, "little"))


_Rows = tuple[NDArray[np.uint32], tuple[NDArray[np.float32], ...], NDArray[np.float32]]


def no_rows(columns: Sequence[int]) -> _Rows:
    """`stepped_rows` of a batch without any; `columns` are those of the weights and each state."""
    nothing = tuple(np.empty((0, count), np.float32) for count in columns)
    return np.empty(0, np.uint32), nothing, nothing[0]


def stepped_rows(device: Any, arrays: tuple[Any, ...], runs: Any, gradients: Any) -> _Rows:
    """The rows of a batch (n,), what weights and states hold there, and their summed gradients.

    In the memory of the host.
    """
    xp, kernels, columns = device.xp, device.kernels, arrays[0].shape[1]
    rows = (runs.order >> ROW_SHIFT).astype(np.uint32)
    begins = xp.ones(rows.size, np.bool_)
    begins[1:] = rows[1:] != rows[:-1]
    places = xp.flatnonzero(begins)
    rows = rows[places]
    sums = device.empty((runs.order.size, columns), np.float32)
    kernels.sum_segments(runs, gradients, sums)
    held = [device.empty((rows.size, array.shape[1]), np.float32) for array in arrays]
    for array, numbers in zip(arrays, held, strict=True):
        kernels.gather(array, rows, numbers)
    on_host = tuple(map(device.to_host, held))
    return device.to_host(rows), on_host, device.to_host(sums[places])


def report_on(
    dtype: str, rounding: str, rows: NDArray[np.uint32], held: tuple[NDArray[np.float32], ...],
    gradients: NDArray[np.float32], rule: Any, limit: np.float32, keys: RowKeys, step: np.uint64,
) -> PrecisionReport:  # fmt: skip
    """The report on one update of these rows of a table, by a rule, at a step."""
    before_kernels()
    good = (np.abs(gradients) <= limit).all(axis=1)
    if not good.all():
        rows, gradients = rows[good], gradients[good]
        held = tuple(numbers[good] for numbers in held)
    chains = np.empty(CHAINS, np.float32)
    found = {
        name: survey(
            rule, held, gradients, keys, step, rows, rounding == "stochastic",
            np.empty(1, word_dtype(storage_dtype(name))), limits, chains,
        )
        for name, limits in _LIMITS.items()
    }  # fmt: skip
    own = found[dtype]
    return PrecisionReport(
        dtype, rounding, updates=1, rows=len(rows), skipped_rows=int((~good).sum()),
        weights=own.weights, nonfinite=own.nonfinite, steps=own.steps, mass=own.mass,
        energy=own.energy,
        formats={
            name: FormatCounts(*(getattr(counts, f.name) for f in fields(FormatCounts)))
            for name, counts in found.items()
        },
    )  # fmt: skip
