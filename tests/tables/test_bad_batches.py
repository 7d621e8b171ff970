"""What tables refuse: nothing is changed then, and errors name what is wrong."""

import numpy as np
import pytest

import lowprec as lp
from tests.devices import on_the_host, without_gpu
from tests.tables.small import bits, make_table

BAD_BATCHES = [
    ([[0, 0, 0], [1, 3, 0]], {}, IndexError, r"indices\[1, 1\] = 3 .*feature 1.*num_embeddings 3"),
    ([[0, -1, 0]], {}, IndexError, r"indices\[0, 1\] = -1 .*feature 1"),
    ([[0, 2**40, 0]], {}, IndexError, r"= 1099511627776 is out of range"),
    ([0, 1, 4], {"offsets": [0, 1, 2, 3]}, None, None),
    ([0, 1, 5], {"offsets": [0, 1, 1, 3]}, IndexError, r"indices\[2\] = 5 .*feature 2"),
    ([0, 1], {"offsets": [0, 2, 1, 2]}, ValueError, r"offsets\[1\] = 2 and offsets\[2\] = 1"),
    ([0, 1], {"offsets": [0, 1, 1, 1]}, ValueError, r"end with len\(indices\) = 2"),
    ([0, 1], {"offsets": [1, 1, 1, 2]}, ValueError, r"start with 0, got offsets\[0\] = 1"),
    ([0, 1], {"offsets": [0, 1, 2]}, ValueError, r"not a multiple of the 3 features"),
    ([0, 1], {"offsets": []}, TypeError, "offsets must be integers"),
    ([0, 1], {"offsets": np.empty(0, int)}, ValueError, "one entry at least"),
    ([0, 1], {"offsets": [0.0, 1.0, 1.0, 2.0]}, TypeError, "offsets must be integers"),
    ([[0, 1, 2]], {"offsets": [0, 1, 2, 3]}, ValueError, "must be 1-D"),
    ([[0.0, 1.0, 2.0]], {}, TypeError, "indices must be integers, got float64"),
    ([[0, 1]], {}, ValueError, r"must have shape \(B, 3\), got \(1, 2\)"),
    ([0, 1, 2], {}, ValueError, r"must have shape \(B, 3\), got \(3,\)"),
    ([[True, False, True]], {}, TypeError, "got bool"),
    ([[0, 1, 2]], {"pooling": "max"}, ValueError, "pooling must be one of 'sum', 'mean'"),
    ([[0, 1, 2]], {"per_sample_weights": [["1", "1", "1"]]}, TypeError, "must hold numbers"),
    (
        [[0, 1, 2]],
        {"per_sample_weights": [[1.0, -1e39, 1.0]]},
        ValueError,
        r"\[0, 1\] = -1e\+39 is",
    ),
    (np.array([[0, 2**63, 1]], np.uint64), {}, IndexError, r"\[0, 1\] = 9223372036854775808 is"),
    (
        [[0, 1, 2]],
        {"per_sample_weights": np.ones(3, np.float32)},
        ValueError,
        r"shape of indices, \(1, 3\)",
    ),
    (
        [[0, 1, 2]],
        {"per_sample_weights": np.array([[1, np.nan, 1]], np.float32)},
        ValueError,
        r"per_sample_weights\[0, 1\] = nan is not finite",
    ),
]


@pytest.mark.parametrize(("indices", "batch", "error", "message"), BAD_BATCHES)
def test_bad_batches(indices, batch, error, message):
    table = make_table(num_embeddings=(5, 3, 5))
    before = bits(table.weight)
    shape = (1, 3, 3) if "offsets" in batch else (*np.shape(indices), 3)
    grad = np.ones(shape, np.float32)
    if error is None:
        table.lookup(np.array(indices), **batch)
        return
    for call in (
        lambda: table.lookup(indices, **batch),
        lambda: table.update(indices, grad, **batch),
    ):
        with pytest.raises(error, match=message):
            call()
    assert bits(table.weight) == before
    assert table.step == 0


@pytest.mark.parametrize(
    ("grad", "error", "message"),
    [
        (np.full((2, 3, 3), 4e38), ValueError, r"grad\[0, 0, 0\] = 4e\+38 is beyond float32"),
        (np.full((2, 3, 3), "1"), TypeError, "grad must hold numbers, got <U1"),
        (np.ones((2, 3, 2), np.float32), ValueError, r"\(2, 3, 3\), got \(2, 3, 2\)"),
        (np.ones(3, np.float32), ValueError, "shape of the lookup"),
    ],
)
def test_bad_gradients(grad, error, message):
    table = make_table()
    with pytest.raises(error, match=message):
        table.update(np.zeros((2, 3), int), grad)
    assert table.step == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nonfinite_gradient_raises_and_changes_nothing(value):
    table = make_table()
    before = bits(table.weight)
    grad = np.zeros((2, 3, 3), np.float32)
    grad[1, 2, 0] = value
    with pytest.raises(FloatingPointError, match="sample 1, feature 2, column 0 is"):
        table.update(np.zeros((2, 3), int), grad)
    assert bits(table.weight) == before
    assert table.step == 0


def test_gradients_that_overflow_when_summed_raise():
    table = make_table()
    before = bits(table.weight)
    indices = np.zeros((2, 3), int)
    with pytest.raises(FloatingPointError, match="3 rows overflow"):
        table.update(indices, np.full((2, 3, 3), 3e38, np.float32))
    assert bits(table.weight) == before
    table.update(np.array([[0, 0, 0]]), np.full((1, 3, 3), 3e38, np.float32))  # large, finite


def test_nonfinite_rows_are_skipped_and_counted():
    reference = make_table(on_nonfinite="skip")
    table = make_table(on_nonfinite="skip")
    indices = np.array([[0, 1, 2], [1, 1, 3], [2, 2, 3]])
    grad = np.ones((3, 3, 3), np.float32)
    reference.update(indices, grad)
    before = table.weight.copy()
    grad[1, 1, 2] = np.nan  # feature 1, id 1: global row 6, reached twice
    grad[2, 2, 0] = np.inf  # feature 2, id 3: global row 11, reached twice
    table.update(indices, grad)
    assert table.skipped_rows == 2
    assert table.step == 1
    untouched = np.zeros(12, bool)
    untouched[[6, 11]] = True
    assert bits(table.weight[untouched]) == bits(before[untouched])
    assert bits(table.weight[~untouched]) == bits(reference.weight[~untouched])


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"num_embeddings": 0}, ValueError, "num_embeddings must be at least 1, got 0"),
        ({"num_embeddings": [3, 0]}, ValueError, r"num_embeddings\[1\] must be at least 1"),
        ({"num_embeddings": []}, ValueError, "num_embeddings is empty"),
        ({"num_embeddings": 2.5}, TypeError, "num_embeddings must be an int"),
        ({"num_embeddings": 2**32}, ValueError, "at most 4294967295"),
        ({"embedding_dim": 0}, ValueError, r"embedding_dim must be in \[1, "),
        ({"dtype": "float64"}, ValueError, "dtype must be one of 'float16'"),
        ({"dtype": "nonsense"}, ValueError, "dtype must be one of"),
        ({"dtype": None}, ValueError, "dtype must be one of"),
        ({"rounding": "up"}, ValueError, "rounding must be one of 'stochastic', 'nearest'"),
        ({"seed": -1}, ValueError, r"seed must be in \[0, 18446744073709551616\)"),
        ({"seed": 2**64}, ValueError, "seed must be in"),
        ({"seed": 0.5}, TypeError, "seed must be an int"),
        ({"seed": True}, TypeError, "seed must be an int"),
        ({"optimizer": "sgd"}, TypeError, "optimizer must be an optimizer, such as lowprec.SGD"),
        ({"device": "tpu"}, ValueError, "device must be 'cpu' or 'cuda'"),
        pytest.param({"device": "cuda"}, RuntimeError, "device='cuda'", marks=without_gpu),
        ({"init_range": -1.0}, ValueError, "init_range must be finite"),
        ({"on_nonfinite": "ignore"}, ValueError, "on_nonfinite must be one of"),
    ],
)
def test_bad_arguments(kwargs, error, message):
    with pytest.raises(error, match=message):
        lp.EmbeddingTable(**{"num_embeddings": 3, "embedding_dim": 2, **kwargs})


@on_the_host
@pytest.mark.parametrize(
    ("out", "error"),
    [
        (np.empty((1, 3, 3)), TypeError),
        (np.empty((1, 3, 2), np.float32), ValueError),
        (np.empty((1, 3, 6), np.float32)[..., ::2], ValueError),
    ],
)
def test_bad_out(out, error):
    with pytest.raises(error, match="out must be"):
        make_table().lookup(np.zeros((1, 3), int), out=out)
