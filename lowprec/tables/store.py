"""What a table is made of: its arrays on a device, and what kernels need to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.features import Features
from lowprec.checks import check_choice, check_flag, check_int, check_seed, is_writable
from lowprec.device import get_device
from lowprec.formats.entries import storage_dtype
from lowprec.optimizers import Optimizer, defaults
from lowprec.optimizers.catching_up import DecayLogs
from lowprec.optimizers.checks import check_optimizer, check_same_states
from lowprec.optimizers.rules import Rules, rules_of
from lowprec.tables.rows import pieces_of
from lowprec.tables.shard import WHOLE, Shard, check_shard, rows_before
from lowprec.typing import DeviceName, OnNonfinite, Rounding, Storage
from lowprec.workspace import Workspace

ROUNDINGS: tuple[str, ...] = get_args(Rounding)
ON_NONFINITE: tuple[str, ...] = get_args(OnNonfinite)
_MAX_COLUMNS = 2**28  # the largest table then has less than 2**63 bytes


class Store:
    """The arrays of a table, with the properties that users see; `EmbeddingTable` does the rest."""

    _weight: Any
    _state: dict[str, NDArray[Any]]
    _decay_logs: DecayLogs | None = None
    _init_range: float | None = None  # as given
    _file: Any = None  # `lowprec.tables.mapped.TableFile` of a table in a file
    _shard: Shard = WHOLE

    def _configure(
        self,
        num_embeddings: int | Sequence[int],
        embedding_dim: int,
        dtype: Storage,
        rounding: Rounding,
        optimizer: Optimizer | None,
        seed: int,
        device: DeviceName,
        on_nonfinite: OnNonfinite,
        padding_idx: int | None = None,
        shard: Shard | None = None,
    ) -> None:
        """All but the weights and the optimizer's state."""
        self._features = Features.check(num_embeddings)
        self.num_embeddings = num_embeddings
        self.embedding_dim = check_int("embedding_dim", embedding_dim, low=1, high=_MAX_COLUMNS + 1)
        self.dtype = storage_dtype(dtype)
        self.rounding = check_choice("rounding", rounding, ROUNDINGS)
        given = defaults.TABLE if optimizer is None else optimizer
        self._optimizer = check_optimizer("optimizer", given)
        self._state_dtypes = self._optimizer.state_dtypes()
        self.seed = check_seed(seed)
        self.on_nonfinite = check_choice("on_nonfinite", on_nonfinite, ON_NONFINITE)
        self._device = get_device(device)
        self.device = device
        self.shard, self._shard = shard, check_shard(shard, self._features.num_rows)
        num_rows = rows_before(self._shard, self._features.num_rows)
        self._shape = (num_rows, self.embedding_dim)
        if padding_idx is not None:
            padding_idx = check_int("padding_idx", padding_idx, low=-1)
            if padding_idx != -1:
                raise ValueError(f"padding_idx must be None or -1, got {padding_idx!r}")
        self.padding_idx = padding_idx
        self._trainable = True
        self._step = 0
        self._skipped_rows: Any = 0  # counted on the device
        self._workspace = Workspace(self._device)

    @property
    def row_offsets(self) -> NDArray[np.int64]:
        """The row of `weight` at which each feature begins, int64 (features + 1,).

        Feature f has the rows ``row_offsets[f]:row_offsets[f + 1]``.
        """
        return self._features.row_offsets

    @property
    def weight(self) -> NDArray[Any]:
        """The weights in the storage dtype, (rows, embedding_dim).

        A view, which may be written.  Numbers out of range then become inf or NaN;
        `EmbeddingTable.write` saturates and counts them.  On ``"cuda"`` only float32 and float16
        tables have this view, because CuPy has no bfloat16 and no 8-bit floats.  A table in a file
        raises a ValueError, because its untouched rows are not stored: use `EmbeddingTable.read`.
        """
        if self._file is not None:
            raise ValueError(
                "a table in a file has no weight, because untouched rows are not there: use read"
            )
        return self._weight.view(self.dtype)

    def _words(self) -> Any:
        """The weights as kernels take them."""
        return self._device.words(self._weight, self.dtype)

    def _arrays_of_rows(self) -> tuple[Any, ...]:
        """The weights and the optimizer's states as kernels take them."""
        words, dtypes = self._device.words, self._state_dtypes

        def make() -> tuple[Any, ...]:
            states = (words(array, dtypes[name]) for name, array in self._state.items())
            return (self._words(), *states)

        held = [self._weight, *self._state.values()]
        return self._workspace.made_of("arrays of rows", held, None, make)  # type: ignore[no-any-return]

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer of all rows.

        You may set another optimizer that has the same states; any other raises a ValueError.
        """
        return self._optimizer

    @optimizer.setter
    def optimizer(self, optimizer: Optimizer) -> None:
        check_same_states(self._optimizer, check_optimizer("optimizer", optimizer))
        if self._file is not None:
            self._file.note_optimizer(optimizer)
        self._optimizer, self._decay_logs = optimizer, None

    def _rules(self) -> Rules:
        """The rule and the preparation of the next step."""
        if not self._optimizer.catches_up:
            return rules_of(self._optimizer, self._step)
        if self._decay_logs is None:
            self._decay_logs = DecayLogs(self._optimizer, self._device)
        logs = self._decay_logs.until(self._step)
        return rules_of(self._optimizer, self._step, logs)

    @property
    def step(self) -> int:
        """The number of updates so far, including those of batches without ids."""
        return self._step

    @property
    def optimizer_state(self) -> dict[str, NDArray[Any]]:
        """The optimizer's arrays by name, in their storage dtypes; empty if it has none.

        Views on the table's device, like `weight`.  Those of a table in a file are read-only, and
        copies if the initial state is not 0.
        """
        if self._file is not None:
            return self._file.states(self)  # type: ignore[no-any-return]
        return {name: array.view(self._state_dtypes[name]) for name, array in self._state.items()}

    @property
    def trainable(self) -> bool:
        """Whether `update` changes the weights and states; it counts the step in any case.

        Set it to False to freeze a table, for example of pretrained embeddings.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        self._trainable = check_flag("trainable", trainable)
        if self._file is not None:
            self._file.note_trainable(self._trainable)

    @property
    def zeros(self) -> int:
        """The number of weights that are zero; `FTRL` with `l1` gives many."""
        word = np.dtype(f"u{self.dtype.itemsize}")
        pieces = (weight.view(word) for _, weight, _ in pieces_of(self))
        return sum(int(((piece << word.type(1)) == 0).sum()) for piece in pieces)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights and the optimizer state."""
        return self._weight.nbytes + sum(array.nbytes for array in self._state.values())

    @property
    def skipped_rows(self) -> int:
        """How many row updates were skipped because of a gradient that is not finite."""
        return int(self._skipped_rows)

    def _unaliased(self, array: NDArray[Any]) -> NDArray[Any]:
        """What an update reads: a copy if it is part of the weights, which are then written."""
        return array.copy() if self._device.may_share_memory(array, self._weight) else array

    def _check_writable(self) -> None:
        """ValueError if the memory of the weights or of a state cannot be written."""
        for name, array in (("weights", self._weight), *self._state.items()):
            if not is_writable(array):
                raise ValueError(
                    f"the memory of this table's {name} is read-only, as of a file that is mapped "
                    "for reading: nothing was written; table.to(table.device) is a copy that can be"
                )
