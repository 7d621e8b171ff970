"""The training parameters of all models, declared, documented and validated once."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lowprec.batches.features import Features
from lowprec.checks import check_choice, check_flag, check_int, check_path, check_seed
from lowprec.formats.entries import storage_dtype
from lowprec.optimizers import Optimizer, defaults, describe
from lowprec.optimizers.checks import check_optimizer
from lowprec.optimizers.rules import rules_of
from lowprec.parameters import Parameters
from lowprec.tables.store import ROUNDINGS
from lowprec.typing import DeviceName, Rounding, Storage

OPTIMIZERS = ("optimizer", "dense_optimizer")
ADDED = {"class_weight": None, "warm_start": False}  # since files were first written

OF_A_PLACE = ("device", "path", "cuda_graph")  # where and how, which files do not record

_MARK = "{training_parameters}"
_DOCUMENTED = inspect.cleandoc("""
    dtype, rounding
        How the tables are stored, as for `EmbeddingTable`.
    standardize : bool, default True
        Centre and scale each dense feature by its mean and standard deviation in the first samples
        seen by `fit` or `partial_fit`.  A constant feature is only centred.  A deviation below
        2.94e-39, which float32 cannot scale to 1, raises a ValueError.
    shuffle : bool, default True
        Whether `fit` shuffles the samples in each epoch.
    epochs : int, default 1
        Number of passes of `fit` over the samples.
    batch_size : int, default 256
        Samples a step.
    seed : int, default 0
        In [0, 2**64); determines everything random.
    device : {"cpu", "cuda"}, default "cpu"
        Where the model is stored and trained.  Samples may be arrays of the host, which are copied
        batch by batch, or of the GPU.
    warm_start : bool, default False
        Whether `fit` of a fitted model continues from its weights, states and step for `epochs`
        more epochs, instead of starting from scratch.  Shuffling continues, too: on the same
        samples, a fit of 2 epochs followed by one of 3 gives the same bits as one of 5.
    verbose : bool, default False
        Show a progress bar with the running log loss and samples/s on standard error.  If that is
        not a terminal, write a line every 30 seconds and at the end.
    cuda_graph : bool, default False
        On a GPU: capture the work of a step as a CUDA graph, and launch that at the steps that
        follow, which takes the host less time.  Needs samples with one id a feature.
    path : path, optional
        On the CPU: a new file for the rows of the tables, which may be larger than memory, as for
        `EmbeddingTable`.  Results do not change.  ``table_.close()`` releases the file.
""")


@dataclasses.dataclass(eq=False, repr=False, kw_only=True)
class TrainingParameters(Parameters):
    """The parameters that every model has, kept as they were given until training begins."""

    num_embeddings: int | Sequence[int] | None = dataclasses.field(default=None, kw_only=False)
    dtype: Storage = "float16"
    rounding: Rounding = "stochastic"
    optimizer: Optimizer | None = None
    dense_optimizer: Optimizer | None = None
    standardize: bool = True
    shuffle: bool = True
    epochs: int = 1
    batch_size: int = 256
    seed: int = 0
    device: DeviceName = "cpu"
    verbose: bool = False
    warm_start: bool = False
    cuda_graph: bool = False
    path: str | os.PathLike[str] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        """The docstring of a model says where it lists these parameters."""
        super().__init_subclass__(**options)
        if cls.__doc__:  # there is none under -OO
            # without its indentation, which Python 3.13 leaves out
            cls.__doc__ = inspect.cleandoc(cls.__doc__).replace(_MARK, _DOCUMENTED)

    def _check_parameters(self, step: int) -> None:
        """TypeError or ValueError names a parameter that training from `step` on cannot use."""
        check_int("epochs", self.epochs, low=1)
        check_int("batch_size", self.batch_size, low=1)
        check_seed(self.seed)
        storage_dtype(self.dtype)
        check_choice("rounding", self.rounding, ROUNDINGS)
        for name in ("standardize", "shuffle", "verbose", "warm_start", "cuda_graph"):
            check_flag(name, getattr(self, name))
        if self.path is not None:
            check_path("path", self.path)
            if self.device != "cpu":
                raise ValueError(
                    "a table in a file is on the CPU: device must be 'cpu' with path, got "
                    f"{self.device!r}"
                )
        for name in OPTIMIZERS:
            value = getattr(self, name)
            if value is not None:
                rules_of(check_optimizer(name, value), step)
        if self.cuda_graph:
            _check_graph(self)


def _check_graph(parameters: TrainingParameters) -> None:
    """ValueError unless steps of a kind do the same work, but for numbers that are in memory."""
    if parameters.device != "cuda":
        raise ValueError(f"cuda_graph=True needs device='cuda', got {parameters.device!r}")
    for name in OPTIMIZERS:
        if (value := getattr(parameters, name)) is not None and value.catches_up:
            raise ValueError(f"cuda_graph=True cannot be with decay='catch_up', got {value!r}")


def feature_sizes(parameters: TrainingParameters) -> list[int] | None:
    """`num_embeddings` as a list, one entry a feature; None where the samples say it.

    TypeError or ValueError names what is no number of rows.
    """
    if parameters.num_embeddings is None:
        return None
    return Features.check(parameters.num_embeddings).num_embeddings.tolist()  # type: ignore[no-any-return]


def default_optimizers(parameters: TrainingParameters) -> defaults.Pair:
    """Those that a model takes where it is given none; a penalty `l2` asks for SGD."""
    return defaults.LINEAR_STEPS if getattr(parameters, "l2", 0.0) else defaults.LINEAR


def optimizer_of_table(parameters: TrainingParameters) -> Optimizer:
    """What steps the table."""
    return parameters.optimizer or default_optimizers(parameters).table


def optimizer_of_dense(parameters: TrainingParameters) -> Optimizer:
    """What steps the dense parameters: an optimizer that was given alone steps all."""
    alone = parameters.dense_optimizer or parameters.optimizer
    return alone or default_optimizers(parameters).dense


def described(parameters: TrainingParameters, name: str) -> Any:
    """A parameter as JSON has it; ValueError if it cannot be written."""
    value = getattr(parameters, name)
    if name in OPTIMIZERS:
        return None if value is None else describe(value)
    if name == "dtype":
        return storage_dtype(value).name
    if isinstance(value, Mapping):  # JSON has no keys but texts
        return [np.asarray(pair, object).tolist() for pair in value.items()]
    return value if isinstance(value, str) else np.asarray(value).tolist()


def described_parameters(parameters: TrainingParameters) -> dict[str, Any]:
    """All parameters as JSON has them; device and path are asked for when they are read.

    Those that earlier versions did not have are left out where they have their defaults.
    """
    names = [name for name in parameters.get_params() if name not in OF_A_PLACE]
    every = {name: described(parameters, name) for name in names}
    return {
        name: value for name, value in every.items() if name not in ADDED or value != ADDED[name]
    }
