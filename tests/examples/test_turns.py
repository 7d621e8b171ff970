"""Models that train in turns: what they train on, and that they are let go."""

import gc
import weakref

import numpy as np
from turns import FEATURES, Shape, make_model, train_in_turns

import lowprec as lp

SMALL = Shape(FEATURES * 10, 4, (4,), 8)
BAGS = Shape(FEATURES * 10, 4, (4,), 8, "zipf", pooling=3)


def test_samples_with_many_ids_a_feature():
    (dense, indices, offsets), y = BAGS.draw(seed=0, samples=5)
    assert dense.shape == (5, 13)
    assert offsets.tolist() == list(range(0, 5 * FEATURES * 3 + 1, 3))
    assert indices.shape == (5 * FEATURES * 3,)
    assert (indices < 10).all()
    assert y.shape == (5,)
    (_, indices), _ = SMALL.draw(seed=0, samples=5)
    assert indices.shape == (5, FEATURES)


def test_names():
    assert SMALL.name == "3e2 x 4, MLPs of 4, uniform"
    assert BAGS.name == "3e2 x 4, MLPs of 4, zipf, 3 ids a feature"


def train():
    models = {"one": make_model(BAGS, "float16", "stochastic", lp.SGD(0.1))}
    return train_in_turns(BAGS, models, batches=2, rounds=3, seed=0)["one"]


def test_times_are_those_of_the_rounds():
    trainee = train()
    for seconds in (trainee.total, trainee.lookup, trainee.update):
        assert len(seconds) == 3
        assert min(seconds) > 0
    assert (np.array(trainee.embedding) < trainee.total).all()


def test_a_model_is_let_go():
    """Without the collector: else the tables of one shape stay beside those of the next."""
    train()  # the compiler leaves garbage of its own
    gc.disable()
    try:
        trainee = train()
        table = weakref.ref(trainee.model.table_)
        del trainee
        assert table() is None
    finally:
        gc.enable()
