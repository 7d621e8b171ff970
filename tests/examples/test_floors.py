"""The sharp floor: met where theory says that it is, and no bound is violated."""

import floors
import numpy as np
import pytest
from floors import Case

DENSE, SPARSE = (16, 16), (256, 4)
# A case, the steps that bring it to its floor, and the formats whose iterates rarely leave the
# binade of the optimum, at 1 by the projection.
REACHED = [
    (Case("SGD", *DENSE), 6000, ["float16", "bfloat16", "float8_e4m3fn"]),
    (Case("SGD", *SPARSE), 25_000, ["bfloat16", "float8_e4m3fn"]),
    (Case("Adagrad", *DENSE), 6000, ["float16", "bfloat16", "float8_e4m3fn"]),
    (Case("Adagrad", 64, 4), 18_000, ["float8_e4m3fn"]),
]


@pytest.mark.parametrize(("case", "steps", "dtypes"), REACHED, ids=lambda x: getattr(x, "name", ""))
def test_the_floor_is_met_and_no_bound_violated(case, steps, dtypes):
    """Within 20 %, at least three standard errors of dense means (fixed seeds)."""
    early = np.unique(np.geomspace(10, steps // 2, 20).astype(int))[:-1]
    points = np.concatenate([early, np.linspace(steps // 2, steps, 51).astype(int)])
    for dtype in dtypes:
        found = floors.train(case, dtype, points, 20)
        ratio = found[len(early) :].mean() / floors.floor(case, dtype)
        assert 0.8 < ratio < 1.2, dtype
        low = floors.lower_floor(case, dtype) / floors.floor(case, dtype)
        assert 0.9 < low <= 1.0
        assert floors.over_bound(case, dtype, points, found) < 1, dtype
        assert (np.diff(floors.bound(case, dtype, points)) <= 0).all()


def test_a_coarse_format_is_below_its_floor():
    """The projection cuts off steps of float8_e5m2: its floor is a bound only."""
    case, points = Case("SGD", *DENSE), np.linspace(500, 1000, 51).astype(int)
    found = floors.train(case, "float8_e5m2", points, 20).mean()
    assert 0.5 * floors.floor(case, "float8_e5m2") < found < floors.floor(case, "float8_e5m2")


def test_the_prediction_is_what_happens():
    """From the start on, within 25 % of means of 20 repetitions of 16 weights (fixed seeds)."""
    points = np.array([100, 300, 1000, 3000])
    for case in (Case("SGD", *DENSE), Case("Adagrad", *DENSE)):
        (told,) = floors.predict(case, ["bfloat16"], points).T
        found = floors.train(case, "bfloat16", points, 20).mean(axis=1)
        assert np.abs(found / told - 1).max() < 0.25


def test_an_optimum_at_zero_has_a_lower_floor():
    """Of second order in the spacing: bfloat16 is still on the way of float32."""
    found = floors.experiment_at_zero(2000, 20)
    distance = {dtype: one.mean for dtype, one in found["squared_distance"].items()}
    assert distance["bfloat16"] == pytest.approx(distance["float32"], rel=0.05)
    assert distance["float8_e4m3fn"] < found["relative_floor"]["float8_e4m3fn"]
    assert found["relative_floor"]["bfloat16"] < floors.floor(Case("SGD", *DENSE), "bfloat16") / 100
