"""What all recommenders share: the training loop and the scikit-learn shape."""

from __future__ import annotations

import functools
import inspect
import operator
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec import checkpoint
from lowprec.batch import Features
from lowprec.checks import check_choice, check_flag, check_int, check_seed, entries_of
from lowprec.device import get_device
from lowprec.diagnose import Diagnose, PrecisionReport
from lowprec.formats.entries import storage_dtype
from lowprec.losses import logistic_loss
from lowprec.models.data import Minibatch, Samples, check_samples
from lowprec.models.saving import (
    Checkpoints,
    InterruptedBetweenBatches,
    interrupted_between_batches,
    newest,
)
from lowprec.models.watch import DivergenceError, Watch
from lowprec.optimizers import Optimizer, defaults, from_description
from lowprec.optimizers.base import check_optimizer, check_same_states
from lowprec.optimizers.dense import States, init_dense_states, shape_as_rows, update_dense
from lowprec.staging import Staging
from lowprec.table import ROUNDINGS, EmbeddingTable
from lowprec.workspace import Fresh, Workspace

_PREDICT_BATCH = 16384
_NO_LABELS = object()  # and not None, which might be a user's mistake
_MAX_COUNT = 2**63


class _Position(NamedTuple):
    """How far a `fit` has come."""

    epoch: int
    done: int  # samples of the epoch
    samples: int  # in all

    @classmethod
    def check(cls, numbers: Any) -> _Position | None:
        """From a file, where it is a list, or None outside a `fit`."""
        if numbers is None:
            return None
        epoch, done, samples = numbers
        check_int("samples", samples, low=1, high=_MAX_COUNT)
        check_int("done", done, low=0, high=samples + 1)
        check_int("epoch", epoch, low=0, high=_MAX_COUNT)
        return cls(epoch, done, samples)


def _nothing() -> None:
    """What there is to do after a batch if no files are written."""


class Recommender(ABC):
    """A binary classifier of samples with dense features and ids, trained by minibatch SGD.

    A subclass stores its parameters in ``__init__`` and defines what is below as abstract.
    """

    # The parameters that every recommender has; subclasses set them in __init__.
    num_embeddings: int | Sequence[int]
    dtype: Any
    rounding: str
    optimizer: Optimizer | None
    dense_optimizer: Optimizer | None
    standardize: bool
    shuffle: bool
    epochs: int
    batch_size: int
    seed: int
    device: str
    verbose: bool

    # What training makes.
    table_: EmbeddingTable
    num_dense_: int
    precision_history_: list[tuple[int, PrecisionReport]]
    _diagnose: Diagnose | None = None
    _position: _Position | None = None
    _dense_states: States
    _dense_stepped_by: Optimizer

    # --- the model: one subclass each ---

    @abstractmethod
    def _table_shape(self) -> tuple[int, float | None]:
        """Columns and `init_range` of the table."""

    @abstractmethod
    def _build_dense(self, num_dense: int) -> None:
        """Make the dense parameters, and what else training changes."""

    @abstractmethod
    def _forward(self, batch: Minibatch, memory: Fresh) -> tuple[NDArray[np.float32], Any]:
        """Logits (B,) and what `_backward` needs; large arrays are those of `memory`."""

    @abstractmethod
    def _backward(
        self, dlogits: NDArray[np.float32], cache: Any, memory: Fresh
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """The gradients of the table's lookup and of `_dense_parameters`."""

    @abstractmethod
    def _named_parameters(self) -> dict[str, NDArray[np.float32]]:
        """The float32 arrays that `dense_optimizer` steps, by their names in a file."""

    def _named_states(self) -> dict[str, NDArray[np.float32]]:
        """The states of `dense_optimizer`, by their names in a file."""
        return {
            _state_name(parameter, name): array
            for parameter, states in zip(self._named_parameters(), self._dense_states, strict=True)
            for name, array in states.items()
        }

    def _state_shapes(self, num_dense: int) -> dict[str, tuple[int, ...]]:
        """The shapes of `_named_states`, which need not be there yet."""
        states = self._optimizer_of_dense().states()
        return {
            _state_name(parameter, name): state.shape(*shape_as_rows(shape))
            for parameter, shape in self._parameter_shapes(num_dense).items()
            for name, state in states.items()
        }

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

    _shaping: tuple[str, ...] = ("num_embeddings",)  # parameters that arrays depend on
    _pools_across_features = False  # into one bag a sample

    def _watches_always(self) -> bool:
        """Whether to look after each step if training diverged, on a GPU too."""
        return False

    def _update_table(self, batch: Minibatch, dembeddings: NDArray[np.float32]) -> None:
        step = self.table_.step
        if self._diagnose is not None and step % self._diagnose.every_batches == 0:
            flat = dembeddings.reshape(-1, self.table_.embedding_dim)
            # what is not finite is left to the update
            report = self.table_._diagnose(batch.ids, flat, self._diagnose.max_numbers, False)
            self.precision_history_.append((step, report))
        self.table_._update(batch.ids, dembeddings, self._watch.halted)

    def _step(self, batch: Samples) -> Any:
        """One optimizer step; returns the batch's loss before it, a number on the device."""
        step = self.table_.step
        dense_optimizer = self._optimizer_of_dense()
        dense_optimizer.rule(step)  # a bad schedule raises before anything is written
        device = get_device(self.device)
        loaded = self._loaded(batch, self._staging)
        logits, cache = self._forward(loaded, self._memory)
        loss, dlogits = logistic_loss(device, logits, loaded.y)
        dembeddings, gradients = self._backward(dlogits, cache, self._memory)
        self._watch.note(step, [logits, *gradients])
        self._update_table(loaded, dembeddings)
        update_dense(
            device, dense_optimizer, self._dense_parameters(), self._dense_states, gradients, step,
            self._watch.halted,
        )  # fmt: skip
        return loss

    # --- training and prediction ---

    def fit(
        self,
        X: Sequence[ArrayLike],
        y: ArrayLike,
        *,
        callback: Callable[[Any, int], None] | None = None,
        save: Checkpoints | None = None,
        resume: str | os.PathLike[str] | None = None,
        diagnose: Diagnose | None = None,
    ) -> Any:
        """Train from scratch, `epochs` times over the samples; or go on with such a training.

        Ctrl-C ends training after the batch at hand.

        Parameters
        ----------
        X : tuple
            ``(dense, indices)``, or ``(dense, indices, offsets)`` for jagged bags: dense float32
            (n, num_dense), indices int32 or int64 (n, num_features), and offsets as in
            `EmbeddingTable.lookup`; the ids of a bag are summed.
        y : array_like, shape (n,)
            Labels, 0 or 1.
        callback : callable, optional
            Called as ``callback(model, samples)`` after each step, with how many samples were
            trained on so far; the model can predict then.
        save : Checkpoints, optional
            When to write files, and where; one is written when Ctrl-C ends training, too.
        resume : path, optional
            A file that `save` wrote, or its folder, whose newest file is taken.  Training goes on
            after the last batch of that file, and ends with the bits of a training that was never
            interrupted.  The samples and the parameters must be those of that training; `epochs`
            may be more.
        diagnose : Diagnose, optional
            Which steps to diagnose, for `precision_`.  Changes no bit of the training.

        Returns
        -------
        self

        Raises
        ------
        IndexError, TypeError, ValueError
            If a sample is malformed or a parameter is none of what it may be: names it; or if the
            file to resume is damaged (CheckpointError), or of other samples or parameters.
        FloatingPointError
            If training diverges: the loss or a gradient is not finite.  The model is as it was
            before that step.
        OSError
            If a file cannot be written or read.

        Examples
        --------
        >>> import lowprec as lp
        >>> X, y, p = lp.datasets.make_clicks(2000, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=100, epochs=3)
        >>> seen = []
        >>> model = model.fit(X, y, callback=lambda model, samples: seen.append(samples))
        >>> seen[0], seen[-1]
        (100, 6000)
        """
        self._check_parameters(step=0)
        _check_diagnose(diagnose)
        if save is not None and not isinstance(save, Checkpoints):
            raise TypeError(f"save must be a lowprec.Checkpoints, got {save!r}")
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be callable, got {callback!r}")
        samples = self._check_samples(X, y, fitted=False)
        if resume is None:
            self._start(samples)
            begun = _Position(0, 0, len(samples))
        else:
            begun = self._resume(newest(resume), samples)
        self._diagnose = diagnose
        self._position, rng = begun, np.random.default_rng([self.seed, 1])
        done = begun.epoch * len(samples) + begun.done
        after_batch = save.after_batches(self) if save else _nothing
        with self._progress(len(samples) * self.epochs, done, callback) as report:
            for epoch in range(self.epochs):
                order = rng.permutation(len(samples)) if self.shuffle else None
                if epoch < begun.epoch:
                    continue
                first = begun.done if epoch == begun.epoch else 0
                try:
                    self._train(samples, order, report, epoch, first, after_batch)
                except InterruptedBetweenBatches:
                    if save:
                        save.write(self)
                    raise
        if save:
            save.write(self)
        return self

    def partial_fit(
        self, X: Sequence[ArrayLike], y: ArrayLike, *, diagnose: Diagnose | None = None
    ) -> Any:
        """Train once over the samples in the order they have, from where training stands.

        The first call makes the model, as `fit` does; parameters set since then are used from the
        next step on.

        Parameters
        ----------
        X, y
            As for `fit`.
        diagnose : Diagnose, optional
            As for `fit`; reports are added to those of calls before.

        Returns
        -------
        self

        Raises
        ------
        IndexError, TypeError, ValueError, FloatingPointError
            As for `fit`.

        Examples
        --------
        >>> import lowprec as lp
        >>> (dense, indices), y, p = lp.datasets.make_clicks(2000, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=100)
        >>> for rows in (slice(0, 1000), slice(1000, 2000)):  # as from a reader of files
        ...     model = model.partial_fit((dense[rows], indices[rows]), y[rows])
        >>> model.table_.step
        20
        """
        fitted = self._is_fitted()
        _check_diagnose(diagnose)
        self._check_parameters(step=self.table_.step if fitted else 0)
        samples = self._check_samples(X, y, fitted=fitted)
        if fitted:
            self._take_optimizers()
        else:
            self._start(samples)
        self._diagnose, self._position = diagnose, None
        with self._progress(len(samples)) as report:
            self._train(samples, None, report)
        return self

    def decision_function(self, X: Sequence[ArrayLike]) -> NDArray[np.float32]:
        """The logits of samples: ``log(p / (1 - p))`` of the chance p of label 1.

        Parameters
        ----------
        X
            As for `fit`.

        Returns
        -------
        ndarray of float32, shape (n,)
            In the memory of the host.

        Raises
        ------
        IndexError, TypeError
            As for `fit`.
        ValueError
            As for `fit`, and if the model is not fitted.
        FloatingPointError
            If a logit is not a number, as dense features near the largest can make it.

        Examples
        --------
        >>> import lowprec as lp
        >>> X, y, p = lp.datasets.make_clicks(200, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=50).fit(X, y)
        >>> model.decision_function(X).shape
        (200,)
        """
        if not self._is_fitted():
            raise ValueError(f"this {type(self).__name__} is not fitted yet; call fit first")
        samples = self._check_samples(X, _NO_LABELS, fitted=True)
        device = get_device(self.device)
        staging = Staging(device)
        with np.errstate(over="ignore", invalid="ignore"):  # looked for below
            parts = [
                self._forward(self._loaded(batch, staging), Fresh(device))[0]
                for batch in samples.batches(_PREDICT_BATCH)
            ]
        logits = np.concatenate([device.to_host(part) for part in parts])
        undefined = np.isnan(logits)
        if undefined.any():
            raise FloatingPointError(
                f"the logit of sample {int(undefined.argmax())} is not a number"
            )
        return logits

    def predict_proba(self, X: Sequence[ArrayLike]) -> NDArray[np.float64]:
        """The probabilities of both labels.

        Parameters
        ----------
        X
            As for `fit`.

        Returns
        -------
        ndarray of float64, shape (n, 2)
            Columns are those of `classes_`, 0 and 1.

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `decision_function`.

        Examples
        --------
        >>> import lowprec as lp
        >>> X, y, p = lp.datasets.make_clicks(2000, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=50).fit(X, y)
        >>> of_clicks = model.predict_proba(X)[:, 1]
        >>> lp.metrics.normalized_entropy(y, of_clicks) < 1  # better than the mean of y
        True
        """
        from scipy.special import expit  # here, to keep the package quick to import

        p = expit(self.decision_function(X).astype(np.float64))
        return np.column_stack([1.0 - p, p])

    def predict(self, X: Sequence[ArrayLike]) -> NDArray[np.int64]:
        """The more probable label of samples.

        Parameters
        ----------
        X
            As for `fit`.

        Returns
        -------
        ndarray of int64, shape (n,)
            0 or 1.

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `decision_function`.

        Examples
        --------
        >>> import lowprec as lp
        >>> X, y, p = lp.datasets.make_clicks(200, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=50).fit(X, y)
        >>> bool(((model.predict_proba(X)[:, 1] > 0.5) == model.predict(X)).all())
        True
        """
        clicked = self.decision_function(X) > 0
        return self.classes_[clicked.astype(np.int64)]

    @property
    def precision_(self) -> PrecisionReport | None:
        """What low precision did to the steps that were diagnosed: the sum of their reports.

        None where none were.  `precision_history_` has each report with the number of its step.
        """
        if not self._is_fitted() or not self.precision_history_:
            return None
        return functools.reduce(operator.add, (report for _, report in self.precision_history_))

    # --- files ---

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a safetensors file, from which training goes on with `load`.

        Parameters
        ----------
        path : path
            The file, in a folder that exists; written whole or not at all.

        Raises
        ------
        OSError
            If it cannot be written.
        ValueError
            If the model is not fitted, or a learning rate is a function that is not of
            `lowprec.schedules`.

        Examples
        --------
        >>> import tempfile, lowprec as lp
        >>> X, y, p = lp.datasets.make_clicks(200, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=50).fit(X, y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/m.safetensors")
        ...     again = lp.load(f"{folder}/m.safetensors")
        >>> bool((again.predict(X) == model.predict(X)).all())
        True
        """
        if not self._is_fitted():
            raise ValueError(f"this {type(self).__name__} is not fitted yet; call fit first")
        for name, value in self._made_with.items():
            if (now := self._described(name)) != value:
                raise ValueError(f"the model was made with {name}={value!r}, now it is {now!r}")
        device = get_device(self.device)
        state = {
            "parameters": self._described_parameters(),
            "table": self.table_._description(),
            "num_dense": self.num_dense_,
            "standardized": self._standardized,
            "progress": self._progress_of_training(),
            "position": None if self._position is None else list(self._position),
        }
        if self._position is not None:
            self._watch.look(now=True)  # a file of a training that diverged would mislead
        dense = {
            "dense_mean": self.dense_mean_,
            "dense_scale": self.dense_scale_,
            **self._named_parameters(),
            **self._named_states(),
        }
        arrays = {name: device.to_host(array) for name, array in dense.items()}
        checkpoint.write(path, type(self).__name__, state, {**self.table_._arrays(), **arrays})

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        device: str = "cpu",
        *,
        mmap: bool = False,
        verify: bool = True,
    ) -> Any:
        """Read a model of this class that was saved.

        Parameters
        ----------
        path, device, mmap, verify
            As for `lowprec.load`.

        Returns
        -------
        LogisticRegression or DLRM

        Raises
        ------
        OSError, CheckpointError, RuntimeError, ValueError
            As for `lowprec.load`; a CheckpointError, too, if the file holds something else.

        Examples
        --------
        >>> import tempfile, lowprec as lp
        >>> X, y, p = lp.datasets.make_clicks(200, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=50).fit(X, y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/m.safetensors")
        ...     again = lp.LogisticRegression.load(f"{folder}/m.safetensors")
        >>> again.partial_fit(X, y).table_.step
        8
        """
        get_device(device)  # before a large file is read
        found = checkpoint.read(path, mmap=mmap, verify=verify)
        found.expect(cls.__name__)
        return cls._restore(found, device)

    @classmethod
    def _restore(cls, found: checkpoint.Checkpoint, device: str) -> Any:
        with found.reading() as state:
            if not isinstance(state["parameters"], dict):
                raise TypeError("has parameters without names")
            parameters = dict(state["parameters"])
            for name, default in inspect.signature(cls).parameters.items():
                if name != "device":
                    parameters[name]  # KeyError: a default might not be what was saved
                if isinstance(default.default, tuple):  # JSON has lists alone
                    parameters[name] = tuple(parameters[name])
            for name in ("optimizer", "dense_optimizer"):
                if parameters[name] is not None:
                    parameters[name] = from_description(parameters[name])
            model: Any = cls(**parameters, device=device)  # type: ignore[call-arg]
            model._check_parameters(step=0)
            num_dense = check_int("num_dense", state["num_dense"], low=0)
            described, progress = state["table"], state["progress"]
            standardized = check_flag("standardized", state["standardized"])
            _Position.check(state["position"])
            features = Features.check(model._feature_sizes())
        model.table_ = EmbeddingTable._restore(found, described, device)
        columns = model._table_shape()[0]
        if (
            not np.array_equal(model.table_._features.num_embeddings, features.num_embeddings)
            or model.table_.embedding_dim != columns
        ):
            raise checkpoint.CheckpointError(f"{found.path}: its table is not that of its model")
        # all arrays are found before any is made: the description may lie about their sizes
        shapes = {"dense_mean": (num_dense,), "dense_scale": (num_dense,)}
        shapes |= model._parameter_shapes(num_dense) | model._state_shapes(num_dense)
        arrays = {
            name: found.array(name, shape, np.dtype(np.float32)) for name, shape in shapes.items()
        }
        found.expect_arrays([*arrays, *model.table_._arrays()])
        model._make_memory(num_dense)
        model._build_dense(num_dense)
        with found.reading():
            model._check_progress(progress)
        for name, value in progress.items():
            setattr(model, name, value)
        model._standardized = standardized
        target = get_device(device)
        for name in ("dense_mean", "dense_scale"):
            setattr(model, f"{name}_", target.asarray(arrays[name]))
        model._dense_states = init_dense_states(
            target, model._optimizer_of_dense(), model._dense_parameters()
        )
        for name, array in (model._named_parameters() | model._named_states()).items():
            array[...] = target.asarray(arrays[name])
        return model

    def _described_parameters(self) -> dict[str, Any]:
        """The constructor's arguments as JSON has them; the device is asked for when it is read."""
        return {name: self._described(name) for name in self.get_params() if name != "device"}

    def _described(self, name: str) -> Any:
        value = getattr(self, name)
        if name in ("optimizer", "dense_optimizer"):
            return None if value is None else value.describe()
        if name == "dtype":
            return storage_dtype(value).name
        return value if isinstance(value, str) else np.asarray(value).tolist()

    # --- parameters, as scikit-learn has them ---

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name.

        Parameters
        ----------
        deep : bool, default True
            Has no effect; scikit-learn passes it.

        Returns
        -------
        dict

        Examples
        --------
        >>> import lowprec as lp
        >>> lp.LogisticRegression([50, 20], epochs=3).get_params()["epochs"]
        3
        """
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Any:
        """Set arguments of the constructor; what they may be is checked when training begins.

        Parameters
        ----------
        **params
            The arguments by name.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the constructor has no such argument; nothing is set then.

        Examples
        --------
        >>> import lowprec as lp
        >>> lp.LogisticRegression([50, 20]).set_params(epochs=3).epochs
        3
        """
        valid = self.get_params()
        for name in params:
            if name not in valid:
                raise ValueError(f"{name!r} is not a parameter; there are {', '.join(valid)}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({params})"

    # --- inside ---

    def _is_fitted(self) -> bool:
        return hasattr(self, "table_")

    def _optimizer_of_table(self) -> Optimizer:
        return self.optimizer or defaults.MODEL_TABLE

    def _optimizer_of_dense(self) -> Optimizer:
        """What steps the dense parameters: an optimizer that was given alone steps all."""
        return self.dense_optimizer or self.optimizer or defaults.MODEL_DENSE

    def _feature_sizes(self) -> list[int]:
        """`num_embeddings` as a list, one entry a feature."""
        sizes = entries_of(self.num_embeddings)
        return [self.num_embeddings] if sizes is None else sizes  # type: ignore[list-item]

    def _check_parameters(self, step: int) -> None:
        """TypeError or ValueError names a parameter that training from `step` on cannot use."""
        check_int("epochs", self.epochs, low=1)
        check_int("batch_size", self.batch_size, low=1)
        check_seed(self.seed)
        storage_dtype(self.dtype)
        check_choice("rounding", self.rounding, ROUNDINGS)
        for name in ("standardize", "shuffle", "verbose"):
            check_flag(name, getattr(self, name))
        for name in ("optimizer", "dense_optimizer"):
            value = getattr(self, name)
            if value is not None:
                check_optimizer(name, value).rule(step)

    def _check_samples(self, X: Sequence[ArrayLike], y: Any, *, fitted: bool) -> Samples:
        """Checked samples: every id, label and number, before anything is trained."""
        if y is None:
            raise TypeError("y must be labels, got None")
        y = None if y is _NO_LABELS else y
        features = self.table_._features if fitted else Features.check(self._feature_sizes())
        device = get_device(self.device)
        samples = check_samples(device, X, y, len(features), self.num_dense_ if fitted else None)
        features.check_ids(samples.home, samples.indices, samples.offsets)
        return samples

    def _start(self, samples: Samples) -> None:
        """Make the model anew for these samples."""
        self._make_memory(samples.dense.shape[1])
        self.table_ = self._make_table(*self._table_shape())
        self._build_dense(self.num_dense_)
        self._dense_states = init_dense_states(
            get_device(self.device), self._optimizer_of_dense(), self._dense_parameters()
        )
        mean, scale = np.zeros(self.num_dense_), np.ones(self.num_dense_)
        self._standardized = self.standardize  # `set_params` may change it before the next fit
        if self._standardized:
            mean = samples.home.to_host(samples.dense.mean(axis=0, dtype=np.float64))
            deviation = samples.home.to_host(samples.dense.std(axis=0, dtype=np.float64))
            scale = 1.0 / np.where(deviation > 0, deviation, 1.0)
        device = get_device(self.device)
        self.dense_mean_ = device.asarray(mean.astype(np.float32))
        self.dense_scale_ = device.asarray(scale.astype(np.float32))

    def _make_memory(self, num_dense: int) -> None:
        """What training needs beside the parameters."""
        device = get_device(self.device)
        self._memory, self._staging = Workspace(device), Staging(device)
        self.classes_ = np.array([0, 1])
        self.precision_history_ = []
        self.num_dense_ = num_dense
        self._dense_stepped_by = self._optimizer_of_dense()
        self._made_with = {name: self._described(name) for name in self._shaping}

    def _make_table(self, embedding_dim: int, init_range: float | None) -> EmbeddingTable:
        return EmbeddingTable(
            self._feature_sizes(),
            embedding_dim,
            self.dtype,
            self.rounding,
            self._optimizer_of_table(),
            self.seed,
            self.device,
            init_range=init_range,
        )

    def _loaded(self, batch: Samples, staging: Staging) -> Minibatch:
        """The batch on the device, its dense features standardised, if that is asked for."""
        arrays = [batch.dense, batch.indices, batch.y]
        if batch.offsets is not None:
            arrays.append(batch.offsets)
        dense, indices, y, *offsets = staging.copy_in(arrays)
        if self._standardized:
            dense = (dense - self.dense_mean_) * self.dense_scale_
        # what `_check_samples` has checked is not asked for again where that would mean to wait
        ids = self.table_._as_batch(
            indices, offsets[0] if offsets else None, "sum", None, self._pools_across_features,
            checked=get_device(self.device).asynchronous,
        )  # fmt: skip
        return Minibatch(dense, ids, y, batch.num_features)

    def _train(
        self,
        samples: Samples,
        order: NDArray[np.int64] | None,
        report: Callable[[int, Any], None],
        epoch: int | None = None,
        first: int = 0,
        after_batch: Callable[[], None] = _nothing,
    ) -> None:
        """One pass over the samples from number `first` on; `epoch` is that of a `fit`."""
        self._watch = Watch(get_device(self.device), self._watches_always())
        done = first
        try:
            with interrupted_between_batches() as is_interrupted:
                for batch in samples.batches(self.batch_size, order, first):
                    with np.errstate(over="ignore", invalid="ignore"):  # `_watch` raises instead
                        loss = self._step(batch)
                    self._watch.look()
                    done += len(batch)
                    if epoch is not None:
                        self._position = _Position(epoch, done, len(samples))
                    report(len(batch), loss)
                    after_batch()
                    if is_interrupted():
                        raise InterruptedBetweenBatches
            self._watch.look(now=True)
        except DivergenceError as diverged:
            self.table_._step = diverged.step  # nothing was written since then
            self.precision_history_ = [
                told for told in self.precision_history_ if told[0] < diverged.step
            ]
            raise

    def _resume(self, path: os.PathLike[str], samples: Samples) -> _Position:
        """Take over all that training changes from a file that was written in a `fit`."""
        found = checkpoint.read(path)
        found.expect(type(self).__name__)
        model = self._restore(found, self.device)  # which checks all of it
        there, here = found.state["parameters"], self._described_parameters()
        begun = _Position.check(found.state["position"])
        free = ("epochs", "verbose")
        if others := [name for name in here if name not in free and here[name] != there[name]]:
            name = others[0]
            raise ValueError(f"{path} has {name}={there[name]!r}, this model has {here[name]!r}")
        if begun is None:
            raise ValueError(f"{path} was not written while a fit was running: nothing to resume")
        if begun.samples != len(samples):
            raise ValueError(
                f"{path} is of a fit on {begun.samples} samples, there are {len(samples)} here"
            )
        parameters = self.get_params()
        vars(self).update({k: v for k, v in vars(model).items() if k not in parameters})
        self._take_optimizers()
        return begun

    def _take_optimizers(self) -> None:
        """Go on with the optimizers that `set_params` may have given; ValueError if they cannot."""
        dense = self._optimizer_of_dense()
        check_same_states(self._dense_stepped_by, dense)
        self.table_.optimizer = self._optimizer_of_table()
        self._dense_stepped_by = dense

    @contextmanager
    def _progress(
        self, total: int, done: int = 0, callback: Callable[[Any, int], None] | None = None
    ) -> Iterator[Callable[[int, Any], None]]:
        """What to call with (samples, loss) after each step: tells the user's callback, if there
        is one, and the progress bar, if `verbose`."""
        from tqdm import tqdm  # here, to keep the package quick to import

        bar = tqdm(
            total=total, initial=done, unit=" samples", unit_scale=True, disable=not self.verbose
        )
        running = _RunningMean()

        def report(samples: int, loss: Any) -> None:
            nonlocal done
            done += samples
            if self.verbose:
                bar.set_postfix_str(f"log loss {running.add(float(loss)):.4f}", refresh=False)
                bar.update(samples)
            if callback is not None:
                callback(self, done)

        with bar:
            yield report


def _state_name(parameter: str, name: str) -> str:
    return f"dense_optimizer.{parameter}.{name}"


def _check_diagnose(diagnose: Any) -> None:
    if diagnose is not None and not isinstance(diagnose, Diagnose):
        raise TypeError(f"diagnose must be a lowprec.Diagnose, got {diagnose!r}")


class _RunningMean:
    """An average that forgets: each value counts 1 %, the first ones equally."""

    def __init__(self) -> None:
        self._mean = 0.0
        self._count = 0

    def add(self, value: float) -> float:
        self._count += 1
        self._mean += (value - self._mean) * max(0.01, 1.0 / self._count)
        return self._mean
