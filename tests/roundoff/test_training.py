"""Diagnostics in training, and what one run says of another."""

import numpy as np
import pytest

import lowprec as lp
from lowprec.tables import verbs
from tests.tables.small import DTYPES, bits

LOW = DTYPES[1:]


# --- in training ---

SIZES = [50, 20]


def clicks(samples=2000):
    X, y, _ = lp.datasets.make_clicks(samples, num_embeddings=SIZES, num_dense=3, seed=0)
    return X, y


def make_model(kind, **kwargs):
    kwargs = {"batch_size": 100, "epochs": 2, "seed": 5, **kwargs}
    if kind == "logistic":
        return lp.LogisticRegression(SIZES, **kwargs)
    return lp.DLRM(SIZES, embedding_dim=4, bottom_mlp=(8,), top_mlp=(8,), **kwargs)


@pytest.mark.parametrize("kind", ["logistic", "l2", "dlrm"])
def test_no_bit_of_training_changes(kind):
    X, y = clicks()
    more = {"l2": 0.05, "optimizer": lp.SGD(1.0)} if kind == "l2" else {}
    kind = "logistic" if kind == "l2" else kind
    plain = make_model(kind, **more).fit(X, y)
    looked_at = make_model(kind, **more).fit(X, y, diagnose=lp.Diagnostics(3, max_numbers=50))
    assert bits(plain.table_.weight) == bits(looked_at.table_.weight)
    assert bits(plain.decision_function(X)) == bits(looked_at.decision_function(X))
    assert plain.roundoff_ is None
    assert [step for step, _ in looked_at.roundoff_history_] == list(range(0, 40, 3))
    assert looked_at.roundoff_.updates == 14
    assert looked_at.roundoff_.steps == sum(r.steps for _, r in looked_at.roundoff_history_)


def test_reports_are_of_what_is_stored():
    """With l2 the table holds weights over a scale, and so do its gradients."""
    X, y = clicks()
    model = make_model("logistic", l2=0.05, optimizer=lp.SGD(1.0), epochs=1, shuffle=False)
    expected = {}

    def tables_own(table, batch, grad, *rest, was=verbs.update):
        expected[table.step] = table.diagnose(batch, grad)
        was(table, batch, grad, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verbs, "update", tables_own)
        model.fit(X, y, diagnose=lp.Diagnostics(1, max_numbers=None))
    assert dict(model.roundoff_history_) == expected


def test_fit_begins_anew_and_partial_fit_goes_on():
    X, y = clicks(500)
    model = make_model("logistic", epochs=1).fit(X, y, diagnose=lp.Diagnostics(2))
    assert model.roundoff_.updates == 3
    model.partial_fit(X, y, diagnose=lp.Diagnostics(2))
    assert [step for step, _ in model.roundoff_history_] == [0, 2, 4, 6, 8]
    model.partial_fit(X, y)
    assert model.roundoff_.updates == 5
    assert model.fit(X, y).roundoff_ is None
    assert make_model("logistic").roundoff_ is None


def test_steps_that_were_never_taken_are_not_reported():
    X, y = clicks(10)
    X[0][3] = 3e38
    given = {"shuffle": False, "standardize": False, "batch_size": 1, "optimizer": lp.SGD(2.0)}
    model = make_model("logistic", **given)
    with pytest.raises(FloatingPointError, match="diverged at step 3"):
        model.fit(X, y, diagnose=lp.Diagnostics(1))
    assert [step for step, _ in model.roundoff_history_] == [0, 1, 2]


def test_bad_options():
    with pytest.raises(ValueError, match="every_batches"):
        lp.Diagnostics(every_batches=0)
    with pytest.raises(TypeError, match="max_numbers"):
        lp.Diagnostics(max_numbers=1.5)
    X, y = clicks(100)
    for train in (make_model("logistic").fit, make_model("logistic").partial_fit):
        with pytest.raises(TypeError, match=r"must be a lowprec\.Diagnostics"):
            train(X, y, diagnose=10)


# --- prediction: what one run says of another ---

# How far the share of steps that a run with stochastic rounding says nearest would lose may be from
# what a run with nearest loses, relative to that.  The two runs take different ways: nearest keeps
# weights where they are, so later gradients differ.  Of float16 and bfloat16 that is little: 3 %
# was the most that was seen here and in `python -m benchmarks.diagnose --predict` where 300 steps
# or more were lost, as here.  Of 8 bits it is much: 12 % was seen.  All seeds are fixed.
BOUND = {"float16": 0.05, "bfloat16": 0.05, "float8_e4m3fn": 0.25}


def planted(kind, dtype, rounding, rate):
    """A report on a short training on planted clicks."""
    sizes = [1000, 300, 100, 30]
    X, y, _ = lp.datasets.make_clicks(20_000, sizes, num_dense=4, seed=0)
    common = {"optimizer": lp.SGD(rate), "dense_optimizer": lp.SGD(0.05), "batch_size": 100}
    if kind == "logistic":
        model = lp.LogisticRegression(sizes, dtype=dtype, rounding=rounding, **common)
    else:
        model = lp.DLRM(sizes, 4, (8,), (8,), dtype=dtype, rounding=rounding, **common)
    return model.fit(X, y, diagnose=lp.Diagnostics(1, max_numbers=None)).roundoff_


@pytest.mark.parametrize(
    ("kind", "dtype", "rate"),
    [("logistic", "bfloat16", 0.1), ("logistic", "float8_e4m3fn", 1.0), ("dlrm", "float16", 0.1)],
)
def test_prediction_on_clicks(kind, dtype, rate):
    nearest = planted(kind, dtype, "nearest", rate)
    assert 300 < nearest.lost < 0.95 * nearest.steps  # there is something to predict
    for others in ("stochastic", "nearest"):
        # of a float32 table, too, whose rounding is nothing
        told = planted(kind, dtype if others == "stochastic" else "float32", others, rate).of(dtype)
        assert told.lost_share == pytest.approx(nearest.lost_share, rel=BOUND[dtype])


def quadratic(dtype, rounding, steps=1000):
    """A report on descent as in `examples/convergence.py`: loud coordinates and quiet ones."""
    rng = np.random.default_rng(0)
    optimum = rng.uniform(0.6, 0.9, 8)
    h = np.array([1.0] * 4 + [0.2] * 4)
    sigma = np.array([0.3] * 4 + [0.001] * 4)
    schedule = lp.schedules.InverseTime(0.2, decay=0.02)
    table = lp.EmbeddingTable(20, 8, dtype, rounding, lp.SGD(schedule), init_range=0.0)
    rows, total = table.batch(np.arange(20)), None
    for step in range(steps):
        noise = sigma * np.random.default_rng([1, step]).normal(size=(20, 8))
        grad = (h * (table.lookup(rows) - optimum) + noise).astype(np.float32)
        if step % 10 == 0:
            report = table.diagnose(rows, grad)
            total = report if total is None else total + report
        table.update(rows, grad)
    return total


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_prediction_on_a_quadratic(dtype):
    stochastic, nearest = (quadratic(dtype, rounding) for rounding in ("stochastic", "nearest"))
    assert 0.2 < nearest.lost_share < 0.95
    assert stochastic.lost_share == pytest.approx(nearest.lost_share, rel=BOUND[dtype])


@pytest.mark.parametrize("dtype", LOW)
def test_stochastic_rounding_has_no_mean_error_along_steps(dtype):
    """Over 40,000 steps it is normal; |z| < 4.5 fails by chance once in 150,000 times."""
    table = lp.EmbeddingTable(200, 20, dtype, optimizer=lp.SGD(1e-3), seed=7)
    rng, total = np.random.default_rng(0), None
    for _ in range(10):
        grad = rng.normal(size=(200, 20)).astype(np.float32)
        report = table.diagnose(np.arange(200), grad)
        table.update(np.arange(200), grad)
        total = report if total is None else total + report
    assert abs(total.mean_error) < 4.5 * total.rms_error / np.sqrt(total.steps)
