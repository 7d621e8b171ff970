"""Which format and rounding suit the steps of a report."""

from __future__ import annotations

from dataclasses import dataclass

from lowprec.roundoff.counts import Counts
from lowprec.roundoff.limits import LIMITS, itemsize
from lowprec.roundoff.text import percent
from lowprec.schedules import check_nonnegative
from lowprec.typing import Rounding, StorageName


@dataclass(frozen=True)
class Recommendation:
    """A recommended format and rounding for tables, with the reason.

    Parameters
    ----------
    dtype : str
        The storage format.
    rounding : {"stochastic", "nearest"}
        How to round.
    reason : str
        The reason in words, with the numbers.

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

    dtype: StorageName
    rounding: Rounding
    reason: str

    def __str__(self) -> str:
        return f"{self.dtype}, {self.rounding}: {self.reason}"


def recommend(counts: Counts, max_noise: float, eight_bits: bool) -> Recommendation:
    """See `RoundoffReport.recommend`."""
    check_nonnegative("max_noise", max_noise, in_float32=False)
    if not counts.steps:
        raise ValueError("this report has no steps, so it cannot recommend a format")
    considered = [counts.of(name) for name in LIMITS if eight_bits or itemsize(name) > 1]
    fitting = [
        told
        for told in considered
        if told.dtype == "float32" or (not told.saturated and told.noise_share <= max_noise)
    ]
    best = min(fitting, key=lambda told: (itemsize(told.dtype), told.noise_share))
    rounding: Rounding = "nearest" if best.dtype == "float32" else "stochastic"
    reasons = [_reason_for(best, max_noise)]
    reasons += [_reason_against(told) for told in considered if told is not best]
    basis = f"Seen in {counts.updates:,} updates, {counts.steps:,} steps."
    return Recommendation(best.dtype, rounding, " ".join([*filter(None, reasons), basis]))


def _reason_for(told: Counts, max_noise: float) -> str:
    if told.dtype == "float32":
        return f"others saturate, or stochastic rounding adds more than {percent(max_noise)}."
    return (
        f"no weight saturates, and stochastic rounding adds {percent(told.noise_share)} to the "
        f"mean square of the steps; rounding to nearest would lose {percent(told.lost_share)} of "
        f"the steps, {percent(told.lost_mass_share)} of the movement."
    )


def _reason_against(told: Counts) -> str:
    if told.dtype == "float32":
        return ""
    saturated = f" and saturate {told.saturated:,} weights" if told.saturated else ""
    return f"{told.dtype} would add {percent(told.noise_share)}{saturated}."
