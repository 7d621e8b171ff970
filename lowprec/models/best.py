"""The best epoch of a training: a copy of what training changes, for when it gets no better."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.checks import check_int, is_writable
from lowprec.device import get_device
from lowprec.files.checkpoint import Checkpoint
from lowprec.models.arrays import dense_arrays, trained_arrays, trained_layout
from lowprec.models.model import Model
from lowprec.models.ranks import shard_of
from lowprec.tables import verbs

_PREFIX = "best."  # of the names of its arrays in a file
_MAX_COUNT = 2**63


class Best(NamedTuple):
    """A copy of a model's arrays after an epoch, in the memory of the host."""

    arrays: dict[str, NDArray[Any]]
    step: int
    skipped_rows: int
    progress: dict[str, Any]

    @classmethod
    def of(cls, model: Model, before: Best | None = None) -> Best:
        """A copy of a model as it is, in the memory of the best one `before`."""
        arrays = trained_arrays(model)
        if before is not None and all(map(is_writable, before.arrays.values())):
            kept = before.arrays
        else:
            kept = {name: np.empty_like(array) for name, array in arrays.items()}
        for name, array in arrays.items():
            kept[name][...] = array
        table = shard_of(model.table_)
        return cls(kept, table.step, table.skipped_rows, model._progress_of_training())

    def give_back(self, model: Model) -> None:
        """Make a model what it was, bit for bit."""
        verbs.take_over(shard_of(model.table_), self.arrays, self.step, self.skipped_rows)
        device = get_device(model.device)
        for name, array in dense_arrays(model).items():
            array[...] = device.asarray(self.arrays[name])
        for name, value in self.progress.items():
            setattr(model, name, value)
        model.roundoff_history_ = [
            entry for entry in model.roundoff_history_ if entry[0] < self.step
        ]

    def contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """All but the arrays, as JSON has it, and the arrays by their names in a model's file."""
        numbers = {name: getattr(self, name) for name in ("step", "skipped_rows", "progress")}
        return numbers, {_PREFIX + name: array for name, array in self.arrays.items()}

    @classmethod
    def from_file(cls, found: Checkpoint, model: Model) -> Best | None:
        """The best epoch in a file whose model is otherwise made; None if it holds none."""
        with found.reading() as state:
            numbers = state.get("best")
            if numbers is None:
                return None
            step = check_int("step", numbers["step"], low=1, high=model.table_.step + 1)
            skipped = check_int("skipped_rows", numbers["skipped_rows"], low=0, high=_MAX_COUNT)
            progress = numbers["progress"]
            model._check_progress(progress)
        arrays = {
            name: found.array(_PREFIX + name, *each) for name, each in trained_layout(model).items()
        }
        return cls(arrays, step, skipped, progress)


def names_of_best(state: dict[str, Any], names: list[str]) -> list[str]:
    """The names of its arrays in a file with this state, where those of the model are `names`."""
    return [] if state.get("best") is None else [_PREFIX + name for name in names]
