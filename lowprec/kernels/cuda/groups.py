"""The ids of a batch grouped by row, to be updated: sorted, for tables of any width."""

from lowprec.kernels.cuda.segments import group_by_row


def group_to_update(rows, labels, num_rows, columns, scratch):
    """The positions of a batch by row, as `check_steps` and `update_rows` take them."""
    return group_by_row(rows, labels, num_rows, columns, scratch)
