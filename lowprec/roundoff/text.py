"""A report in words."""

from __future__ import annotations

from lowprec.roundoff.counts import Counts, share
from lowprec.roundoff.limits import LIMITS


def as_text(counts: Counts) -> str:
    """The table that `print` shows."""
    limits = LIMITS[counts.dtype]
    subnormal, saturated = (share(n, counts.weights) for n in (counts.subnormal, counts.saturated))
    all_steps = f"{counts.steps:,}"
    lines = [
        ("steps lost by nearest", percent(counts.lost_share), f"{counts.lost:,} of {all_steps}"),
        ("movement lost by nearest", percent(counts.lost_mass_share), "by the sizes of steps"),
        ("weights subnormal", percent(subnormal), f"not 0, below {limits.min_normal:.2g}"),
        ("weights saturated", percent(saturated), f"beyond {limits.max_finite:.5g}"),
        ("rows skipped", f"{counts.skipped_rows:,}", "their gradient is not finite"),
        ("mean rounding error", f"{counts.mean_error:+.4f}", "neighbours, along the step"),
        ("rms rounding error", f"{counts.rms_error:.4f}", "neighbours"),
    ]
    if counts.nonfinite:
        lines.append(("weights not finite", f"{counts.nonfinite:,}", "in none of the above"))
    return "\n".join(
        [
            f"{counts.dtype}, {counts.rounding}: {counts.updates:,} updates, {counts.rows:,} rows",
            *(f"  {name:<26}{value:>10}  {note}" for name, value, note in lines),
            f"  {'in each format':<16}{'steps lost':>15}{'movement lost':>15}"
            f"{'noise of stochastic':>21}{'saturated':>11}",
            *(_line(counts.of(name)) for name in reversed(LIMITS)),
        ]
    )


def _line(counts: Counts) -> str:
    return (
        f"  {counts.dtype:<16}{percent(counts.lost_share):>15}{percent(counts.lost_mass_share):>15}"
        f"{percent(counts.noise_share):>21}{counts.saturated:>11,}"
    )


def percent(share: float) -> str:
    """Two decimals, and never 0 for what is not nothing."""
    if 0 < share < 0.00005:
        return "< 0.01 %"
    return f"{100 * share:.2f} %" if share < 10 else f"{100 * share:,.0f} %"
