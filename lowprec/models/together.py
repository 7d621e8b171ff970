"""What a model can do on several ranks, and with whom."""

from __future__ import annotations

from typing import Any

from lowprec.models.model import Model, is_fitted
from lowprec.models.ranks import Alone, Ranks, ranks_of
from lowprec.models.warm import is_warm


def training_ranks(model: Model, comm: Any, *, goes_on: bool = False, **refused: Any) -> Alone:
    """The ranks that train a model; ValueError if they cannot.

    `refused` are arguments that one process takes alone.
    """
    if goes_on and model._ranks.together:
        return own_ranks(model, comm)
    ranks = ranks_of(comm)
    if not ranks.together:
        return ranks

    def check() -> None:
        _check_device(model)
        for name, value in refused.items():
            if value is not None:
                raise ValueError(f"{name} is for one process: it cannot be used with comm")
        if goes_on:
            raise ValueError(
                f"this {type(model).__name__} was trained by one process: it cannot be trained "
                "further with comm"
            )
        if model.path is not None:
            raise ValueError("path is for one process: it cannot be used with comm")
        if getattr(model, "l2", 0):
            raise ValueError("l2 is for one process: it cannot be used with comm")

    ranks.agreed(check)
    return ranks


def ranks_of_fit(model: Model, comm: Any, diagnose: Any, save: Any, patience: Any) -> Alone:
    """The ranks of a `fit` with these arguments; ValueError if it is for one process."""
    if comm is not None and patience is not None and save is not None:
        raise ValueError("save with patience is for one process: it cannot be used with comm")
    if comm is not None and is_warm(model):
        raise ValueError("warm_start of a fitted model is for one process: not with comm")
    if is_warm(model) and model._ranks.together:
        own_ranks(model, comm)  # raises
    return training_ranks(model, comm, diagnose=diagnose)


def own_ranks(model: Model, comm: Any) -> Alone:
    """The ranks that have the shards of a model, which are those of `comm`; or ValueError."""
    ranks = model._ranks
    assert isinstance(ranks, Ranks)
    if comm is None:
        raise ValueError(
            f"the table of this {type(model).__name__} is spread over {ranks.size} ranks: all of "
            "them must give comm"
        )
    given = ranks_of(comm)
    assert isinstance(given, Ranks)
    if (given.rank, given.size) != (ranks.rank, ranks.size):
        raise ValueError(
            f"this is rank {ranks.rank} of the {ranks.size} that the model is spread over, and "
            f"rank {given.rank} of {given.size} of comm"
        )
    return ranks


def predicting_ranks(model: Model, comm: Any) -> Alone:
    """The ranks that share predictions: those of a spread model, or others that have all of it."""
    if is_fitted(model) and model._ranks.together:
        return own_ranks(model, comm)
    ranks = ranks_of(comm)
    if ranks.together:
        ranks.agreed(lambda: _check_device(model))
    return ranks


def _check_device(model: Model) -> None:
    """ValueError if the model is on a GPU."""
    if model.device != "cpu":
        raise ValueError(f"comm needs device='cpu', got {model.device!r}")
