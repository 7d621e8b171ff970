"""What scikit-learn asks of a model beside its methods, without scikit-learn."""

import json
import pickle
import sys
import warnings

import numpy as np
import pytest

import lowprec as lp
from lowprec.files.reading import read
from lowprec.files.writing import write
from tests.children import run
from tests.models.small import make_dlrm, make_logistic, state

RNG = np.random.default_rng(0)
N = 200
DENSE = RNG.normal(size=(N, 3))
IDS = RNG.integers(0, [50, 30, 20], (N, 3))
Y = RNG.integers(0, 2, N)


class Frame:
    """A frame as of any library: columns with names, and numbers."""

    def __init__(self, columns, numbers=DENSE):
        self.columns, self.numbers, self.shape = columns, numbers, numbers.shape

    def __array__(self, dtype=None, copy=None):
        return self.numbers


ABC = Frame(["a", "b", "c"])


@pytest.fixture
def without_scikit_learn(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)


def of_dense(**options):
    return make_logistic(num_embeddings=None, **options)


# --- score ---


@pytest.mark.parametrize("labels", [Y, np.array(["no", "yes"])[Y]], ids=["numbers", "texts"])
def test_score(labels):
    model = of_dense().fit(DENSE, labels)
    right = model.predict(DENSE) == labels
    assert 0 < right.sum() < N
    assert model.score(DENSE, labels) == right.mean()
    weights = RNG.integers(0, 4, N)
    expected = right[weights > 0].dot(weights[weights > 0]) / weights.sum()
    assert model.score(DENSE, labels, sample_weight=weights) == pytest.approx(expected, rel=1e-12)


def test_scores_of_what_has_none():
    model = of_dense().fit(DENSE, Y)
    for X, y, weights, message in (
        (DENSE[:0], Y[:0], None, "no samples"),
        (DENSE, Y, np.zeros(N), "sample_weight is 0 for all samples"),
        (DENSE, Y, np.ones(3), r"sample_weight must have shape \(200,\), got \(3,\)"),
        (DENSE, Y[:3], None, r"y must have shape \(200,\), got \(3,\)"),
        (DENSE, Y + 1, None, "= 2 is none of the classes 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            model.score(X, y, weights)
    with pytest.raises(ValueError, match="not fitted yet"):
        of_dense().score(DENSE, Y)


# --- labels and weights of a fit ---


def test_labels_in_a_column():
    with pytest.warns(
        UserWarning, match=r"y was passed .* \(200, 1\), that of y.ravel\(\) is"
    ) as warned:
        model = of_dense().fit(DENSE, Y[:, None])
    assert warned[0].filename == __file__
    assert state(model) == state(of_dense().fit(DENSE, Y))


def test_weights_of_zero():
    with pytest.raises(ValueError, match="weights of all samples are zero"):
        of_dense().fit(DENSE, Y, sample_weight=np.zeros(N))
    assert of_dense().partial_fit(DENSE, Y, sample_weight=np.zeros(N)).table_.step == 7  # of 32


# --- columns ---


@pytest.mark.parametrize(
    ("make", "X", "count"),
    [(make_logistic, (DENSE, IDS), 6), (make_dlrm, (None, IDS), 3), (of_dense, DENSE, 3)],
    ids=["both", "ids", "dense"],
)
def test_how_many_features(make, X, count, tmp_path):
    model = make()
    assert not hasattr(model, "n_features_in_")
    assert model.fit(X, Y).n_features_in_ == count
    model.save(tmp_path / "m")
    assert lp.load(tmp_path / "m").n_features_in_ == count


def test_another_number_of_features():
    model = of_dense().fit(DENSE, Y)
    text = "X has 2 features, but LogisticRegression is expecting 3 features as input: dense feat"
    with pytest.raises(ValueError, match=text):
        model.predict(DENSE[:, :2])
    with pytest.raises(ValueError, match="X has 3 features of ids, the model has 0"):
        model.predict(IDS)


def test_names_are_kept(tmp_path):
    model = of_dense().fit(ABC, Y)
    model.save(tmp_path / "m")
    for each in (model, lp.load(tmp_path / "m"), pickle.loads(pickle.dumps(model))):
        assert each.feature_names_in_.dtype == object
        assert each.feature_names_in_.tolist() == ["a", "b", "c"]
        assert state(each) == state(of_dense().fit(DENSE, Y))
    with_names = read(tmp_path / "m").state
    model.fit(DENSE, Y)
    assert not hasattr(model, "feature_names_in_")
    model.save(tmp_path / "m")
    assert with_names.keys() - read(tmp_path / "m").state.keys() == {"feature_names"}


def test_names_after_an_interruption(tmp_path):
    """Names are those of the frame at hand, as labels are."""
    of_dense(epochs=1).fit(ABC, Y, save=lp.Checkpoints(tmp_path))
    for X, names in ((Frame(["d", "e", "f"]), ["d", "e", "f"]), (DENSE, None)):
        model = of_dense(epochs=2).fit(X, Y, resume=tmp_path)
        assert getattr(model, "feature_names_in_", np.array(None)).tolist() == names


def test_other_names():
    model = of_dense().partial_fit(ABC, Y)
    before = state(model)
    for names, message in (
        (["a", "c", "b"], "must be in the same order"),
        (["a", "b", "x"], "unseen at fit time:\n- x\nFeature names seen .* now missing:\n- c\n"),
        (list("stuvwxyz"), "unseen at fit time:\n- s\n- t\n- u\n- v\n- w\n- ...\n"),
    ):
        for method in (
            model.predict,
            lambda X: model.partial_fit(X, Y),
            lambda X: model.score(X, Y),
        ):
            with pytest.raises(ValueError, match=message):
                method(Frame(names))
    assert state(model) == before
    assert state(model.partial_fit(ABC, Y)) != before


def test_names_on_one_side_alone():
    named, plain = of_dense().fit(ABC, Y), of_dense().fit(DENSE, Y)
    for model, X, message in (
        (named, DENSE, "X does not have valid feature names, but LogisticRegression was fitted wi"),
        (plain, ABC, "X has feature names, but LogisticRegression was fitted without feature name"),
    ):
        for method in (model.predict, lambda X, model=model: model.partial_fit(X, Y)):
            with pytest.warns(UserWarning, match=message) as warned:
                method(X)
            assert [each.filename for each in warned] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (named.predict(ABC) == plain.predict(DENSE)).all()


def test_names_of_what_an_encoder_takes(tmp_path):
    """They are columns of the encoder, not those of the model."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    frame = pyarrow.table({"city": ["Rome", "Oslo"] * (N // 2), "age": DENSE[:, 0]})
    encoder = lp.TabularEncoder().fit(frame)
    model = make_logistic(num_embeddings=None).fit(encoder.transform(frame), Y)
    model.save(tmp_path / "m", encoder)
    again = lp.load(tmp_path / "m")
    for method in (again.predict, lambda X: again.partial_fit(X, Y), lambda X: again.fit(X, Y)):
        method(frame)  # a warning would be an error
        assert not hasattr(again, "feature_names_in_")
    assert again.n_features_in_ == 3  # age, city, and the bin of age


def test_names_that_are_none():
    assert not hasattr(of_dense().fit(Frame([0, 1, 2]), Y), "feature_names_in_")
    with pytest.raises(TypeError, match=r"X.columns\[1\] = 1 is not a string"):
        of_dense().fit(Frame(["a", 1, "c"]), Y)


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", 3], "abc"])
def test_names_of_a_damaged_file(names, tmp_path):
    of_dense().fit(ABC, Y).save(tmp_path / "m")
    found = read(tmp_path / "m")
    described = json.loads(json.dumps(found.state)) | {"feature_names": names}
    write(tmp_path / "m", "LogisticRegression", described, found.arrays)
    with pytest.raises(lp.CheckpointError, match="has the feature names"):
        lp.load(tmp_path / "m")


# --- what is not fitted, and not imported ---


def test_what_is_not_fitted(without_scikit_learn):
    with pytest.raises(ValueError, match="this LogisticRegression is not fitted yet") as raised:
        of_dense().predict(DENSE)
    assert isinstance(raised.value, AttributeError)
    again = pickle.loads(pickle.dumps(raised.value))
    assert (type(again), again.args) == (type(raised.value), raised.value.args)


def test_a_notebook_shows_text_without_scikit_learn(without_scikit_learn):
    assert of_dense()._repr_html_() is None


def test_nothing_imports_scikit_learn():
    run(
        "-c",
        "import sys, lowprec as lp\n"
        "model = lp.LogisticRegression()\n"
        "assert model._repr_html_() is None and not model.__sklearn_is_fitted__()\n"
        "try: model.predict([[0]])\n"
        "except ValueError as error: assert 'not fitted' in str(error)\n"
        "else: raise AssertionError\n"
        "assert 'sklearn' not in sys.modules",
    )


# --- arrays that are no samples ---


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.ones(3), ValueError, r"got the shape \(3,\). Reshape your data"),
        (np.ones((3, 0)), ValueError, r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1"),
        (np.ones((3, 2), complex), ValueError, "Complex data not supported"),
        (np.array([[1.0, {}]], object), TypeError, r"X\[0, 1\] = \{\} is not a number: an entry"),
        (np.array([[1.0, "2"]], object), TypeError, r"X\[0, 1\] = '2' is not a number"),
        (np.array([[np.nan, 1.0]]), ValueError, "nan is not finite: models .* NaN or inf"),
    ],
)
def test_arrays_that_are_no_samples(X, error, message):
    with pytest.raises(error, match=message):
        of_dense().fit(X, Y[: len(X)])


def test_objects_that_are_numbers():
    model = of_dense().fit(DENSE.astype(object), Y)
    assert state(model) == state(of_dense().fit(DENSE, Y))
    model = make_logistic().fit(IDS.astype(object), Y)
    assert state(model) == state(make_logistic().fit(IDS, Y))


def test_samples_are_no_array():
    with pytest.raises(TypeError, match=r"Samples cannot be converted to an array"):
        np.asarray(lp.Samples(DENSE))
