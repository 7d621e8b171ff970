"""The steps of optimizers, slow and obvious, in float32 with one rounding each.

An oracle has ``step(optimizer, t, g, w, *states)`` of one number, or ``row(optimizer, t, gradient,
weights, *states)`` of one row, whose states are lists.
"""

import math
from functools import partial

import numpy as np

from tests import naive

F = np.float32
LARGEST = np.finfo(F).max
NONE = F(0)


def clamp(x, most=LARGEST):
    return F(min(max(x, -most), most))


def sgd(optimizer, t, g, w):
    return (naive.fma(-F(optimizer.learning_rate_at(t - 1)), g, w),)


def sgd_with_momentum(optimizer, t, g, w, m):
    m = naive.fma(F(optimizer.momentum), m, g)
    return naive.fma(-F(optimizer.learning_rate), m, w), m


def adagrad(optimizer, t, g, w, total):
    with np.errstate(over="ignore"):
        total = min(naive.fma(g, g, total), LARGEST)
    root = F(F(np.sqrt(total)) + F(optimizer.eps))
    return F(w - F(F(F(optimizer.learning_rate) * g) / root)), total


def moments(optimizer, g, mean, square):
    mean = naive.fma(F(1 - optimizer.beta1), F(g - mean), mean)
    square = naive.fma(F(1 - optimizer.beta2), naive.fma(g, g, -square), square)
    return mean, square


def corrected(optimizer, t, mean, square):
    root = F(F(np.sqrt(F(square / F(1 - optimizer.beta2**t)))) + F(optimizer.eps))
    return F(mean / F(1 - optimizer.beta1**t)), root


def adam(optimizer, t, g, w, mean, square, rate=None):
    mean, square = moments(optimizer, g, mean, square)
    change, root = corrected(optimizer, t, mean, square)
    step = F((F(optimizer.learning_rate) if rate is None else rate) * change)
    return F(w - F(step / root)), mean, square


def ftrl(optimizer, t, g, w, z, n):
    rate, l1 = F(optimizer.learning_rate), F(optimizer.l1)
    more = naive.fma(g, g, n)
    sigma = F(F(F(np.sqrt(more)) - F(np.sqrt(n))) / rate)
    z = F(z + naive.fma(-sigma, w, g))
    if abs(z) <= l1:
        return F(0), z, more
    held_by = F(F(F(optimizer.beta) + F(np.sqrt(more))) / rate)
    beyond = F(z - l1) if z > 0 else F(z + l1)
    return F(-beyond / F(held_by + F(optimizer.l2))), z, more


def lamb(optimizer, t, gradient, weights, means, squares):
    steps = []
    for g, mean, square in zip(gradient, means, squares, strict=True):
        change, root = corrected(optimizer, t, *moments(optimizer, g, mean, square))
        steps.append(F(change / root))
    of_weights, of_steps = (F(np.sqrt(naive.mean_square(each))) for each in (weights, steps))
    ratio = F(1) if of_weights == 0 or of_steps == 0 else F(of_weights / of_steps)
    rate = F(F(optimizer.learning_rate) * ratio)
    found = [
        adam(optimizer, t, *numbers, rate=rate)
        for numbers in zip(gradient, weights, means, squares, strict=True)
    ]
    return tuple(map(list, zip(*found, strict=True)))


def row_wise_adagrad(optimizer, t, gradient, weights, total):
    total = F(total[0] + naive.mean_square(gradient))
    rate = F(F(optimizer.learning_rate) / F(F(np.sqrt(total)) + F(optimizer.eps)))
    return [naive.fma(-rate, g, w) for g, w in zip(gradient, weights, strict=True)], [total]


def by_number(step, optimizer, t, gradient, weights, *states):
    found = [
        step(optimizer, t, *numbers) for numbers in zip(gradient, weights, *states, strict=True)
    ]
    return tuple(map(list, zip(*found, strict=True)))


SGD, MOMENTUM, ADAGRAD, ADAM, FTRL = (
    partial(by_number, step) for step in (sgd, sgd_with_momentum, adagrad, adam, ftrl)
)
LAMB, ROW_WISE_ADAGRAD = lamb, row_wise_adagrad


def expm1(x):
    """exp(x) - 1 of a float32 that is not positive, in float32 as the library documents it."""
    y = F(max(x, F(-128)) * F(2.0**-8))
    q = F(1 / math.factorial(8))
    for n in range(7, 0, -1):
        q = naive.fma(y, q, F(1 / math.factorial(n)))
    q = F(y * q)
    for _ in range(8):
        q = naive.fma(q, q, F(q + q))
    return q


def share_of_missed(optimizer, last, step):
    """What is added of a weight for the steps at which its row was not seen."""
    logs = [
        math.log1p(-optimizer.learning_rate_at(each) * optimizer.weight_decay)
        for each in range(step)
    ]
    if callable(optimizer.learning_rate):
        return expm1(F(math.fsum(logs[last:])))
    log = F(math.log1p(-optimizer.learning_rate * optimizer.weight_decay))
    return expm1(F(F(step - last) * log))


def prepared(optimizer, t, gradient, weights, missed):
    """The gradient and the weights of a row as the rule gets them: clipped, decayed."""
    if optimizer.clip_value is not None:
        gradient = [clamp(g, F(optimizer.clip_value)) for g in gradient]
    if optimizer.clip_norm is not None:
        norm = F(np.sqrt(naive.sum_of_squares(gradient)))
        if norm > F(optimizer.clip_norm):
            scale = F(F(optimizer.clip_norm) / norm)
            gradient = [F(g * scale) for g in gradient]
    if optimizer.weight_decay:
        decay = F(optimizer.learning_rate_at(t - 1) * optimizer.weight_decay)
        weights = [naive.fma(missed, w, w) for w in weights]
        weights = [naive.fma(-decay, w, w) for w in weights]
    return gradient, weights


def step_row(optimizer, row, t, gradient, weights, *states, missed=NONE):
    """(weights, *states) of a row after a step by the oracle `row`."""
    gradient, weights = prepared(optimizer, t, gradient, weights, missed)
    return row(optimizer, t, gradient, weights, *states)


def update(table, row_oracle, states, indices, grad):
    """(weight, states) after one update of a table, whose states are in a dict of arrays."""
    weight, states = table.weight.copy(), {name: array.copy() for name, array in states.items()}
    rounding, optimizer = table.optimizer.state_rounding, table.optimizer
    of_rule = [array for name, array in states.items() if name != "last"]
    for row, gradient in naive.row_gradients(table, indices, grad).items():
        key, missed = naive.row_key(table.seed, 0, table.step, row), F(0)
        if "last" in states:
            missed = share_of_missed(optimizer, int(states["last"][row, 0]), table.step)
            states["last"][row, 0] = table.step + 1
        held = [[F(x) for x in array[row]] for array in of_rule]
        weights = [F(x) for x in weight[row]]
        new, *held = step_row(
            optimizer, row_oracle, table.step + 1, gradient, weights, *held, missed=missed
        )
        for c, number in enumerate(new):
            weight[row, c] = naive.store(number, key, c, table.dtype.name, table.rounding)
        for state, (array, numbers) in enumerate(zip(of_rule, held, strict=True)):
            own = naive.state_key(key, state)
            for c, number in enumerate(numbers):
                array[row, c] = naive.store(number, own, c, array.dtype.name, rounding)
    return weight, states
