"""The optimizers that are taken where none is given."""

from lowprec.optimizers.sgd import SGD

TABLE = SGD(learning_rate=0.1)
# of models that are given no optimizer at all: tables and dense parameters
MODEL_TABLE = SGD(learning_rate=1.0)
MODEL_DENSE = SGD(learning_rate=0.02)
DLRM_TABLE = SGD(learning_rate=10.0)
DLRM_DENSE = SGD(learning_rate=0.1)
