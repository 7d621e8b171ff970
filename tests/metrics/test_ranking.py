"""Recall and NDCG of the first k items, against every order of tied items, one by one."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from lowprec import metrics
from lowprec.metrics import places
from tests import naive_metrics

METRICS = [(metrics.recall_at_k, naive_metrics.recall), (metrics.ndcg_at_k, naive_metrics.ndcg)]
ONLY = [metric for metric, _ in METRICS]
both_metrics = pytest.mark.parametrize(("metric", "naive"), METRICS)
each_metric = pytest.mark.parametrize("metric", ONLY)
RELEVANT, SCORES = [[0, 1, 1], [1, 0, 0]], [[3, 2, 1], [1, 3, 2]]


@st.composite
def rankings(draw):
    """Gains, scores with ties, weights and k of a few users and items."""
    users, items = draw(st.integers(1, 3)), draw(st.integers(1, 5))

    def table(values):
        return draw(st.lists(st.lists(values, min_size=items, max_size=items), min_size=users,
                             max_size=users))  # fmt: skip

    gains = table(st.sampled_from([0, 0, 1, 3]) | st.floats(0.1, 5.0))
    weights = draw(st.lists(st.sampled_from([0, 1, 2.5]), min_size=users, max_size=users))
    scores = table(st.sampled_from([-math.inf, -1.0, 0.0, 2.5, math.inf]))
    return gains, scores, weights, draw(st.integers(1, items + 1))


@both_metrics
@given(rankings())
def test_scores(metric, naive, case):
    gains, scores, weights, k = case
    orders = [list(naive_metrics.orders(each)) for each in scores]
    for given_weights in (None, weights):
        expected = naive_metrics.over_users(naive, gains, orders, k, given_weights)
        if expected is None:
            with pytest.raises(ValueError, match=r"relevant item|sample_weight is 0"):
                metric(gains, scores, k, given_weights)
        else:
            got = metric(gains, scores, k, given_weights)
            assert got == pytest.approx(expected, rel=1e-12)


@both_metrics
@given(rankings(), st.randoms(use_true_random=False))
def test_lists(metric, naive, case, random):
    gains, _, weights, k = case
    items = len(gains[0])
    ranked = [random.sample(range(items), items) for _ in gains]
    for given_weights in (None, weights):
        orders = [[order] for order in ranked]
        expected = naive_metrics.over_users(naive, gains, orders, k, given_weights)
        if expected is None or k > items:
            with pytest.raises(ValueError, match=r"relevant item|sample_weight is 0|the lists of"):
                metric(gains, None, k, given_weights, ranked=ranked)
        else:
            got = metric(gains, None, k, given_weights, ranked=ranked)
            assert got == pytest.approx(expected, rel=1e-12)
            cut = [each[:k] for each in ranked]
            assert metric(gains, sample_weight=given_weights, ranked=cut) == got


@each_metric
def test_many_users_and_items(metric, monkeypatch):
    """Scores are sorted in blocks of users; lists and sparse matrices give the same."""
    rng = np.random.default_rng(0)
    relevant = sparse.random_array((300, 70), density=0.05, rng=rng).tocsr()
    relevant.data[:] = rng.integers(1, 4, relevant.nnz)
    scores, weights = rng.permuted(np.tile(np.arange(70.0), (300, 1)), axis=1), rng.random(300)
    ranked = np.argsort(-scores, axis=1)
    for k in (1, 20, 69, 70):
        expected = metric(relevant.toarray(), scores, k, weights)
        assert metric(relevant, scores, k, weights) == expected
        assert metric(relevant, None, k, weights, ranked=ranked) == pytest.approx(
            expected, rel=1e-14
        )
        for block in (1, 1000, 70 * 300):
            monkeypatch.setattr(places, "_BLOCK", block)
            assert metric(relevant, np.asfortranarray(scores), k, weights) == expected
        monkeypatch.undo()


@each_metric
def test_whole_weights_are_repeated_users(metric):
    rng = np.random.default_rng(0)
    relevant, scores = rng.random((50, 9)) < 0.2, rng.integers(0, 4, (50, 9))
    counts = rng.integers(0, 4, 50)
    expected = metric(np.repeat(relevant, counts, axis=0), np.repeat(scores, counts, axis=0), 3)
    assert metric(relevant, scores, 3, counts) == pytest.approx(expected, rel=1e-13)


def test_known_values():
    # LightGCN's recall: 1 of 2 relevant items is among the first 1, and 1 of 1 among the first 2
    assert metrics.recall_at_k(RELEVANT, ranked=[[1, 2], [2, 0]], k=1) == 0.25
    assert metrics.recall_at_k(RELEVANT, ranked=[[1, 2], [2, 0]], k=2) == 1.0
    assert metrics.recall_at_k(RELEVANT, SCORES, k=2) == 0.25
    second, third = 1 / math.log2(3), 1 / math.log2(4)
    of_first_user = (second + third) / (1 + second)
    expected = pytest.approx((of_first_user + third) / 2, rel=1e-15)
    assert metrics.ndcg_at_k(RELEVANT, SCORES) == expected
    # a tie of all three: each place is as likely
    expected = pytest.approx((1 + second + third) / 3, rel=1e-15)
    assert metrics.ndcg_at_k([[0, 1, 0]], [[7, 7, 7]]) == expected
    assert metrics.recall_at_k([[0, 1, 0]], [[7, 7, 7]], 1) == pytest.approx(1 / 3)


@each_metric
def test_users_without_relevant_items_are_left_out(metric):
    more, scores = [[0, 0, 0], *RELEVANT, [0, 0, 0]], [[1, 2, 3], *SCORES, [3, 2, 1]]
    assert metric(more, scores, 2) == metric(RELEVANT, SCORES, 2)
    assert metric(more, scores, 2, [9, 1, 1, 9]) == metric(RELEVANT, SCORES, 2)


@each_metric
def test_the_best_ranking_has_1(metric):
    rng = np.random.default_rng(0)
    gains = rng.random((200, 30)) * (rng.random((200, 30)) < 0.3)
    for k in (10 if metric is metrics.ndcg_at_k else 30, 30, None):
        assert metric(gains, gains, k) == 1.0
        assert metric(gains, None, k, ranked=np.argsort(-gains, axis=1)) == 1.0


@each_metric
@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("constructor", [sparse.coo_array, sparse.coo_matrix])
def test_sparse_matrices(metric, kind, constructor):
    gains = np.array([[0, 2, 1, 0], [0, 0, 0, 0], [3, 0, 0, 5]])
    scores = [[1, 2, 3, 4], [4, 3, 2, 1], [2, 2, 3, 1]]
    assert metric(constructor(gains).asformat(kind), scores, 2) == metric(gains, scores, 2)


@each_metric
@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64])
def test_equal_entries_are_summed(metric, kind):
    """In small integers their sum used to wrap around, to gains of 0 among others."""
    rows, columns = [0, 0, 0, 0], [1, 1, 1, 2]
    matrix = sparse.coo_matrix((np.array([100, 100, 56, 9], kind), (rows, columns)), (1, 4))
    scores = [[0.1, 0.3, 0.2, 0.4]]
    expected = metric([[0, 256, 9, 0]], scores, 2)
    assert metric(matrix, scores, 2) == expected
    assert matrix.data.dtype == kind


@each_metric
def test_a_sparse_matrix_is_left_as_it_is(metric):
    """Its ids need not ascend, may come twice, and may be 0."""
    data, ids, offsets = np.array([1, 2, 0, 1, 1]), np.array([2, 1, 0, 2, 0]), np.array([0, 4, 5])
    matrix = sparse.csr_array((data.copy(), ids.copy(), offsets.copy()), shape=(2, 3))
    expected = metric([[0, 2, 2], [1, 0, 0]], SCORES, 2)
    assert metric(matrix, SCORES, 2) == expected
    assert matrix.nnz == 5
    for now, before in zip((matrix.data, matrix.indices, matrix.indptr), (data, ids, offsets),
                           strict=True):  # fmt: skip
        np.testing.assert_array_equal(now, before)


@each_metric
@pytest.mark.parametrize(
    "scores",
    [
        np.array(SCORES, np.uint8),
        np.array(SCORES, np.float16),
        np.array(SCORES, ml_dtypes.bfloat16),
        np.array(SCORES) + 2**60,  # equal in float64
        [[math.inf, 0, -math.inf], [-5, 1e300, 0]],
    ],
)
def test_the_order_of_scores_alone_matters(metric, scores):
    for k in (1, 2, 3):
        assert metric(RELEVANT, scores, k) == metric(RELEVANT, SCORES, k)


@each_metric
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float16, np.longdouble, ml_dtypes.bfloat16])
def test_gains_of_any_number_type(metric, dtype):
    assert metric(np.array(RELEVANT, dtype), SCORES, 2) == metric(RELEVANT, SCORES, 2)


def test_gains_of_any_size():
    gains = np.array([[3, 2, 0, 1], [0, 3, 3, 3]])
    scores = [[1, 4, 3, 2], [4, 2, 1, 3]]
    expected = metrics.ndcg_at_k(gains, scores, 3)
    sizes = np.array([[1e-300], [1.7e308 / 3]])
    assert metrics.ndcg_at_k(gains * sizes, scores, 3) == pytest.approx(expected, rel=1e-14)


def test_round_off_does_not_change_the_best():
    rng = np.random.default_rng(0)
    for gains in rng.random((100, 1, 30)):
        assert metrics.ndcg_at_k(gains, gains, 20) == 1.0
    for first in rng.permuted(np.tile(np.arange(30), (100, 1)), axis=1):
        got = metrics.ndcg_at_k([[1] * 30 + [0] * 9], ranked=[first])
        assert 1.0 - 1e-15 <= got <= 1.0


def test_recall_takes_no_degrees():
    assert metrics.recall_at_k([[0, 0.1, 7]], [[3, 2, 1]], 2) == 0.5


@each_metric
@pytest.mark.parametrize("ids", [np.int32, np.uint64, np.int64, list])
def test_ids_of_any_integer_type(metric, ids):
    ranked = [[0, 1], [1, 2]]
    expected = metric(RELEVANT, SCORES, 2)
    assert metric(RELEVANT, ranked=ranked if ids is list else np.array(ranked, ids)) == expected


@each_metric
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "give either scores or ranked, got neither"),
        ({"scores": SCORES, "ranked": [[0], [1]]}, ValueError, "got both"),
        ({"scores": SCORES, "k": 0}, ValueError, "k must be at least 1, got 0"),
        ({"scores": SCORES, "k": 1.0}, TypeError, "k must be an integer, got 1.0"),
        ({"scores": SCORES, "k": True}, TypeError, "k must be an integer, got True"),
        ({"scores": [[0, 1]] * 2}, ValueError, r"\(2, 3\), got \(2, 2\); pass ids .* as ranked="),
        ({"scores": [0, 1, 2]}, ValueError, r"scores must have shape \(users, items\), got \(3,\)"),
        ({"scores": [[0, 1, 2], [0, math.nan, 1]]}, ValueError, r"scores\[1, 1\] = nan is no sc"),
        ({"scores": [["a"] * 3] * 2}, ValueError, "scores must hold numbers"),
        ({"ranked": [[0, 1]], "k": 1}, ValueError, r"ranked must have shape \(2, k\), got \(1, 2"),
        ({"ranked": [0, 1]}, ValueError, r"ranked must have shape \(2, k\), got \(2,\)"),
        ({"ranked": [[0, 1], [1, 2]], "k": 3}, ValueError, "must have 3 items, got 2"),
        ({"ranked": np.zeros((2, 0), int)}, ValueError, "must have 1 items, got 0"),
        ({"ranked": [[0, 1], [1.0, 2]]}, TypeError, "ranked must hold ids of items, integers"),
        ({"ranked": [[0, 1], [1, 3]]}, IndexError, r"ranked\[1, 1\] = 3 is out .* for 3 items"),
        ({"ranked": [[0, -1], [1, 0]]}, IndexError, r"ranked\[0, 1\] = -1 is out of range"),
        ({"ranked": [[0, 1, 2], [2, 1, 2]], "k": 1}, ValueError, r"ranked\[1\] has item 2 more"),
    ],
)
def test_bad_rankings(metric, arguments, error, message):
    with pytest.raises(error, match=message):
        metric(RELEVANT, **arguments)


@each_metric
@pytest.mark.parametrize(
    ("relevant", "message"),
    [
        ([1, 0, 1], r"relevant must have shape \(users, items\), got \(3,\)"),
        ([["a"] * 3] * 2, "relevant must hold numbers"),
        ([[0, 1, 1], [0, -1, -2]], r"relevant\[1, 1\] = -1 is not finite and at least 0"),
        ([[0, 1, 1], [0, 1, math.nan]], r"relevant\[1, 2\] = nan is not finite"),
        ([[0, math.inf, 1], [0, 1, 1]], r"relevant\[0, 1\] = inf is not finite"),
        ([[0, 0, 0], [0, 0, 0]], r"relevant has no relevant item; its shape is \(2, 3\)"),
        (np.zeros((0, 3)), r"no relevant item; its shape is \(0, 3\)"),
        (sparse.csr_array((2, 3)), r"no relevant item; its shape is \(2, 3\)"),
        (sparse.csr_array([[0, 1, 1], [0, -1, 0]]), r"relevant\[1, 1\] = -1 is not finite"),
        (sparse.csr_array([[0, 1, 1j], [0, 1, 0]]), "relevant must hold numbers, got dtype comp"),
        (sparse.coo_array(([1], ([0], [0])), shape=(2**40, 2**40)), r"2\*\*63 cells"),
    ],
)
def test_bad_relevance(metric, relevant, message):
    with pytest.raises(ValueError, match=message):
        metric(relevant, SCORES, 2)


@each_metric
def test_a_sparse_matrix_with_ids_out_of_range(metric):
    matrix = sparse.csr_array(np.array(RELEVANT))
    matrix.indices[0] = 7
    with pytest.raises(ValueError, match="relevant is no valid sparse matrix"):
        metric(matrix, SCORES, 2)


@each_metric
def test_weights_of_users_without_relevant_items_alone(metric):
    with pytest.raises(ValueError, match="0 for every user who has a relevant item"):
        metric([*RELEVANT, [0, 0, 0]], [*SCORES, [1, 2, 3]], 2, [0, 0, 1])
