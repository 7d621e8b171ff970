"""What is done to a gradient and a weight before the rule of an optimizer: clipping and decay.

A preparation is one of the NamedTuples below: kernels are compiled for its class, so what is not
asked for costs nothing.  For one row it becomes `OfRow`, which is what blocks of columns need.
"""

from typing import NamedTuple

import numpy as np

from lowprec.scalar.bits import fma, product, select, sqrt
from lowprec.scalar.decay import expm1_of_negative
from lowprec.scalar.finite import clamp
from lowprec.scalar.internal import internal, overloaded

_INLINE = {"forceinline": True, "error_model": "numpy", "nogil": True, "_nrt": False}
_ONE, _INF = np.float32(1.0), np.float32(np.inf)


class Nothing(NamedTuple):
    """Gradients and weights are taken as they are."""


class Preparation(NamedTuple):
    """Clip the gradient, then shrink the weight."""

    clip_value: np.float32  # the most that a number may be, or inf
    clip_norm: np.float32  # the most that the Euclidean norm of a row may be, or inf
    decay: np.float32  # the share of the weight that is taken away: learning_rate * weight_decay


class CatchUp(NamedTuple):
    """As `Preparation`; and the weight shrinks for the steps at which the row was not seen.

    The last array of a table is then `last`, uint32 (rows, 1): the number of updates after the
    one that has stepped the row last.
    """

    clip_value: np.float32
    clip_norm: np.float32
    decay: np.float32
    # float64: ln(1 - decay) where that is the same at all steps, or else its sum over the steps
    # before each one, from that before step 0, which is 0, to that before the present one
    logs: np.ndarray


class OfRow(NamedTuple):
    """What a preparation is for one row, or for rows in lanes."""

    scale: np.float32  # by which the gradient is multiplied
    missed: np.float32  # the share of the weight, not positive, that is added to it


def prepares(preparation_class):
    """Whether there is anything to do."""
    return preparation_class is not Nothing


def catches_up(preparation_class):
    """Whether a table has an array that tells when rows were seen."""
    return preparation_class is CatchUp


def without_last(preparation, arrays):
    """The arrays of a table that its rule knows."""


@overloaded(without_last, **_INLINE)
def _overload_without_last(preparation, arrays):
    if not catches_up(preparation.instance_class):
        return lambda preparation, arrays: arrays
    count = len(arrays) - 1
    return lambda preparation, arrays: arrays[:count]


@internal(**_INLINE)
def share_of_missed(logs, last, step):
    """The share of a weight (float32, not positive) to add for the steps from `last` to `step`."""
    if logs.size == 1:
        steps = np.float32(np.int64(step) - np.int64(last))
        return expm1_of_negative(product(steps, np.float32(logs[0])))
    return expm1_of_negative(np.float32(logs[np.int64(step)] - logs[np.int64(last)]))


def missed_of_row(preparation, arrays, row, step):
    """`share_of_missed` of a row; 0 where nothing is caught up."""


@overloaded(missed_of_row, **_INLINE)
def _overload_missed_of_row(preparation, arrays, row, step):
    if not catches_up(preparation.instance_class):
        return lambda preparation, arrays, row, step: np.float32(0.0)
    place = len(arrays) - 1
    return lambda preparation, arrays, row, step: share_of_missed(
        preparation.logs, arrays[place][row, 0], step
    )


def note_seen(preparation, arrays, row, step):
    """Note that a row is seen at a step, where that is kept."""


@overloaded(note_seen, **_INLINE)
def _overload_note_seen(preparation, arrays, row, step):
    if not catches_up(preparation.instance_class):
        return lambda preparation, arrays, row, step: None
    place = len(arrays) - 1

    def note(preparation, arrays, row, step):
        arrays[place][row, 0] = np.uint32(step + np.uint64(1))

    return note


@internal(**_INLINE)
def scale_of_norm(square, clip_norm):
    """By what a gradient is multiplied whose squares add up to `square`."""
    norm = sqrt(square)
    return select(norm > clip_norm, clip_norm / norm, _ONE)


def has_norm(preparation):
    """Whether the norms of rows matter."""
    return prepares(type(preparation)) and preparation.clip_norm < _INF


@overloaded(has_norm, **_INLINE)
def _overload_has_norm(preparation):
    if not prepares(preparation.instance_class):
        return lambda preparation: False
    return lambda preparation: preparation.clip_norm < _INF


def clip_norm_of(preparation):
    """The most that the norm of a row may be, or inf."""


@overloaded(clip_norm_of, **_INLINE)
def _overload_clip_norm_of(preparation):
    if not prepares(preparation.instance_class):
        return lambda preparation: _INF
    return lambda preparation: preparation.clip_norm


def clipped(preparation, gradient):
    """Numbers of a gradient, each within `clip_value`."""


@overloaded(clipped, **_INLINE)
def _overload_clipped(preparation, gradient):
    if not prepares(preparation.instance_class):
        return lambda preparation, gradient: gradient
    return lambda preparation, gradient: clamp(gradient, preparation.clip_value)


def prepared_gradient(preparation, of_row, gradient):
    """A block of a gradient, or a number, as the rule is given it."""


@overloaded(prepared_gradient, **_INLINE)
def _overload_prepared_gradient(preparation, of_row, gradient):
    if not prepares(preparation.instance_class):
        return lambda preparation, of_row, gradient: gradient
    return lambda preparation, of_row, gradient: product(
        clipped(preparation, gradient), of_row.scale
    )


def prepared(preparation, of_row, values):
    """``(weight, *states)`` as the rule is given them."""


@overloaded(prepared, **_INLINE)
def _overload_prepared(preparation, of_row, values):
    if not prepares(preparation.instance_class):
        return lambda preparation, of_row, values: values

    def decayed(preparation, of_row, values):
        weight = fma(of_row.missed, values[0], values[0])
        return (fma(-preparation.decay, weight, weight),) + values[1:]  # noqa: RUF005

    return decayed
