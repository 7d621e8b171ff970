"""Small models of each kind, and all that training changes in them."""

import lowprec as lp

SIZES = [50, 30, 20]
RATES = {"optimizer": lp.SGD(2.0), "dense_optimizer": lp.SGD(0.2)}
COMMON = {"num_embeddings": SIZES, **RATES, "batch_size": 32, "standardize": False}


def make_logistic(**kwargs):
    return lp.LogisticRegression(**{**COMMON, **kwargs})


def make_dlrm(**kwargs):
    small = {"embedding_dim": 4, "bottom_mlp": (8,), "top_mlp": (8,)}
    return lp.DLRM(**{**COMMON, **small, **kwargs})


def state(model):
    """All that training changes, as bytes; None before it."""
    if not hasattr(model, "table_"):
        return None
    arrays = [model.table_.weight, *model._dense_parameters()]
    arrays += [model.dense_mean_, model.dense_scale_, model.classes_]
    numbers = model.table_.step, getattr(model, "table_scale_", None)
    return [array.tobytes() for array in arrays], numbers


def take(X, y, rows):
    """Some samples in their order; `rows` a slice."""
    if len(X) == 2:
        return (X[0][rows], X[1][rows]), y[rows]
    dense, indices, offsets = X
    numbers = range(len(y))[rows]
    bounds = offsets[numbers[0] * len(SIZES) : (numbers[-1] + 1) * len(SIZES) + 1]
    return (dense[rows], indices[bounds[0] : bounds[-1]], bounds - bounds[0]), y[rows]


def changed(array, where, value):
    copy = array.copy()
    copy[where] = value
    return copy
