"""Train a model on files, which may be larger than memory, and write it to a file.

examples:
  python -m lowprec train clicks/ --label click --categorical user,item -o model.safetensors
  python -m lowprec train day_*.gz --num-embeddings 1000000 --model dlrm -o model.safetensors
  python -m lowprec train clicks/ --label click -o model.safetensors --save run
  python -m lowprec train clicks/ --label click -o model.safetensors --save run --resume
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

import lowprec as lp
from lowprec.batches.joining import join
from lowprec.commands.files import (
    add_data,
    check_output,
    counted,
    format_of,
    names_in,
    numbers_in,
    reader_of,
)

NAME, HELP = "train", "train a model on files and write it to a file"
_OPTIMIZERS = ("SGD", "Adagrad", "RowWiseAdagrad", "Adam", "FTRL", "LAMB")
_OF_ENCODERS = ("categorical", "numerical", "multi", "vocabulary", "buckets", "min_count", "bins")
_OF_COLUMNS = ("label", "sample_weight", "columns", *_OF_ENCODERS)
_OF_DLRM = ("embedding_dim", "bottom_mlp", "top_mlp", "interaction")
_OF_MODELS = ("dtype", "rounding", "batch_size", "seed", "device")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What this command takes.  What is left out has the default of the library."""
    add_data(command)
    command.add_argument("-o", "--output", required=True, help="file to write the model to")
    columns = command.add_argument_group("columns, of Parquet and CSV")
    for name in ("columns", "categorical", "numerical", "multi"):
        columns.add_argument(f"--{name}", type=names_in, metavar="NAME,NAME")
    columns.add_argument("--sample-weight", metavar="COLUMN")
    columns.add_argument("--vocabulary", choices=["learn", "hash"])
    for name in ("buckets", "min-count", "bins"):
        columns.add_argument(f"--{name}", type=int)
    lines = command.add_argument_group("lines of Criteo")
    lines.add_argument("--num-embeddings", type=int, help="ids of each feature")
    model = command.add_argument_group("the model")
    model.add_argument("--model", choices=["logistic", "dlrm"], default="logistic")
    model.add_argument("--dtype", help="of the table, such as float16, bfloat16 or float8_e4m3fn")
    model.add_argument("--rounding", choices=["stochastic", "nearest"])
    model.add_argument("--optimizer", choices=_OPTIMIZERS)
    model.add_argument("--learning-rate", type=float, help="of --optimizer")
    for name in ("batch-size", "seed", "embedding-dim"):
        model.add_argument(f"--{name}", type=int)
    for name in ("bottom-mlp", "top-mlp"):
        model.add_argument(f"--{name}", type=numbers_in, metavar="N,N", help="of a DLRM")
    model.add_argument("--interaction", choices=["dot", "cat"], help="of a DLRM")
    model.add_argument("--device", choices=["cpu", "cuda"])
    passes = command.add_argument_group("training")
    passes.add_argument("--epochs", type=int, default=1)
    passes.add_argument("--in-order", action="store_true", help="do not shuffle the rows")
    passes.add_argument("--shuffle-window", type=int, metavar="ROWS")
    passes.add_argument("--validation", nargs="+", metavar="DATA", help="files to validate on")
    passes.add_argument("--patience", type=int, help="epochs without a lower validation loss")
    passes.add_argument("--save", metavar="FOLDER", help="write a file there now and then")
    passes.add_argument("--every-minutes", type=float, help="of --save; by default 10")
    passes.add_argument("--resume", action="store_true", help="go on from the folder of --save")
    passes.add_argument("--quiet", action="store_true", help="show no progress")


def run(given: argparse.Namespace) -> None:
    """Train, and write the model."""
    kind = given.format or format_of(given.data)
    _check(given, kind)
    began = time.monotonic()
    reader = _criteo(given) if kind == "criteo" else _columns(given, kind)
    model = _model(given)
    save = resume = None
    if given.save is not None:
        minutes = 10.0 if given.every_minutes is None else given.every_minutes
        save = lp.Checkpoints(given.save, every_minutes=minutes)
        resume = given.save if given.resume else None
    validation = _validation(given, kind, reader)
    model.fit_stream(
        reader, given.epochs, validation=validation, patience=given.patience, save=save,
        resume=resume,
    )  # fmt: skip
    model.save(given.output, reader.encoder)
    losses = [f"{name} {values[-1]:.5f}" for name, values in model.history_.items()]
    print(
        f"{counted(reader.num_rows, 'row')}, "
        f"{counted(len(model.history_['train_loss']), 'epoch')}, "
        f"{time.monotonic() - began:.1f} s; of the last epoch: {', '.join(losses)}"
    )
    print(f"{given.output}: {os.path.getsize(given.output):,} bytes")


def _check(given: argparse.Namespace, kind: str) -> None:
    """ValueError for options that do not go together, before anything is read."""
    check_output(given.output)
    if kind == "criteo":
        _expect_none(given, _OF_COLUMNS, "is for Parquet and CSV; these files are Criteo's")
    else:
        _expect_none(given, ["num_embeddings"], f"is for lines of Criteo; these files are {kind}")
        if given.label is None:
            raise ValueError("--label COLUMN is needed: it names the column of the labels")
    if given.model != "dlrm":
        _expect_none(given, _OF_DLRM, "is for --model dlrm")
    if given.learning_rate is not None and given.optimizer is None:
        raise ValueError("--learning-rate is that of --optimizer: give both")
    if given.resume and given.save is None:
        raise ValueError("--resume goes on from the folder of --save: give both")
    if given.save is None:
        _expect_none(given, ["every_minutes"], "says how often --save writes: give both")
    if given.in_order:
        _expect_none(given, ["shuffle_window"], "is for shuffled rows; --in-order leaves theirs")
    if given.vocabulary == "hash":
        _expect_none(given, ["min_count"], "is for --vocabulary learn")
    else:
        _expect_none(given, ["buckets"], "is for --vocabulary hash")


def _expect_none(given: argparse.Namespace, names: Any, reason: str) -> None:
    for name in names:
        if getattr(given, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} {reason}")


def _chosen(given: argparse.Namespace, names: Any) -> dict[str, Any]:
    """The options that were given; the library has its defaults for the others."""
    return {name: getattr(given, name) for name in names if getattr(given, name) is not None}


def _order(given: argparse.Namespace) -> dict[str, Any]:
    return {"shuffle": not given.in_order, **_chosen(given, ["shuffle_window", "seed"])}


def _criteo(given: argparse.Namespace) -> Any:
    return lp.CriteoReader(given.data, **_chosen(given, ["num_embeddings"]), **_order(given))


def _columns(given: argparse.Namespace, kind: str) -> Any:
    """A reader with an encoder that has seen all rows once."""
    kept = None if given.save is None else Path(given.save) / "encoder.safetensors"
    options = {"label": given.label, "sample_weight": given.sample_weight}
    texts = [*(given.categorical or []), *(given.multi or [])]
    if given.resume and kept is not None:
        encoder = lp.TabularEncoder.load(kept)
        _check_encoder(given, encoder, kept)
    else:
        if kept is not None and any(kept.parent.glob("step-*.safetensors")):
            raise ValueError(
                f"{kept.parent} has files of a training: --resume goes on with it; or give another "
                "folder"
            )
        encoder = lp.TabularEncoder(**_chosen(given, _OF_ENCODERS))
        every = reader_of(kind, given.data, **options, columns=given.columns, text=texts)
        for block in every:
            encoder.partial_fit(block[0])
        if not every.num_rows:
            raise ValueError(f"there are no rows in {', '.join(every.paths)}")
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            encoder.save(kept)
    return reader_of(kind, given.data, encoder, **options, **_order(given))


def _check_encoder(given: argparse.Namespace, encoder: Any, kept: Path) -> None:
    """ValueError if the encoder of a training was made with other options than are given."""
    here = lp.TabularEncoder(**_chosen(given, _OF_ENCODERS)).get_params()
    for name, value in encoder.get_params().items():
        if here[name] != value:
            raise ValueError(
                f"{kept} was made with {name}={value!r}, now it is {here[name]!r}: --resume goes "
                "on with the same options"
            )
    names = [str(name) for name in encoder.feature_names_in_]
    if given.columns is not None and sorted(given.columns) != sorted(names):
        raise ValueError(
            f"{kept} was made of the columns {names}, now they are {given.columns}: --resume goes "
            "on with the same options"
        )


def _model(given: argparse.Namespace) -> Any:
    options = {**_chosen(given, _OF_MODELS), "verbose": not given.quiet}
    if given.optimizer is not None:
        rate = [] if given.learning_rate is None else [given.learning_rate]
        options["optimizer"] = getattr(lp, given.optimizer)(*rate)
    if given.model == "logistic":
        return lp.LogisticRegression(**options)
    return lp.DLRM(**options, **_chosen(given, _OF_DLRM))


def _validation(given: argparse.Namespace, kind: str, reader: Any) -> Any:
    """The rows of --validation, in memory."""
    if given.validation is None:
        return None
    if kind == "criteo":
        return lp.datasets.load_criteo(given.validation, reader.num_embeddings)
    every = list(reader_of(kind, given.validation, reader.encoder, label=given.label))
    if not every:
        raise ValueError(f"--validation {' '.join(given.validation)}: there are no rows")
    return join([X for X, _ in every]), np.concatenate([y for _, y in every])
