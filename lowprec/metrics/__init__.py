"""How good predicted probabilities, scores and rankings are."""

from lowprec.metrics.auc import grouped_roc_auc, roc_auc
from lowprec.metrics.probabilities import calibration, log_loss, normalized_entropy
from lowprec.metrics.ranking import ndcg_at_k, recall_at_k

__all__ = [
    "calibration",
    "grouped_roc_auc",
    "log_loss",
    "ndcg_at_k",
    "normalized_entropy",
    "recall_at_k",
    "roc_auc",
]
