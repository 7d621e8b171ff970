"""Binary classifiers: logits, probabilities and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec.arithmetic import StandardArithmetic
from lowprec.device import Device, get_device
from lowprec.losses import logistic_loss
from lowprec.models.model import is_fitted
from lowprec.models.recommender import Recommender
from lowprec.models.training import NO_LABELS, samples_for, to_device
from lowprec.staging import Staging
from lowprec.workspace import Allocator

_PREDICT_BATCH = 16384


class Classifier(Recommender):
    """A recommender whose outputs are the logits of label 1, trained on the log loss."""

    classes_ = np.array([0, 1])

    def _loss(
        self, device: Device, outputs: NDArray[np.float32], y: NDArray[np.float32]
    ) -> tuple[Any, NDArray[np.float32]]:
        return logistic_loss(device, outputs, y)

    def decision_function(self, X: Sequence[ArrayLike]) -> NDArray[np.float32]:
        """The logits of samples: ``log(p / (1 - p))`` of the chance p of label 1.

        Parameters
        ----------
        X
            As for `fit`; there may be no samples.

        Returns
        -------
        ndarray of float32, shape (n,)
            In the memory of the host.

        Raises
        ------
        IndexError, TypeError
            As for `fit`.
        ValueError
            As for `fit`, and if the model is not fitted.
        FloatingPointError
            If a logit is not a number, as dense features near the largest can make it.

        Examples
        --------
        >>> import lowprec as lp
        >>> X, y, p = lp.datasets.make_clicks(200, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=50).fit(X, y)
        >>> model.decision_function(X).shape
        (200,)
        """
        if not is_fitted(self):
            raise ValueError(f"this {type(self).__name__} is not fitted yet; call fit first")
        samples = samples_for(self, X, NO_LABELS, fitted=True)
        device = get_device(self.device)
        staging = Staging(device)
        size = max(1, samples.fitting(_PREDICT_BATCH))
        # what overflows is looked for below
        with StandardArithmetic(), np.errstate(over="ignore", invalid="ignore"):
            parts = [
                self._forward(to_device(self, batch, staging), Allocator(device))[0]
                for batch in samples.batches(size)
            ]
        none = np.empty(0, np.float32)  # of no samples
        logits = np.concatenate([none, *(device.to_host(part) for part in parts)])
        undefined = np.isnan(logits)
        if undefined.any():
            raise FloatingPointError(
                f"the logit of sample {int(undefined.argmax())} is not a number"
            )
        return logits

    def predict_proba(self, X: Sequence[ArrayLike]) -> NDArray[np.float64]:
        """The probabilities of both labels.

        Parameters
        ----------
        X
            As for `decision_function`.

        Returns
        -------
        ndarray of float64, shape (n, 2)
            Columns are those of `classes_`, 0 and 1.

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `decision_function`.

        Examples
        --------
        >>> import lowprec as lp
        >>> X, y, p = lp.datasets.make_clicks(2000, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=50).fit(X, y)
        >>> of_clicks = model.predict_proba(X)[:, 1]
        >>> lp.metrics.normalized_entropy(y, of_clicks) < 1  # better than the mean of y
        True
        """
        from scipy.special import expit  # here, to keep the package quick to import

        logits = self.decision_function(X)
        with StandardArithmetic():
            p = expit(logits.astype(np.float64))
            return np.column_stack([1.0 - p, p])

    def predict(self, X: Sequence[ArrayLike]) -> NDArray[np.int64]:
        """The more probable label of samples.

        Parameters
        ----------
        X
            As for `decision_function`.

        Returns
        -------
        ndarray of int64, shape (n,)
            0 or 1.

        Raises
        ------
        IndexError, TypeError, ValueError
            As for `decision_function`.

        Examples
        --------
        >>> import lowprec as lp
        >>> X, y, p = lp.datasets.make_clicks(200, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=50).fit(X, y)
        >>> bool(((model.predict_proba(X)[:, 1] > 0.5) == model.predict(X)).all())
        True
        """
        logits = self.decision_function(X)
        with StandardArithmetic():
            clicked = logits > 0
        return self.classes_[clicked.astype(np.int64)]
