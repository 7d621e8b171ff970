"""Write the probability of the second class of each row, in the order of the rows.

examples:
  python -m lowprec predict model.safetensors clicks/day=7/ -o predictions.csv
  python -m lowprec predict model.safetensors day_7.gz -o predictions.parquet --score
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import lowprec as lp
from lowprec.commands.files import add_data, check_output, format_of, reader_of
from lowprec.files.system import replace

NAME, HELP = "predict", "write the predictions of a model for the rows of files"
COLUMN = "probability"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What this command takes."""
    command.add_argument("model", help="a file that `train` or `save` of a model wrote")
    add_data(command)
    command.add_argument(
        "-o", "--output", required=True, help="a file of one column: .csv or .parquet"
    )
    command.add_argument("--score", action="store_true", help="print how good they are")
    command.add_argument("--device", choices=["cpu", "cuda"], default="cpu")


def run(given: argparse.Namespace) -> None:
    """Predict block by block."""
    if not given.output.endswith((".csv", ".parquet")):
        raise ValueError(f"--output must end in .csv or .parquet, got {given.output}")
    check_output(given.output)
    model = lp.load(given.model, given.device)
    if not hasattr(model, "predict_proba"):
        raise ValueError(f"{given.model} holds a {type(model).__name__}, which is no model")
    reader = _reader(given, model)
    labels: list[Any] = []
    rows = 0

    def predictions() -> Iterator[Any]:
        nonlocal rows
        for X, y in reader:
            rows += len(X[0]) if isinstance(X, tuple) else len(X)
            probabilities = model.predict_proba(X)[:, 1]
            if given.score:
                labels.append((_clicked(y, model.classes_, rows - len(y)), probabilities))
            yield probabilities

    _write(given.output, predictions())
    print(f"{given.output}: {rows:,} rows, the probability of {model.classes_.tolist()[1]!r}")
    if given.score:
        if not labels:
            raise ValueError("--score needs rows, and there are none")
        y = np.concatenate([clicked for clicked, _ in labels])
        p = np.concatenate([probabilities for _, probabilities in labels])
        for name in ("log_loss", "normalized_entropy", "roc_auc", "calibration"):
            print(f"{name} {getattr(lp.metrics, name)(y, p):.5f}")


def _clicked(y: Any, classes: Any, before: int) -> Any:
    """Whether labels are the second class; ValueError names one that is neither.

    There are some rows `before` them.
    """
    second = np.asarray(y == classes[1])
    bad = np.flatnonzero(~(second | (y == classes[0])))
    if bad.size:
        label = y[bad[:1]].tolist()[0]
        raise ValueError(
            f"--score: the label of row {before + bad[0]} is {label!r}, which is none of the "
            f"classes of the model, {', '.join(map(repr, classes.tolist()))}"
        )
    return second


def _reader(given: argparse.Namespace, model: Any) -> Any:
    kind = given.format or format_of(given.data)
    if kind == "criteo":
        if given.label is not None:
            raise ValueError("--label is for Parquet and CSV; these files are Criteo's")
        if model.encoder_ is not None:
            raise ValueError(f"{given.model} was trained on columns, and these files are Criteo's")
        sizes = np.diff(model.table_.row_offsets).tolist()
        return lp.CriteoReader(given.data, sizes)
    if model.encoder_ is None:
        raise ValueError(f"{given.model} has no encoder for columns of {kind}")
    if given.score and given.label is None:
        raise ValueError("--score compares with the labels: --label COLUMN names them")
    return reader_of(kind, given.data, model.encoder_, label=given.label)


def _write(path: str, parts: Iterator[Any]) -> None:
    """Write a column, whole or not at all."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    schema = pyarrow.schema([(COLUMN, pyarrow.float64())])
    writer = pyarrow.csv.CSVWriter if path.endswith(".csv") else pyarrow.parquet.ParquetWriter
    folder, name = os.path.split(path)
    unfinished = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    try:
        with writer(unfinished, schema) as out:
            for part in parts:
                out.write_table(pyarrow.table([part], schema))
        replace(Path(unfinished), Path(path))
    finally:
        if os.path.exists(unfinished):
            os.remove(unfinished)
