"""Surveying the rows of an update."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.formats.entries import storage_dtype, word_dtype
from lowprec.kernels.cpu.precision import share_missed, survey
from lowprec.kernels.cpu.squares import CHAINS_OF_ROW
from lowprec.kernels.keys import RowKeys
from lowprec.kernels.preparing import CatchUp, Preparation
from lowprec.roundoff.counts import FormatCounts
from lowprec.roundoff.limits import LIMITS
from lowprec.roundoff.report import RoundoffReport
from lowprec.threads import before_kernels
from lowprec.typing import Rounding, StorageName


def report_on(
    dtype: StorageName, rounding: Rounding,
    rows: NDArray[np.uint32], held: tuple[NDArray[np.float32], ...],
    gradients: NDArray[np.float32], seen: NDArray[np.uint32], rules: Any, limit: np.float32,
    keys: RowKeys, step: np.uint64,
) -> RoundoffReport:  # fmt: skip
    """The report on one update of these rows of a table, by a rule and its preparation, at a step.

    `seen` has when the rows were seen last, if these catch up, and nothing otherwise.
    """
    before_kernels()
    good = (np.abs(gradients) <= limit).all(axis=1)
    if not good.all():
        rows, gradients = rows[good], gradients[good]
        seen = seen[good] if seen.size else seen
        held = tuple(numbers[good] for numbers in held)
    chains = np.empty(CHAINS_OF_ROW, np.float32)
    rule, preparation = rules
    missed = np.zeros(len(rows), np.float32)
    if isinstance(preparation, CatchUp):
        share_missed(preparation.logs, seen, step, missed)
        preparation = Preparation(*preparation[:3])
    in_float64 = type(preparation)(*map(np.float64, preparation))
    found = {
        name: survey(
            rule, preparation, in_float64, held, missed, gradients, keys, step, rows,
            rounding == "stochastic", np.empty(1, word_dtype(storage_dtype(name))), limits, chains,
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
