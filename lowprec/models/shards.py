"""A model whose table is spread over ranks, in files: one of the model, and shards beside it.

The file names the folder of the shards, and is written last.  Any number of ranks reads it.
"""

from __future__ import annotations

import os
from typing import Any

from lowprec.files.checkpoint import Checkpoint, CheckpointError
from lowprec.files.manifest import read_manifest
from lowprec.files.shards import remove_shards, shards_beside, shards_of
from lowprec.files.writing import write
from lowprec.models.encoded import Contents
from lowprec.models.model import Model
from lowprec.models.ranks import Alone, Ranks, shard_of
from lowprec.tables import sharing, verbs
from lowprec.tables.embedding import EmbeddingTable
from lowprec.tables.shard import Shard
from lowprec.typing import DeviceName


def description_of(model: Model) -> dict[str, Any]:
    """What the file of a model says of its table."""
    described = verbs.description_of(shard_of(model.table_))
    # of a shard: no rows are skipped, as training raises instead
    return sharing.common_description(described, 0) if model._ranks.together else described


def write_model(model: Model, path: str | os.PathLike[str], contents: Contents) -> None:
    """Write the file of a model, on the first rank, after the shards of all, whose folder it names.

    One process writes the file alone.
    """
    ranks, kind = model._ranks, type(model).__name__
    if not ranks.together:
        write(path, kind, *contents)
        return
    folder = shards_beside(path, model.table_.step)
    model.table_.save(folder)

    def write_last() -> None:
        if ranks.first:
            state, arrays = contents
            write(path, kind, {**state, "shards": folder.name}, arrays)
            remove_shards(path, keep=folder)

    ranks.agreed(write_last)


def is_spread(found: Checkpoint) -> bool:
    """Whether the table of a model's file is in shards beside it."""
    return shards_of(found) is not None


def configured(
    found: Checkpoint, description: Any, device: DeviceName, path: Any, ranks: Alone
) -> tuple[EmbeddingTable, verbs.SavedRows | None]:
    """The table of a model's file without its rows, and these rows.

    The rows are None if the table was saved in shards: it then has its rows already, or on MPI
    ranks those of its shard.
    """
    folder = shards_of(found)
    if folder is None:
        if ranks.together:
            raise ValueError(f"{found.path} was written without comm: resume it without comm")
        return verbs.configured(found, description, device)
    if path is not None:
        raise ValueError(
            f"{found.path} was written with comm: its table cannot be loaded into a file"
        )
    manifest = read_manifest(folder)
    if manifest.state != description:
        raise CheckpointError(f"{folder} has not the shards of {found.path}")
    if isinstance(ranks, Ranks):
        return sharing.load_shard(manifest, Shard(ranks.rank, ranks.size), device), None
    return EmbeddingTable.load(folder, device), None


def spread_table(model: Model) -> None:
    """Unite the shards that all ranks have read, of a model that ranks train."""
    ranks = model._ranks
    if isinstance(ranks, Ranks):
        from lowprec.mpi.loading import united  # here, as few programs need it

        model.table_ = united(ranks.exchange.comm, model.table_)
