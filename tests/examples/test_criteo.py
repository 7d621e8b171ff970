"""The example as a user runs it: processes, output and files, and times that are true."""

import json
import threading

import criteo
import criteo_settings
import numpy as np
import pytest
import report
from side_by_side import Turn

from tests import children

KEYS = [
    "dtype",
    "rounding",
    "log_loss",
    "roc_auc",
    "normalized_entropy",
    "weight_bytes",
    "table_bytes",
    "peak_rss_bytes",
    "samples_per_second",
    "precision",
]
VARIANTS = [("float32", "nearest"), ("float16", "nearest"), ("float16", "stochastic")]

# In every process of an example: a line for each function that Numba compiles, with the process.
WATCH = """
import os
from numba.core import event

class Watch(event.Listener):
    def on_start(self, event):
        with open(os.environ["COMPILED"], "a") as file:
            print(os.getpid(), file=file)

    def on_end(self, event):
        pass

event.register("numba:compile", Watch())
"""


def run_example(root, folder, *arguments, status=0, **options):
    script = root / "examples" / "criteo.py"
    return children.run(script, *arguments, cwd=folder, status=status, timeout=600, **options)


def runs_of(folder):
    return json.loads((folder / "out.json").read_text())["runs"]


@pytest.fixture(scope="module")
def cold(root, tmp_path_factory):
    """The example by its defaults, but on fewer clicks, from an empty cache.

    What it printed, its runs, the processes that compiled, and the cache.
    """
    folder = tmp_path_factory.mktemp("cold")
    (folder / "sitecustomize.py").write_text(WATCH)
    compiled = folder / "compiled"
    done = run_example(
        root, folder, "--samples", "100000", "--json", "out.json",
        paths=[folder], without=["LOWPREC_CACHE_DIR"],
        NUMBA_CACHE_DIR=str(folder / "cache"), COMPILED=str(compiled),
    )  # fmt: skip
    return done, runs_of(folder), set(compiled.read_text().split()), folder / "cache"


def test_the_processes_that_train_compile_nothing(cold):
    """So neither their times nor their memory are those of the compiler."""
    _, runs, compiling, _ = cold
    assert len(compiling) == 3  # those of `compile_all`
    peaks = [run["peak_rss_bytes"] for run in runs]
    assert max(peaks) < 1.1 * min(peaks)  # beside some 200 MB the tables are small


def test_what_the_default_run_prints_and_writes(cold):
    done, runs, _, cache = cold
    assert [list(run) for run in runs] == [KEYS] * 3
    assert [(run["dtype"], run["rounding"]) for run in runs] == VARIANTS
    float32, nearest, stochastic = runs
    assert float32["weight_bytes"] == 2 * nearest["weight_bytes"] == 2 * stochastic["weight_bytes"]
    for run in runs:
        assert run["weight_bytes"] < run["table_bytes"] < run["peak_rss_bytes"]
    # small steps: nearest loses, stochastic does not
    losses = [run["log_loss"] for run in runs]
    assert losses[1] - losses[0] > 1.5e-4
    assert abs(losses[2] - losses[0]) < 5e-5
    said, lost = (run["precision"]["lost_share_float16"] for run in (stochastic, nearest))
    assert said == pytest.approx(lost, rel=0.1)
    assert lost > 0.05
    rows = [line for line in done.stdout.splitlines() if line.startswith("float")][:3]
    assert [row.split()[0] for row in rows] == ["float32", "float16", "float16"]
    speeds = [f"{run['samples_per_second']:,.0f}" for run in runs]
    assert [row.split()[-1] for row in rows] == speeds
    assert "measured in the nearest run" in done.stdout
    assert "recommended: float16, stochastic" in done.stdout
    assert (cache.parent / "criteo.png").read_bytes().startswith(b"\x89PNG")
    assert 0 < len(done.stderr) < 20_000
    assert "100% of 320,000 samples" in done.stderr


def write_rows(path, n, seed):
    """Rows in Criteo's format whose first category decides most labels."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(n):
        categories = rng.integers(0, 20, 26)
        label = int(rng.random() < (0.8 if categories[0] < 5 else 0.1))
        numbers = ["" if rng.random() < 0.2 else str(rng.integers(-2, 1000)) for _ in range(13)]
        lines.append("\t".join([str(label), *numbers, *(f"{c:08x}" for c in categories)]))
    path.write_text("\n".join(lines) + "\n")


def test_criteo_rows(root, tmp_path, cold):
    write_rows(tmp_path / "train.tsv", 3000, seed=0)
    write_rows(tmp_path / "test.tsv", 1000, seed=1)
    done = run_example(
        root, tmp_path, "--data", "train.tsv", "--test", "test.tsv", "--num-embeddings", "50",
        "--json", "out.json", "--figure", "curves.png", "--quiet",
        without=["LOWPREC_CACHE_DIR"], NUMBA_CACHE_DIR=str(cold[-1]),
    )  # fmt: skip
    for run in runs_of(tmp_path):
        assert run["log_loss"] < 0.5  # a constant scores 0.59 on these rows
        assert run["roc_auc"] > 0.75
        assert run["precision"]["steps"] > 10_000
        assert run["precision"]["formats"]["float16"]["saturated"] == 0
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert done.stderr == ""


def test_the_dlrm_and_another_optimizer():
    options = criteo.parse_arguments(
        ["--model", "dlrm", "--optimizer", "sgd", "--samples", "20000", "--epochs", "1", "--quiet"]
    )
    criteo.compile_diagnostics(options)
    alone = Turn(0, 1, threading.Barrier(1))
    run = criteo.run(alone, options, "float16", "stochastic")
    assert run["roc_auc"] > 0.55
    assert run["weight_bytes"] == run["table_bytes"]  # SGD has no states
    assert len(run["curve"]) == criteo.CURVE_POINTS
    assert run["curve"][-1] == (16_000, run["log_loss"])


@pytest.mark.parametrize(("model", "name"), [("logistic", "Adagrad"), ("dlrm", "RowWiseAdagrad")])
@pytest.mark.parametrize("data", [[], ["--data", "rows.tsv"]])
def test_the_optimizer_is_that_of_the_optimizers_page(root, model, name, data):
    """On Criteo rows with the very settings that the page reports."""
    options = criteo.parse_arguments(["--model", model, *data, "--batch-size", "64"])
    X = (np.zeros((1, 13), np.float32), np.zeros((1, 26), np.int32))
    samples = criteo_settings.Data((X, np.zeros(1)), (X, np.zeros(1)), [1] * 26)
    made = criteo_settings.make_model(options, samples, "float16", "stochastic")
    assert type(made.optimizer).__name__ == name
    assert made.batch_size == 64
    if data:
        from benchmarks.optimizer_settings import OPTIMIZERS

        entry = OPTIMIZERS["Adagrad, decay" if model == "logistic" else "RowWiseAdagrad"]
        settings = entry.settings("logistic" if model == "logistic" else "DLRM")
        ours = criteo_settings.settings_of(criteo.parse_arguments(["--model", model, *data]))
        assert (ours.epochs, ours.batch_size) == (settings.epochs, settings.batch_size)
        assert ours.learning_rate == settings.rate
        assert ours.dense_learning_rate == settings.dense_rate
        assert ours.falls == settings.falls
        assert ours.dense_optimizer is entry.dense
        assert dict(ours.more) == {**settings.more, **entry.of_table}


def test_help_and_bad_arguments(root, tmp_path):
    assert "--num-embeddings" in run_example(root, tmp_path, "--help").stdout
    refused = run_example(root, tmp_path, "--test", "x.tsv", status=2)
    assert "--test needs --data" in refused.stderr
    with pytest.raises(SystemExit):
        criteo.parse_arguments(["--threads", str(report.threads() + 1)])
