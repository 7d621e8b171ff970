"""A table's shards in a folder: one file of each rank, and a manifest that is written last."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from lowprec.checks import check_path
from lowprec.files.checkpoint import CheckpointError
from lowprec.files.manifest import has_manifest, read_manifest, write_manifest
from lowprec.mpi.exchange import Exchange
from lowprec.tables.embedding import EmbeddingTable
from lowprec.tables.shard import Shard
from lowprec.tables.sharing import common_description, load_shard
from lowprec.tables.verbs import description_of
from lowprec.typing import DeviceName


def save(
    exchange: Exchange, table: EmbeddingTable, folder: str | os.PathLike[str],
    settings: dict[str, Any],
) -> None:  # fmt: skip
    """Write the files of all ranks; what was in the folder stays valid until all are there."""
    token = int(exchange.agree(_failure(_make, exchange, folder), secrets.randbits(32))[0, 0])
    home = Path(folder)
    names = [
        f"step-{table.step:09d}-{token:08x}-shard-{rank:05d}-of-{exchange.size:05d}.safetensors"
        for rank in range(exchange.size)
    ]
    own = home / names[exchange.rank]
    error = _failure(table.save, own)
    try:
        skipped = int(exchange.agree(error, table.skipped_rows)[:, 0].sum())
        state = common_description(description_of(table), skipped)
        error = None
        if exchange.rank == 0:
            error = _failure(_write_last, home, names, state, settings)
        exchange.agree(error)
    except Exception:
        with contextlib.suppress(OSError):
            os.unlink(own)
        raise


def load(
    exchange: Exchange, folder: str | os.PathLike[str], verify: bool, device: DeviceName
) -> tuple[Any, Any]:
    """The shard of this rank, and the settings that it was saved with."""
    manifest = read_manifest(folder, verify=verify)
    shard = Shard(exchange.rank, exchange.size)
    return load_shard(manifest, shard, device), manifest.settings


def file_of_rank(folder: str | os.PathLike[str], exchange: Exchange) -> Path:
    """The file of this rank in the folder of a table in files, which is made if it is missing.

    ValueError if the folder has those of another number of ranks.
    """
    home, of = Path(check_path("path", folder)), f"-of-{exchange.size:05d}.table"
    home.mkdir(parents=True, exist_ok=True)
    others = sorted(p.name for p in home.glob("shard-*-of-*.table") if not p.name.endswith(of))
    if others:
        raise ValueError(f"{home} has {others[0]}, and there are {exchange.size} ranks now")
    return home / f"shard-{exchange.rank:05d}{of}"


def _failure(action: Any, *arguments: Any) -> Exception | None:
    try:
        action(*arguments)
    except Exception as error:
        return error
    return None


def _make(exchange: Exchange, folder: str | os.PathLike[str]) -> None:
    name = check_path("folder", folder)
    if exchange.rank == 0:
        os.makedirs(name, exist_ok=True)


def _write_last(home: Path, names: list[str], state: Any, settings: dict[str, Any]) -> None:
    """The manifest, after which the files of the one before are in the way."""
    before: tuple[str, ...] = ()
    if has_manifest(home):
        with contextlib.suppress(CheckpointError):
            before = read_manifest(home).files
    write_manifest(home, EmbeddingTable.__name__, names, state, settings)
    for name in set(before) - set(names):
        with contextlib.suppress(OSError):
            os.unlink(home / name)
