"""Names that were given up: each works for one version more, and says what to use."""

import numpy as np
import pytest

import lowprec as lp


@pytest.mark.parametrize(
    ("former", "name"), [("PrecisionReport", "RoundoffReport"), ("Diagnose", "Diagnostics")]
)
def test_of_the_package(former, name):
    with pytest.warns(DeprecationWarning, match=f"lowprec.{former} is now called lowprec.{name}"):
        found = getattr(lp, former)
    assert found is getattr(lp, name)
    assert former not in lp.__all__


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'lowprec' has no attribute 'Precision'"):
        lp.Precision  # noqa: B018


def test_of_a_report():
    table = lp.EmbeddingTable(4, 2)
    report = table.diagnose(np.array([1]), np.ones((1, 2), np.float32))
    with pytest.warns(DeprecationWarning, match="mass is now called sum_of_sizes"):
        assert report.mass == report.sum_of_sizes > 0
    with pytest.warns(DeprecationWarning, match="energy is now called sum_of_squares"):
        assert report.energy == report.sum_of_squares > 0


def test_of_a_model():
    X, y, _ = lp.datasets.make_clicks(60, num_embeddings=[6, 4], seed=0)
    model = lp.LogisticRegression([6, 4], batch_size=30).fit(X, y, diagnose=lp.Diagnostics(1))
    with pytest.warns(DeprecationWarning, match="precision_ is now called roundoff_"):
        assert model.precision_ == model.roundoff_
    with pytest.warns(DeprecationWarning, match="precision_history_ is now called roundoff_h"):
        assert model.precision_history_ is model.roundoff_history_
