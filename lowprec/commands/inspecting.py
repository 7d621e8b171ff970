"""Print what files hold that lowprec has written: tables, formats, optimizers, encoders, steps.

example:
  python -m lowprec inspect model.safetensors run/step-*.safetensors
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

import lowprec as lp
from lowprec.commands.files import counted
from lowprec.files.reading import describe

NAME, HELP = "inspect", "print what files hold"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What this command takes."""
    command.add_argument("files", nargs="+", help="files that `save` or a training wrote")
    command.add_argument(
        "--verify", action="store_true", help="read the arrays, and compare their checksums"
    )


def run(given: argparse.Namespace) -> None:
    """Print a paragraph for each file."""
    for number, path in enumerate(given.files):
        if number:
            print()
        held = lp.load(path, mmap=True, verify=given.verify)
        print(f"{path}: {type(held).__name__}, {os.path.getsize(path):,} bytes")
        for name, text in _lines(held, describe(path)[1]):
            print(f"  {name:<14}{text}")


def _lines(held: Any, state: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if isinstance(held, lp.EmbeddingTable):
        yield from _of_table(held)
    elif isinstance(held, lp.Vocabulary):
        yield "keys", f"{len(held):,} in {held.capacity:,} rows, {held.refused:,} refused"
        yield "parameters", f"min_count={held.min_count}, ttl={held.ttl}, seed={held.seed}"
    elif isinstance(held, lp.TabularEncoder):
        yield from _of_encoder(held, None)
    else:
        yield from _of_model(held, state)


def _of_table(table: Any) -> Iterator[tuple[str, str]]:
    sizes = np.diff(table.row_offsets)
    of_features = f" of {len(sizes)} features" if len(sizes) > 1 else ""
    yield "step", f"{table.step:,}"
    yield (
        "table",
        (
            f"{int(sizes.sum()):,} rows{of_features} x {table.embedding_dim}, {table.dtype.name}, "
            f"rounded {_adverb(table.rounding)}, {table.weight.nbytes:,} bytes"
        ),
    )
    yield "optimizer", repr(table.optimizer)
    for name, array in table.optimizer_state.items():
        shape = " x ".join(f"{length:,}" for length in array.shape)
        yield "state", f"{name}, {shape}, {array.dtype.name}, {array.nbytes:,} bytes"


def _adverb(rounding: str) -> str:
    return "stochastically" if rounding == "stochastic" else "to nearest"


def _of_model(model: Any, state: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _of_table(model.table_)
    yield "dense", counted(model.num_dense_, "feature")
    yield "classes", ", ".join(map(repr, model.classes_.tolist()))
    defaults = type(model)().get_params()
    chosen = {
        name: value
        for name, value in model.get_params().items()
        if value != defaults[name] and name not in ("num_embeddings", "device")
    }
    if chosen:
        yield "parameters", ", ".join(f"{name}={value!r}" for name, value in chosen.items())
    for name, losses in model.history_.items():
        if losses:
            shown = " ".join(f"{loss:.5f}" for loss in losses[-8:])
            epochs = counted(len(losses), "epoch")
            yield "history", f"{name}, {epochs}: {'... ' * (len(losses) > 8)}{shown}"
    if state.get("position") is not None:
        epoch, done, samples = state["position"]
        of_all = "" if samples is None else f" of {samples:,}"
        yield "training", f"epoch {epoch + 1}, {done:,}{of_all} samples done; can be resumed"
    if state.get("stream") is not None:
        stream = state["stream"]
        files = f", {counted(len(stream['files']), 'file')}" if "files" in stream else ""
        yield "stream", f"{stream['reader'] or 'blocks'}{files}"
    if model.encoder_ is not None:
        yield from _of_encoder(model.encoder_, np.diff(model.table_.row_offsets).tolist())


def _of_encoder(encoder: Any, rows: list[int] | None) -> Iterator[tuple[str, str]]:
    columns = encoder.contents()[0]["columns"]
    yield "encoder", counted(len(columns), "column")
    for number, column in enumerate(columns):
        told = [column["role"]]
        if column["encoding"] != "numbers":
            told += [column["kind"] or "no values", column["encoding"]]
        if rows is not None:
            told.append(counted(rows[number], "row"))
        yield "", f"{column['name']}: {', '.join(told)}"
