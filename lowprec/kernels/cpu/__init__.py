"""Loops over NumPy arrays, compiled for the CPU; `lowprec.device` hands them out."""

from lowprec.kernels.cpu.batch import rows_of_bags, rows_of_features
from lowprec.kernels.cpu.dense import BIAS_BLOCK, add_bias, bias_backward
from lowprec.kernels.cpu.gradients import (
    Gradients,
    Runs,
    count_nonfinite_rows,
    largest_magnitude_bits,
    sum_pieces,
)
from lowprec.kernels.cpu.initialize import fill_uniform
from lowprec.kernels.cpu.interaction import dot_backward, dot_forward
from lowprec.kernels.cpu.lookup import gather, pool
from lowprec.kernels.cpu.loss import LOSS_BLOCK, logistic_loss
from lowprec.kernels.cpu.memory import STREAM_BYTES, WIDTH
from lowprec.kernels.cpu.rounding import round_nearest, round_stochastic, round_up_probability
from lowprec.kernels.cpu.sort import find_runs, sort_by_row
from lowprec.kernels.cpu.update import update_sgd

__all__ = [
    "BIAS_BLOCK",
    "LOSS_BLOCK",
    "STREAM_BYTES",
    "WIDTH",
    "Gradients",
    "Runs",
    "add_bias",
    "bias_backward",
    "count_nonfinite_rows",
    "dot_backward",
    "dot_forward",
    "fill_uniform",
    "find_runs",
    "gather",
    "largest_magnitude_bits",
    "logistic_loss",
    "pool",
    "round_nearest",
    "round_stochastic",
    "round_up_probability",
    "rows_of_bags",
    "rows_of_features",
    "sort_by_row",
    "sum_pieces",
    "update_sgd",
]
