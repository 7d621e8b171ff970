"""Layers against obvious formulas, and their gradients against finite differences.

Layers that are NumPy alone are checked in float64, in which a wrong gradient cannot hide.
"""

import functools

import numpy as np
import pytest

from lowprec import layers
from lowprec.device import get_device
from lowprec.workspace import Allocator
from tests import naive_models

CPU = get_device("cpu")
MEMORY = Allocator(get_device("cpu"))
PART = 4  # samples: batches have several parts, the last of them smaller
DIMS = [1, 3, 8, 16, 17]
FEATURES = [1, 2, 3, 4, 5]


def check_slopes(rng, loss, inputs, gradients, rel=1e-6):
    """`gradients` of float64 ``loss(*inputs)`` are its slopes along random directions.

    Along a direction of normal numbers the slope is about as large as the gradient is long.
    """
    for k, (value, got) in enumerate(zip(inputs, gradients, strict=True)):
        assert got.shape == value.shape
        for _ in range(3):
            direction = rng.normal(size=value.shape)
            slope = naive_models.derivative(
                lambda x, k=k: loss(*inputs[:k], x, *inputs[k + 1 :]), value, direction
            )
            error = (got * direction).sum() - slope
            assert abs(error) <= rel * np.linalg.norm(got)


def parameters_of(arrays):
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def forward(x, arrays, last_relu, part=PART):
    return layers.mlp_forward(
        CPU, MEMORY, "mlp", x, parameters_of(arrays), last_relu=last_relu, part=part
    )


def backward(dy, activations, arrays, last_relu, *, part=PART, **options):
    """The gradients of the input and of all parameters; dy stays as it is."""
    dx, gradients = layers.mlp_backward(
        CPU, MEMORY, "mlp", dy.copy(), activations, parameters_of(arrays), last_relu=last_relu,
        part=part, **{"input_too": True, **options},
    )  # fmt: skip
    return [dx, *layers.flatten(gradients)]


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("batch", [6, 2 * 256 + 3])
def test_one_layer(batch, relu):
    rng = np.random.default_rng(0)
    x, weight, bias = (rng.normal(size=shape) for shape in ((batch, 4), (4, 3), 3))
    expected = np.array(
        [[sum(x[b] * weight[:, j]) + bias[j] for j in range(3)] for b in range(batch)]
    )
    if relu:
        expected[expected < 0] = 0.0
    y = forward(x, [weight, bias], relu)[-1]
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-12)
    dy = rng.normal(size=(batch, 3))
    gradients = backward(dy, [x, y], [weight, bias], relu)
    loss = lambda *inputs: (forward(inputs[0], inputs[1:], relu)[-1] * dy).sum()
    check_slopes(rng, loss, [x, weight, bias], gradients)


@pytest.mark.parametrize("batch", [0, 3, 4, 6, 2 * 256 + 3])
def test_parts(batch):
    """Their gradients add up to the sums; whoever has some parts alone gets their bits."""
    rng = np.random.default_rng(batch)
    x, dy = rng.normal(size=(batch, 4)), rng.normal(size=(batch, 3))
    arrays = [rng.normal(size=shape) for shape in ((4, 5), 5, (5, 3), 3)]
    activations = forward(x, arrays, True)
    dx, *by_parts = backward(dy, activations, arrays, True, by_parts=True)
    parts = -(-batch // PART)
    assert [each.shape for each in by_parts] == [(parts, *array.shape) for array in arrays]
    same_dx, *sums = backward(dy, activations, arrays, True)
    np.testing.assert_array_equal(same_dx, dx)
    for each, total in zip(by_parts, sums, strict=True):
        expected = np.zeros(total.shape)
        for part in each:
            expected += part
        np.testing.assert_array_equal(total, expected)
    none, *without = backward(dy, activations, arrays, True, input_too=False)
    assert none is None
    for each, other in zip(without, sums, strict=True):
        np.testing.assert_array_equal(each, other)
    own = slice(PART, 3 * PART)
    of_own = forward(x[own], arrays, True)
    for each, whole in zip(of_own, activations, strict=True):
        np.testing.assert_array_equal(each, whole[own])
    _, *of_own = backward(dy[own], of_own, arrays, True, by_parts=True)
    for each, whole in zip(of_own, by_parts, strict=True):
        np.testing.assert_array_equal(each, whole[1:3])


def test_relu_at_zero_and_nan():
    arrays = [np.eye(1, dtype=np.float32), np.zeros(1, np.float32)]
    x = np.array([[-2.0], [-0.0], [0.0], [3.0], [np.nan]], np.float32)
    y = forward(x, arrays, True)[-1]
    np.testing.assert_array_equal(y, [[0], [0], [0], [3], [np.nan]])
    dy = np.array([[5.0], [6.0], [7.0], [8.0], [9.0]], np.float32)
    dx = backward(dy, [x, y], arrays, True)[0]
    np.testing.assert_array_equal(dx, [[0], [0], [0], [8], [0]])


@pytest.mark.parametrize("last_relu", [True, False])
@pytest.mark.parametrize("sizes", [[4, 3], [4, 6, 3], [4, 6, 5, 3]])
def test_mlp(sizes, last_relu):
    rng = np.random.default_rng(len(sizes))
    arrays = [
        array.astype(np.float64) for array in layers.flatten(layers.mlp_init(CPU, sizes, rng))
    ]
    x = rng.normal(size=(10, 4))
    dy = rng.normal(size=(10, 3))

    def loss(x, *arrays):
        return (naive_models.mlp(x, parameters_of(arrays), last_relu) * dy).sum()

    activations = forward(x.copy(), arrays, last_relu)
    assert len(activations) == len(sizes)
    np.testing.assert_array_equal(activations[0], x)
    expected = naive_models.mlp(x, parameters_of(arrays), last_relu)
    np.testing.assert_allclose(activations[-1], expected)
    check_slopes(rng, loss, [x, *arrays], backward(dy, activations, arrays, last_relu))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.ones((3, 5)), "layer 1 of mlp has 6 inputs"),
        (np.ones((6, 5), np.float32), "float64, got one of float32"),
        (np.ones((5, 6)).T, "C-contiguous"),
    ],
)
def test_layers_that_do_not_fit(wrong, message):
    arrays = [np.ones((4, 6)), np.ones(6), wrong, np.ones(5)]
    with pytest.raises(ValueError, match=message):
        forward(np.ones((2, 4)), arrays, True)


def test_mlp_init():
    first, second, third = layers.mlp_init(CPU, [400, 300, 200, 1], np.random.default_rng(0))
    assert [weight.shape for weight, _ in (first, second, third)] == [
        (400, 300),
        (300, 200),
        (200, 1),
    ]
    assert [bias.shape for _, bias in (first, second, third)] == [(300,), (200,), (1,)]
    assert all(array.dtype == np.float32 for array in layers.flatten([first, second, third]))
    # the standard deviation of n normals is known to 1 / sqrt(2 n)
    assert first[0].std() == pytest.approx(np.sqrt(2 / 700), rel=5 / np.sqrt(2 * 120_000))
    assert first[1].std() == pytest.approx(np.sqrt(1 / 300), rel=4 / np.sqrt(2 * 300))
    again = layers.mlp_init(CPU, [400, 300, 200, 1], np.random.default_rng(0))
    np.testing.assert_array_equal(again[1][0], second[0])


# --- interactions ---


def vectors(rng, features, dim, batch=7, integers=False):
    """dense (B, D) and embeddings (B, F, D); products of small integers are exact in float32."""
    draw = (lambda shape: rng.integers(-8, 9, shape)) if integers else lambda s: rng.normal(size=s)
    dense, embeddings = draw((batch, dim)), draw((batch, features, dim))
    return dense.astype(np.float32), embeddings.astype(np.float32)


def pairs(dense, embeddings):
    """All vectors (B, F + 1, D), and the two vectors of each pair, in the order of the products."""
    every = np.concatenate([dense[:, None], embeddings], axis=1)
    i, j = np.tril_indices(every.shape[1], -1)
    return every, i, j


def dot_oracle(dense, embeddings):
    every, i, j = pairs(dense, embeddings)
    products = np.einsum("bpd,bpd->bp", every[:, i], every[:, j])
    return np.concatenate([dense, products], axis=1)


def through_relu(join, dy):
    """The loss by what the dense vectors were before the ReLU."""
    return lambda dense, embeddings: (join(np.maximum(dense, 0), embeddings) * dy).sum()


def dot_backward_oracle(dy, dense, embeddings):
    every, i, j = pairs(dense, embeddings)
    dim = dense.shape[1]
    dgram = np.zeros((len(dense), every.shape[1], every.shape[1]), dy.dtype)
    dgram[:, i, j] = dy[:, dim:]
    devery = np.einsum("bij,bjd->bid", dgram + dgram.transpose(0, 2, 1), every)
    return (devery[:, 0] + dy[:, :dim]) * (dense > 0), devery[:, 1:]


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("features", FEATURES)
def test_dot_is_exact_where_float32_is(features, dim):
    rng = np.random.default_rng(dim)
    dense, embeddings = vectors(rng, features, dim, integers=True)
    before = dense.copy(), embeddings.copy()
    y = layers.dot_forward(CPU, MEMORY, dense, embeddings)
    assert y.dtype == np.float32
    assert y.shape == (7, dim + layers.num_pairs(features))
    np.testing.assert_array_equal(y, dot_oracle(dense, embeddings))
    dy = rng.integers(-8, 9, y.shape).astype(np.float32)
    ddense, dembeddings = layers.dot_backward(CPU, MEMORY, dy, dense, embeddings)
    expected = dot_backward_oracle(dy, dense, embeddings)
    np.testing.assert_array_equal(ddense, expected[0])
    np.testing.assert_array_equal(dembeddings, expected[1])
    np.testing.assert_array_equal(dense, before[0])
    np.testing.assert_array_equal(embeddings, before[1])


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("features", FEATURES)
def test_dot_gradient_is_the_slope(features, dim):
    rng = np.random.default_rng(100 + dim)
    dense, embeddings = vectors(rng, features, dim)
    exact = [dense.astype(np.float64), embeddings.astype(np.float64)]
    dense = np.maximum(dense, 0)
    y = layers.dot_forward(CPU, MEMORY, dense, embeddings)
    np.testing.assert_allclose(y, dot_oracle(dense, exact[1]), rtol=1e-5, atol=1e-5)
    dy = rng.normal(size=y.shape).astype(np.float32)
    gradients = layers.dot_backward(CPU, MEMORY, dy, dense, embeddings)
    check_slopes(rng, through_relu(dot_oracle, dy), exact, gradients, rel=1e-5)


def test_dot_of_numbers_that_are_not_finite():
    """They stay in their own vectors: none comes from numbers beside the columns or from others."""
    dense, embeddings = np.ones((2, 3), np.float32), np.ones((2, 3, 3), np.float32)
    embeddings[0, 1] = np.inf
    y = layers.dot_forward(CPU, MEMORY, dense, embeddings)
    np.testing.assert_array_equal(y[0, 3:], [3, np.inf, np.inf, 3, 3, np.inf])
    np.testing.assert_array_equal(y[1, 3:], np.full(6, 3))
    ones = np.ones_like(y)
    ddense, dembeddings = layers.dot_backward(CPU, MEMORY, ones, dense, embeddings)
    assert np.isfinite(ddense[1]).all()
    assert np.isfinite(dembeddings[1]).all()
    np.testing.assert_array_equal(ddense[0], np.full(3, np.inf))


def test_num_pairs():
    assert [layers.num_pairs(features) for features in range(6)] == [0, 1, 3, 6, 10, 15]


@pytest.mark.parametrize(("features", "dim"), [(1, 1), (3, 4), (5, 17)])
def test_cat(features, dim):
    rng = np.random.default_rng(dim)
    dense, embeddings = vectors(rng, features, dim)
    y = layers.cat_forward(CPU, dense, embeddings)
    expected = [np.concatenate([d, *e]) for d, e in zip(dense, embeddings, strict=True)]
    np.testing.assert_array_equal(y, expected)
    dy = rng.normal(size=y.shape)
    before = dy.copy()
    ddense, dembeddings = layers.cat_backward(CPU, dy, np.maximum(dense, 0), embeddings)
    loss = through_relu(functools.partial(layers.cat_forward, CPU), dy)
    exact = [dense.astype(np.float64), embeddings.astype(np.float64)]
    check_slopes(rng, loss, exact, [ddense, dembeddings])
    nothing = layers.cat_forward(CPU, dense[:0], embeddings[:0])
    assert nothing.shape == (0, dim + features * dim)
    ddense[:] = 0.0  # the caller may write to it: it is no view
    np.testing.assert_array_equal(dy, before)


def test_a_wrong_gradient_is_seen():
    rng = np.random.default_rng(0)
    dense, embeddings = vectors(rng, 3, 8)
    dy = rng.normal(size=(7, 8 + 6)).astype(np.float32)
    right = layers.dot_backward(CPU, MEMORY, dy, np.maximum(dense, 0), embeddings)
    loss = through_relu(dot_oracle, dy)
    exact = [dense.astype(np.float64), embeddings.astype(np.float64)]
    check_slopes(rng, loss, exact, right, rel=1e-5)
    wrong_order = right[0], right[1][:, ::-1]
    without_dense = right[0] - dy[:, :8] * (dense > 0), right[1]
    one_entry = right[0], right[1].copy()
    one_entry[1][3, 1, 2] *= 1.01
    for wrong in (wrong_order, without_dense, one_entry):
        with pytest.raises(AssertionError):
            check_slopes(rng, loss, exact, wrong, rel=1e-5)
