"""Surveying the rows of an update."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.formats.entries import storage_dtype, word_dtype
from lowprec.kernels.columns import CHAINS
from lowprec.kernels.cpu.precision import survey
from lowprec.kernels.keys import RowKeys
from lowprec.roundoff.counts import FormatCounts
from lowprec.roundoff.limits import LIMITS
from lowprec.roundoff.report import RoundoffReport
from lowprec.threads import before_kernels


def report_on(
    dtype: str, rounding: str, rows: NDArray[np.uint32], held: tuple[NDArray[np.float32], ...],
    gradients: NDArray[np.float32], rule: Any, limit: np.float32, keys: RowKeys, step: np.uint64,
) -> RoundoffReport:  # fmt: skip
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
        for name, limits in LIMITS.items()
    }  # fmt: skip
    own = found[dtype]
    return RoundoffReport(
        dtype, rounding, updates=1, rows=len(rows), skipped_rows=int((~good).sum()),
        weights=own.weights, nonfinite=own.nonfinite, steps=own.steps, sum_of_sizes=own.mass,
        sum_of_squares=own.energy,
        formats={
            name: FormatCounts(*(getattr(counts, f.name) for f in fields(FormatCounts)))
            for name, counts in found.items()
        },
    )  # fmt: skip
