"""What a table in a file has beyond one in memory."""

from __future__ import annotations

from typing import TypeVar

from numpy.typing import ArrayLike

from lowprec.files.copies import deep, shallow, state
from lowprec.interrupts import Uninterrupted
from lowprec.tables.copying import in_memory
from lowprec.tables.lookup import as_batch
from lowprec.tables.store import Store

Self = TypeVar("Self", bound="InFile")


class InFile(Store):
    """Methods of tables with a `path`; for tables in memory, they do nothing."""

    @property
    def path(self) -> str | None:
        """The file of the table, absolute; None if it is in memory."""
        return None if self._file is None else self._file.path  # type: ignore[no-any-return]

    @property
    def stored_bytes(self) -> int:
        """Bytes of the file on disk, holes excluded; 0 for a table in memory.

        These are the pages of the rows that were touched, and the log of the largest change.  On
        Windows, holes are included.
        """
        return 0 if self._file is None else self._file.bytes_on_disk

    def flush(self) -> None:
        """Wait until all changes are on disk.

        A loss of power cannot damage the file then, until the next change.

        Raises
        ------
        OSError
            If they cannot be written.
        ValueError
            If the table is closed.

        Examples
        --------
        >>> import tempfile, lowprec as lp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with lp.EmbeddingTable(10**6, embedding_dim=4, path=f"{folder}/big.table") as table:
        ...         table.update([3], [[1, 2, 3, 4]])
        ...         table.flush()
        """
        if self._file is not None:
            with self._workspace.unchanged("this table is flushed"):
                self._file.flush()

    def close(self) -> None:
        """Flush the file and release it, so that it can be opened again.

        The end of a `with` block does so, too.  Closing twice is allowed.

        Raises
        ------
        OSError
            If changes cannot be written to disk.
        RuntimeError
            If the table is updated at the same time.

        Examples
        --------
        >>> import tempfile, lowprec as lp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = lp.EmbeddingTable(10**6, embedding_dim=4, path=f"{folder}/big.table")
        ...     table.close()
        ...     try:
        ...         table.read([3])
        ...     except ValueError as error:
        ...         print(str(error).split()[-1])
        closed
        """
        if self._file is not None:
            with Uninterrupted(), self._workspace.alone("this table is closed"):
                self._file.close(self)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def prefetch(self, indices: ArrayLike, offsets: ArrayLike | None = None) -> None:
        """Read the rows of a coming batch from the file, in the background.

        Parameters
        ----------
        indices, offsets
            The batch, as for `EmbeddingTable.lookup`.

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `EmbeddingTable.lookup`, and if the table is closed.

        Notes
        -----
        A thread asks the system for the pages, many at a time, and does not wait for the disk.  If
        it is still asking for the batch before, this call waits.  On Windows nothing is read ahead.

        Examples
        --------
        >>> import tempfile, numpy as np, lowprec as lp
        >>> batches = np.arange(30).reshape(3, 10)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with lp.EmbeddingTable(100, embedding_dim=4, path=f"{folder}/big.table") as table:
        ...         for now, then in zip(batches, [*batches[1:], batches[0]]):
        ...             table.prefetch(then)
        ...             table.update(now, np.ones_like(table.lookup(now)))
        """
        batch = as_batch(self, indices, offsets, "sum", None, False)
        if self._file is not None:
            self._file.read_ahead(batch.rows)

    __copy__, __deepcopy__, __getstate__ = in_memory(shallow), in_memory(deep), in_memory(state)
