"""How a table is saved and loaded, from a file or from a folder of shards."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, TypeVar

from numpy.typing import NDArray

from lowprec.files.checkpoint import Checkpoint
from lowprec.files.manifest import Manifest
from lowprec.files.saved import Saved
from lowprec.tables import files, restoring
from lowprec.tables.folders import restore_shard
from lowprec.tables.in_file import InFile
from lowprec.typing import DeviceName

Self = TypeVar("Self", bound="SavedTable")


class SavedTable(InFile, Saved):
    """What `lowprec.files.saved` asks of a table."""

    _has_shards = _has_table = True

    def _unchanged(self, what: str) -> AbstractContextManager[None]:
        return self._workspace.unchanged(what)

    def _contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return files.description_of(self), files.arrays_of(self)

    @classmethod
    def _from_file(
        cls: type[Self], found: Checkpoint | Manifest, device: DeviceName, path: Any = None
    ) -> Self:
        table = cls.__new__(cls)
        if isinstance(found, Manifest):
            restore_shard(table, found, None, device)
            return table
        files.configure(table, found, found.state, device)
        saved = files.saved_rows(table, found, found.state)
        found.expect_arrays(files.names_in(table, found.state))
        restoring.fill(table, saved, path)
        return table
