"""Logistic regressions on few samples."""

import numpy as np

import lowprec as lp


def raw(*sizes, **kwargs):
    """A model of dense features as they are."""
    return lp.LogisticRegression(*sizes, **{"standardize": False, **kwargs})


def parameters(model):
    """The model's weights in float64: of the ids (rows, 1), `coef_`, `intercept_`."""
    ids = model.table_.weight.astype(np.float64) * model.table_scale_
    return [ids, model.coef_.astype(np.float64), model.intercept_.astype(np.float64)]
