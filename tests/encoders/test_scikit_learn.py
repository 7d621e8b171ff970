"""The encoder as a step of scikit-learn's pipelines."""

import numpy as np
import pytest

import lowprec as lp

pa = pytest.importorskip("pyarrow", reason="comes with the extra `data`")
sklearn = pytest.importorskip("sklearn", minversion="1.6", reason="comes with the extra `test`")

from sklearn.base import BaseEstimator  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402

FRAME = pa.table({"city": ["Rome", "Oslo", None, "Rome"], "age": [31, None, 4, 31]})


class Constant(BaseEstimator):
    """A last step that keeps what it is given."""

    def fit(self, X, y):
        self.X_ = X
        return self


def test_clones():
    encoder = lp.TabularEncoder(categorical=("age",), bins=7).fit(FRAME)
    twin = sklearn.clone(encoder)
    assert twin.get_params() == encoder.get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(twin)
    with pytest.raises(NotFittedError, match="this TabularEncoder is not fitted yet"):
        twin.transform(FRAME)
    check_is_fitted(encoder)


def test_a_step_of_a_pipeline():
    pipeline = make_pipeline(lp.TabularEncoder(), Constant()).fit(FRAME, np.array([0, 1, 0, 1]))
    assert isinstance(pipeline[-1].X_, lp.Samples)
    assert pipeline[:-1].get_feature_names_out().tolist() == ["age", "city", "age_bin"]
    assert pipeline.set_params(tabularencoder__bins=3)[0].bins == 3
    assert "TabularEncoder" in pipeline._repr_html_()


def test_rows_for_cross_validation():
    """Pandas frames are cut by scikit-learn, and have an index then that is no column."""
    pd = pytest.importorskip("pandas", minversion="2.2")
    from sklearn.model_selection import train_test_split

    frame = pd.DataFrame({"city": ["Rome", "Oslo"] * 10, "age": range(20)}, index=range(20, 0, -1))
    train, test = train_test_split(frame, random_state=0)
    encoder = lp.TabularEncoder().fit(train)
    assert encoder.feature_names_in_.tolist() == ["city", "age"]
    assert len(encoder.transform(test)) == 5
