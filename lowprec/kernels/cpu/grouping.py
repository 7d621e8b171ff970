"""A batch grouped by row, and its gradients checked."""

from lowprec.kernels.cpu.buckets import Unsorted
from lowprec.kernels.cpu.finite import check_steps
from lowprec.kernels.cpu.segments import group_by_row
from lowprec.kernels.cpu.sums import sum_pieces


def group_to_update(rows, labels, num_rows, columns, scratch):
    """The positions of a batch by row, or as they come where a row is one number."""
    if columns == 1:  # as a linear model's weights: the update puts them in buckets
        return Unsorted(rows, labels, num_rows)
    return group_by_row(rows, labels, num_rows, columns, scratch)


def group_and_check(
    rows, labels, num_rows, gradients, limit, refuse, diverged, scratch, to_update=True,
    largest=None,
):  # fmt: skip
    """The positions of a batch by row, and what `check_steps` says of their gradients.

    They are sorted, or only grouped as is best `to_update` the rows; pieces are summed.  `largest`
    is the largest magnitude of a gradient, if it is known.
    """
    group = group_to_update if to_update else group_by_row
    groups = group(rows, labels, num_rows, gradients.grad.shape[1], scratch)
    sum_pieces(groups, gradients)
    return groups, check_steps(groups, gradients, limit, refuse, diverged, scratch, largest)
