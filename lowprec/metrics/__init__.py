"""How good predicted probabilities and scores are."""

from lowprec.metrics.auc import roc_auc
from lowprec.metrics.probabilities import log_loss, normalized_entropy

__all__ = [
    "log_loss",
    "normalized_entropy",
    "roc_auc",
]
