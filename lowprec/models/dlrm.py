"""The deep learning recommendation model of Naumov et al. (arXiv:1906.00091, 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from lowprec import layers
from lowprec.checks import check_choice, check_int, entries_of
from lowprec.device import get_device
from lowprec.models.classifier import Classifier
from lowprec.models.data import Minibatch
from lowprec.models.ranks import begin_look_up, shard_of
from lowprec.optimizers import Optimizer, defaults
from lowprec.tables import verbs
from lowprec.typing import Interaction
from lowprec.workspace import Allocator

INTERACTIONS: tuple[str, ...] = get_args(Interaction)
_MAX_UNITS = 2**24  # of a layer: no product of two is more than the numbers of an array


class _Cache(NamedTuple):
    """What the backward pass needs of the forward pass."""

    bottom: list[layers.Float]  # activations; the last is the dense vector (B, D)
    embeddings: layers.Float  # (B, F, D)
    top: list[layers.Float]
    part: int  # samples of a part of the batch


@dataclass(eq=False, repr=False)
class DLRM(Classifier):
    """The deep learning recommendation model, two MLPs around an interaction of embeddings.

    The bottom MLP maps the dense features to a vector of the length of an embedding.  The
    interaction combines it with the embeddings of the sample's ids, and the top MLP computes the
    logit.  Dense layers are float32; tables are stored in `dtype`.

    Parameters
    ----------
    num_embeddings : int or sequence of int, optional
        Number of ids of each feature.  Default: from the first `Samples` or sparse matrix, or else
        the largest id of each feature in the first samples plus 1.
    embedding_dim : int, default 16
        Columns of the tables.
    bottom_mlp, top_mlp : sequence of int, default (512, 256)
        Hidden layers, ReLU after each; the bottom MLP ends with a layer of `embedding_dim`, with
        ReLU, and the top MLP with one of a single output.
    interaction : {"dot", "cat"}, default "dot"
        Inner products of all pairs of vectors, after the dense vector; or all vectors concatenated.
    optimizer : Optimizer, default Adagrad(learning_rate=0.05)
        Updates the tables.  The gradient is that of the batch's mean loss.
    dense_optimizer : Optimizer, default Adagrad(learning_rate=0.01)
        Updates the dense layers.
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
        The embeddings of all features.
        After training with `comm`, a `lowprec.mpi.ShardedTable`.
    bottom_, top_ : list of (weight, bias)
        The dense layers: weight (inputs, outputs) and bias (outputs,), float32.
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
    The model of Naumov et al., "Deep Learning Recommendation Model for Personalization and
    Recommendation Systems" (arXiv:1906.00091, 2019): with B samples, F features and D columns, the
    bottom MLP gives (B, D), the table (B, F, D), and the top MLP takes (B, D + F (F + 1) / 2) for
    ``"dot"``, or (B, D + F D) for ``"cat"``.

    Examples
    --------
    >>> import numpy as np, lowprec as lp
    >>> X, y, p = lp.datasets.make_clicks(2000, num_embeddings=[50, 20], seed=0)
    >>> model = lp.DLRM([50, 20], embedding_dim=4, bottom_mlp=(8,), top_mlp=(8,), batch_size=100)
    >>> model.fit(X, y).predict_proba(X).shape
    (2000, 2)
    """

    embedding_dim: int = 16
    bottom_mlp: Sequence[int] = (512, 256)
    top_mlp: Sequence[int] = (512, 256)
    interaction: Interaction = "dot"
    optimizer: Optimizer | None = field(default=defaults.DLRM_TABLE, kw_only=True)
    dense_optimizer: Optimizer | None = field(default=defaults.DLRM_DENSE, kw_only=True)

    _architecture = ("num_embeddings", "embedding_dim", "bottom_mlp", "top_mlp", "interaction")

    def _check_parameters(self, step: int) -> None:
        super()._check_parameters(step)
        check_int("embedding_dim", self.embedding_dim, low=1, high=_MAX_UNITS + 1)
        check_choice("interaction", self.interaction, INTERACTIONS)
        for name in ("bottom_mlp", "top_mlp"):
            sizes = entries_of(getattr(self, name))
            if sizes is None:
                raise TypeError(f"{name} must be a sequence of ints, got {getattr(self, name)!r}")
            for i, size in enumerate(sizes):
                check_int(f"{name}[{i}]", size, low=1, high=_MAX_UNITS + 1)

    def _table_shape(self) -> tuple[int, float | None]:
        return self.embedding_dim, None

    def _layer_sizes(self, num_dense: int) -> dict[str, list[int]]:
        """The inputs of each layer of both MLPs, and the outputs of the last one."""
        dim, num_features = self.embedding_dim, len(verbs.features_of(shard_of(self.table_)))
        dot = self.interaction == "dot"
        joined = dim + (layers.num_pairs(num_features) if dot else num_features * dim)
        return {"bottom": [num_dense, *self.bottom_mlp, dim], "top": [joined, *self.top_mlp, 1]}

    def _parameter_shapes(self, num_dense: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for name, sizes in self._layer_sizes(num_dense).items():
            for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
                shapes[f"{name}.{layer}.weight"] = (inputs, outputs)
                shapes[f"{name}.{layer}.bias"] = (outputs,)
        return shapes

    def _build_dense(self, num_dense: int) -> None:
        rng = np.random.default_rng([self.seed, 2])
        self._interaction = self.interaction  # `set_params` may change it before the next fit
        device = get_device(self.device)
        sizes = self._layer_sizes(num_dense)
        self.bottom_ = layers.mlp_init(device, sizes["bottom"], rng)
        self.top_ = layers.mlp_init(device, sizes["top"], rng)

    def _named_parameters(self) -> dict[str, NDArray[np.float32]]:
        return {
            f"{name}.{layer}.{part}": array
            for name, parameters in (("bottom", self.bottom_), ("top", self.top_))
            for layer, pair in enumerate(parameters)
            for part, array in zip(("weight", "bias"), pair, strict=True)
        }

    def _dense_parameters(self) -> list[NDArray[np.float32]]:
        return layers.flatten([*self.bottom_, *self.top_])

    def _forward(self, batch: Minibatch, scratch: Allocator) -> tuple[NDArray[np.float32], _Cache]:
        device = get_device(self.device)
        shape = (len(batch), batch.num_features, shard_of(self.table_).embedding_dim)
        out = scratch.empty("embeddings", shape, np.float32)
        finish = begin_look_up(self.table_, batch.ids, out)
        bottom = layers.mlp_forward(
            device, scratch, "bottom", batch.dense, self.bottom_, last_relu=True,
            part=batch.part,
        )  # fmt: skip
        embeddings = finish()
        if self._interaction == "dot":
            joined = layers.dot_forward(device, scratch, bottom[-1], embeddings)
        else:
            joined = layers.cat_forward(device, bottom[-1], embeddings)
        top = layers.mlp_forward(
            device, scratch, "top", joined, self.top_, last_relu=False, part=batch.part
        )
        return top[-1][:, 0], _Cache(bottom, embeddings, top, batch.part)

    def _backward(
        self, doutputs: NDArray[np.float32], cache: Any, scratch: Allocator
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        bottom, embeddings, top, part = cache
        device = get_device(self.device)
        djoined, dtop = layers.mlp_backward(
            device, scratch, "top", doutputs[:, None], top, self.top_,
            last_relu=False, input_too=True, part=part, by_parts=self._ranks.together,
        )  # fmt: skip
        assert djoined is not None
        if self._interaction == "dot":
            ddense, dembeddings = layers.dot_backward(
                device, scratch, djoined, bottom[-1], embeddings
            )
        else:
            ddense, dembeddings = layers.cat_backward(device, djoined, bottom[-1], embeddings)
        _, dbottom = layers.mlp_backward(
            device, scratch, "bottom", ddense, bottom, self.bottom_,
            # ddense has passed the ReLU
            last_relu=False, input_too=False, part=part, by_parts=self._ranks.together,
        )  # fmt: skip
        return dembeddings, layers.flatten([*dbottom, *dtop])
