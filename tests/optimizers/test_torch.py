"""Optimizers step a float32 table as those of PyTorch step a dense matrix.

They differ in one thing: lowprec leaves rows alone that a batch does not hold.  So each batch holds
every row, and some of them several times.
"""

import numpy as np
import pytest

import lowprec as lp
from tests.devices import host

torch = pytest.importorskip(
    "torch", exc_type=ImportError, reason='torch is not installed: pip install "lowprec[bench]"'
)

ROWS, DIM, STEPS = 40, 8, 100
PAIRS = {
    "SGD": (lp.SGD(0.05), lambda w: torch.optim.SGD(w, 0.05)),
    "momentum": (
        lp.SGD(0.05, momentum=0.9),
        lambda w, momentum=0.9: torch.optim.SGD(w, 0.05, momentum),
    ),
    "Adagrad": (
        lp.Adagrad(0.1, eps=1e-6, initial_accumulator=0.25),
        lambda w, start=0.25: torch.optim.Adagrad(
            w, 0.1, initial_accumulator_value=start, eps=1e-6
        ),
    ),
    "Adam": (
        lp.Adam(0.01, beta1=0.9, beta2=0.99, eps=1e-8),
        lambda w, beta2=0.99: torch.optim.Adam(w, 0.01, (0.9, beta2), 1e-8),
    ),
}


def batches():
    """Ids, each at least once, in some order, and the gradient of what is looked up."""
    rng = np.random.default_rng(4)
    for _ in range(STEPS):
        ids = np.concatenate([np.arange(ROWS), rng.integers(0, ROWS, ROWS)])
        rng.shuffle(ids)
        yield ids, rng.normal(0.1, 1.0, (ids.size, DIM)).astype(np.float32)


def by_lowprec(optimizer, weight):
    table = lp.EmbeddingTable(ROWS, DIM, "float32", optimizer=optimizer, init=weight)
    for ids, grad in batches():
        table.update(ids, grad)
    return host(table.weight)


def by_torch(make, weight):
    matrix = torch.nn.Parameter(torch.tensor(weight))
    optimizer = make([matrix])
    for ids, grad in batches():
        optimizer.zero_grad()
        matrix[torch.tensor(ids)].backward(torch.tensor(grad))
        optimizer.step()
    return matrix.detach().numpy()


def difference(optimizer, make):
    """The largest one after all steps, as a share of the largest weight."""
    weight = np.random.default_rng(3).normal(size=(ROWS, DIM)).astype(np.float32)
    ours, theirs = by_lowprec(optimizer, weight), by_torch(make, weight)
    assert np.abs(theirs - weight).max() > 0.1  # they have gone somewhere
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


@pytest.mark.parametrize("name", PAIRS)
def test_a_hundred_steps(name):
    assert difference(*PAIRS[name]) < 1e-5


@pytest.mark.parametrize(
    ("name", "other"),
    [("momentum", {"momentum": 0.8999}), ("Adagrad", {"start": 0.2}), ("Adam", {"beta2": 0.9899})],
)
def test_another_number_is_seen(name, other):
    """The bound is no loose one: it tells one number of an optimizer from the next."""
    optimizer, make = PAIRS[name]
    assert difference(optimizer, lambda weights: make(weights, **other)) > 1e-5
