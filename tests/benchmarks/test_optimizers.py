"""The comparison of optimizers, its search and its tables, on few planted clicks."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

import lowprec as lp
from benchmarks import optimizer_search, optimizers
from benchmarks.optimizer_settings import (
    FLOAT32,
    FORMATS,
    MODELS,
    OPTIMIZERS,
    SUBJECT,
    Data,
    Settings,
    formats_of,
    make_model,
    train,
    trained,
)

QUICK = ["--quick", "--models", "logistic", "--optimizers", "SGD", "Adagrad"]
EVERY = trained(MODELS, OPTIMIZERS)


@pytest.fixture
def few():
    (dense, indices), y, _ = lp.datasets.make_clicks(500, [20, 10], seed=0)
    return Data(dense, indices, y, [20, 10])


def test_compare(tmp_path, capsys):
    out, markdown = tmp_path / "out.json", tmp_path / "out.md"
    optimizers.main([*QUICK, "--json", str(out), "--markdown", str(markdown)])
    written = json.loads(out.read_text())
    assert [one["optimizer"] for one in written["results"]] == ["SGD", "Adagrad"]
    sgd, adagrad = (one["runs"] for one in written["results"])
    assert list(adagrad) == list(FORMATS)
    assert "float16, float32" not in sgd  # there is no state that could be float32
    assert [adagrad[name]["bytes_per_parameter"] for name in adagrad] == [
        [8.0, 8.0], [6.0, 6.0], [4.0, 4.0], [4.0, 4.0],
    ]  # fmt: skip
    losses = [runs["log_loss"] for runs in adagrad.values()]
    assert all(len(set(seeds)) == 2 for seeds in losses)
    assert all(loss < math.log(2) for seeds in losses for loss in seeds)
    assert all(seconds > 0 for runs in adagrad.values() for seconds in runs["samples_per_second"])
    # every run again from the same seed
    optimizers.main([*QUICK, "--json", str(out)])
    again = json.loads(out.read_text())["results"][1]["runs"]
    assert [runs["log_loss"] for runs in again.values()] == losses
    report = markdown.read_text()
    assert report in capsys.readouterr().out
    assert "| Adagrad | float16, nearest | bfloat16, nearest | 0." in report
    assert "| SGD | float16 | none | 0." in report
    assert "logistic, float32: Adagrad less SGD is " in report


@pytest.mark.parametrize(("model", "name"), EVERY)
def test_settings(few, model, name):
    entry = OPTIMIZERS[name]
    settings = entry.settings(model)
    found = make_model(entry, model, settings, FORMATS[SUBJECT], few, seed=3)
    steps = settings.epochs * math.ceil(500 / settings.batch_size)
    for optimizer, rate in (
        (found.optimizer, settings.rate),
        (found.dense_optimizer, settings.dense_rate),
    ):
        assert isinstance(optimizer, lp.SGD) or rate < optimizer_search.LARGEST_RATE
        assert optimizer.learning_rate_at(0) == rate
        assert optimizer.learning_rate_at(steps) == (0.0 if settings.falls else rate)
    assert found.optimizer.state_dtype == "bfloat16"
    assert found.dense_optimizer.state_dtype == "float32"
    assert (found.dtype, found.rounding, found.seed) == ("float16", "stochastic", 3)
    assert settings.falls <= entry.schedules
    for number, value in entry.of_table.items():
        assert getattr(found.optimizer, number) == value
    for number, place in settings.more.items():
        assert place in optimizer_search.LADDERS[number]


def test_earlier_results_stay(tmp_path):
    """Those of optimizers that are not run again, in the order of the table."""
    out, more = tmp_path / "out.json", tmp_path / "more.json"
    quick = ["--quick", "--models", "logistic", "--optimizers"]
    optimizers.main([*quick, "Adagrad", "--json", str(out)])
    optimizers.main([*quick, "SGD", "--seeds", "3", "--earlier", str(out), "--json", str(more)])
    kept, both = (json.loads(path.read_text())["results"] for path in (out, more))
    assert [one["optimizer"] for one in both] == ["SGD", "Adagrad"]
    assert both[1:] == kept
    assert "logistic, 4,000 rows, 3 seeds, " in optimizers.report(both)
    assert "4,000 rows, 2 seeds, " in optimizers.report(both)


def test_zeros_are_of_the_ids_trained_on():
    """Of 4 ids trained on, FTRL leaves two at 0: l1 holds all but the first of each feature."""
    indices = np.array([[0, 1]] * 90 + [[2, 0]], np.int32)
    data = Data(np.zeros((91, 0), np.float32), indices, np.arange(91) % 3 == 0, [20, 10])
    settings = Settings(0.1, 0.1, 91, 1, {"l1": 0.02}, falls=False)
    how = FORMATS[FLOAT32]
    found = train(OPTIMIZERS["FTRL"], "logistic", settings, how, data, data, seed=0)
    assert found.zeros == 0.5  # the other 26 rows are 0 in any case
    everything = replace(settings, more={"l1": 0.0})
    found = train(OPTIMIZERS["FTRL"], "logistic", everything, how, data, data, seed=0)
    assert found.zeros == 0.0


def test_tell_of_zeros_and_decay(tmp_path):
    """Where there is l1, and of the optimizers that decay."""
    markdown = tmp_path / "out.md"
    quick = ["--quick", "--models", "logistic", "--optimizers", "Adagrad, decay", "FTRL"]
    optimizers.main([*quick, "--markdown", str(markdown)])
    report = markdown.read_text()
    assert report.count("weights that are 0") == 1
    assert re.search(r"FTRL: weights that are 0, of ids trained on: \d+\.\d% in float32, ", report)
    assert "weight_decay 0.0007, decay catch_up |" in report


def test_l2_is_of_logistic_regression_alone():
    assert ("logistic", "SGD, l2") in EVERY
    assert ("DLRM", "SGD, l2") not in EVERY
    with pytest.raises(KeyError, match="DLRM"):
        OPTIMIZERS["SGD, l2"].settings("DLRM")


def test_pairs_share_rows_order_and_start(few):
    """Where nothing is rounded, the formats give the same bits."""
    entry = OPTIMIZERS["Adagrad"]
    settings = Settings(0.0, 0.05, 50, 2)
    coefficients = []
    for how in formats_of(entry).values():
        model = make_model(entry, "logistic", settings, how, few, seed=1)
        coefficients.append(model.fit((few.dense, few.indices), few.y).coef_)
    for each in coefficients:
        np.testing.assert_array_equal(each, coefficients[0])


def test_search_finds_the_lowest(monkeypatch, few):
    """Of a loss that is known: a rate below 1, an accumulator, epochs."""
    told, asked = [], []

    def loss(entry, model, settings, data, test, seed):
        asked.append((data, test))
        return (
            abs(math.log(settings.rate / 0.4))
            + abs(math.log(settings.dense_rate / 0.05))
            + abs(settings.epochs - 4)
            + abs(settings.more["initial_accumulator"] - 1e-4) * 1e4
            + settings.batch_size / 128
            + settings.falls
        )

    monkeypatch.setattr(optimizer_search, "_loss", loss)
    entry = OPTIMIZERS["Adagrad"]._replace(
        logistic=Settings(0.1, 0.05, 256, 1, {"initial_accumulator": 0.0})
    )
    best, lowest = optimizer_search.search(entry, "logistic", few, 2, lambda *one: told.append(one))
    assert best.epochs == 4
    assert best.more == {"initial_accumulator": 1e-4}
    assert best.batch_size == 128
    assert not best.falls
    assert abs(math.log(best.rate / 0.4)) < math.log(1.5)
    assert lowest == min(loss for _, loss in told)
    assert all(settings.rate < 1 for settings, _ in told)
    # the first 80 % to learn from, the rest to score: nothing else
    data, test = asked[0]
    assert (len(data.y), len(test.y)) == (400, 100)
    np.testing.assert_array_equal(np.concatenate([data.y, test.y]), few.y)


def test_rates_below_1():
    """Except SGD's: of the table, or of the dense layers."""
    found = Settings(0.9, 0.9, 128, 1)
    move = optimizer_search._moved
    assert move(OPTIMIZERS["SGD, Adam"], found, "dense_rate", True, 2.0) is None
    assert move(OPTIMIZERS["SGD, Adam"], found, "rate", True, 2.0) == Settings(1.8, 0.9, 128, 1)
    assert move(OPTIMIZERS["Adagrad"], found, "rate", True, 2.0) is None
    larger = move(OPTIMIZERS["SGD, Adam"], found, "batch_size", True, 2.0)
    assert larger == Settings(1.8, 1.3, 256, 1)  # SGD's times 2, Adam's times its root


def test_a_rate_that_must_be_constant_stays():
    found, entry = Settings(0.1, 0.1, 128, 1, falls=False), OPTIMIZERS["Adagrad"]
    for up in (True, False):
        fixed = entry._replace(schedules=False)
        assert optimizer_search._moved(fixed, found, "falls", up, 2.0) is None
    fall = optimizer_search._moved(entry, found, "falls", True, 2.0)
    assert fall == Settings(0.1, 0.1, 128, 1)


def test_search_passes_by_what_diverges(few):
    entry = OPTIMIZERS["SGD"]
    too_large = Settings(1e38, 1e38, 50, 1)
    with np.errstate(over="ignore"):
        assert optimizer_search._loss(entry, "DLRM", too_large, few, few, 0) == math.inf


def test_search_sees_the_first_part_alone(monkeypatch, capsys):
    asked = []

    def search(entry, model, data, seeds, tell):
        asked.append((model, len(data.y), seeds))
        tell(entry.settings(model), 0.5)
        return entry.settings(model), 0.5

    monkeypatch.setattr(optimizers, "search", search)
    optimizers.main([*QUICK, "--search"])
    assert asked == [("logistic", 3200, 1)] * 2  # of 4,000
    assert "0.50000  logistic, Adagrad, best: Settings(" in capsys.readouterr().out


def test_interval():
    """Of five numbers: 2.776 is the quantile of Student's t with 4 degrees of freedom."""
    found = optimizers.interval([1e-4, 2e-4, 3e-4, 4e-4, 5e-4])
    assert found.mean == pytest.approx(3e-4)
    half = 2.776 * np.sqrt(2.5e-8 / 5)
    assert (found.low, found.high) == pytest.approx((3e-4 - half, 3e-4 + half), rel=1e-3)
    assert str(optimizers.Interval(1e-4, -2e-4, 4e-4)) == "+1.00 [-2.00, +4.00]"


def made_up(subject):
    """Results of Adagrad and SGD whose float16 runs lose so much."""

    def runs(loss):
        return {"log_loss": [loss, loss + 2e-4, loss + 1e-4]}

    return [
        {
            "model": "logistic", "optimizer": name, "settings": {"more": {}},
            "runs": {FLOAT32: runs(loss), SUBJECT: runs(to)},
        }
        for name, loss, to in (("SGD", 0.5, 0.5), ("Adagrad", 0.49, 0.49 + subject))
    ]  # fmt: skip


@pytest.mark.parametrize(("loss", "text"), [(3e-4, ", within 4e-4"), (5e-4, ", NOT within 4e-4")])
def test_findings(loss, text):
    of_format, of_optimizer = optimizers.findings(made_up(loss))
    assert of_format.endswith(text)
    assert of_optimizer == (
        "logistic, float32: Adagrad less SGD is -100.00 [-100.00, -100.00] 1e-4"
    )


@pytest.mark.parametrize("seeds", ["1", "31"])
def test_seeds_are_checked(seeds, capsys):
    with pytest.raises(SystemExit):
        optimizers.main([*QUICK, "--seeds", seeds])
    assert f"--seeds must be from 2 to 30, got {seeds}" in capsys.readouterr().err
