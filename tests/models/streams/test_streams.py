"""`fit_stream`: the bits of `fit` on the same samples, however they are cut."""

import numpy as np
import pytest

import lowprec as lp
from tests import naive_models
from tests.models.small import SIZES, make_logistic, state
from tests.models.streams.blocks import N, all_of, cut

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("places", [[], [150], [1, 2, 35, 64, 96, 299], list(range(7, 300, 7))])
def test_is_fit_whatever_the_blocks(make, samples, places):
    expected = make(epochs=2).fit(*samples)
    seen = []
    model = make().fit_stream(
        cut(samples, places), epochs=2, callback=lambda model, done: seen.append(done)
    )
    assert all_of(model) == all_of(expected)
    assert (seen[0], seen[9], seen[-1], len(seen)) == (32, N, 2 * N, 20)


def test_weights_classes_and_validation(make, samples):
    X, y = samples
    labels = np.where(y == 1, "yes", "no")
    weights = np.linspace(0.5, 2, N)
    held_out = naive_models.samples(80, SIZES, 3, jagged=len(X) == 3, seed=1)
    held_out = (held_out[0], np.where(held_out[1] == 1, "yes", "no"))
    class_weight = {"yes": 2.0, "no": 0.5}
    options = {"validation": held_out, "patience": 2}
    expected = make(epochs=6, class_weight=class_weight).fit(X, labels, weights, **options)
    blocks = cut((X, labels), [50, 51, 220], weights)
    model = make(class_weight=class_weight).fit_stream(blocks, 6, **options)
    assert all_of(model) == all_of(expected)
    assert model.best_epoch_ == expected.best_epoch_
    assert model.classes_.tolist() == ["no", "yes"]


def test_some_blocks_with_weights():
    X, y = naive_models.samples(N, SIZES, 3)
    weights = np.concatenate([np.ones(100), np.full(200, 3.0)])
    whole = make_logistic().fit_stream(cut((X, y), [100], weights))
    blocks = cut((X, y), [100])
    blocks[1] = (*blocks[1], weights[100:])
    assert all_of(make_logistic().fit_stream(blocks)) == all_of(whole)


def test_one_class_in_the_first_blocks():
    X, y = naive_models.samples(N, SIZES, 3)
    order = np.argsort(y, kind="stable")
    X, labels = lp.Samples(*X)[order], np.where(y[order] == 1, "b", "a")
    blocks = [(X[:20], labels[:20]), (X[20:], labels[20:])]
    expected = make_logistic(shuffle=False).fit(X, labels)
    assert all_of(make_logistic().fit_stream(blocks)) == all_of(expected)
    with pytest.raises(ValueError, match=r"y holds one class alone, 'a'.*give both as classes="):
        make_logistic().fit_stream(blocks[:1])
    model = make_logistic().fit_stream(blocks[:1], classes=["b", "a"])
    assert model.classes_.tolist() == ["a", "b"]


def test_standardisation_is_that_of_the_first_samples(monkeypatch):
    """Whatever the blocks: here the first 100."""
    from lowprec.models import heads

    monkeypatch.setattr(heads, "ROWS", 100)
    X, y = naive_models.samples(N, SIZES, 3)
    models = [
        make_logistic(standardize=True).fit_stream(cut((X, y), places))
        for places in ([], [99], [30, 60, 90, 120])
    ]
    assert len({str(state(model)) for model in models}) == 1
    np.testing.assert_allclose(models[0].dense_mean_, X[0][:100].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(models[0].dense_scale_, 1 / X[0][:100].std(axis=0), rtol=1e-5)


def test_warm_start_goes_on(make, samples):
    blocks = cut(samples, [77])
    expected = make().fit_stream(blocks, 3)
    model = make(warm_start=True).fit_stream(blocks, 1).fit_stream(blocks, 2)
    assert state(model) == state(expected)
    assert expected.history_["train_loss"][1:] == model.history_["train_loss"]


def test_no_shuffle_of_the_model():
    X, y = naive_models.samples(N, SIZES, 3)
    model = make_logistic(shuffle=True).fit_stream(cut((X, y), [10]))
    assert state(model) == state(make_logistic(shuffle=False).fit(X, y))
