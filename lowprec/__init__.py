"""Recommenders with embedding tables in low precision: unbiased, reproducible, NumPy in and out."""

# ruff: noqa: E402 - the threads are told how to idle before anything loads them
from lowprec.threads import quiet_idle_threads

quiet_idle_threads()

from lowprec import datasets, metrics, schedules
from lowprec._version import __version__
from lowprec.files.checkpoint import CheckpointError
from lowprec.models import DLRM, Checkpoints, LogisticRegression, load
from lowprec.optimizers.rowwise_adagrad import RowWiseAdagrad
from lowprec.optimizers.sgd import SGD
from lowprec.rounding import nearest_round, round_up_probability, stochastic_round
from lowprec.roundoff.report import Diagnose, PrecisionReport, Recommendation
from lowprec.tables.embedding import EmbeddingTable

__all__ = [
    "DLRM",
    "SGD",
    "CheckpointError",
    "Checkpoints",
    "Diagnose",
    "EmbeddingTable",
    "LogisticRegression",
    "PrecisionReport",
    "Recommendation",
    "RowWiseAdagrad",
    "__version__",
    "datasets",
    "load",
    "metrics",
    "nearest_round",
    "round_up_probability",
    "schedules",
    "stochastic_round",
]
