"""How good predicted probabilities and scores are."""

from lowprec.metrics.auc import grouped_roc_auc, roc_auc
from lowprec.metrics.probabilities import calibration, log_loss, normalized_entropy

__all__ = [
    "calibration",
    "grouped_roc_auc",
    "log_loss",
    "normalized_entropy",
    "roc_auc",
]
