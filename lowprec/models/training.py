"""Training a model: it is made for samples, and taken through them batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.batches.inputs import as_samples
from lowprec.batches.samples import (
    Samples,
    check_features,
    smallest_features,
)
from lowprec.checks import is_writable
from lowprec.device import get_device
from lowprec.encoders.frames import is_frame
from lowprec.graphs import Graphs
from lowprec.interrupts import InterruptedBetweenBatches
from lowprec.models import graphs, history, standardize
from lowprec.models.data import Labelled, check_batches
from lowprec.models.diagnostics import is_diagnosed
from lowprec.models.divergence import DivergenceCheck, DivergenceError
from lowprec.models.encoded import encode
from lowprec.models.estimator import check_names, names_of
from lowprec.models.identity import Training
from lowprec.models.lookahead import with_rows_read
from lowprec.models.model import Model
from lowprec.models.parameters import (
    described,
    feature_sizes,
    optimizer_of_dense,
    optimizer_of_table,
)
from lowprec.models.ranks import ALONE, Alone, shard_of
from lowprec.models.steps import step
from lowprec.optimizers.checks import check_same_states
from lowprec.optimizers.dense import init_dense_states
from lowprec.staging import Staging
from lowprec.tables import verbs
from lowprec.workspace import Workspace

_ENDS_OF_FIT = (KeyboardInterrupt, FloatingPointError, OSError)
NO_FEATURES = [1]  # the rows of a table for samples without ids: one, which no sample has


@contextmanager
def naming(argument: str) -> Iterator[None]:
    """Errors name the argument that the samples came from."""
    try:
        yield
    except (IndexError, TypeError, ValueError) as error:
        error.args = (f"{argument}: {error}",)
        raise


def nothing() -> None:
    """Do nothing after a batch: no files are written."""


def names_for(model: Model, X: Any) -> list[str] | None:
    """The names of the model's columns in `X`, if it has such: an encoder makes other ones."""
    return None if model.encoder_ is not None and is_frame(X) else names_of(X)


@in_standard_arithmetic
def samples_for(model: Model, X: Any, *, fitted: bool, sizes: list[int] | None = None) -> Samples:
    """Checked samples: every id and number, before anything is trained.

    A model that is being made for other samples has the rows of these: `sizes`.
    """
    if sizes is None:
        sizes = _sizes_of_fitted(model) if fitted else feature_sizes(model)
    samples = as_samples(encode(model.encoder_, X), sizes or None)
    if fitted:
        check_names(model, names_for(model, X))
    if samples.device.asynchronous and not get_device(model.device).asynchronous:
        raise TypeError(f"X is in the memory of a GPU, and the model's device is {model.device!r}")
    if sizes is not None:
        check_features(samples, sizes)
    if fitted:
        if samples.num_dense != model.num_dense_:
            raise ValueError(
                f"X has {samples.shape[1]} features, but {type(model).__name__} is expecting "
                f"{model.n_features_in_} features as input: dense features must have shape "
                f"(n, {model.num_dense_}), got {samples.dense.shape}"
            )
        check_standardized(model, samples)
    return samples


def _sizes_of_fitted(model: Model) -> list[int]:
    """The `num_embeddings` that the model was made with."""
    found: list[int] = verbs.features_of(shard_of(model.table_)).num_embeddings.tolist()
    return found if model.num_features_ else []


@in_standard_arithmetic
def labelled_for(
    model: Model, X: Any, y: Any, sample_weight: Any, classes: Any = None, *, fitted: bool,
    in_parts: bool,
) -> Labelled:  # fmt: skip
    """Checked samples with their labels and weights; those of others may follow `in_parts`."""
    if y is None:
        kind = type(model).__name__
        raise ValueError(f"{kind} requires y to be passed, but the target y is None")
    samples = samples_for(model, X, fitted=fitted)
    if len(samples) == 0:
        raise ValueError("X has no samples")
    check_steps(model, samples)
    return model._with_targets(samples, y, sample_weight, classes, fitted, in_parts)


def check_steps(model: Model, samples: Samples) -> None:
    """ValueError if a batch may be too large for a step, or steps are to be captured and cannot."""
    check_batches(samples, model.batch_size)
    if model.cuda_graph and samples.offsets is not None:
        raise ValueError(
            "cuda_graph=True needs one id a feature of every sample: a graph is of batches of one "
            "shape, and those of jagged samples differ; got offsets"
        )


def check_standardized(model: Model, samples: Samples) -> None:
    """ValueError unless the dense features stay finite by the moments of a fitted model."""
    if model._standardized:
        to_host = get_device(model.device).to_host
        standardize.check(samples, to_host(model.dense_mean_), to_host(model.dense_scale_))


def sizes_of(model: Model, samples: Samples) -> list[int]:
    """The rows of each feature of a model that is made for these samples."""
    sizes = feature_sizes(model) or samples.num_embeddings or smallest_features(samples)
    return list(sizes)


@in_standard_arithmetic
def start(
    model: Model, labelled: Labelled, training: Training | None,
    validation: Labelled | None = None, ranks: Alone = ALONE,
) -> None:  # fmt: skip
    """Make a model anew for these samples, which are those of a `training`, on all ranks."""
    verbs.check_no_table(model.path)
    samples = labelled.samples
    mean, scale = standardize.moments(samples, model.standardize)  # may raise: before all else
    if validation is not None and model.standardize:
        with naming("validation"):
            standardize.check(validation.samples, mean, scale)
    sizes = sizes_of(model, samples)
    columns, init_range = model._table_shape()
    table = ranks.table(
        sizes or NO_FEATURES, columns, model.dtype, model.rounding, optimizer_of_table(model),
        model.seed, device=model.device, init_range=init_range, path=model.path,
    )  # fmt: skip
    model._training = training
    history.begin(model, 0, validated=validation is not None)
    prepare(model, samples.num_dense, samples.num_features)
    model._ranks, model.table_ = ranks, table  # a copy finds the ranks first
    model.classes_ = labelled.classes
    model._build_dense(model.num_dense_)
    device = get_device(model.device)
    model._dense_states = init_dense_states(
        device, optimizer_of_dense(model), model._dense_parameters()
    )
    model._standardized = model.standardize  # `set_params` may change it before the next fit
    model.dense_mean_, model.dense_scale_ = device.asarray(mean), device.asarray(scale)


def prepare(model: Model, num_dense: int, num_features: int) -> None:
    """What training needs beside the parameters."""
    device = get_device(model.device)
    model._scratch, model._staging = Workspace(device), Staging(device)
    model._graphs = Graphs(device)
    model._divergence = DivergenceCheck(device, model._watches_always())
    model.roundoff_history_ = []
    model.num_dense_, model.num_features_ = num_dense, num_features
    model._dense_stepped_by = optimizer_of_dense(model)
    model._architecture_now = {name: described(model, name) for name in model._architecture}


def take_optimizers(model: Model) -> None:
    """Continue with the optimizers that `set_params` set; ValueError if their states differ."""
    dense = optimizer_of_dense(model)
    check_same_states(model._dense_stepped_by, dense)
    shard_of(model.table_).optimizer = optimizer_of_table(model)
    model._dense_stepped_by = dense


def _check_arrays(model: Model) -> None:
    """ValueError if a step could not use an array of the model, or not write to it."""
    shapes = model._parameter_shapes(model.num_dense_)
    for name, array in model._named_parameters().items():
        as_needed = array.dtype == np.float32 and array.flags.c_contiguous
        if not as_needed or array.shape != shapes[name]:
            raise ValueError(
                f"{name} must be a C-contiguous float32 array of shape {shapes[name]}, got one of "
                f"{array.dtype}, with shape {array.shape} and strides {array.strides}"
            )
    verbs.check_writable(shard_of(model.table_))
    states = [array for states in model._dense_states for array in states.values()]
    if not all(map(is_writable, [*model._dense_parameters(), *states])):
        raise ValueError(
            f"the memory of this {type(model).__name__} is read-only, as of a file that is mapped "
            "for reading: nothing was written; copy.deepcopy(model) is a copy that can be trained"
        )


@contextmanager
def carried_by_errors(
    model: Model, kinds: tuple[type[BaseException], ...] = _ENDS_OF_FIT
) -> Iterator[None]:
    """Errors that end training early have the model, which ``Model().fit(...)`` would lose."""
    try:
        yield
    except kinds as error:
        error.model = model  # type: ignore[attr-defined]
        raise


def _captures(model: Model) -> bool:
    """Whether the next step is asked for by a graph; the host looks at those that it reports on."""
    return model.cuda_graph and not is_diagnosed(model._diagnose, model.table_.step)


def interrupted(model: Model) -> InterruptedBetweenBatches:
    """The exception that ends training between two batches."""
    return InterruptedBetweenBatches(
        f"training was interrupted after step {model.table_.step}: this step was finished, and the "
        "model is the attribute `model` of this exception, at a prompt sys.last_value.model"
    )


def train(
    model: Model,
    batches: Iterable[Labelled],
    report: Callable[[int, Any], None],
    is_interrupted: Callable[[], bool],
    after_batch: Callable[[], None] = nothing,
    note: Callable[[Labelled], None] | None = None,
) -> None:
    """A step for each batch, which is then noted; in a `fit`, the model's position goes on with it.

    Ends with `InterruptedBetweenBatches` after a batch in which it `is_interrupted`.
    """
    ranks = model._ranks
    ranks.agreed(lambda: _check_arrays(model))
    divergence = model._divergence
    divergence.start(model._watches_always())
    try:
        for batch in with_rows_read(model, ranks.batches(batches)):
            with model._steps.alone("this model is trained"):
                with np.errstate(over="ignore", invalid="ignore"):  # the check raises instead
                    loss = (graphs.step if _captures(model) else step)(model, batch)
                divergence.raise_if_diverged()
                if model._position is not None:
                    history.count(model, loss, len(batch))
                    model._position = model._position.after(batch)
                if note is not None:
                    note(batch)
            report(len(batch), loss)
            after_batch()
            if ranks.any(is_interrupted()):
                divergence.raise_if_diverged(now=True)
                raise interrupted(model)
        divergence.raise_if_diverged(now=True)
    except DivergenceError as diverged:
        with model._steps.alone("this model is trained"):
            verbs.go_back(shard_of(model.table_), diverged.step)  # nothing was written since then
            model.roundoff_history_ = [
                told for told in model.roundoff_history_ if told[0] < diverged.step
            ]
        raise
