"""What scikit-learn expects of models beside their methods; it need not be installed."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.exceptions import warn


class Estimator:
    """The attributes by which scikit-learn knows what is fitted, and on which columns."""

    num_dense_: int
    num_features_: int
    feature_names_in_: NDArray[Any]  # only after a fit on a frame whose columns are named

    @property
    def n_features_in_(self) -> int:
        """The number of dense features plus features of ids; an AttributeError before `fit`."""
        return self.num_dense_ + self.num_features_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "table_")

    def _repr_html_(self) -> str | None:
        """As scikit-learn shows it, where that is imported; notebooks show text for None."""
        module = sys.modules.get("sklearn.utils")
        shown = getattr(module, "estimator_html_repr", None)
        return None if shown is None else str(shown(self))


def names_of(X: Any) -> list[str] | None:
    """The names of a frame's columns; None of anything else, and where none is a text.

    TypeError if some are texts and some are not, as in scikit-learn.
    """
    names = getattr(X, "column_names", getattr(X, "columns", None))  # of Arrow, of other frames
    if names is None or not hasattr(X, "shape"):
        return None
    names = list(names)
    if not any(isinstance(name, str) for name in names):
        return None
    for place, name in enumerate(names):
        if not isinstance(name, str):
            raise TypeError(
                f"X.columns[{place}] = {name!r} is not a string. Feature names are only supported "
                "if all input features have string names: X.columns.astype(str) makes them so"
            )
    return [str(name) for name in names]


def take_names(model: Estimator, names: list[str] | None) -> None:
    """Keep the names that a model is fitted with, or forget those of a fit before."""
    if names is not None:
        model.feature_names_in_ = np.array(names, dtype=object)
    elif hasattr(model, "feature_names_in_"):
        del model.feature_names_in_


def check_named(names: Any, n_features: int) -> list[str] | None:
    """The names of columns from a file, where there may be none."""
    if names is None:
        return None
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not is_list or len(names) != n_features:
        raise ValueError(f"has the feature names {names!r} of {n_features} features")
    return names  # type: ignore[no-any-return]


def check_names(model: Estimator, given: list[str] | None) -> None:
    """ValueError unless the names of columns are those of `fit`, in order.

    UserWarning where only one of both has names, as in scikit-learn.
    """
    fitted = getattr(model, "feature_names_in_", None)
    kind = type(model).__name__
    if fitted is None and given is None:
        return
    if fitted is None:
        warn(f"X has feature names, but {kind} was fitted without feature names")
    elif given is None:
        warn(f"X does not have valid feature names, but {kind} was fitted with feature names")
    elif given != fitted.tolist():
        raise ValueError(_difference(fitted.tolist(), given))


def _difference(fitted: list[str], given: list[str]) -> str:
    """How the names of columns differ, in the words of scikit-learn."""
    unexpected, missing = sorted(set(given) - set(fitted)), sorted(set(fitted) - set(given))
    lines = ["The feature names should match those that were passed during fit."]
    if unexpected:
        lines += ["Feature names unseen at fit time:", *_some(unexpected)]
    if missing:
        lines += ["Feature names seen at fit time, yet now missing:", *_some(missing)]
    if not unexpected and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines) + "\n"


def _some(names: list[str], most: int = 5) -> list[str]:
    return [f"- {name}" for name in names[:most]] + ["- ..."] * (len(names) > most)
