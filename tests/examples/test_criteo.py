"""The example as a user runs it: a process, its output, its files."""

import json

import numpy as np
import pytest

from tests import children

KEYS = [
    "dtype",
    "rounding",
    "log_loss",
    "roc_auc",
    "normalized_entropy",
    "table_bytes",
    "peak_rss_bytes",
    "samples_per_second",
    "precision",
]


def run_example(root, tmp_path, *arguments, status=0):
    script = root / "examples" / "criteo.py"
    return children.run(script, "--quiet", *arguments, cwd=tmp_path, status=status, timeout=300)


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


@pytest.mark.parametrize(("model", "epochs"), [("logistic", "20"), ("dlrm", "6")])
def test_criteo_rows(root, tmp_path, model, epochs):
    write_rows(tmp_path / "train.tsv", 3000, seed=0)
    write_rows(tmp_path / "test.tsv", 1000, seed=1)
    done = run_example(
        root, tmp_path, "--data", "train.tsv", "--test", "test.tsv", "--model", model,
        "--num-embeddings", "50", "--epochs", epochs,
        "--json", "out.json", "--figure", "curves.png",
    )  # fmt: skip
    runs = json.loads((tmp_path / "out.json").read_text())["runs"]
    assert [list(run) for run in runs] == [KEYS] * 3
    variants = [("float32", "nearest"), ("float16", "nearest"), ("float16", "stochastic")]
    assert [(run["dtype"], run["rounding"]) for run in runs] == variants
    assert runs[0]["table_bytes"] == 2 * runs[1]["table_bytes"] == 2 * runs[2]["table_bytes"]
    for run in runs:
        assert run["log_loss"] < 0.5  # a constant scores 0.59 on these rows
        assert run["roc_auc"] > 0.75
        assert run["peak_rss_bytes"] > run["table_bytes"]
        assert run["samples_per_second"] > 0
        assert run["precision"]["steps"] > 10_000
        assert run["precision"]["formats"]["float16"]["saturated"] == 0
        assert run["precision"]["recommendation"]["dtype"] == "float16"
    said, lost = (runs[i]["precision"]["lost_share_float16"] for i in (2, 1))
    assert said == pytest.approx(lost, rel=0.1)
    assert "lost by the nearest run" in done.stdout
    assert "recommended: float16, stochastic" in done.stdout
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "float16 stochastic" in done.stdout


@pytest.mark.parametrize("model", ["logistic", "dlrm"])
def test_planted_clicks_and_the_default_split(root, tmp_path, model):
    run_example(
        root, tmp_path, "--model", model, "--samples", "20000", "--epochs", "1", "--quiet",
        "--json", "out.json",
    )  # fmt: skip
    runs = json.loads((tmp_path / "out.json").read_text())["runs"]
    assert len(runs) == 3
    assert abs(runs[0]["log_loss"] - runs[2]["log_loss"]) < 1e-3
    assert (tmp_path / "criteo.png").exists()


def test_help_and_bad_arguments(root, tmp_path):
    assert "--num-embeddings" in run_example(root, tmp_path, "--help").stdout
    refused = run_example(root, tmp_path, "--test", "x.tsv", status=2)
    assert "--test needs --data" in refused.stderr
