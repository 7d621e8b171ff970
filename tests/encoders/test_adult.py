"""Real rows of strings and numbers with missing values (UCI Adult), from every library."""

import contextlib
import gzip
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest

import lowprec as lp

pytest.importorskip("pyarrow", reason="comes with the extra `data`")

import adult

from tests.encoders.libraries import bits

# Log loss on the first fifth of scikit-learn's LogisticRegression(max_iter=300) on one-hot
# categories and standardised numbers, as examples/adult.py makes it.
OF_SCIKIT_LEARN = 0.32091


@pytest.fixture(scope="module")
def path():
    root = Path(os.environ.get("LOWPREC_DATA", Path(__file__).parents[2] / "../shared/data"))
    path = root / "adult" / "adult.data.gz"
    if not path.exists():
        pytest.skip(f"{path} does not exist; LOWPREC_DATA names the folder of Adult")
    return path.resolve()


@pytest.fixture(scope="module")
def data(path):
    return adult.load(str(path))


@pytest.fixture(scope="module")
def fifth(data):
    return next(adult.fifths(len(data[1])))


def test_the_data(data):
    frame, y = data
    assert frame.num_rows == len(y) == 32_561
    assert y.mean() == pytest.approx(0.24081, abs=5e-6)
    assert frame["workclass"].null_count == 1836


def test_logistic_regression_is_better_than_on_standardised_numbers(data, fifth):
    frame, y = data
    train, test = fifth
    encoder = lp.TabularEncoder().fit(frame.take(train))
    model = adult.logistic(encoder.transform(frame.take(train)), y[train])
    p = model.predict_proba(encoder.transform(frame.take(test)))[:, 1]
    assert lp.metrics.log_loss(y[test], p) < OF_SCIKIT_LEARN - 0.03


def test_a_dlrm_is_better_still(data, fifth):
    frame, y = data
    train, test = fifth
    encoder = lp.TabularEncoder().fit(frame.take(train))
    model = adult.dlrm(encoder.transform(frame.take(train)), y[train])
    p = model.predict_proba(encoder.transform(frame.take(test)))[:, 1]
    assert lp.metrics.log_loss(y[test], p) < OF_SCIKIT_LEARN - 0.035


def test_a_pipeline_has_the_same_bits_in_every_library(data, fifth):
    pl, pandas = pytest.importorskip("polars"), pytest.importorskip("pandas", minversion="2.2")
    frame, y = data
    train, test = fifth
    dtypes = {"large": pandas.ArrowDtype, "objects": None}
    frames = {
        "pyarrow": (frame.take(train), frame.take(test)),
        "polars": (pl.from_arrow(frame)[train], pl.from_arrow(frame)[test]),
        **{
            name: tuple(frame.to_pandas(types_mapper=dtype).iloc[rows] for rows in (train, test))
            for name, dtype in dtypes.items()
        },
    }
    found = {}
    for name, (first, second) in frames.items():
        encoder = lp.TabularEncoder()
        model = lp.LogisticRegression(optimizer=lp.Adagrad(0.3), batch_size=256)
        model.fit(encoder.fit_transform(first), y[train])
        samples = encoder.transform(second)
        found[name] = bits(samples), model.predict_proba(samples).tobytes()
    assert all(each == found["pyarrow"] for each in found.values())


def test_a_pipeline_of_scikit_learn(data, fifth):
    sklearn = pytest.importorskip("sklearn", minversion="1.6")
    from sklearn.pipeline import make_pipeline

    if not hasattr(lp.LogisticRegression, "__sklearn_tags__"):
        pytest.skip("models have no tags of scikit-learn")
    frame, y = data
    train, test = fifth
    model = lp.LogisticRegression(optimizer=lp.Adagrad(0.3), batch_size=256, epochs=3)
    pipeline = make_pipeline(sklearn.clone(lp.TabularEncoder()), model)
    pipeline.fit(frame.take(train), y[train])
    p = pipeline.predict_proba(frame.take(test))[:, 1]
    assert lp.metrics.log_loss(y[test], p) < OF_SCIKIT_LEARN
    names = pipeline[:-1].get_feature_names_out()
    assert len(names) == pipeline[:-1].transform(frame.take(test)).shape[1] == 20
    assert np.unique(names).size == 20


def test_the_program_of_the_docs_prints_what_they_say(path, tmp_path, monkeypatch):
    pytest.importorskip("pandas", minversion="2.2")
    pytest.importorskip("sklearn", minversion="1.6")
    page = (Path(__file__).parents[2] / "docs" / "frames.md").read_text()
    program, said = re.search(r"```py\n(.*?)```.*?```\n(.*?)```", page, re.DOTALL).groups()
    (tmp_path / "adult.data").write_bytes(gzip.decompress(path.read_bytes()))
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(program, {})
    found, expected = printed.getvalue().split(), said.split()
    assert found[::2] == expected[::2] == ["LogisticRegression", "DLRM"]
    losses = np.array([found[1::2], expected[1::2]], float)
    assert np.allclose(*losses, atol=2e-3)  # BLAS libraries differ in last bits
