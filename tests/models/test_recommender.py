"""Models: the same seed gives the same bits, and they learn."""

import numpy as np
import pytest

import lowprec as lp
from lowprec.models import training
from tests.models.small import changed, state, take

# --- reproducible ---


@pytest.mark.parametrize("jagged", [False, True])
def test_same_seed_same_bits(make, clicks, bags, jagged):
    X, y = bags if jagged else clicks
    first, again, other = (make(seed=seed, epochs=2).fit(X, y) for seed in (7, 7, 8))
    assert state(first) == state(again)
    assert state(first)[0][0] != state(other)[0][0]
    assert state(first)[0][1] != state(other)[0][1]


def test_fit_starts_anew(make, clicks):
    model = make().fit(*clicks)
    once = state(model)
    assert state(model.fit(*clicks)) == once
    assert state(model.partial_fit(*clicks)) != once
    assert state(model.fit(*clicks)) == once


@pytest.mark.parametrize("jagged", [False, True])
def test_chunks_are_one_fit_without_shuffling(make, clicks, bags, jagged):
    """300 samples in batches of 32, given at once or in chunks of one batch and of two."""
    X, y = bags if jagged else clicks
    whole = make(shuffle=False).fit(X, y)
    for size in (32, 64):
        chunked = make()
        for start in range(0, 300, size):
            chunked.partial_fit(*take(X, y, slice(start, start + size)))
        assert state(chunked) == state(whole)


def test_jagged_bags_of_one_id_are_no_bags(make, clicks):
    (dense, indices), y = clicks
    offsets = np.arange(indices.size + 1)
    plain = make(epochs=2).fit((dense, indices), y)
    jagged = make(epochs=2).fit((dense, indices.ravel(), offsets), y)
    assert state(plain) == state(jagged)
    np.testing.assert_array_equal(
        plain.decision_function((dense, indices)),
        jagged.decision_function((dense, indices.ravel(), offsets)),
    )


def test_shuffling_takes_every_sample_once(make, clicks, monkeypatch):
    X, y = clicks
    model = make(batch_size=7, epochs=2)
    seen = []
    step = training.step
    monkeypatch.setattr(training, "step", lambda m, batch: seen.append(batch) or step(m, batch))
    model.fit(X, y)
    assert model.table_.step == 2 * 43  # 42 batches of 7, and one of 6
    rows = np.concatenate([batch.samples.dense for batch in seen])
    labels = np.concatenate([batch.y for batch in seen])
    epochs = [np.column_stack([rows[k : k + 300], labels[k : k + 300]]) for k in (0, 300)]
    given = np.column_stack([X[0], y])
    order = lambda array: array[np.lexsort(array.T)]
    for epoch in epochs:
        assert not np.array_equal(epoch, given)
        np.testing.assert_array_equal(order(epoch), order(given))
    assert not np.array_equal(*epochs)


def test_layouts_of_the_input_do_not_matter(make, clicks):
    (dense, indices), y = clicks
    expected = state(make().fit((dense, indices), y))
    for X, labels in (
        ([dense, indices.astype(np.int32)], y.astype(np.float64)),
        ((np.asfortranarray(dense), np.asfortranarray(indices)), y.astype(bool)),
        ((dense, indices.astype(">i8")), list(y)),
        ((dense, indices, None), y.astype(np.int8)),
    ):
        assert state(make().fit(X, labels)) == expected


# --- learns ---


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_learns_clicks(make, dtype):
    """Better than the base rate, and no better than the truth."""
    sizes = [200, 100, 50, 20]
    (dense, indices), y, p = lp.datasets.make_clicks(24_000, sizes, num_dense=4, seed=2)
    train, test = slice(0, 16_000), slice(16_000, None)
    model = make(num_embeddings=sizes, dtype=dtype, standardize=True, epochs=2)
    model.fit((dense[train], indices[train]), y[train])
    predicted = model.predict_proba((dense[test], indices[test]))[:, 1]
    entropy = lp.metrics.log_loss(y[test], p[test])
    base = lp.metrics.log_loss(y[test], np.full(8000, y[train].mean()))
    got = lp.metrics.log_loss(y[test], predicted)
    assert entropy < got < base - 0.4 * (base - entropy)
    assert lp.metrics.roc_auc(y[test], predicted) > 0.7


def test_standardize_is_standardising_by_hand(make, clicks):
    (dense, indices), y = clicks
    scaled = dense * np.array([1.0, 100.0, 0.0], np.float32) + np.array([0, 5, 3], np.float32)
    mean, deviation = scaled.mean(axis=0, dtype=np.float64), scaled.std(axis=0, dtype=np.float64)
    assert deviation[2] == 0  # a constant feature is centred alone
    factor = (1 / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    later = scaled[:9] + np.float32(1.0)  # the constant feature has another value
    by_hand, later_by_hand = ((x - mean.astype(np.float32)) * factor for x in (scaled, later))
    model = make(standardize=True).fit((scaled, indices), y)
    np.testing.assert_allclose(by_hand[:, :2].std(axis=0), 1.0, rtol=1e-5)
    np.testing.assert_allclose(by_hand.mean(axis=0), 0.0, atol=1e-5)
    expected = make().fit((by_hand, indices), y)
    assert state(model)[0][0] == state(expected)[0][0]
    np.testing.assert_array_equal(
        model.decision_function((later, indices[:9])),
        expected.decision_function((later_by_hand, indices[:9])),
    )


FAR_APART = np.full(300, np.float32(-3e38))
FAR_APART[7] = 3e38  # the mean is near -3e38: 3e38 less that is beyond float32


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.arange(300) % 2 * 2e-39, "has the standard deviation 1e-39, .*at least 2.94e-39"),
        (np.arange(300) % 2 * 1.4e-45, "has the standard deviation 7.01e-46"),
        (1e-39 + (np.arange(300) == 5) * 1e-38, "has the standard deviation 5.7.e-40"),
        (FAR_APART, r"= 3e\+38 overflows float32 when it is standardised by the mean -2.98e\+38"),
    ],
    ids=["1e-39", "the smallest", "one sample apart", "far apart"],
)
def test_features_that_cannot_be_standardised(make, clicks, column, message):
    """Before anything is made; it used to be called too high a learning rate."""
    (dense, indices), y = clicks
    bad = changed(dense, (slice(None), 1), column.astype(np.float32))
    model = make(standardize=True).fit((dense, indices), y)
    before, table = state(model), model.table_
    fresh = make(standardize=True)
    for call in (model.fit, fresh.fit, fresh.partial_fit):
        with pytest.raises(ValueError, match=rf"dense\[[:7], 1\] {message}"):
            call((bad, indices), y)
    assert state(fresh) is None
    assert model.table_ is table
    assert state(model) == before


def test_the_smallest_deviation_that_can_be_standardised(make, clicks):
    (dense, indices), y = clicks
    small = changed(dense, (slice(None), 1), (np.arange(300) % 2 * 6e-39).astype(np.float32))
    model = make(standardize=True).fit((small, indices), y)
    scaled = (small[:, 1] - model.dense_mean_[1]) * model.dense_scale_[1]
    np.testing.assert_allclose(scaled.std(), 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "later"),
    [(1e-37, 100.0), (1e-30, -1e9), (-1e38, -3e38)],
)
def test_later_features_that_overflow_when_standardised(make, clicks, given, later):
    (dense, indices), y = clicks
    column = (given * (1 - 2 * (np.arange(300) < 299))).astype(np.float32)
    model = make(standardize=True).fit((changed(dense, (slice(None), 1), column), indices), y)
    before = state(model)
    bad = changed(dense, (250, 1), later)
    for call in (model.partial_fit, lambda X, y: model.predict_proba(X)):
        with pytest.raises(ValueError, match=r"dense\[250, 1\] = .* overflows float32 when"):
            call((bad, indices), y)
    assert state(model) == before


def test_new_rates_hold_from_the_next_partial_fit(make, clicks):
    model = make().fit(*clicks)
    still = lp.SGD(0.0)
    before = state(model)
    model.set_params(optimizer=still, dense_optimizer=still).partial_fit(*clicks)
    assert state(model)[0] == before[0]
    assert model.table_.step == 2 * before[1][0]
