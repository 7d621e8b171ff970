"""The optimizers that are taken where none is given."""

from typing import NamedTuple

from lowprec.optimizers.adagrad import Adagrad
from lowprec.optimizers.base import Optimizer
from lowprec.optimizers.sgd import SGD


class Pair(NamedTuple):
    """What steps the tables and the dense parameters of a model."""

    table: Optimizer
    dense: Optimizer


TABLE = SGD(learning_rate=0.1)
# of models that are given none; chosen by `python -m benchmarks.defaults`
LINEAR = Pair(*[Adagrad(learning_rate=0.1, initial_accumulator=1e-4)] * 2)
# where a step must be proportional to the gradient; it was the default of all models in version 1
LINEAR_STEPS = Pair(SGD(learning_rate=1.0), SGD(learning_rate=0.02))
DLRM_TABLE = Adagrad(learning_rate=0.05)
DLRM_DENSE = Adagrad(learning_rate=0.01)
