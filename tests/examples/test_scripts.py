"""Every experiment as a user runs it, at a setting of seconds: its output, figure and numbers."""

import json

import pytest

from tests import children

SCRIPTS = {
    "convergence": ["--steps", "3000", "--seeds", "3"],
    "memory": ["--rows", "100000"],
    "own_loop": [],
    "parity": ["--samples", "2000", "--seeds", "2"],
    "rng": ["--rows", "26000", "--rounds", "2", "--batches", "1"],
    "speed": ["--rows", "26000", "--rounds", "2", "--batches", "1"],
    "word2vec": ["--words", "100000", "--epochs", "5", "--dim", "32"],
}


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):
    """A function that runs a script; what it printed and wrote."""

    def run(name, *arguments):
        folder = tmp_path_factory.mktemp(name)
        script = root / "examples" / f"{name}.py"
        done = children.run(script, *arguments, cwd=folder, timeout=600)
        return done.stdout, folder

    return run


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script(run, name):
    printed, folder = run(name, *SCRIPTS[name])
    assert sorted(path.name for path in folder.iterdir()) == [f"{name}.json", f"{name}.png"]
    assert f"figure: {name}.png" in printed
    results = json.loads((folder / f"{name}.json").read_text())
    CHECKS[name](results)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help(run, name):
    printed, folder = run(name, "--help")
    assert "--full" in printed
    assert not list(folder.iterdir())


def check_convergence(results):
    quadratic, logistic = results["problems"]
    for problem in (quadratic, logistic):
        assert set(problem["slopes"]) == {"float32", "float16 stochastic"}
        assert problem["window"][0] < problem["window"][1] <= 3000
    ends = quadratic["final_squared_distance"]
    assert ends["bfloat16 nearest"]["mean"] > 10 * ends["bfloat16 stochastic"]["mean"]
    assert [len(case["formats"]) for case in results["floors"]] == [4, 4, 4, 4]
    for case in results["floors"]:
        assert all(found["over_bound"] < 1 for found in case["formats"].values())
    assert 0.8 < results["floors"][0]["formats"]["bfloat16"]["over_floor"]["mean"] < 1.3


def check_memory(results):
    assert results["ratios"]["tables"] == 2.0
    assert results["ratios"]["growth"] > 1.5
    float32, float16 = results["runs"]
    assert float32["peak_bytes"] > float32["before_bytes"] + float32["table_bytes"]
    assert float16["peak_bytes"] < float32["peak_bytes"]
    for run in results["runs"]:
        assert run["table_bytes"] < run["private_bytes"] < run["peak_bytes"]
        assert len(run["curve"]) == 1 + 50  # of its steps
        assert run["curve"] == sorted(run["curve"])
        assert 0 <= run["curve"][0] - run["before_bytes"] < 1 << 20
        assert 0 <= run["peak_bytes"] - run["curve"][-1] < 1 << 20  # what is read later
    assert 1 < results["ratios"]["peak"] < results["ratios"]["private"] < 2


def check_own_loop(results):
    losses = results["root_mean_square_errors"]
    assert all(len(found) == 15 and found[-1] < found[0] for found in losses.values())
    assert abs(losses["float16 stochastic"][-1] - losses["float32"][-1]) < 0.01
    assert losses["float8_e4m3fn stochastic"][-1] < losses["float8_e4m3fn nearest"][-1] - 0.1


def check_parity(results):
    for result in results["results"]:
        losses = {name: found["log_loss"] for name, found in result["scores"].items()}
        assert all(len(values) == 2 for values in losses.values())
        difference = result["differences"]["float16 stochastic"]["log_loss"]
        assert abs(difference["mean"]) < 1e-3
    assert "float16 stochastic, 1 bit" in losses


def check_rng(results):
    (shape,) = results["results"]
    assert len(shape["generators"]) == 5
    for found in shape["generators"].values():
        assert 0 < found["update_milliseconds"] < found["step_milliseconds"]
        low, high = found["step_quartiles"]
        assert low <= found["step_milliseconds"] <= high
    assert shape["generators"]["KWX32 (lowprec)"]["training_speed_up"]["median"] == 1.0


def check_speed(results):
    for shape in results["results"]:
        for name, (low, high) in shape["step_quartiles"].items():
            assert low <= shape["milliseconds"][name]["total"] <= high
        for parts in shape["milliseconds"].values():
            assert 0 < parts["lookup"] + parts["update"] < parts["total"]
            assert parts["embedding"] == pytest.approx(parts["lookup"] + parts["update"], rel=0.5)


def check_word2vec(results):
    assert [run["variant"] for run in results["runs"]] == [
        "float32", "float16 nearest", "float16 stochastic"
    ]  # fmt: skip
    assert results["runs"][0]["table_bytes"] == 2 * results["runs"][2]["table_bytes"]
    difference = results["summary"]["float16 stochastic"]["planted"]["difference_to_float32"]
    assert (difference["low"], difference["high"]) == (None, None)  # of one seed
    for run in results["runs"]:
        assert run["scores"]["planted"] > 0.6


CHECKS = {name.removeprefix("check_"): f for name, f in globals().items() if name[:6] == "check_"}
