"""scikit-learn's own checks of estimators, and its tools on frames and on Samples."""

import pickle
import warnings

import numpy as np
import pytest

import lowprec as lp
from tests.models.small import state

pytest.importorskip("sklearn", "1.6", reason="scikit-learn 1.6 is not installed")

RNG = np.random.default_rng(0)
N = 1000
DENSE = RNG.normal(size=(N, 3)).astype(np.float32)
IDS = RNG.integers(0, [50, 20], (N, 2))
EFFECT = 2 * RNG.normal(size=50)
Y = (DENSE[:, 0] + EFFECT[IDS[:, 0]] + 0.5 * RNG.logistic(size=N) > 0).astype(int)
SAMPLES = lp.Samples(DENSE, IDS, num_embeddings=[50, 20])
BAGS = lp.Samples(DENSE, IDS.reshape(-1), np.arange(2 * N + 1), num_embeddings=[50, 20])


def make(**options):
    return lp.LogisticRegression(**{"batch_size": 32, "epochs": 2, **options})


# --- scikit-learn's checks ---

STEPS = (
    "a weight multiplies the loss of its sample, which is divided by the samples of the batch; "
    "a repeated sample takes a place in a batch"
)
EXPECTED = {
    "LogisticRegression": {
        "check_sample_weight_equivalence_on_dense_data": STEPS,
        "check_sample_weight_equivalence_on_sparse_data": f"{STEPS}; and it predicts on an array "
        "of floats, dense features, after a fit on a sparse matrix, ids with weights",
    },
}
EXPECTED["DLRM"] = EXPECTED["LogisticRegression"] | {
    "check_parameters_default_constructible": "the default optimizer is an lp.SGD, which is no "
    "number, text, tuple or None; it is immutable, so models can share it",
}
# needs the environment variable SCIPY_ARRAY_API, or a package
MAY_SKIP = {"check_array_api_input"}


@pytest.mark.parametrize(
    "model",
    [
        # on 200 samples
        lp.LogisticRegression(batch_size=16, epochs=10),
        lp.DLRM(
            embedding_dim=4,
            bottom_mlp=(8,),
            top_mlp=(8,),
            batch_size=16,
            epochs=5,
            dense_optimizer=lp.Adagrad(0.1),
        ),
    ],
    ids=lambda model: type(model).__name__,
)
def test_checks_of_estimators(model):
    from sklearn.utils.estimator_checks import SkipTest, estimator_checks_generator

    expected, failed, count = EXPECTED[type(model).__name__], {}, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as for not inheriting from its BaseEstimator
        for estimator, check in estimator_checks_generator(model):
            name = check.func.__name__
            count += 1
            try:
                check(estimator)
            except SkipTest:
                assert name in MAY_SKIP
            except Exception as error:
                failed[name] = error
    for name in failed.keys() - expected.keys():
        raise failed[name]
    assert failed.keys() == expected.keys()  # what passes is no longer expected to fail
    assert count > 50


# --- what it asks models for ---


def test_tags():
    from sklearn.base import is_classifier

    assert is_classifier(make())
    tags = make().__sklearn_tags__()
    assert tags.target_tags.required
    assert not tags.classifier_tags.multi_class


def test_what_is_not_fitted():
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    with pytest.raises(NotFittedError):
        check_is_fitted(make())
    with pytest.raises(NotFittedError, match="this LogisticRegression is not fitted") as raised:
        make().predict(SAMPLES)
    again = pickle.loads(pickle.dumps(raised.value))
    assert isinstance(again, NotFittedError)
    assert again.args == raised.value.args
    check_is_fitted(make().fit(SAMPLES, Y))


def test_scores():
    from sklearn.metrics import accuracy_score

    model, weights = make().fit(SAMPLES, Y), RNG.exponential(size=N).astype(np.float32)
    predicted = model.predict(SAMPLES)
    assert model.score(SAMPLES, Y) == pytest.approx(accuracy_score(Y, predicted), rel=1e-12)
    expected = accuracy_score(Y, predicted, sample_weight=weights)
    assert model.score(SAMPLES, Y, weights) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("names", ["acb", "abx", "bxy"])
def test_names_are_compared_in_its_words(names):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    from sklearn.preprocessing import StandardScaler

    fitted, given = (pd.DataFrame(DENSE, columns=list(each)) for each in ("abc", names))
    messages = []
    for each in (make().fit(fitted, Y).predict, StandardScaler().fit(fitted).transform):
        with pytest.raises(ValueError, match="feature names should match") as raised:
            each(given)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


def test_html():
    import sklearn.utils

    assert sklearn.utils
    text = make(l2=0.5)._repr_html_()
    assert "<div" in text
    assert "LogisticRegression(" in text


@pytest.mark.parametrize("fitted", [False, True])
def test_pickles(fitted, tmp_path):
    joblib = pytest.importorskip("joblib")
    model = make(l2=0.5)
    if fitted:
        model.fit(SAMPLES, Y)
    joblib.dump(model, tmp_path / "m")
    for again in (joblib.load(tmp_path / "m"), pickle.loads(pickle.dumps(model))):
        assert again.get_params() == model.get_params()
        assert state(again) == state(model)


# --- its tools ---


@pytest.fixture(params=["frame", "samples", "bags"])
def data(request):
    """A frame of ids, as users have it, and Samples."""
    if request.param == "frame":
        pd = pytest.importorskip("pandas", reason="pandas is not installed")
        return pd.DataFrame(IDS, columns=["user", "item"])
    return SAMPLES if request.param == "samples" else BAGS


def folds():
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(4, shuffle=True, random_state=0)


def rows_of(X, rows):
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def test_cross_validation(data):
    from sklearn.model_selection import cross_val_score

    model = make(num_embeddings=[50, 20])
    scores = cross_val_score(model, data, Y, cv=folds())
    expected = [
        make(num_embeddings=[50, 20])
        .fit(rows_of(data, train), Y[train])
        .score(rows_of(data, test), Y[test])
        for train, test in folds().split(np.empty(N), Y)
    ]
    assert scores.tolist() == expected
    assert min(scores) > 0.6
    areas = cross_val_score(model, data, Y, cv=folds(), scoring="roc_auc")
    assert min(areas) > 0.65


def test_two_processes():
    from sklearn.model_selection import cross_val_score

    alone, together = (
        cross_val_score(make(), SAMPLES, Y, cv=folds(), n_jobs=jobs) for jobs in (1, 2)
    )
    assert alone.tolist() == together.tolist()


def test_search_of_parameters(data):
    from sklearn.model_selection import GridSearchCV

    still = lp.SGD(0.0)
    grid = {"optimizer": [still, lp.SGD(1.0)], "epochs": [1, 2]}
    search = GridSearchCV(make(num_embeddings=[50, 20]), grid, cv=folds()).fit(data, Y)
    assert search.best_params_["optimizer"] == lp.SGD(1.0)
    assert search.best_score_ > 0.6
    assert search.predict(data).shape == (N,)


def test_calibration(data):
    from sklearn.calibration import CalibratedClassifierCV

    model = CalibratedClassifierCV(make(num_embeddings=[50, 20]), cv=folds()).fit(data, Y)
    p = model.predict_proba(data)[:, 1]
    assert lp.metrics.log_loss(Y, p) < lp.metrics.log_loss(Y, np.full(N, Y.mean()))


def test_pipeline():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), make(standardize=False, epochs=50)).fit(DENSE, Y)
    p = pipeline.predict_proba(DENSE)[:, 1]
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=1e6, solver="newton-cholesky")
    ).fit(DENSE, Y)
    best = lp.metrics.log_loss(Y, model.predict_proba(DENSE)[:, 1])
    assert best <= lp.metrics.log_loss(Y, p) < best + 0.01
    pipeline.set_params(logisticregression__epochs=1)
    assert pipeline[-1].epochs == 1


def test_importance_of_columns():
    """Of frames and arrays.  Samples have no columns that could be shuffled: bags have many ids."""
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    from sklearn.inspection import permutation_importance

    frame = pd.DataFrame(IDS, columns=["user", "item"])
    for X in (frame, IDS):
        model = make(num_embeddings=[50, 20]).fit(X, Y)
        user, item = permutation_importance(model, X, Y, random_state=0).importances_mean
        assert user > 5 * abs(item)
    model = make().fit(SAMPLES, Y)
    with pytest.raises(TypeError, match="Samples cannot be converted to an array"):
        permutation_importance(model, SAMPLES, Y)


def test_frames_of_anything():
    """An encoder makes samples of them, anew for each fold."""
    pd = pytest.importorskip("pandas", "2.2", reason="pandas is not installed")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    text = np.array(["no", "yes"])
    frame = pd.DataFrame(DENSE, columns=list("abc")).assign(user=IDS[:, 0].astype(str))
    model = make_pipeline(lp.TabularEncoder(), make())
    assert min(cross_val_score(model, frame, text[Y], cv=folds(), n_jobs=1)) > 0.6
    model.fit(frame, text[Y])
    found = permutation_importance(model, frame, text[Y], random_state=0).importances_mean
    assert min(found[[0, 3]]) > 3 * max(abs(found[[1, 2]]))  # a and user
