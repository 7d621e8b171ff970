"""Models that overfit samples in a few epochs, and what is told of them."""

import json

import numpy as np

import lowprec as lp
from tests import naive_models
from tests.models.small import SIZES, make_dlrm, make_logistic

X, y = naive_models.samples(300, SIZES, 3)
VALIDATION = naive_models.samples(90, SIZES, 3, seed=1)
WEIGHTS = np.random.default_rng(2).uniform(0.0, 2.0, 90)
RATES = {"optimizer": lp.SGD(4.0), "dense_optimizer": lp.SGD(0.5)}  # overfit in a few epochs
MOST = 8
KINDS = {"LogisticRegression": make_logistic, "DLRM": make_dlrm}


def overfitting(kind):
    """What makes a model of one of the KINDS."""
    more = {"l2": 1e-2} if kind is make_logistic else {}
    return lambda **kwargs: kind(**{"epochs": MOST, **RATES, **more, **kwargs})


def everything(model):
    """All of a file but where in which training it is, as one that can be compared."""
    contents, arrays = model._contents()
    for name in ("position", "training", "history"):
        del contents[name]
    del contents["parameters"]["epochs"]
    contents["parameters"].pop("warm_start", None)
    return json.dumps(contents), {name: array.tobytes() for name, array in arrays.items()}


def naive_loss(model, X, y, weights):
    """Of one sample after the other, from the logits."""
    total = 0.0
    for logit, label, weight in zip(model.decision_function(X), y, weights, strict=True):
        total += weight * naive_models.log_loss([float(logit)], [label])
    return total / sum(weights)


def best_and_last(losses, patience):
    """The epoch whose model returns, and the last one that is trained."""
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        if epoch - best == patience:
            return best, epoch
    return best, len(losses) - 1
