"""A model in a file, and a `fit` that goes on from one."""

from __future__ import annotations

import inspect
import os
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lowprec.arithmetic import in_standard_arithmetic
from lowprec.checks import check_flag, check_int
from lowprec.device import get_device
from lowprec.exceptions import not_fitted
from lowprec.files.checkpoint import Checkpoint, CheckpointError
from lowprec.files.reading import describe, read
from lowprec.models import history
from lowprec.models.arrays import dense_arrays, dense_shapes, trained_arrays
from lowprec.models.best import Best, names_of_best
from lowprec.models.data import Labelled
from lowprec.models.encoded import arrays_of_encoder, encoder_from
from lowprec.models.estimator import check_named, take_names
from lowprec.models.identity import Training, another_parameter
from lowprec.models.labels import classes_from, describe_classes
from lowprec.models.model import Model, Position, is_fitted
from lowprec.models.parameters import (
    ADDED,
    OPTIMIZERS,
    default_optimizers,
    described,
    described_parameters,
    feature_sizes,
    optimizer_of_dense,
    optimizer_of_table,
)
from lowprec.models.training import (
    NO_FEATURES,
    check_standardized,
    naming,
    prepare,
    take_optimizers,
)
from lowprec.optimizers import defaults, from_description
from lowprec.optimizers.checks import check_same_states
from lowprec.optimizers.dense import init_dense_states
from lowprec.tables import verbs
from lowprec.typing import DeviceName

Kind = TypeVar("Kind", bound=Model)


def contents_of(model: Model) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """All but the arrays of a fitted model, as JSON has it, and the arrays; ValueError if none."""
    if not is_fitted(model):
        raise not_fitted(model)
    for name, value in model._architecture_now.items():
        if (now := described(model, name)) != value:
            raise ValueError(f"the model was made with {name}={value!r}, now it is {now!r}")
    check_same_states(model.table_.optimizer, optimizer_of_table(model))
    check_same_states(model._dense_stepped_by, optimizer_of_dense(model))
    device = get_device(model.device)
    state = {
        "parameters": described_parameters(model),
        "table": verbs.description_of(model.table_),
        "num_dense": model.num_dense_,
        "num_features": model.num_features_,
        "classes": describe_classes(model.classes_),
        "standardized": model._standardized,
        "progress": model._progress_of_training(),
        "position": None if model._position is None else list(model._position),
        "training": None if model._training is None else model._training.described(),
        "history": history.describe(model),
    }
    if hasattr(model, "feature_names_in_"):
        state["feature_names"] = model.feature_names_in_.tolist()
    if model._position is not None:
        # a file of a training that diverged would mislead
        model._divergence.raise_if_diverged(now=True)
    dense = {
        "dense_mean": model.dense_mean_,
        "dense_scale": model.dense_scale_,
    }
    arrays = {name: device.to_host(array) for name, array in dense.items()} | trained_arrays(model)
    best = None if model._position is None else model._best
    if best is not None and best.step < model.table_.step:  # else it is what the model is
        state["best"], of_best = best.contents()
        arrays |= of_best
    return state, arrays


@in_standard_arithmetic
def from_file(kind: type[Kind], found: Checkpoint, device: DeviceName) -> Kind:
    """The model of a file of its kind, which is checked as a whole."""
    with found.reading() as state:
        if not isinstance(state["parameters"], dict):
            raise TypeError("has parameters without names")
        parameters = dict(state["parameters"])
        for name, default in inspect.signature(kind).parameters.items():
            if name in ADDED:
                parameters.setdefault(name, ADDED[name])
            elif name != "device":
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
        sizes = feature_sizes(model)
        given = state.get("num_features")  # files of earlier versions have none
    model.table_ = verbs.restore(found, description, device)
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
    trained = [*dense_shapes(model, num_dense), *verbs.arrays_of(model.table_)]
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
    model._standardized, model._training = standardized, training
    target = get_device(device)
    for name in ("dense_mean", "dense_scale"):
        setattr(model, f"{name}_", target.asarray(arrays[name]))
    model._dense_states = init_dense_states(
        target, optimizer_of_dense(model), model._dense_parameters()
    )
    for name, array in dense_arrays(model).items():
        array[...] = target.asarray(arrays[name])
    Best.from_file(found, model)  # checked; only a fit that goes on needs it
    return model


def _take_former_defaults(model: Model) -> None:
    """Where a model was given no optimizer, say what its version took."""
    former = defaults.LINEAR_STEPS
    if model.optimizer is None and default_optimizers(model) != former:
        model.optimizer = former.table
        model.dense_optimizer = model.dense_optimizer or former.dense


def identity_in(
    path: str | os.PathLike[str], model: Model, training: Training | None
) -> Training | None:
    """Which training a file goes on with, if it can be this one, which may begin elsewhere."""
    its = Training.check(describe(path)[1].get("training"))
    alike = None not in (its, training) and its[1:] == training[1:]  # type: ignore[index]
    return its if alike else training


@in_standard_arithmetic
def resume(
    model: Model,
    path: os.PathLike[str],
    labelled: Labelled,
    training: Training | None,
    validation: Labelled | None,
    patience: int | None,
) -> Position:
    """Take over all that training changes from a file that was written in this `fit`."""
    found = read(path)
    found.expect(type(model).__name__)
    saved = from_file(type(model), found, model.device)  # which checks all of it
    there, here = described_parameters(saved), described_parameters(model)
    samples = labelled.samples
    begun = Position.check(found.state["position"])
    if reason := another_parameter(there, here):
        raise ValueError(
            f"{path} is of another training: {reason}; resume with its parameters, or begin anew, "
            "without resume and in another folder"
        )
    if begun is None:
        raise ValueError(f"{path} was not written while a fit was running: nothing to resume")
    if begun.samples != len(samples):
        raise ValueError(
            f"{path} is of a fit on {begun.samples} samples, there are {len(samples)} here"
        )
    if saved.num_dense_ != samples.dense.shape[1]:
        raise ValueError(
            f"{path} is of a fit on {saved.num_dense_} dense features, "
            f"there are {samples.dense.shape[1]} here"
        )
    its = saved._training  # files of earlier versions have none
    if its is not None and training is not None and its.samples != training.samples:
        raise ValueError(
            f"{path} is of a fit on other samples, or other labels, or in another order: resume "
            "with those, or begin anew, without resume and in another folder"
        )
    validated = history.VALIDATION in saved.history_
    other = its is not None and training is not None and its.validation != training.validation
    if other or validated != (validation is not None):
        raise ValueError(
            f"{path} is of a fit {'with' if validated else 'without'} validation samples, which "
            "must be the same, with the same patience, where it goes on"
        )
    if model.epochs < (epochs := begun.epochs_begun):
        raise ValueError(
            f"{path} is of epoch {epochs} of a fit: epochs must be at least {epochs} to resume it, "
            f"got {model.epochs}"
        )
    check_standardized(saved, samples)
    if validation is not None:
        with naming("validation"):
            check_standardized(saved, validation.samples)
    saved._best = Best.from_file(found, saved)
    if patience is not None and saved.best_epoch_ is not None and saved._best is None:
        if saved.best_epoch_ != begun.epoch or begun.done < begun.samples:
            raise CheckpointError(f"{path} lacks the best epoch, which is {saved.best_epoch_}")
        saved._best = Best.of(saved)
    saved._epochs_before -= begun.epochs_begun
    parameters = model.get_params()
    own = (*parameters, "_trainings", "_steps")
    vars(model).update({name: value for name, value in vars(saved).items() if name not in own})
    take_optimizers(model)
    model._training = training
    model.classes_ = labelled.classes
    return begun
