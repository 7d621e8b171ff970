"""The steps of optimizers on one number, slow and obvious, in float32 with one rounding each."""

import numpy as np

from tests import naive

F = np.float32
LARGEST = np.finfo(F).max


def sgd(optimizer, t, g, w):
    return (naive.fma(-F(optimizer.learning_rate), g, w),)


def sgd_with_momentum(optimizer, t, g, w, m):
    m = naive.fma(F(optimizer.momentum), m, g)
    return naive.fma(-F(optimizer.learning_rate), m, w), m


def adagrad(optimizer, t, g, w, total):
    with np.errstate(over="ignore"):
        total = min(naive.fma(g, g, total), LARGEST)
    root = F(F(np.sqrt(total)) + F(optimizer.eps))
    return F(w - F(F(F(optimizer.learning_rate) * g) / root)), total


def adam(optimizer, t, g, w, mean, square):
    beta1, beta2 = optimizer.beta1, optimizer.beta2
    mean = naive.fma(F(1 - beta1), F(g - mean), mean)
    square = naive.fma(F(1 - beta2), naive.fma(g, g, -square), square)
    root = F(F(np.sqrt(F(square / F(1 - beta2**t)))) + F(optimizer.eps))
    step = F(F(optimizer.learning_rate) * F(mean / F(1 - beta1**t)))
    return F(w - F(step / root)), mean, square


def update(table, step, states, indices, grad):
    """(weight, states) after one update of a table, whose states are in a dict of arrays."""
    weight, states = table.weight.copy(), {name: array.copy() for name, array in states.items()}
    rounding = table.optimizer.state_rounding
    for row, gradient in naive.row_gradients(table, indices, grad).items():
        key = naive.row_key(table.seed, 0, table.step, row)
        for c, g in enumerate(gradient):
            held = [F(array[row, c]) for array in states.values()]
            w = F(weight[row, c])
            new, *held = step(table.optimizer, table.step + 1, g, w, *held)
            weight[row, c] = naive.store(new, key, c, table.dtype.name, table.rounding)
            for state, (array, number) in enumerate(zip(states.values(), held, strict=True)):
                own = naive.state_key(key, state)
                array[row, c] = naive.store(number, own, c, array.dtype.name, rounding)
    return weight, states
