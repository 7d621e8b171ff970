"""Recommenders: scikit-learn shaped, trained by hand-written forward and backward passes."""

from lowprec.models.checkpoints import Checkpoints
from lowprec.models.diagnostics import Diagnostics
from lowprec.models.dlrm import DLRM
from lowprec.models.logistic import LogisticRegression

__all__ = ["DLRM", "Checkpoints", "Diagnostics", "LogisticRegression"]
