"""Logistic regression on ids: one weight an id, plus one weight a dense feature."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.checks import check_int
from lowprec.device import get_device
from lowprec.models.classifier import Classifier
from lowprec.models.data import Minibatch
from lowprec.models.parameters import optimizer_of_table
from lowprec.models.ranks import begin_look_up
from lowprec.schedules import check_nonnegative
from lowprec.tables import verbs
from lowprec.workspace import Allocator


@dataclass(eq=False, repr=False)
class LogisticRegression(Classifier):
    """Logistic regression on dense features and hashed ids, with the ids' weights in low precision.

    ``P(y = 1) = sigmoid(intercept + dense @ coef + sum of the weights of the sample's ids)``,
    trained by minibatches on ``mean log loss + l2 / 2 * |weights|**2`` (the intercept is free).

    Parameters
    ----------
    num_embeddings : int or sequence of int, optional
        Number of ids of each feature.  Default: from the first `Samples` or sparse matrix, or else
        the largest id of each feature in the first samples plus 1.
    optimizer : Optimizer, optional
        Updates all weights, or only those of the ids if there is a `dense_optimizer`.  The gradient
        is that of the batch's mean loss.  Default: ``Adagrad(0.1, initial_accumulator=1e-4)``; with
        `l2`, SGD with the learning rates 1 for the ids and 0.02 for the dense weights.
    dense_optimizer : Optimizer, optional
        Updates `coef_` and `intercept_`.
    l2 : float, default 0.0
        Strength of the penalty, on every weight at every step.
    class_weight : {None, "balanced"} or dict, default None
        Factors for the losses of each class: ``{label: weight}``, where a missing label has 1, or
        "balanced", which gives each class half of the total weight.
    {training_parameters}

    Attributes
    ----------
    encoder_ : TabularEncoder or None
        The encoder that was saved with the model, if any; the model then takes frames.
    num_dense_, num_features_ : int
        Numbers of dense features and of features of ids, from the first samples; either may be 0.
    table_ : EmbeddingTable
        One weight for each id.  The model's weight is this times `table_scale_`.
        After training with `comm`, a `lowprec.mpi.ShardedTable`.
    table_scale_ : float
        1.0 unless `l2` is set.
    coef_ : ndarray of float32, shape (num_dense,)
        Weights of the dense features, after standardisation if there is any.
    intercept_ : ndarray of float32, shape (1,)
        The constant of every logit.
    classes_ : ndarray, shape (2,)
        The labels, ascending; ``[0, 1]`` for numbers and booleans that are 0 and 1.
    n_features_in_ : int
        ``num_dense_ + num_features_``.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        The names of the columns; only if the first samples were a frame with names.
    history_ : dict of lists of float
        One entry for each epoch of the last `fit`.  ``"train_loss"`` is the weighted mean loss of
        all samples, each computed before the step of its batch.  ``"validation_loss"``, if
        `validation` was given, is computed after the epoch.
    best_epoch_ : int or None
        The first epoch with the lowest validation loss, counted from 0 like the entries of
        `history_`.

    Raises
    ------
    TypeError, ValueError
        By `fit` and `partial_fit`, not by the constructor, if a parameter is invalid.

    Notes
    -----
    The penalty shrinks all weights by ``1 - learning_rate * l2`` at every step.  This factor is
    kept in one number, `table_scale_`, and not multiplied into every row (Bottou, "Stochastic
    Gradient Descent Tricks", 2012, section 5.1).  So a step touches only the rows of its batch and
    rounds them once.  When the factor falls below 1/2, it is doubled and the table is halved, which
    is exact except for subnormal numbers.

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> X, y, p = lp.datasets.make_clicks(2000, num_embeddings=[50, 20], seed=0)
    >>> model = lp.LogisticRegression([50, 20], batch_size=100, epochs=3).fit(X, y)
    >>> model.predict_proba(X).shape
    (2000, 2)
    """

    _pools_across_features = True
    _splits_batches = False

    l2: float = field(default=0.0, kw_only=True)

    def _check_parameters(self, step: int) -> None:
        super()._check_parameters(step)
        check_nonnegative("l2", self.l2)
        if self.l2 and not optimizer_of_table(self).linear:
            given = optimizer_of_table(self)
            raise ValueError(
                f"l2 needs an optimizer whose step is proportional to the gradient, such as "
                f"lowprec.SGD, got l2={self.l2} and {given!r}; use {given.penalty} instead"
            )
        if self.l2 and self.path is not None:
            raise ValueError(
                f"l2 halves the whole table now and then, which may not fit into memory: got "
                f"l2={self.l2} and path={self.path!r}; use weight_decay of an optimizer instead"
            )
        if self.l2 and self.cuda_graph:
            raise ValueError(f"cuda_graph=True cannot be with l2, got l2={self.l2}")
        self._shrinkage(step)

    def _watches_always(self) -> bool:
        return self.l2 > 0  # the scale changes at each step, and could not be restored

    def _table_shape(self) -> tuple[int, float | None]:
        return 1, 0.0

    def _build_dense(self, num_dense: int) -> None:
        self.table_scale_ = 1.0
        xp = get_device(self.device).xp
        self.coef_: NDArray[np.float32] = xp.zeros(num_dense, np.float32)
        self.intercept_: NDArray[np.float32] = xp.zeros(1, np.float32)
        self._halvings = 0

    def _named_parameters(self) -> dict[str, NDArray[np.float32]]:
        return {"coef": self.coef_, "intercept": self.intercept_}

    def _parameter_shapes(self, num_dense: int) -> dict[str, tuple[int, ...]]:
        return {"coef": (num_dense,), "intercept": (1,)}

    def _check_progress(self, progress: Any) -> None:
        super()._check_progress(progress)
        check_nonnegative("table_scale_", progress["table_scale_"])
        if not 0.5 <= progress["table_scale_"] <= 1.0:
            raise ValueError(f"has table_scale_ = {progress['table_scale_']}, not in [0.5, 1]")
        check_int("_halvings", progress["_halvings"], low=0, high=2**63)

    def _progress_of_training(self) -> dict[str, Any]:
        return {"table_scale_": self.table_scale_, "_halvings": self._halvings}

    def _forward(
        self, batch: Minibatch, scratch: Allocator
    ) -> tuple[NDArray[np.float32], Minibatch]:
        sums = begin_look_up(self.table_, batch.ids)()
        outputs = get_device(self.device).kernels.linear_outputs(
            batch.dense, self.coef_, self.intercept_, sums, self.table_scale_
        )
        return outputs, batch

    def _backward(
        self, doutputs: NDArray[np.float32], batch: Minibatch, scratch: Allocator
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        dcoef = scratch.empty("dcoef", self.coef_.shape, np.float32)
        get_device(self.device).kernels.weighted_sum(batch.dense, doutputs, dcoef)
        if self.l2:
            dcoef += np.float32(self.l2) * self.coef_
        dintercept = scratch.empty("dintercept", (1,), np.float32)
        doutputs.sum(keepdims=True, out=dintercept)
        return doutputs[:, None], [dcoef, dintercept]

    def _update_table(
        self, batch: Minibatch, dsums: NDArray[np.float32],
        numbers: verbs.StepNumbers | None = None,
    ) -> None:  # fmt: skip
        """Weights are scale * table: shrink the scale, then step the table by what is left."""
        scale = self.table_scale_ * self._shrinkage(self.table_.step)
        grad = dsums / np.float32(scale)
        super()._update_table(batch, grad, numbers)
        if self.l2:
            self._divergence.raise_if_diverged()  # before the scale changes
        self.table_scale_ = scale
        while self.table_scale_ < 0.5:
            self._halvings = verbs.halve(self.table_, self._halvings)
            self.table_scale_ *= 2.0

    def _shrinkage(self, step: int) -> float:
        """What all weights are multiplied with at a step."""
        rate, l2 = optimizer_of_table(self).learning_rate_at(step), float(self.l2)
        if rate * l2 >= 1.0:
            raise ValueError(
                f"learning_rate * l2 must be less than 1, got {rate} * {l2} at step {step}"
            )
        return 1.0 - rate * l2
