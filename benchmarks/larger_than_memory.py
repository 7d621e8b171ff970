"""Training on a folder of Parquet files: memory, speed, and a run that is killed and goes on.

    python -m benchmarks.larger_than_memory --rows 1e6
    python -m benchmarks.larger_than_memory --rows 1e8 --model dlrm --folder /data

Makes a folder of planted rows, which is deleted afterwards: 26 columns of text (100 to 100,000
categories of 8 bytes each, drawn by the cube of a uniform number), 13 of integers (a fifth of them
missing) and a label, whose log odds are a sum of effects of the categories and of the numbers.  An
encoder is fitted on the first million rows.  Then, each in a fresh process:

- rows are read and encoded, and nothing else;
- a model is trained on the folder, from beginning to end, shuffled;
- the same training writes files and is killed by SIGKILL in the middle;
- another process goes on from the newest file.

Both trainings must end with the same bits.  The speed of training alone is that on rows which lie
in memory already, encoded.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks import child, machine

CATEGORIES, NUMBERS = 26, 13
SIZES = (100, 1000, 10_000, 100_000)
ROWS_OF_A_FILE, ROWS_OF_A_GROUP = 500_000, 100_000
ROWS_FOR_THE_ENCODER = ROWS_IN_MEMORY = 1_000_000
BATCHES_BETWEEN_FILES = 500
_BASE_RATE = -1.3  # log odds
_SECONDS_BETWEEN_LOOKS = 0.02

_Time: TypeAlias = tuple[float, float]  # elapsed, of the processor


def make_rows(rows: int, number: int) -> Any:
    """The rows of a file, a table of pyarrow: a function of both arguments."""
    import pyarrow

    model = np.random.default_rng(1)  # of all files
    words = [f"{k:08x}" for k in model.integers(0, 2**32, max(SIZES))]
    names = pyarrow.array(words)
    rng = np.random.default_rng([2, number])
    logit = np.full(rows, _BASE_RATE)
    columns: dict[str, Any] = {}
    for place in range(CATEGORIES):
        size = SIZES[place % len(SIZES)]
        drawn = (size * rng.random(rows) ** 3).astype(np.int32)
        logit += model.normal(0, 0.3, size)[drawn]
        columns[f"c{place}"] = names.take(pyarrow.array(drawn))
    for place in range(NUMBERS):
        values = rng.lognormal(3, 2, rows).astype(np.int64)
        missing = rng.random(rows) < 0.2
        logit += np.where(missing, 0.0, model.normal(0, 0.1) * (np.log1p(values) - 3))
        columns[f"i{place}"] = pyarrow.array(values, mask=missing)
    columns["click"] = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    return pyarrow.table(columns)


def make_folder(folder: Path, rows: int) -> None:
    """Files of `ROWS_OF_A_FILE` rows."""
    import pyarrow.parquet

    folder.mkdir(parents=True)
    for number, start in enumerate(range(0, rows, ROWS_OF_A_FILE)):
        table = make_rows(min(ROWS_OF_A_FILE, rows - start), number)
        path = folder / f"{number:05d}.parquet"
        pyarrow.parquet.write_table(table, path, row_group_size=ROWS_OF_A_GROUP)


def fit_encoder(folder: Path, path: Path) -> None:
    """An encoder that has seen the first rows, written to a file."""
    import lowprec as lp

    encoder, seen = lp.TabularEncoder(), 0
    names = [f"c{k}" for k in range(CATEGORIES)] + [f"i{k}" for k in range(NUMBERS)]
    with contextlib.closing(lp.ParquetReader(folder, columns=names).blocks()) as blocks:
        for frame, _ in blocks:
            encoder.partial_fit(frame)
            seen += frame.num_rows
            if seen >= ROWS_FOR_THE_ENCODER:
                break
    encoder.save(path)


def _reader(home: str) -> Any:
    import lowprec as lp

    encoder = lp.TabularEncoder.load(f"{home}/encoder.safetensors")
    return lp.ParquetReader(f"{home}/rows", encoder, "click", shuffle=True)


def _model(name: str, batch_size: int) -> Any:
    import lowprec as lp

    if name == "logistic":
        return lp.LogisticRegression(batch_size=batch_size)
    return lp.DLRM(batch_size=batch_size)


def read(home: str) -> dict[str, Any]:
    """Read and encode all rows; their number and the seconds."""
    blocks = iter(_reader(home))
    rows = len(next(blocks)[1])  # the first block compiles
    start, first = _now(), rows
    for _, y in blocks:
        rows += len(y)
    return {"all_rows": rows, "rows": rows - first, **_since(start)}


def train(
    home: str, model: str, batch_size: int, save: str | None = None, resume: bool = False,
    every_batches: int = BATCHES_BETWEEN_FILES,
) -> dict[str, Any]:  # fmt: skip
    """Train on all rows; the hash of all weights, and the seconds after the first steps."""
    import lowprec as lp

    made, reader = _model(model, batch_size), _reader(home)
    clock: list[tuple[_Time, int]] = []

    def note(_: Any, samples: int) -> None:
        clock.append((_now(), samples))
        del clock[10:-1]  # the first ones compile

    files = None if save is None else lp.Checkpoints(save, every_batches)
    made.fit_stream(reader, callback=note, save=files, resume=save if resume else None)
    (began, before), after = clock[min(9, len(clock) - 1)], clock[-1][1]
    times = _since(began)
    digest = hashlib.blake2b(made.table_.weight.tobytes(), digest_size=8)
    for array in made.table_.optimizer_state.values():
        digest.update(array.tobytes())
    digest.update(np.float64(made.history_["train_loss"]).tobytes())
    with contextlib.closing(reader.blocks()) as blocks:
        digest.update(made.decision_function(next(blocks)[0]).tobytes())  # of the dense layers, too
    return {
        "hash": digest.hexdigest(), "step": made.table_.step, "rows": after - before,
        **times, "loss": made.history_["train_loss"][0],
        "table": made.table_.nbytes, "begun_at": clock[0][1],
    }  # fmt: skip


def train_in_memory(home: str, model: str, batch_size: int) -> dict[str, Any]:
    """Train on rows that have been read and encoded before."""
    blocks, rows = [], 0
    with contextlib.closing(_reader(home).blocks()) as read_blocks:
        for block in read_blocks:
            blocks.append(block)
            rows += len(block[1])
            if rows >= ROWS_IN_MEMORY:
                break
    _model(model, batch_size).fit_stream(blocks[:1])  # compiles
    start = _now()
    _model(model, batch_size).fit_stream(blocks)
    return {"rows": rows, **_since(start)}


def kill_in_the_middle(arguments: dict[str, Any], folder: Path, step: int) -> int:
    """Begin a training, and kill it when it has written a file of that step, or a later one."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.child", "benchmarks.larger_than_memory:train"],
        cwd=child.ROOT, env=child.environment(machine.cores()), stdin=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    print(json.dumps(arguments), file=process.stdin, flush=True)
    while process.poll() is None and not any(written >= step for written in _steps(folder)):
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    process.kill()
    process.stdin.close()
    process.wait()
    return max(_steps(folder))


def _steps(folder: Path) -> list[int]:
    return [int(path.stem[len("step-") :]) for path in folder.glob("step-*.safetensors")]


def _call(function: str, **arguments: Any) -> tuple[dict[str, Any], int]:
    """What a function returns in a fresh process, and the peak memory of that process."""
    target = f"benchmarks.larger_than_memory:{function}"
    with child.Child(target, arguments, child.environment(machine.cores())) as process:
        return process.result, process.peak_memory


def lines(home: Path, rows: int, model: str, batch_size: int) -> Iterator[str]:
    """What is done and measured, line by line; AssertionError if the bits differ."""
    start = _now()
    make_folder(home / "rows", rows)
    nbytes = sum(path.stat().st_size for path in (home / "rows").iterdir())
    yield f"made {rows:,} rows, {nbytes / 1e6:,.0f} MB of Parquet, {_elapsed(start)}"
    start = _now()
    fit_encoder(home / "rows", home / "encoder.safetensors")
    yield f"encoder fitted on {min(rows, ROWS_FOR_THE_ENCODER):,} rows, {_elapsed(start)}"
    found, peak = _call("read", home=str(home))
    yield f"reading and encoding: {_rate(found)}, peak {_mb(peak)}"
    given = {"home": str(home), "model": model, "batch_size": batch_size}
    found, _ = _call("train_in_memory", **given)
    yield f"training alone, {model}, batches of {batch_size}: {_rate(found)}"
    whole, peak = _call("train", **given)
    yield (
        f"training on the folder: {_rate(whole)}, {whole['step']:,} steps, loss "
        f"{whole['loss']:.5f}, peak {_mb(peak)} (table with its states {_mb(whole['table'])})"
    )
    save = home / "run"
    killed = kill_in_the_middle({**given, "save": str(save)}, save, whole["step"] // 2)
    again, peak = _call("train", **given, save=str(save), resume=True)
    yield (
        f"killed by SIGKILL after step {killed:,}; gone on with sample {again['begun_at']:,}, "
        f"peak {_mb(peak)}"
    )
    yield f"hashes: {whole['hash']} uninterrupted, {again['hash']} killed and gone on"
    assert killed < whole["step"], "it ended before it was killed: more rows are needed"
    assert again["hash"] == whole["hash"], "the bits differ"


def _now() -> _Time:
    return time.perf_counter(), time.process_time()


def _since(start: _Time) -> dict[str, float]:
    seconds, cpu = (now - then for now, then in zip(_now(), start, strict=True))
    return {"seconds": seconds, "cpu": cpu}


def _elapsed(start: _Time) -> str:
    return f"{_since(start)['seconds']:.1f} s"


def _rate(found: dict[str, Any]) -> str:
    """Elapsed, and by the CPU time of all threads, which a busy machine changes less."""
    elapsed, cpu = (found["rows"] / max(found[name], 1e-9) for name in ("seconds", "cpu"))
    return f"{elapsed:,.0f} rows/s, {1e6 / cpu:.2f} CPU us a row"


def _mb(nbytes: int) -> str:
    return f"{nbytes / 1e6:,.0f} MB"


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each thing that is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=200_000)
    parser.add_argument("--model", choices=["logistic", "dlrm"], default="logistic")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--folder", help="where to make the folder of the rows")
    given = parser.parse_args(arguments)
    print(f"{machine.cores()} processors", flush=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as home:
        for line in lines(Path(home), given.rows, given.model, given.batch_size):
            print(line, flush=True)


if __name__ == "__main__":
    main()
