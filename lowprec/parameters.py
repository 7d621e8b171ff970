"""The constructor's arguments of models and encoders, as scikit-learn reads and sets them."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

Self = TypeVar("Self", bound="Parameters")


class Parameters:
    """What has parameters, kept under the names that its constructor has for them."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name.

        Parameters
        ----------
        deep : bool, default True
            Has no effect; scikit-learn passes it.

        Returns
        -------
        dict

        Examples
        --------
        >>> import lowprec as lp
        >>> lp.TabularEncoder(bins=16).get_params()["bins"]
        16
        """
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self: Self, **params: Any) -> Self:
        """Set arguments of the constructor. They are validated when fitting begins.

        Parameters
        ----------
        **params
            The arguments by name.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the constructor has no such argument; nothing is set then.

        Examples
        --------
        >>> import lowprec as lp
        >>> lp.TabularEncoder().set_params(bins=16).bins
        16
        """
        valid = self.get_params()
        for name in params:
            if name not in valid:
                raise ValueError(f"{name!r} is not a parameter; there are {', '.join(valid)}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({params})"
