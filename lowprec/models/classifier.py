"""Binary classifiers: logits, probabilities and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lowprec.arithmetic import StandardArithmetic
from lowprec.batches.inputs import SamplesLike
from lowprec.batches.samples import Samples
from lowprec.device import Device, get_device
from lowprec.exceptions import not_fitted
from lowprec.losses import logistic_loss, logistic_losses
from lowprec.models.data import Labelled, Minibatch
from lowprec.models.labels import (
    check_class_weight,
    check_classes,
    check_labels,
    check_weights,
)
from lowprec.models.model import is_fitted
from lowprec.models.predicting import outputs_of
from lowprec.models.recommender import Recommender
from lowprec.models.together import predicting_ranks
from lowprec.models.training import samples_for


def _targets_of_validation(
    samples: Samples, y: Any, sample_weight: Any, classes: NDArray[Any]
) -> Labelled:
    """Samples with labels of known classes, whose weights are not those of the classes."""
    labels, _ = check_labels(samples.device, y, len(samples), classes, True)
    weights = check_weights(samples.device, sample_weight, None, labels, classes)
    return Labelled(samples, labels, weights, classes)


@dataclass(eq=False, repr=False, kw_only=True)
class Classifier(Recommender):
    """A recommender whose outputs are the logits of the second class, trained on the log loss."""

    _estimator_type = "classifier"  # as scikit-learn asked before it had tags
    _targets_of_validation = staticmethod(_targets_of_validation)
    _losses = staticmethod(logistic_losses)

    class_weight: Mapping[Any, float] | Literal["balanced"] | None = None

    def _check_parameters(self, step: int) -> None:
        super()._check_parameters(step)
        check_class_weight(self.class_weight)

    def _with_targets(
        self, samples: Samples, y: Any, sample_weight: Any, classes: Any, fitted: bool,
        in_parts: bool,
    ) -> Labelled:  # fmt: skip
        known = None if classes is None else check_classes(classes)
        if fitted:
            if known is not None and not np.array_equal(known, self.classes_):
                raise ValueError(
                    f"classes are {known.tolist()}, this {type(self).__name__} was fitted on "
                    f"{self.classes_.tolist()}"
                )
            known = self.classes_
        labels, known = check_labels(samples.device, y, len(samples), known, in_parts)
        weights = check_weights(samples.device, sample_weight, self.class_weight, labels, known)
        if not in_parts and weights is not None and not weights.any():
            raise ValueError("the weights of all samples are zero")
        return Labelled(samples, labels, weights, known)

    def _loss(
        self, device: Device, outputs: NDArray[np.float32], batch: Minibatch
    ) -> tuple[Any, NDArray[np.float32]]:
        return logistic_loss(device, outputs, batch.y, batch.weights)

    def decision_function(self, X: SamplesLike, *, comm: Any = None) -> NDArray[np.float32]:
        """The logits of samples: ``log(p / (1 - p))`` with the probability p of the second class.

        Parameters
        ----------
        X
            As for `fit`; there may be no samples.
        comm : communicator of mpi4py, optional
            All its ranks call this with the same samples; each computes a part of the outputs, and
            all get all of them.  Needed for a model that was trained with `comm`, whose table is
            spread over its ranks.

        Returns
        -------
        ndarray of float32, shape (n,)
            In the memory of the host.

        Raises
        ------
        IndexError, TypeError
            As for `fit`.
        ValueError
            As for `fit`; if the model is not fitted; and if its table is spread over other ranks
            than those of `comm`.
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
            raise not_fitted(self)
        ranks = predicting_ranks(self, comm)
        samples = ranks.agreed(lambda: samples_for(self, X, fitted=True))
        ranks.check_alike("samples and model", lambda: f"{len(samples)} {self.table_.step}")
        labelled = Labelled(samples, _no_labels(samples), None, self.classes_)
        return outputs_of(self, labelled, ranks)

    def predict_proba(self, X: SamplesLike, *, comm: Any = None) -> NDArray[np.float64]:
        """The probabilities of both classes.

        Parameters
        ----------
        X, comm
            As for `decision_function`.

        Returns
        -------
        ndarray of float64, shape (n, 2)
            Columns are those of `classes_`.

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

        logits = self.decision_function(X, comm=comm)
        with StandardArithmetic():
            p = expit(logits.astype(np.float64))
            return np.column_stack([1.0 - p, p])

    def predict(self, X: SamplesLike, *, comm: Any = None) -> NDArray[Any]:
        """The more probable class of samples.

        Parameters
        ----------
        X, comm
            As for `decision_function`.

        Returns
        -------
        ndarray, shape (n,)
            Of `classes_`.

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
        logits = self.decision_function(X, comm=comm)
        with StandardArithmetic():
            clicked = logits > 0
        return self.classes_[clicked.astype(np.int64)]

    def score(self, X: SamplesLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The mean accuracy: the share of samples whose class is predicted correctly.

        Parameters
        ----------
        X
            As for `decision_function`.
        y : array_like, shape (n,)
            Labels, of `classes_`.
        sample_weight : array_like of numbers, shape (n,), optional
            Weights of the samples.

        Returns
        -------
        float

        Raises
        ------
        IndexError, TypeError
            As for `decision_function`.
        ValueError
            As for `decision_function`; if a label is none of `classes_`; and if there are no
            samples, or all weights are 0.

        Examples
        --------
        >>> import lowprec as lp
        >>> X, y, p = lp.datasets.make_clicks(2000, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=50).fit(X, y)
        >>> bool(model.score(X, y) == (model.predict(X) == y).mean())
        True
        """
        clicked = self.decision_function(X) > 0
        host = get_device("cpu")
        labels, _ = check_labels(host, y, len(clicked), self.classes_, False)
        if not labels.size:
            raise ValueError("X has no samples")
        right = (labels == 1) == clicked
        weights = check_weights(host, sample_weight, None, labels, self.classes_)
        if weights is None:
            return float(right.mean())
        total = weights.sum(dtype=np.float64)
        if total == 0:
            raise ValueError("sample_weight is 0 for all samples")
        return float(weights.sum(dtype=np.float64, where=right) / total)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags  # it asks

        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(multi_class=False),
            input_tags=InputTags(sparse=True),
        )


def _no_labels(samples: Samples) -> NDArray[np.float32]:
    """Labels of samples that have none, which take no memory."""
    xp = samples.device.xp
    return xp.broadcast_to(xp.zeros(1, np.float32), (len(samples),))  # type: ignore[no-any-return]
