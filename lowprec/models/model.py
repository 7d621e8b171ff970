"""What a model defines, and its state in training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.samples import Samples
from lowprec.checks import check_int
from lowprec.device import Device
from lowprec.files.copies import deep, shallow, state
from lowprec.graphs import Graphs
from lowprec.models.copying import in_memory
from lowprec.models.data import Labelled, Minibatch
from lowprec.models.diagnostics import Diagnostics, is_diagnosed
from lowprec.models.divergence import DivergenceCheck
from lowprec.models.encoded import SavedWithEncoder
from lowprec.models.estimator import Estimator
from lowprec.models.identity import Training
from lowprec.models.parameters import TrainingParameters
from lowprec.models.ranks import ALONE, Alone, SharedIds, shard_of
from lowprec.optimizers import Optimizer
from lowprec.optimizers.dense import States
from lowprec.roundoff.report import RoundoffReport
from lowprec.staging import Staging
from lowprec.tables import verbs
from lowprec.turns import OwnTurns
from lowprec.workspace import Allocator, Workspace

_MAX_COUNT = 2**63


class Position(NamedTuple):
    """How far a `fit` has come."""

    epoch: int
    done: int  # samples of the epoch
    samples: int | None  # in all; None of a stream whose end has not been seen

    @property
    def ended(self) -> bool:
        """Whether all samples of the epoch are done."""
        return self.done == self.samples

    def after(self, batch: Labelled) -> Position:
        """Where training is after another batch of the epoch."""
        return self._replace(done=self.done + len(batch))

    @property
    def epochs_begun(self) -> int:
        """How many epochs have begun, including the current one."""
        return self.epoch + (self.done > 0)

    @classmethod
    def check(cls, numbers: Any) -> Position | None:
        """The position that a file describes as a list; None outside a `fit`."""
        if numbers is None:
            return None
        epoch, done, samples = numbers
        if samples is not None:
            check_int("samples", samples, low=1, high=_MAX_COUNT)
        check_int("done", done, low=0, high=_MAX_COUNT if samples is None else samples + 1)
        check_int("epoch", epoch, low=0, high=_MAX_COUNT)
        return cls(epoch, done, samples)


class Model(TrainingParameters, Estimator, SavedWithEncoder, ABC):
    """A table and dense parameters, trained together by minibatches.

    A subclass is a dataclass of its parameters and defines what is abstract; its docstring says
    ``{training_parameters}`` where those of training are listed.
    """

    # what training makes
    table_: Any  # EmbeddingTable; of ranks, ShardedTable
    classes_: NDArray[Any]
    dense_mean_: NDArray[np.float32]
    dense_scale_: NDArray[np.float32]
    roundoff_history_: list[tuple[int, RoundoffReport]]
    history_: dict[str, list[float]]
    best_epoch_: int | None
    _loss_of_epoch: Any  # the sum over the samples of the epoch so far, a number on the device
    _epochs_before: int  # of fits before the last one
    _best: Any  # `Best` of a fit with patience that has not ended
    _diagnose: Diagnostics | None = None
    _ranks: Alone = ALONE  # that train it, and have the shards of its table
    _position: Position | None = None
    _training: Training | None = None
    _stream: dict[str, Any] | None = None  # of `fit_stream`: what was read, as JSON has it
    _standardized: bool
    _architecture_now: dict[str, Any]
    _dense_states: States
    _dense_stepped_by: Optimizer
    _scratch: Workspace
    _staging: Staging
    _divergence: DivergenceCheck
    _graphs: Graphs

    _has_table = True  # for `lowprec.files.saved`
    __copy__, __deepcopy__, __getstate__ = in_memory(shallow), in_memory(deep), in_memory(state)

    _trainings = OwnTurns()  # calls of `fit` and `partial_fit`, each as a whole
    _steps = OwnTurns()  # what these do to the model, one whole step after the other

    # what a subclass says
    _targets_of_validation: Callable[[Samples, Any, Any, NDArray[Any]], Labelled]
    _losses: Callable[[NDArray[np.float64], NDArray[np.float32]], NDArray[np.float64]]
    _architecture: tuple[str, ...] = ("num_embeddings",)  # parameters that arrays depend on
    _pools_across_features = False  # into one bag a sample
    _splits_batches = True  # among ranks; else each computes the dense part of all samples

    @contextmanager
    def _unchanged(self, what: str) -> Iterator[None]:
        with self._steps.unchanged(what):
            if not is_fitted(self):
                yield
                return
            with verbs.unchanged(shard_of(self.table_), what):
                yield

    @abstractmethod
    def _table_shape(self) -> tuple[int, float | None]:
        """Columns and `init_range` of the table."""

    @abstractmethod
    def _build_dense(self, num_dense: int) -> None:
        """Make the dense parameters, and what else training changes."""

    @abstractmethod
    def _forward(self, batch: Minibatch, scratch: Allocator) -> tuple[NDArray[np.float32], Any]:
        """Outputs (B,) and what `_backward` needs; large arrays are those of `scratch`."""

    @abstractmethod
    def _backward(
        self, doutputs: NDArray[np.float32], cache: Any, scratch: Allocator
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """The gradients of the table's lookup and of `_dense_parameters`.

        The latter are sums over the batch; of ranks that split it, they are (parts, ...), by parts.
        """

    @abstractmethod
    def _named_parameters(self) -> dict[str, NDArray[np.float32]]:
        """The float32 arrays that `dense_optimizer` steps, by their names in a file."""

    @abstractmethod
    def _with_targets(
        self, samples: Samples, y: Any, sample_weight: Any, classes: Any, fitted: bool,
        in_parts: bool,
    ) -> Labelled:  # fmt: skip
        """Samples with what `_loss` takes of each, checked; nothing of the model changes."""

    @abstractmethod
    def _loss(
        self, device: Device, outputs: NDArray[np.float32], batch: Minibatch
    ) -> tuple[Any, NDArray[np.float32]]:
        """The mean loss of a batch, a number on the device, and its gradient by the outputs."""

    def _dense_parameters(self) -> list[NDArray[np.float32]]:
        return list(self._named_parameters().values())

    @abstractmethod
    def _parameter_shapes(self, num_dense: int) -> dict[str, tuple[int, ...]]:
        """The shapes of `_named_parameters`, which need not be there yet."""

    def _progress_of_training(self) -> dict[str, Any]:
        """What training changes beside arrays, by the names of attributes."""
        return {}

    def _check_progress(self, progress: Any) -> None:
        """TypeError or ValueError unless it is what `_progress_of_training` can be."""
        expected = self._progress_of_training()
        if not isinstance(progress, dict) or set(progress) != set(expected):
            raise ValueError(f"has the progress {progress!r}, not one of {', '.join(expected)}")

    def _watches_always(self) -> bool:
        """Whether to look after each step if training diverged, on a GPU too."""
        return False

    def _update_table(
        self, batch: Minibatch, dembeddings: NDArray[np.float32],
        numbers: verbs.StepNumbers | None = None,
    ) -> None:  # fmt: skip
        """Step the table, and report on the step if it is to be diagnosed.

        The `numbers` of the step are the table's, unless they are somewhere else.
        """
        if is_diagnosed(self._diagnose, step := self.table_.step):
            assert self._diagnose is not None
            flat = dembeddings.reshape(-1, self.table_.embedding_dim)
            # what is not finite is left to the update
            report = verbs.diagnose(self.table_, batch.ids, flat, self._diagnose.max_numbers, False)
            self.roundoff_history_.append((step, report))
        if isinstance(batch.ids, SharedIds):
            batch.ids.update(self.table_, dembeddings, self._divergence.diverged)
        else:
            diverged = self._divergence.diverged
            verbs.update(self.table_, batch.ids, dembeddings, diverged, numbers)


def is_fitted(model: Model) -> bool:
    """Whether training has begun."""
    return hasattr(model, "table_")
