"""The limit to the ids of a batch is one of each step, not of all samples together.

It is lowered here, but for one test: 2**32 ids take 16 GiB.
"""

import numpy as np
import pytest

import lowprec as lp
from tests import naive_models
from tests.models.small import SIZES, make_dlrm, make_logistic, state


@pytest.fixture(params=[make_logistic, make_dlrm], ids=["LogisticRegression", "DLRM"])
def make(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["plain", "jagged"])
def samples(request):
    return naive_models.samples(300, SIZES, 3, jagged=request.param)


@pytest.fixture
def limit(monkeypatch):
    """Sets the limit of a batch, and how many ids are checked at once."""

    def lower(most, at_once=64):
        monkeypatch.setattr("lowprec.batches.checks.MAX_IDS", most)
        monkeypatch.setattr("lowprec.batches.batch._IDS_AT_ONCE", at_once)

    return lower


def bags(*lengths):
    """One sample a row of bags, without dense features."""
    offsets = np.concatenate([[0], np.cumsum(np.ravel(lengths))])
    dense = np.zeros((len(lengths), 0), np.float32)
    return dense, np.zeros(offsets[-1], np.int64), offsets


@pytest.mark.parametrize("shuffle", [True, False])
def test_training_on_more_ids_than_a_batch_has(make, samples, shuffle, limit):
    """About 900 or 1350 ids; 32 samples have fewer than 288, and 97 offsets."""
    whole = make(shuffle=shuffle, epochs=2).fit(*samples)
    longer = make(shuffle=shuffle, epochs=2).fit(*samples).partial_fit(*samples)
    expected = whole.predict_proba(samples[0])
    limit(290)
    model = make(shuffle=shuffle, epochs=2).fit(*samples)
    assert state(model) == state(whole)
    # in smaller batches, whose matrix products may be summed in another order
    np.testing.assert_allclose(model.predict_proba(samples[0]), expected, rtol=1e-5)
    assert (model.predict(samples[0]) == (model.decision_function(samples[0]) > 0)).all()
    assert state(model.partial_fit(*samples)) == state(longer)


@pytest.mark.parametrize("most", [96, 290])
def test_a_batch_that_reaches_the_limit(most, limit):
    (dense, indices), y = naive_models.samples(300, SIZES, 3)
    limit(most)
    assert make_logistic(batch_size=most // 3).fit((dense, indices), y).table_.step > 0
    with pytest.raises(ValueError, match=f"any {(most - 1) // 3} of them have fewer"):
        make_logistic(batch_size=most // 3 + 1).fit((dense, indices), y)


TOO_LARGE = {
    "plain": ((np.zeros((40, 0), np.float32), np.zeros((40, 3), np.int64)), 34, 33),
    "many empty bags": (bags(*[[0, 0, 0]] * 40), 34, 33),
    "many ids": (bags(*[[4, 0, 1]] * 40), 21, 19),
    "few long samples": (bags(*[[1, 0, 0]] * 90, [30, 20, 0], [0, 0, 51]), 2, 1),
    "one that fits into no batch": (bags([1, 1, 1], [0, 101, 0]), 1, 0),
}


@pytest.mark.parametrize(("X", "batch_size", "fitting"), TOO_LARGE.values(), ids=TOO_LARGE)
@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_that_may_be_too_large(make, X, batch_size, fitting, shuffle, limit):
    """They are refused before anything is trained; so many as are named can be trained on."""
    limit(100)
    y = np.arange(len(X[0])) % 2 if len(X[0]) > 1 else np.zeros(1)
    fresh = make(batch_size=batch_size, shuffle=shuffle)
    for call in (fresh.fit, fresh.partial_fit):
        with pytest.raises(ValueError, match=rf"batch_size={batch_size} .*any {fitting} of them"):
            call(X, y)
    assert state(fresh) is None
    if fitting:
        model = make(batch_size=fitting, shuffle=shuffle).fit(X, y)
        assert model.table_.step == -(-len(y) // fitting)
        assert model.predict_proba(X).shape == (len(y), 2)


def test_a_batch_of_a_table_has_the_limit(limit):
    table = lp.EmbeddingTable(SIZES, 4)
    limit(99)
    table.lookup(np.zeros((33, 3), np.int64))
    with pytest.raises(ValueError, match="indices has 102 entries; a batch has at most 99"):
        table.lookup(np.zeros((34, 3), np.int64))
    with pytest.raises(ValueError, match="offsets has 103 entries; a batch has at most 99"):
        table.lookup(np.zeros(0, np.int64), np.zeros(103, np.int64))


@pytest.mark.parametrize("at_once", [1, 10, 64, 10**6])
@pytest.mark.parametrize("place", [0, 3, 401, -1])
@pytest.mark.parametrize("strided", [False, True])
def test_a_bad_id_is_named_by_its_place_among_all(samples, place, strided, at_once, limit):
    """However many are checked at once, and in whatever layout they are."""
    (dense, indices, *offsets), y = samples
    indices = indices.copy()
    indices.flat[place] = 50  # of no feature
    position = range(indices.size)[place]
    where = str(position) if offsets else f"{position // 3}, {position % 3}"
    if strided:
        indices = np.repeat(indices, 2, axis=-1)[..., ::2]
    limit(290, at_once)
    with pytest.raises(IndexError, match=rf"indices\[{where}\] = 50 is out of range for feature"):
        make_logistic().fit((dense, indices, *offsets), y)


def test_2_to_the_32_ids_are_looked_at():
    """A view of one sample, 166,000,000 times: the first of which is bad, so no more is read."""
    n, ids = 166_000_000, np.arange(26)
    huge = np.broadcast_to(np.zeros(0, np.float32), (n, 0)), np.broadcast_to(ids, (n, 26))
    model = lp.LogisticRegression([26] * 25 + [25]).fit(
        (huge[0][:5], huge[1][:5] // 2), [1, 0, 1, 1, 1]
    )
    for call in (model.decision_function, model.predict_proba, model.predict):
        with pytest.raises(IndexError, match=r"indices\[0, 25\] = 25 is out of range"):
            call(huge)
