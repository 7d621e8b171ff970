"""Saving and loading, documented once for tables and models."""

from __future__ import annotations

import os
from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from numpy.typing import NDArray

from lowprec.checks import check_flag, check_path
from lowprec.device import get_device
from lowprec.files import copies
from lowprec.files.checkpoint import Checkpoint, CheckpointError
from lowprec.files.manifest import Manifest, has_manifest, read_manifest
from lowprec.files.reading import read
from lowprec.files.writing import write
from lowprec.subclasses import subclasses_by_name
from lowprec.typing import DeviceName

Self = TypeVar("Self", bound="Saved")


class Saved:
    """What can be saved to a file and loaded from it, where its class is known by its name.

    Files, copies and pickles are of one moment, also where another thread trains.
    """

    _has_shards = False  # whether `_from_file` takes a Manifest, too
    _has_table = False  # whether `_from_file` takes the path of a table's file, too
    _is_of_a_pickle = False  # made for it alone, so that nothing changes it
    __copy__, __deepcopy__, __getstate__ = copies.shallow, copies.deep, copies.state

    @abstractmethod
    def _unchanged(self, what: str) -> AbstractContextManager[None]:
        """A block in which no other thread changes it; `what` is done there, for a message."""

    @abstractmethod
    def _contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """All but the arrays, as JSON has it, and the arrays."""

    @classmethod
    @abstractmethod
    def _from_file(cls: type[Self], found: Any, device: DeviceName) -> Self:
        """The object of a file of this kind."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table, the vocabulary or the fitted model to a safetensors file.

        `load` continues from it.  Weights are stored in their format (float16 as ``F16``), which
        any safetensors reader can read.  The file is written completely or not at all: an old file
        stays until the new one is on disk.

        If another thread trains, the file holds the state between two steps: `save` waits for the
        current step, and the next step waits for `save`.

        Parameters
        ----------
        path : path
            The file, in a folder that exists.

        Raises
        ------
        OSError
            If it cannot be written.
        ValueError
            If a model is not fitted, or a learning-rate schedule is not one of `lowprec.schedules`.
        RuntimeError
            If waiting for the current step would never end, because a signal handler interrupted
            it, or the process was forked in the middle of it.  The old file stays.

        Examples
        --------
        >>> import tempfile, lowprec as lp
        >>> table = lp.EmbeddingTable(10, embedding_dim=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table.save(f"{folder}/t.safetensors")
        ...     again = lp.EmbeddingTable.load(f"{folder}/t.safetensors")
        >>> bool((again.weight == table.weight).all())
        True
        """
        with self._unchanged("this is saved"):
            write(path, type(self).__name__, *self._contents())

    @classmethod
    def load(
        cls: type[Self],
        file: str | os.PathLike[str],
        device: DeviceName = "cpu",
        *,
        mmap: bool = False,
        verify: bool = True,
        path: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Read a file that `save` of this class wrote; training continues with the same bits.

        Parameters
        ----------
        file, device, mmap, verify, path
            As for `lowprec.load`.

        Returns
        -------
        EmbeddingTable, Vocabulary or model
            Of this class.

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
        ...     again = lp.LogisticRegression.load(f"{folder}/m.safetensors", mmap=True)
        >>> again.partial_fit(X, y).table_.step
        8
        """
        _check_device(device, path)
        if has_manifest(file):
            folder = _folder(file, mmap, verify, path)
            folder.expect(cls.__name__)
            return _from_folder(cls, folder, device)
        found = _read(file, mmap, verify, path)
        found.expect(cls.__name__)
        return _made(cls, found, device, path)  # type: ignore[no-any-return]


def load(
    file: str | os.PathLike[str],
    device: DeviceName = "cpu",
    *,
    mmap: bool = False,
    verify: bool = True,
    path: str | os.PathLike[str] | None = None,
) -> Any:
    """Read a table, a vocabulary or a model that was saved.

    Parameters
    ----------
    file : path
        A file that ``save`` wrote, or a folder of shards, which are made one table.
    device : {"cpu", "cuda"}, default "cpu"
        Where to put the object; files do not record a device.  A vocabulary is always on the CPU.
    mmap : bool, default False
        On the CPU: whether to map the file, so that arrays are read when they are used.  Training
        changes the object, not the file.
    verify : bool, default True
        Whether to compare checksums, which reads the whole file.
    path : path, optional
        On the CPU: a new file for the rows of a table, or of a model's table, which may be larger
        than memory; see `EmbeddingTable`.  Rows are copied some at a time.

    Returns
    -------
    EmbeddingTable, Vocabulary, LogisticRegression or DLRM

    Raises
    ------
    OSError
        If the file cannot be read.
    CheckpointError
        If the file was not written by `save` in a known version of the format, or is corrupted.
        This is a ValueError.
    FileExistsError
        If a table is at `path` already.
    RuntimeError, ValueError
        If the device cannot be used, is invalid, or does not suit the object in the file; if `path`
        is given with another device than the CPU, with `mmap`, for a folder of shards, or for an
        object without a table.

    Examples
    --------
    >>> import tempfile, lowprec as lp
    >>> table = lp.EmbeddingTable(10, embedding_dim=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table.save(f"{folder}/t.safetensors")
    ...     lp.load(f"{folder}/t.safetensors").embedding_dim
    4
    """
    _check_device(device, path)
    if has_manifest(file):
        folder = _folder(file, mmap, verify, path)
        return _from_folder(_kind_of(folder.kind, folder.folder), folder, device)
    found = _read(file, mmap, verify, path)
    return _made(_kind_of(found.kind, found.path), found, device, path)


def _check_device(device: DeviceName, path: Any) -> None:
    """As `get_device`, before a large file is read; ValueError if it has no tables in files."""
    get_device(device)
    if path is not None:
        check_path("path", path)
        if device != "cpu":
            raise ValueError(
                f"a table in a file is on the CPU: device must be 'cpu' with path, got {device!r}"
            )


def _read(file: str | os.PathLike[str], mmap: bool, verify: bool, path: Any) -> Checkpoint:
    """What a file holds, mapped where rows are only copied from it into the file at `path`."""
    if path is not None and check_flag("mmap", mmap):
        raise ValueError("rows are copied to path: mmap=True is for tables in memory, leave it out")
    return read(file, mmap=mmap if path is None else True, verify=verify)


def _made(kind: Any, found: Checkpoint, device: DeviceName, path: Any) -> Any:
    if path is None:
        return kind._from_file(found, device)
    if not kind._has_table:
        raise ValueError(f"{found.path} holds a {found.kind}, which has no table: leave out path")
    return kind._from_file(found, device, path)


def _kind_of(name: str, path: str) -> Any:
    kind = subclasses_by_name(Saved).get(name)
    if kind is None:
        raise CheckpointError(f"{path} holds an unknown {name!r}")
    return kind


def _folder(file: str | os.PathLike[str], mmap: bool, verify: bool, path: Any) -> Manifest:
    """The manifest of a folder, from which arrays are copied."""
    if check_flag("mmap", mmap):
        raise ValueError(f"{file} is a folder of shards: its arrays cannot be mapped, only copied")
    if path is not None:
        raise ValueError(f"{file} is a folder of shards, which are loaded into memory only")
    return read_manifest(file, verify=verify)


def _from_folder(kind: Any, found: Manifest, device: DeviceName) -> Any:
    if not kind._has_shards:
        raise CheckpointError(f"{found.folder}: a {found.kind} has no shards")
    return kind._from_file(found, device)
