"""Errors and warnings that are those of scikit-learn, too, where it is imported."""

from __future__ import annotations

import functools
import sys
import warnings
from typing import Any


class NotFittedError(ValueError, AttributeError):
    """Something is used before it is fitted."""

    def __reduce__(self) -> tuple[Any, ...]:
        # its class may be made at run time, and is made again where it is unpickled
        return _not_fitted, self.args


def not_fitted(estimator: object) -> NotFittedError:
    """The error to raise; it is scikit-learn's NotFittedError, too, where that is imported."""
    return _not_fitted(f"this {type(estimator).__name__} is not fitted yet; call fit first")


def warn(text: str, category: str = "UserWarning") -> None:
    """Warn, at the caller's line that is none of this package.

    Of scikit-learn's `category`, where that is imported and has it, or else a UserWarning.
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("lowprec."):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, _theirs(category) or UserWarning, stacklevel=level)


def _not_fitted(message: str) -> NotFittedError:
    theirs = _theirs("NotFittedError")
    return (NotFittedError if theirs is None else _both(theirs))(message)


def _theirs(name: str) -> Any:
    # the module is there and empty while another thread imports it
    return getattr(sys.modules.get("sklearn.exceptions"), name, None)


@functools.cache
def _both(theirs: type) -> type[NotFittedError]:
    return type("NotFittedError", (NotFittedError, theirs), {"__doc__": NotFittedError.__doc__})
