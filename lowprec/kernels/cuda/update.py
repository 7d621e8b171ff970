"""Updating a table: each row of the batch is summed, stepped, rounded and stored by one owner."""

import numpy as np

from lowprec.kernels.blocks import zeros
from lowprec.kernels.columns import by_column, has_row, step_columns, step_row
from lowprec.kernels.cuda.launch import kernel, launch
from lowprec.kernels.cuda.segments import begins_segment, row_at
from lowprec.kernels.cuda.squares import chain_squares, mean_square
from lowprec.kernels.cuda.sums import how_to_sum, sum_segment, without_empty
from lowprec.kernels.cuda.wide import CHUNK
from lowprec.kernels.keys import first_table, row_key


@kernel
def _update_rows(
    thread, threads, rule, arrays, segments, gradients, how, chains, keys, step, stochastic, check
):
    if check.diverged[0]:
        return
    order, grad = segments.order, gradients.grad
    stepped = by_column(rule, arrays)
    columns, lane = stepped[0].shape[1], thread % how.lanes
    for place in range(thread // how.lanes, order.size, threads // how.lanes):
        if not begins_segment(order, place) or (check.guard[0] and check.bad[place]):
            continue
        row = row_at(order, place)
        # mixed for each row: kept over the loop, it would take registers
        of_first = first_table(keys, step)
        low, high = row_key(keys, step, of_first, row)
        square = mean_square(rule, chains, place, columns)
        own = step_row(rule, arrays, row, square, low, high, stochastic)
        first = row * columns
        for column in range(lane * CHUNK, how.wide, how.lanes * CHUNK):
            block = sum_segment(segments, gradients, how, place, column, zeros(grad, CHUNK))
            step_columns(own, stepped, first + column, column, block, low, high, stochastic)
        for column in range(how.wide + lane, columns, how.lanes):
            number = sum_segment(segments, gradients, how, place, column, zeros(grad, 1))
            step_columns(own, stepped, first + column, column, number, low, high, stochastic)


def update_rows(rule, arrays, segments, gradients, keys, step, stochastic, limit, check, scratch):
    """One step on every row of the batch whose gradient is within `limit`; returns how many others.

    `arrays` are ``(weight, *states)``, `keys` are `RowKeys`, `stochastic` is the sum of
    WEIGHT and STATES that are rounded so, and `step` is uint64.  Nothing is
    written if the `check` says so.
    """
    by_rows = has_row(type(rule))
    columns = arrays[0].shape[1]
    # where a row has states, one thread reads and writes them, and so steps all of the row
    how = how_to_sum(segments, gradients, *(a for a in arrays if a.shape[1] == columns))
    how = how._replace(lanes=1) if by_rows else how
    gradients = without_empty(segments, gradients)
    chains = chain_squares(segments, gradients, how, scratch) if by_rows else gradients.grad
    launch(
        _update_rows, segments.order.size * how.lanes,
        rule, arrays, segments, gradients, how, chains, keys, np.uint64(step), stochastic,
        check,
    )  # fmt: skip
    return check.bad.sum()
