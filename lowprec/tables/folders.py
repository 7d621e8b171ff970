"""Shards from the files of shards, of which there may be another number."""

from __future__ import annotations

import math
from typing import Any

from lowprec.device import Device
from lowprec.files.checkpoint import Checkpoint, CheckpointError
from lowprec.files.manifest import Manifest
from lowprec.optimizers import init_states
from lowprec.tables.files import arrays_by_name, configure, layout_of
from lowprec.tables.shard import WHOLE, Shard, rows_before
from lowprec.tables.store import Store
from lowprec.typing import DeviceName


def common_description(description: dict[str, Any], skipped_rows: int) -> dict[str, Any]:
    """What all shards of a table say of themselves."""
    common = {name: value for name, value in description.items() if name != "shard"}
    return {**common, "skipped_rows": skipped_rows}


def restore_shard(
    table: Store, manifest: Manifest, shard: Shard | None, device: DeviceName
) -> None:
    """Make an empty table a shard of a saved one, or the whole of it for None.

    Only the files that hold rows of the shard are read.
    """
    part, files = shard or WHOLE, len(manifest.files)
    if "touched" in manifest.state:
        raise CheckpointError(
            f"{manifest.folder}/{manifest.files[0]} was saved by a table in a file: load it into "
            "memory, save that, and load this"
        )
    description = dict(manifest.state)
    if shard is not None:
        description["shard"] = [shard.rank, shard.of]
    needed = [k for k in range(files) if (k - part.rank) % math.gcd(files, part.of) == 0]
    ready = False
    for k in needed:
        found = manifest.open(k)
        if not ready:
            configure(table, found, description, device)
            _allocate(table, table._device)
            table._skipped_rows = table._skipped_rows if part.rank == 0 else 0
            ready = True
        of_file = Shard(k, files)
        _check_description(found, manifest, of_file)
        _copy_rows(table, part, found, of_file)


def _allocate(table: Store, device: Device) -> None:
    table._weight = device.empty(table._shape, device.held_as(table.dtype))
    table._state = init_states(device, table.optimizer, *table._shape)


def _check_description(found: Checkpoint, manifest: Manifest, of_file: Shard) -> None:
    """CheckpointError unless a file is that shard of what the manifest is about."""
    state = dict(found.state)
    shard = state.pop("shard", [0, 1])
    state["skipped_rows"] = manifest.state.get("skipped_rows")  # each shard counts its own
    if shard != [of_file.rank, of_file.of] or state != manifest.state:
        raise CheckpointError(f"{found.path} is not {of_file} of what the manifest describes")


def _copy_rows(table: Store, part: Shard, found: Checkpoint, of_file: Shard) -> None:
    """Copy the rows that a file and a shard have in common, which are evenly spaced in both."""
    num_rows = table._features.num_rows
    together = math.lcm(part.of, of_file.of)
    candidates = range(of_file.rank, min(num_rows, together), of_file.of)
    row = next((row for row in candidates if row % part.of == part.rank), None)
    layout = layout_of(table, rows_before(of_file, num_rows))
    found.expect_arrays(layout)
    for name, own in arrays_by_name(table).items():
        array = found.array(name, *layout[name])
        if row is not None:
            there = array[row // of_file.of :: together // of_file.of]
            own[row // part.of :: together // part.of] = table._device.asarray(
                there.view(own.dtype)
            )
