"""Updating a table: each row of the batch is summed, stepped, rounded and stored by one owner."""

from lowprec.kernels.blocks import zeros
from lowprec.kernels.columns import by_column, has_row, step_columns, step_row
from lowprec.kernels.cuda.launch import kernel, lanes_for, launch
from lowprec.kernels.cuda.segments import begins_segment, row_at
from lowprec.kernels.cuda.squares import (
    chain_squares,
    mean_squares,
    prepare_row,
    scale_rows,
)
from lowprec.kernels.cuda.sums import how_to_sum, sum_segment, without_empty
from lowprec.kernels.cuda.wide import CHUNK
from lowprec.kernels.in_memory import like_of, taken
from lowprec.kernels.keys import first_table, row_key
from lowprec.kernels.preparing import (
    catches_up,
    has_norm,
    missed_of_row,
    note_seen,
    without_last,
)


@kernel
def _update_rows(
    thread, threads, rules, arrays, segments, gradients, how, scales, chains, keys, this_step,
    stochastic, check,
):  # fmt: skip
    if check.diverged[0]:
        return
    rule, preparation = taken(rules)
    step = taken(this_step)
    order, grad = segments.order, gradients.grad
    of_rule = without_last(preparation, arrays)
    stepped = by_column(rule, of_rule)
    columns, lanes = stepped[0].shape[1], how.lanes
    lane, stride = thread & (lanes.threads - 1), threads >> lanes.shift
    next_place = thread >> lanes.shift
    while next_place < order.size:
        place = next_place
        next_place += stride
        if not begins_segment(order, place) or (check.guard[0] and check.bad[place]):
            continue
        row = row_at(order, place)
        # mixed for each row: kept over the loop, it would take registers
        of_first = first_table(keys, step)
        low, high = row_key(keys, step, of_first, row)
        missed = missed_of_row(preparation, arrays, row, step)
        of_row = prepare_row(preparation, scales, place, missed)
        squares = mean_squares(rule, chains, place, columns)
        own = step_row(rule, of_rule, row, squares, low, high, stochastic)
        note_seen(preparation, arrays, row, step)
        first = row * columns
        column = lane * CHUNK
        while column < how.wide:
            block = sum_segment(segments, gradients, how, place, column, zeros(grad, CHUNK))
            step_columns(
                own, preparation, of_row, stepped, first + column, column, block, low, high,
                stochastic,
            )  # fmt: skip
            column += lanes.threads * CHUNK
        column = how.wide + lane
        while column < columns:
            number = sum_segment(segments, gradients, how, place, column, zeros(grad, 1))
            step_columns(
                own, preparation, of_row, stepped, first + column, column, number, low, high,
                stochastic,
            )  # fmt: skip
            column += lanes.threads


def update_rows(rules, arrays, groups, gradients, keys, step, stochastic, limit, check, scratch):
    """One step on every row of the batch whose gradient is within `limit`; returns how many others.

    `groups` is what `group_and_check` gave.  `rules` are a rule and its preparation, `arrays` are
    ``(weight, *states)``, `keys` are `RowKeys`, `stochastic` is the sum of WEIGHT and STATES that
    are rounded so, and `step` is uint64.  Rules and step may be `InMemory`.  Nothing is written if
    the `check` says so.
    """
    rule, preparation = like_of(rules)
    by_rows = has_row(type(rule))
    columns = arrays[0].shape[1]
    # where a row has states, one thread reads and writes them, and so steps all of the row
    how = how_to_sum(groups, gradients, *(a for a in arrays if a.shape[1] == columns))
    how = how._replace(lanes=lanes_for(1)) if by_rows or catches_up(type(preparation)) else how
    gradients = without_empty(groups, gradients)
    scales, chains = gradients.factors, gradients.grad  # something, where there are none
    if has_norm(preparation):
        scales = scale_rows(preparation, groups, gradients, how, scratch)
    if by_rows:
        chains = chain_squares(rules, arrays, groups, gradients, how, scales, step, scratch)
    launch(
        _update_rows, groups.order.size * how.lanes.threads,
        rules, arrays, groups, gradients, how, scales, chains, keys, step, stochastic, check,
    )  # fmt: skip
    return 0 if check.refuse else check.bad.sum()
