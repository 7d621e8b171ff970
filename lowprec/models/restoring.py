"""A model in a file."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.checks import check_flag, check_int
from lowprec.device import get_device
from lowprec.exceptions import not_fitted
from lowprec.files.checkpoint import Checkpoint, CheckpointError
from lowprec.models import history, shards
from lowprec.models.arrays import dense_arrays, dense_shapes, trained_arrays
from lowprec.models.best import Best, names_of_best
from lowprec.models.encoded import arrays_of_encoder, encoder_from
from lowprec.models.estimator import check_named, take_names
from lowprec.models.identity import Training
from lowprec.models.labels import classes_from, describe_classes
from lowprec.models.model import Model, Position, is_fitted
from lowprec.models.parameters import (
    ADDED,
    OF_A_PLACE,
    OPTIMIZERS,
    default_optimizers,
    described,
    described_parameters,
    feature_sizes,
    optimizer_of_dense,
    optimizer_of_table,
)
from lowprec.models.ranks import ALONE, Alone, shard_of
from lowprec.models.training import NO_FEATURES, prepare
from lowprec.optimizers import defaults, from_description
from lowprec.optimizers.checks import check_same_states
from lowprec.optimizers.dense import init_dense_states
from lowprec.tables import verbs
from lowprec.typing import DeviceName

Kind = TypeVar("Kind", bound=Model)


def contents_of(model: Model) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What a file of a fitted model has: a dict for JSON, and arrays.  Else ValueError."""
    if not is_fitted(model):
        raise not_fitted(model)
    for name, value in model._architecture_now.items():
        if (now := described(model, name)) != value:
            raise ValueError(f"the model was made with {name}={value!r}, now it is {now!r}")
    check_same_states(shard_of(model.table_).optimizer, optimizer_of_table(model))
    check_same_states(model._dense_stepped_by, optimizer_of_dense(model))
    device = get_device(model.device)
    state = {
        "parameters": described_parameters(model),
        "table": shards.description_of(model),
        "num_dense": model.num_dense_,
        "num_features": model.num_features_,
        "classes": describe_classes(model.classes_),
        "standardized": model._standardized,
        "progress": model._progress_of_training(),
        "position": None if model._position is None else list(model._position),
        "training": None if model._training is None else model._training.described(),
        "history": history.describe(model),
    }
    if None not in (model._position, model._stream):
        state["stream"] = model._stream
    if hasattr(model, "feature_names_in_"):
        state["feature_names"] = model.feature_names_in_.tolist()
    if model._position is not None:
        # a file of a training that diverged would mislead
        model._divergence.raise_if_diverged(now=True)
    dense = {
        "dense_mean": model.dense_mean_,
        "dense_scale": model.dense_scale_,
    }
    arrays = {name: device.to_host(array) for name, array in dense.items()}
    # ranks are on the CPU, and write the shards of the table to files of their own
    arrays |= dense_arrays(model) if model._ranks.together else trained_arrays(model)
    best = None if model._position is None else model._best
    if best is not None and best.step < shard_of(model.table_).step:  # else it is what the model is
        state["best"], of_best = best.contents()
        arrays |= of_best
    return state, arrays


def from_file(kind: type[Kind], found: Checkpoint, device: DeviceName, path: Any = None) -> Kind:
    """A model from a file of its kind, with its table in memory or in a new file at `path`."""
    model, rows = without_rows(kind, found, device, path)
    if rows is not None:
        verbs.fill(model.table_, rows, path)
    return model


@in_standard_arithmetic
def without_rows(
    kind: type[Kind], found: Checkpoint, device: DeviceName, path: Any, ranks: Alone = ALONE
) -> tuple[Kind, verbs.SavedRows | None]:
    """A model from a file of its kind, without the rows of its table, and these rows.

    The whole file is checked first.  The rows are None if the table was saved in shards: it then
    has its rows already, all of them, or on MPI ranks those of one shard (see `spread_table`).
    """
    with found.reading() as state:
        if not isinstance(state["parameters"], dict):
            raise TypeError("has parameters without names")
        parameters = dict(state["parameters"])
        for name, default in inspect.signature(kind).parameters.items():
            if name in ADDED:
                parameters.setdefault(name, ADDED[name])
            elif name not in OF_A_PLACE:
                parameters[name]  # KeyError: a default might not be what was saved
            if isinstance(default.default, tuple):  # JSON has lists alone
                parameters[name] = tuple(parameters[name])
        for name in OPTIMIZERS:
            if parameters[name] is not None:
                parameters[name] = from_description(parameters[name])
        if parameters.get("class_weight") is not None:
            weight = parameters["class_weight"]
            parameters["class_weight"] = weight if isinstance(weight, str) else dict(weight)
        model = kind(**parameters, device=device)
        if "num_features" not in state:  # a file of version 1
            _take_former_defaults(model)
        model._check_parameters(step=0)
        num_dense = check_int("num_dense", state["num_dense"], low=0)
        description, progress = state["table"], state["progress"]
        standardized = check_flag("standardized", state["standardized"])
        position = Position.check(state["position"])
        training = Training.check(state.get("training"))
        stream = check_stream(state.get("stream"), position)
        sizes = feature_sizes(model)
        given = state.get("num_features")  # files of earlier versions have none
    model.path = path
    if path is not None:
        model._check_parameters(step=0)
    model.table_, rows = shards.configured(found, description, device, path, ranks)
    features = verbs.features_of(model.table_).num_embeddings.tolist()
    with found.reading():
        num_features = len(features) if given is None else check_int("num_features", given, low=0)
    columns = model._table_shape()[0]
    if (
        features != (sizes or features)
        or len(features) != max(1, num_features)
        or (num_features == 0 and features != NO_FEATURES)
        or model.table_.embedding_dim != columns
    ):
        raise CheckpointError(f"{found.path}: its table is not that of its model")
    # all arrays are found before any is made: the description may lie about their sizes
    shapes: dict[str, tuple[int, ...]] = {"dense_mean": (num_dense,), "dense_scale": (num_dense,)}
    shapes |= dense_shapes(model, num_dense)
    arrays = {
        name: found.array(name, shape, np.dtype(np.float32)) for name, shape in shapes.items()
    }
    model.encoder_ = encoder_from(found)
    of_table = [] if shards.is_spread(found) else verbs.names_in(model.table_, description)
    trained = [*dense_shapes(model, num_dense), *of_table]
    of_best = names_of_best(found.state, trained)
    found.expect_arrays([*arrays, *trained, *of_best, *arrays_of_encoder(found)])
    prepare(model, num_dense, num_features)
    model._build_dense(num_dense)
    with found.reading():
        model._check_progress(progress)
        model.classes_ = classes_from(state.get("classes"))
        take_names(model, check_named(state.get("feature_names"), model.n_features_in_))
        history.restore(model, state.get("history"), position)
    for name, value in progress.items():
        setattr(model, name, value)
    model._standardized, model._training, model._stream = standardized, training, stream
    model._ranks = ranks
    target = get_device(device)
    for name in ("dense_mean", "dense_scale"):
        setattr(model, f"{name}_", target.asarray(arrays[name]))
    model._dense_states = init_dense_states(
        target, optimizer_of_dense(model), model._dense_parameters()
    )
    for name, array in dense_arrays(model).items():
        array[...] = target.asarray(arrays[name])
    Best.from_file(found, model)  # validated; only a resumed fit needs it
    return model, rows


def check_stream(stream: Any, position: Position | None) -> dict[str, Any] | None:
    """Check what a file says of the stream of a `fit_stream`; None for other trainings."""
    if stream is not None and not isinstance(stream, dict):
        raise TypeError(f"has the stream {stream!r}")
    if stream is None and position is not None and position.samples is None:
        raise ValueError("has a position without an end")
    return stream


def _take_former_defaults(model: Model) -> None:
    """Set the optimizers that a model had by default in the version that wrote its file."""
    former = defaults.LINEAR_STEPS
    if model.optimizer is None and default_optimizers(model) != former:
        model.optimizer = former.table
        model.dense_optimizer = model.dense_optimizer or former.dense
