"""One step on the rows of a batch: check, group by row, sum the gradients, step and store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.batches.batch import Batch
from lowprec.interrupts import Uninterrupted
from lowprec.kernels.columns import NOTHING, STATES, WEIGHT
from lowprec.kernels.gradients import Gradients
from lowprec.optimizers import rules as of_optimizers
from lowprec.optimizers.rules import Rules
from lowprec.scalar.xorshift import STREAM_UPDATE
from lowprec.tables.keys import row_keys
from lowprec.tables.rows import about_to_change, as_a_whole
from lowprec.tables.store import Store
from lowprec.workspace import Allocator


class StepNumbers(NamedTuple):
    """What kernels are given of a step: by value, or each as an `InMemory` of their kernels."""

    rules: Any  # `Rules`
    step: Any  # np.uint64
    limit: Any  # np.float32: of the numbers of a row's gradient


def step_numbers(store: Store) -> StepNumbers:
    """Those of the next step; TypeError or ValueError of a schedule is raised."""
    rules = store._rules()
    return StepNumbers(rules, np.uint64(store._step), largest_gradient(store, rules))


def check_grad(store: Store, grad: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The gradient of a batch's lookup as kernels take it, one row a bag."""
    values = store._device.as_float32("grad", grad)
    if values.shape != shape:
        raise ValueError(f"grad must have the shape of the lookup, {shape}, got {values.shape}")
    return store._unaliased(values.reshape(-1, store.embedding_dim))


@in_standard_arithmetic
def update(
    store: Store, batch: Batch, grad: Any, diverged: Any = None, numbers: StepNumbers | None = None
) -> None:
    """Step the rows of a batch: see `EmbeddingTable.update`.

    Raises at once; or, given whether training has `diverged` (1,), notes it there: the host then
    waits for nothing, and nothing is written once it has.  `numbers` are those of `step_numbers`,
    unless they are somewhere else.
    """
    flat_grad = check_grad(store, grad, (*batch.shape, store.embedding_dim))
    numbers = numbers or step_numbers(store)
    if store._trainable:
        store._check_writable()
    with Uninterrupted(), store._workspace.alone("this table is updated"), as_a_whole(store):
        if batch.rows.size and store._trainable:
            _write_steps(store, numbers, *_check_rows(store, batch, flat_grad, numbers, diverged))
        store._step += 1


@in_standard_arithmetic
def update_together(
    store: Store, batch: Batch, grad: NDArray[np.float32],
    agree: Callable[[Exception | None], Any], largest: np.float32,
) -> None:  # fmt: skip
    """Step the rows of a batch if all others do so.

    `agree` is told why this table cannot, or None.  It raises unless all can, before anything is
    written.  No gradient is above `largest`, which is NaN if one is.
    """
    with Uninterrupted(), store._workspace.alone("this table is updated"), as_a_whole(store):
        found, error = None, None
        try:
            numbers = step_numbers(store)
            if store._trainable:
                store._check_writable()
                if batch.rows.size:
                    found = _check_rows(store, batch, grad, numbers, None, largest)
        except Exception as raised:
            error = raised
        agree(error)
        if found is not None:
            _write_steps(store, numbers, *found)
        store._step += 1


def _check_rows(
    store: Store, batch: Batch, grad: NDArray[np.float32], numbers: StepNumbers, diverged: Any,
    largest: np.float32 | None = None,
) -> tuple[Any, Gradients, Any]:  # fmt: skip
    """A batch grouped by row, its gradients, and whether these are within the limit."""
    refuse = store.on_nonfinite == "raise"
    found = group_and_check(
        store, batch, grad, numbers.limit, refuse, diverged, store._workspace, largest=largest
    )
    about_to_change(store, batch.rows)
    return found


def _write_steps(
    store: Store, numbers: StepNumbers, groups: Any, gradients: Gradients, check: Any
) -> None:
    kernels, scratch = store._device.kernels, store._workspace
    keys = row_keys(store._device, store.seed, STREAM_UPDATE, store._shard)
    store._skipped_rows += kernels.update_rows(
        numbers.rules, store._arrays_of_rows(), groups, gradients, keys, numbers.step,
        _stochastic(store), numbers.limit, check, scratch,
    )  # fmt: skip


def _stochastic(store: Store) -> int:
    """What of a step is rounded stochastically."""
    weight = WEIGHT if store.rounding == "stochastic" else NOTHING
    return weight + (STATES if store.optimizer.state_rounding == "stochastic" else NOTHING)


def largest_gradient(store: Store, rules: Rules) -> np.float32:
    """The most that a number of a row's gradient may be for a rule."""
    return of_optimizers.largest_gradient(store.optimizer, rules[0], store.embedding_dim)


def group_and_check(
    store: Store, batch: Batch, grad: NDArray[np.float32], limit: np.float32, refuse: bool,
    diverged: Any, scratch: Allocator, kept: Any = None, *, to_update: bool = True,
    largest: np.float32 | None = None,
) -> tuple[Any, Gradients, Any]:  # fmt: skip
    """The positions of a batch by row, or some of them, what they add to its gradient, and whether
    the steps are finite; raises if they are to be refused at once.

    They are sorted, or only grouped as is best `to_update` the rows.  `largest` is the largest
    magnitude of a gradient, if it is known.
    """
    factors, none = store._unaliased(batch.factors()), batch.bags[:0]
    rows = batch.rows
    labels, bags = batch.bags, none
    if factors.size:  # found by position, so that is what must be sorted along
        labels, bags = none, batch.bags
    if kept is not None:
        rows, labels = rows[kept], labels[kept] if labels.size else kept.astype(np.uint32)
    gradients = Gradients(grad, bags, factors)
    groups, check = store._device.kernels.group_and_check(
        rows, labels, store._shape[0], gradients, limit, refuse, diverged, scratch, to_update,
        largest,
    )  # fmt: skip
    if refuse and diverged is None and check.refused:
        _raise_nonfinite(store, gradients.grad, check.bad_rows)
    return groups, gradients, check


def check_finite(store: Store, grad: NDArray[np.float32]) -> None:
    """FloatingPointError if a number of a gradient, one row a bag, is not finite."""
    grad = store._device.to_host(grad)
    bad = np.argwhere(~np.isfinite(grad))
    if len(bad):
        bag, column = bad[0]
        feature, sample = bag % len(store._features), bag // len(store._features)
        raise FloatingPointError(
            f"grad of sample {sample}, feature {feature}, column {column} is "
            f"{grad[bag, column]}; nothing was updated"
        )


def _raise_nonfinite(store: Store, grad: NDArray[np.float32], bad_rows: int) -> None:
    if grad.dtype == np.float32:
        check_finite(store, grad)
    raise FloatingPointError(
        f"the gradients of {bad_rows} rows overflow float32 when summed, or in a step of "
        f"{store.optimizer!r}; nothing was updated"
    )
