"""Making the file of a table, or opening one: what must fit, and what a kill left half done."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import warnings
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec._version import __version__
from lowprec.files.checkpoint import TABLE_MAGIC, CheckpointError
from lowprec.mapping.file import MappedFile
from lowprec.mapping.header import NEW, Header, read_fixed, text_of
from lowprec.mapping.layout import PAGE, Layout, lay_out, pages_of
from lowprec.mapping.system import this_boot
from lowprec.mapping.touched import Touched
from lowprec.mapping.undo import undo
from lowprec.optimizers import Optimizer, describe, from_description
from lowprec.scalar import xorshift
from lowprec.tables.contents import check_values, in_pieces, write_rows
from lowprec.tables.files import SavedRows, description_of
from lowprec.tables.initial import set_initial_states
from lowprec.tables.keys import row_keys
from lowprec.tables.states import fit_rows
from lowprec.tables.store import Store

_OF_THE_STEP = ("step", "skipped_rows", "trainable")  # which the record has
_GENERATOR = [xorshift.NAME, xorshift.VERSION]
_LONGEST_CHECKSUM = 2**32 - 1


class Opened(NamedTuple):
    """A file that is mapped, and its parts."""

    layout: Layout
    header: Header
    touched: Touched
    arrays: tuple[Any, ...]  # the weights, and the states in the optimizer's order
    origin: Optimizer  # with which the table was made: it says what untouched rows hold


def open_file(
    store: Store, file: MappedFile, init: Any, saved: SavedRows | None = None,
    replaces: bool = False,
) -> Opened:  # fmt: skip
    """The parts of a file, which is made if it is not complete.

    Raises
    ------
    ValueError, OSError
        As `TableFile` says.
    """
    fixed = read_fixed(file.first_page(), file.path)
    if fixed is not None and saved is None:
        return _open(store, file, *fixed, init)
    if fixed is not None:
        if not replaces:
            raise table_exists(file.path)
        _same_header(store, file, *fixed)
    try:
        return _make(store, file, init, saved)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(file.path)
        raise


def has_table(path: str) -> bool:
    """Whether a file is that of a table, and complete; CheckpointError if it is something else."""
    if not os.path.isfile(path):  # nothing, or what cannot be made a table's file
        return False
    with open(path, "rb") as file:
        return read_fixed(file.read(PAGE), path) is not None


def table_exists(path: str) -> FileExistsError:
    """The error of a path where a new table would have to be made."""
    reason = (
        "a table is in this file already, and is not overwritten: delete the file, or give "
        "another path"
    )
    return FileExistsError(errno.EEXIST, reason, path)


def reserve_rows(file: MappedFile, layout: Layout, rows: NDArray[np.uint32]) -> None:
    """Have room on the disk for ascending rows; OSError if there is none."""
    file.reserve(pages_of(layout.touched, rows >> np.uint32(3)))
    for region in layout.arrays:
        file.reserve(pages_of(region, rows))


def description_with(description: dict[str, Any], optimizer: Optimizer) -> dict[str, Any]:
    """The description of the same table with another optimizer."""
    return {**description, "optimizer": describe(optimizer)}


def undo_change(file: MappedFile, layout: Layout, header: Header, arrays: Any) -> None:
    """Go back to before a change that was not finished, if there is one."""
    record = header.record
    if record.log_bytes:
        undo(file.file, layout.end, record.log_bytes, record.log_checksum, arrays)
        header.change(log_bytes=0, log_checksum=0)


def _arguments(store: Store) -> dict[str, Any]:
    """The arguments of a table, as JSON gives them back."""
    description = description_of(store)
    kept = {name: value for name, value in description.items() if name not in _OF_THE_STEP}
    return json.loads(json.dumps(kept))  # type: ignore[no-any-return]


def _lay_out(store: Store, description_bytes: int) -> Layout:
    held, dtypes, rows = store._device.held_as, store._state_dtypes, store._shape[0]
    parts = [(store._shape, held(store.dtype))]
    for name, state in store.optimizer.kept_states().items():
        parts.append((state.shape(*store._shape), held(dtypes[name])))
    return lay_out(description_bytes, rows, parts)


def _make(store: Store, file: MappedFile, init: Any, saved: SavedRows | None) -> Opened:
    origin = store.optimizer if saved is None else saved.origin
    description = {
        **_arguments(store),
        "init": None if init is None else _LONGEST_CHECKSUM,
        "first_optimizer": describe(origin),
        "generator": _GENERATOR,
        "lowprec_version": __version__,
    }
    room = (2 * len(text_of(description)) // PAGE + 2) * PAGE
    layout = _lay_out(store, room)
    file.empty(TABLE_MAGIC, layout.end)
    mapped = file.map(layout.end)
    file.reserve([(0, layout.touched.start)])
    header = Header(mapped, room, file.path)
    header.begin(layout.end)
    opened = _parts(store, file, layout, header, origin)
    if init is not None:
        description["init"] = _write_init(store, file, opened, init)
    if saved is not None:
        _write_saved(file, opened, saved)
    has_rows = init is not None or saved is not None  # which are not on disk yet
    record = NEW._replace(
        step=store._step, skipped_rows=store.skipped_rows, trainable=int(store._trainable),
        boot=this_boot() if has_rows else 0,
    )  # fmt: skip
    header.make(description, record)
    return opened


def _write_saved(file: MappedFile, opened: Opened, saved: SavedRows) -> None:
    """Write rows, some at a time."""
    arrays = list(saved.arrays.values())
    for piece in in_pieces(len(arrays[0])):
        if saved.rows is None:
            rows = np.arange(piece.start, piece.stop, dtype=np.uint32)
        else:
            rows = saved.rows[piece]
        reserve_rows(file, opened.layout, rows)
        for own, array in zip(opened.arrays, arrays, strict=True):
            own[rows] = array[piece].view(own.dtype)
        opened.touched.add(rows)


def _same_header(store: Store, file: MappedFile, room: int, end: int, init: Any = None) -> Header:
    """The header of a file; ValueError if its table has other arguments."""
    if file.size < end:
        raise CheckpointError(f"{file.path} was cut: it has {file.size} bytes of {end}")
    header = Header(file.map(end), room, file.path)
    _check_same(store, file.path, header.description, init)
    return header


def _open(store: Store, file: MappedFile, room: int, end: int, init: Any) -> Opened:
    header = _same_header(store, file, room, end, init)
    description = header.description
    layout = _lay_out(store, room)
    if layout.end != end:
        raise CheckpointError(f"{file.path} has {end} bytes, not {layout.end}")
    try:
        origin = from_description(description["first_optimizer"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{file.path}: its first optimizer {error}") from error
    opened = _parts(store, file, layout, header, origin)
    record = header.record
    if record.boot in (0, this_boot()):
        undo_change(file, layout, header, opened.arrays)
        return opened
    warnings.warn(
        f"{file.path} was changed after its last flush() when its machine stopped, or by another "
        "machine: if that lost power, rows may be those of several steps",
        UserWarning,
        stacklevel=2,
    )
    try:
        undo_change(file, layout, header, opened.arrays)
    except CheckpointError:  # the log had not come to disk
        header.change(log_bytes=0, log_checksum=0)
    return opened


def _parts(
    store: Store, file: MappedFile, layout: Layout, header: Header, origin: Optimizer
) -> Opened:
    file.expect_random_reads(layout.arrays[0].start)
    arrays = tuple(map(file.array, layout.arrays))
    return Opened(layout, header, Touched(file.array(layout.touched)), arrays, origin)


def _check_same(store: Store, path: str, description: dict[str, Any], init: Any) -> None:
    """ValueError that names each argument which is not that of the file."""
    if description.get("generator") != _GENERATOR:
        raise CheckpointError(
            f"{path} was made with generator {description.get('generator')}; this has {_GENERATOR}"
        )
    given: dict[str, Any] = {"shard": None, **_arguments(store)}
    if init is not None:
        given["init"] = _checksum_of_init(store, init)
    others = [name for name in given if description.get(name) != given[name]]
    if others:
        differences = ", ".join(
            f"{name}={_in_short(name, description.get(name))} and not "
            f"{_in_short(name, given[name])}"
            for name in others
        )
        raise ValueError(f"the table in {path} was made with {differences}")


def _in_short(name: str, value: Any) -> str:
    if name == "optimizer":
        with contextlib.suppress(KeyError, TypeError, ValueError):
            return repr(from_description(value))
    if name == "init":
        return "none" if value is None else f"an array of checksum {value}"
    return repr(value)


# --- first weights that a user gave ---


def _init_pieces(store: Store, init: Any) -> Iterator[tuple[NDArray[np.uint32], Any]]:
    """Rows and their checked numbers, some at a time."""
    given = store._device.asarray(init, "init")
    if given.shape != store._shape:
        check_values(store._device, "init", given, store._shape, store.dtype)  # raises
    for piece in in_pieces(store._shape[0]):
        part = given[piece]
        numbers, _ = check_values(store._device, "init", part, part.shape, store.dtype)
        yield np.arange(piece.start, piece.stop, dtype=np.uint32), numbers


def _checksum_of_init(store: Store, init: Any) -> int:
    checksum = 0
    for _, numbers in _init_pieces(store, init):
        checksum = zlib.crc32(np.ascontiguousarray(numbers).tobytes(), checksum)
    return checksum


def _write_init(store: Store, file: MappedFile, opened: Opened, init: Any) -> int:
    """Write all rows; the checksum of their numbers."""
    weight, *held = opened.arrays
    states = dict(zip(store.optimizer.kept_states(), held, strict=True))
    keys, checksum = row_keys(store._device, store.seed, xorshift.STREAM_WRITE, store._shard), 0
    words = store._device.words(weight, store.dtype)
    for rows, numbers in _init_pieces(store, init):
        reserve_rows(file, opened.layout, rows)
        write_rows(store._device, words, rows, numbers, keys, 0, "nearest")
        set_initial_states(store, store.optimizer, states, rows)
        fit_rows(store, store.optimizer, weight, states, rows)
        opened.touched.add(rows)
        checksum = zlib.crc32(np.ascontiguousarray(numbers).tobytes(), checksum)
    return checksum
