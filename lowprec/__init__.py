"""Recommenders with embedding tables in low precision: unbiased, reproducible, NumPy in and out."""

# ruff: noqa: E402 - idle threads are configured before anything loads them
from lowprec.threads import quiet_idle_threads

quiet_idle_threads()

from typing import TYPE_CHECKING

from lowprec import schedules
from lowprec._version import __version__
from lowprec.batches.samples import Samples
from lowprec.batches.vocabulary import Vocabulary
from lowprec.encoders.tabular import TabularEncoder
from lowprec.files.checkpoint import CheckpointError
from lowprec.files.saved import load
from lowprec.models import DLRM, Checkpoints, Diagnostics, LogisticRegression
from lowprec.num_threads import get_num_threads, set_num_threads
from lowprec.optimizers.adagrad import Adagrad
from lowprec.optimizers.adam import Adam
from lowprec.optimizers.ftrl import FTRL
from lowprec.optimizers.lamb import LAMB
from lowprec.optimizers.rowwise_adagrad import RowWiseAdagrad
from lowprec.optimizers.sgd import SGD
from lowprec.rounding import nearest_round, round_up_probability, stochastic_round
from lowprec.roundoff.recommend import Recommendation
from lowprec.roundoff.report import RoundoffReport
from lowprec.tables.embedding import EmbeddingTable
from lowprec.tables.shard import Shard

if TYPE_CHECKING:
    from lowprec import datasets, metrics, mpi
    from lowprec.datasets import CriteoReader, CsvReader, ParquetReader

__all__ = [
    "DLRM",
    "FTRL",
    "LAMB",
    "SGD",
    "Adagrad",
    "Adam",
    "CheckpointError",
    "Checkpoints",
    "CriteoReader",
    "CsvReader",
    "Diagnostics",
    "EmbeddingTable",
    "LogisticRegression",
    "ParquetReader",
    "Recommendation",
    "RoundoffReport",
    "RowWiseAdagrad",
    "Samples",
    "Shard",
    "TabularEncoder",
    "Vocabulary",
    "__version__",
    "datasets",
    "get_num_threads",
    "load",
    "metrics",
    "mpi",
    "nearest_round",
    "round_up_probability",
    "schedules",
    "set_num_threads",
    "stochastic_round",
]

_FORMER_NAMES = {"Diagnose": "Diagnostics", "PrecisionReport": "RoundoffReport"}


if not TYPE_CHECKING:  # type checkers then find a name that is misspelt

    def __getattr__(name: str) -> object:
        """Modules that many programs do not need, and former names, for one version more."""
        import importlib
        import warnings

        if name in ("datasets", "metrics", "mpi"):
            return importlib.import_module(f"lowprec.{name}")
        if name in ("CriteoReader", "CsvReader", "ParquetReader"):
            return getattr(importlib.import_module("lowprec.datasets"), name)
        if name in _FORMER_NAMES:
            new = _FORMER_NAMES[name]
            message = f"lowprec.{name} is now called lowprec.{new}"
            warnings.warn(message, DeprecationWarning, stacklevel=2)
            return globals()[new]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
