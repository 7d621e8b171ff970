"""A table whose arrays are those of a file: rows that were never touched are not there."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.checks import check_path
from lowprec.mapping.file import MappedFile
from lowprec.mapping.layout import pages_of
from lowprec.mapping.system import this_boot
from lowprec.mapping.undo import write_log
from lowprec.optimizers import Optimizer, describe
from lowprec.optimizers.arrays import stored
from lowprec.tables.contents import in_pieces
from lowprec.tables.files import SavedRows
from lowprec.tables.initial import begin_rows
from lowprec.tables.opening import description_with, open_file, reserve_rows, undo_change
from lowprec.tables.store import Store

_ROWS_LOOKED_AT = 64  # of a batch that is to be read ahead


class TableFile:
    """The file of one table, which it gives the arrays of the file; closed once.

    Parameters
    ----------
    store : Store
        A table that is configured and has no arrays yet; other methods take it, too.
    path : path
    bounds : list of float
        How large the weights of each feature are at first.
    init : array_like or None
        First weights that a user gave.
    saved : SavedRows or None
        What the table was: the file is made anew.
    replaces : bool, default False
        Whether a file with a table of the same arguments may be made anew.

    Raises
    ------
    ValueError
        If the table is not on the CPU, or the file is that of one with other arguments.
    FileExistsError
        If a new file is to be made, and there is one.
    OSError, CheckpointError
        If it cannot be used, or is damaged.
    """

    def __init__(
        self, store: Store, path: Any, bounds: list[float], init: Any = None, *,
        saved: SavedRows | None = None, replaces: bool = False,
    ) -> None:  # fmt: skip
        if store._device.name != "cpu":
            raise ValueError(
                f"a table in a file is on the CPU: device must be 'cpu', got {store.device!r}"
            )
        self.path = os.path.abspath(check_path("path", path))
        self._mutex = threading.Lock()
        self._bounds = np.array(bounds, np.float32)
        self._ahead: Future[None] | None = None
        self._reader: ThreadPoolExecutor | None = None
        self._file: MappedFile | None = MappedFile(self.path)
        try:
            opened = open_file(store, self._file, init, saved, replaces)
        except BaseException:
            self._file.close()
            raise
        self._layout, self._header, self.touched = opened.layout, opened.header, opened.touched
        self._origin: Optimizer = opened.origin
        record = opened.header.record
        store._weight, *states = opened.arrays
        store._state = dict(zip(store.optimizer.kept_states(), states, strict=True))
        store._step, store._skipped_rows = record.step, record.skipped_rows
        store._trainable = bool(record.trainable)

    def open(self) -> MappedFile:
        """The open file and its parts; ValueError after `close`."""
        if self._file is None:
            raise ValueError(f"the table in {self.path} is closed")
        return self._file

    # --- rows ---

    def rows(
        self, store: Store, rows: NDArray[np.uint32], states: dict[str, Any]
    ) -> tuple[Any, dict[str, Any], NDArray[np.uint32]]:
        """Weights and `states` that hold rows, and where: copies, where some are untouched."""
        self.open()
        if self.touched.has(rows).all():
            return store._weight, states, rows
        distinct, places = np.unique(rows, return_inverse=True)
        there = self.touched.has(distinct)
        copies = []
        for array in (store._weight, *states.values()):
            copy = store._device.empty((distinct.size, array.shape[1]), array.dtype)
            copy[there] = array[distinct[there]]
            copies.append(copy)
        held = dict(zip(states, copies[1:], strict=True))
        fresh = np.flatnonzero(~there).astype(np.uint32)
        self._begin_rows(store, copies[0], held, fresh, distinct[fresh])
        return copies[0], held, places.astype(np.uint32)

    def piece(self, store: Store, piece: slice) -> tuple[Any, dict[str, Any]]:
        """Weights and states of rows that follow each other."""
        rows = np.arange(piece.start, piece.stop, dtype=np.uint32)
        weight, states, places = self.rows(store, rows, store._state)
        return weight[places], {name: array[places] for name, array in states.items()}

    def states(self, store: Store) -> dict[str, Any]:
        """The states in their storage dtypes, read-only, with those of untouched rows."""
        self.open()
        found, kept = {}, self._origin.kept_states()
        derives = type(self._origin).states_for is not Optimizer.states_for
        for name, array in store._state.items():
            storage = store._state_dtypes[name]
            initial = stored(kept[name].initial, storage, array.dtype)
            if (derives and self._bounds.any()) or any(initial.tobytes()):
                whole = np.empty_like(array)
                for piece in in_pieces(len(array)):
                    whole[piece] = self.piece(store, piece)[1][name]
                array = whole
            found[name] = array.view(storage)
            found[name].flags.writeable = False
        return found

    def _begin_rows(self, store: Store, weight: Any, states: Any, places: Any, rows: Any) -> None:
        begin_rows(store, self._origin, self._bounds, weight, states, places, rows)

    def touch(self, store: Store, rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Give rows a place in the file; returns them ascending, each once.

        This changes nothing that is read.  OSError if the disk is full.
        """
        file, rows = self.open(), _distinct(rows)
        with self._mutex:
            fresh = rows[~self.touched.has(rows)]
            if fresh.size:
                reserve_rows(file, self._layout, fresh)
                self._begin_rows(store, store._weight, store._state, fresh, fresh)
                self.touched.add(fresh)  # last: a kill before leaves them untouched
        return rows

    # --- changes ---

    @contextlib.contextmanager
    def transaction(self, store: Store, rows: Any = None) -> Iterator[None]:
        """A block whose changes of rows and counts come to the file as a whole or not at all."""
        self.open()
        before = store._step, store._skipped_rows
        try:
            if rows is not None:
                self.log(store, rows)
            yield
        except BaseException:
            store._step, store._skipped_rows = before
            arrays = (store._weight, *store._state.values())
            undo_change(self.open(), self._layout, self._header, arrays)
            raise
        step, skipped = store._step, int(store._skipped_rows)
        self._header.change(step=step, skipped_rows=skipped, log_bytes=0, log_checksum=0)

    def log(self, store: Store, rows: NDArray[np.uint32]) -> None:
        """Note what rows hold, before they are changed in a `transaction`."""
        file, rows = self.open(), self.touch(store, rows)
        arrays = (store._weight, *store._state.values())
        nbytes, checksum = write_log(file.file, self._layout.end, rows, arrays)
        boot = this_boot()
        if self._header.record.boot != boot:
            self._header.change(boot=boot)
            file.flush(self._layout.touched.start)  # first on disk: from now on it is in doubt
        self._header.change(log_bytes=nbytes, log_checksum=checksum)

    def description(self) -> dict[str, Any]:
        """What a saved table needs beyond what one in memory has."""
        self.open()
        return {"touched": self.touched.count(), "first_optimizer": describe(self._origin)}

    def note_optimizer(self, optimizer: Optimizer) -> None:
        """Note another optimizer in the file; ValueError if it cannot be described."""
        self.open()
        self._header.describe(description_with(self._header.description, optimizer))

    def note_step(self, step: int) -> None:
        """Note the number of steps, after some that wrote nothing were taken back."""
        self.open()
        self._header.change(step=step)

    def note_trainable(self, trainable: bool) -> None:
        """Note whether the table is frozen."""
        self.open()
        self._header.change(trainable=int(trainable))

    # --- the file ---

    def read_ahead(self, rows: NDArray[np.uint32]) -> None:
        """Have a thread read the pages of rows; first waits until it has begun with those before.

        An error of reading those before is raised.
        """
        file = self.open()
        if self._reader is None:
            self._reader = ThreadPoolExecutor(1, thread_name_prefix="lowprec-read-ahead")
        if self._ahead is not None:
            self._ahead.result()
        self._ahead = self._reader.submit(self._read_ahead, file, rows.copy())

    def _read_ahead(self, file: MappedFile, rows: NDArray[np.uint32]) -> None:
        rows = _distinct(rows)
        rows = rows[self.touched.has(rows)]
        for region in self._layout.arrays if rows.size else ():
            # to ask for pages that are in memory takes longer than the step of a batch
            some = rows[:: -(-rows.size // _ROWS_LOOKED_AT)]
            if not file.are_resident(pages_of(region, some)):
                file.read_ahead(pages_of(region, rows))

    def flush(self) -> None:
        """Wait until all changes are on disk, with the note that they are."""
        file = self.open()
        file.flush()
        if self._header.record.boot:
            self._header.change(boot=0)
            file.flush(self._layout.touched.start)

    @property
    def bytes_on_disk(self) -> int:
        """What the file takes on disk."""
        return self.open().bytes_on_disk

    def close(self, store: Store) -> None:
        """Flush the file and release it; the table has no rows any more."""
        if self._file is None:
            return
        file = self._file
        if self._reader is not None:
            self._reader.shutdown()
        self.flush()
        self._file = None
        nothing = np.empty((0, store.embedding_dim), store._weight.dtype)
        store._weight, store._state = nothing, {}
        del self._header, self.touched
        file.close(self._layout.end)


def _distinct(rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Each row once, ascending; sooner than `numpy.unique`, which hashes."""
    ordered = np.sort(rows)
    first = np.ones(ordered.size, np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]
