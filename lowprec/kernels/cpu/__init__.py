"""Loops over NumPy arrays, compiled for the CPU; `lowprec.device` hands them out."""

from lowprec.kernels.cpu.batch import rows_of_bags, rows_of_features
from lowprec.kernels.cpu.dense import mlp_backward, mlp_forward
from lowprec.kernels.cpu.dense_update import update_dense
from lowprec.kernels.cpu.finite import note_nonfinite
from lowprec.kernels.cpu.grouping import group_and_check
from lowprec.kernels.cpu.hashing import hash_categories
from lowprec.kernels.cpu.initialize import fill_rows, fill_uniform
from lowprec.kernels.cpu.interaction import dot_backward, dot_forward
from lowprec.kernels.cpu.linear import linear_outputs
from lowprec.kernels.cpu.lookup import gather, pool
from lowprec.kernels.cpu.loss import logistic_loss
from lowprec.kernels.cpu.products import add_parts, samples_of_part, weighted_sum
from lowprec.kernels.cpu.rounding import round_nearest, round_stochastic, round_up_probability
from lowprec.kernels.cpu.routing import (
    bags_of_owners,
    distinct_rows,
    gather_to,
    pack,
    split_by_owner,
)
from lowprec.kernels.cpu.standardize import standardize, standardized_is_finite
from lowprec.kernels.cpu.sums import sum_segments
from lowprec.kernels.cpu.take import take_rows
from lowprec.kernels.cpu.update import update_rows
from lowprec.kernels.cpu.write import write_rows

__all__ = [
    "add_parts",
    "bags_of_owners",
    "distinct_rows",
    "dot_backward",
    "dot_forward",
    "fill_rows",
    "fill_uniform",
    "gather",
    "gather_to",
    "group_and_check",
    "hash_categories",
    "linear_outputs",
    "logistic_loss",
    "mlp_backward",
    "mlp_forward",
    "note_nonfinite",
    "pack",
    "pool",
    "round_nearest",
    "round_stochastic",
    "round_up_probability",
    "rows_of_bags",
    "rows_of_features",
    "samples_of_part",
    "split_by_owner",
    "standardize",
    "standardized_is_finite",
    "sum_segments",
    "take_rows",
    "update_dense",
    "update_rows",
    "weighted_sum",
    "write_rows",
]
