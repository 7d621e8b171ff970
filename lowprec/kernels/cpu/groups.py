"""The ids of a batch grouped by row: sorted, or in buckets where a row is one number."""

import numpy as np

from lowprec.kernels.cpu.buckets import Buckets, put_in_buckets
from lowprec.kernels.cpu.segments import group_by_row
from lowprec.kernels.cpu.sums import sum_pieces
from lowprec.kernels.gradients import ROW_SHIFT


def group_to_update(rows, labels, num_rows, columns, scratch):
    """The positions of a batch by row, as `check_steps` and `update_rows` take them."""
    if columns == 1:  # as a linear model's weights
        return put_in_buckets(rows, labels, num_rows, scratch)
    return group_by_row(rows, labels, num_rows, columns, scratch)


def segments_of(groups, gradients, scratch):
    """The segments of a batch that was grouped to be updated, with the sums of long ones."""
    if not isinstance(groups, Buckets):
        return groups
    rows = (groups.order >> ROW_SHIFT).astype(np.uint32)
    labels = groups.order.astype(np.uint32)
    segments = group_by_row(rows, labels, int(rows.max()) + 1, 1, scratch)
    sum_pieces(segments, gradients)
    return segments
