"""Reading whatever was saved."""

from __future__ import annotations

import os
from typing import Any

from lowprec.device import get_device
from lowprec.files import checkpoint
from lowprec.models.dlrm import DLRM
from lowprec.models.logistic import LogisticRegression
from lowprec.tables.embedding import EmbeddingTable

_KINDS: dict[str, Any] = {"DLRM": DLRM, "LogisticRegression": LogisticRegression}


def load(
    path: str | os.PathLike[str], device: str = "cpu", *, mmap: bool = False, verify: bool = True
) -> Any:
    """Read a table or a model that was saved.

    Parameters
    ----------
    path : path
        A file that ``save`` wrote.
    device : {"cpu", "cuda"}, default "cpu"
        Where it shall live; a file knows no device.
    mmap : bool, default False
        On the CPU: whether arrays are read from the file where they are looked at.  Training then
        changes the object and not the file.
    verify : bool, default True
        Whether to compare checksums, for which the file is read as a whole.

    Returns
    -------
    EmbeddingTable, LogisticRegression or DLRM

    Raises
    ------
    OSError
        If the file cannot be read.
    CheckpointError
        A ValueError: if it was not written by `save`, in this version of the format, or is damaged.
    RuntimeError, ValueError
        If the device cannot be used, or is none.

    Examples
    --------
    >>> import tempfile, lowprec as lp
    >>> table = lp.EmbeddingTable(10, embedding_dim=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table.save(f"{folder}/t.safetensors")
    ...     lp.load(f"{folder}/t.safetensors").embedding_dim
    4
    """
    get_device(device)  # before a large file is read
    found = checkpoint.read(path, mmap=mmap, verify=verify)
    if found.kind == "EmbeddingTable":
        return EmbeddingTable._restore_alone(found, device)
    if found.kind not in _KINDS:
        raise checkpoint.CheckpointError(f"{found.path} holds an unknown {found.kind!r}")
    return _KINDS[found.kind]._restore(found, device)
