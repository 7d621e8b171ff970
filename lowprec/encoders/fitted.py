"""A fitted encoder: its columns, what their features are called, and how files keep them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.vocabulary import Vocabulary
from lowprec.encoders import description
from lowprec.encoders.categories import Grown
from lowprec.encoders.columns import Column
from lowprec.encoders.kinds import NUMERICAL
from lowprec.exceptions import not_fitted
from lowprec.files.checkpoint import Checkpoint
from lowprec.files.saved import Saved
from lowprec.parameters import Parameters
from lowprec.typing import DeviceName

Self = TypeVar("Self", bound="FittedEncoder")


class FittedEncoder(Parameters, Saved):
    """What has fitted columns, which are replaced as a whole and never changed."""

    feature_names_in_: NDArray[Any]
    n_features_in_: int
    _fitted: Sequence[Column] | None = None
    _fitted_with: Mapping[str, Any]

    @property
    def vocabularies_(self) -> dict[str, Vocabulary]:
        """With "grow": the vocabulary of each column. Its `refused` shows when rows run out."""
        return {
            column.name: column.encoding.vocabulary
            for column in self._check_fitted()
            if isinstance(column.encoding, Grown)
        }

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """The names of dense features, and then of features of ids, in the order of the samples.

        Parameters
        ----------
        input_features
            Ignored; scikit-learn passes it.

        Returns
        -------
        ndarray of str
            Names of columns; for bins of numbers, with ``"_bin"`` appended.

        Raises
        ------
        ValueError
            If the encoder is not fitted.

        Examples
        --------
        >>> import pyarrow, lowprec as lp
        >>> frame = pyarrow.table({"city": ["Rome", "Oslo"], "age": [31, 45]})
        >>> lp.TabularEncoder().fit(frame).get_feature_names_out().tolist()
        ['age', 'city', 'age_bin']
        """
        columns = self._check_fitted()
        dense = [column.name for column in columns if column.role == NUMERICAL]
        ids = [column.name + "_bin" * (column.role == NUMERICAL) for column in columns]
        return np.array([*dense, *ids], dtype=object)

    def contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Everything that a file stores of a fitted encoder.

        Returns
        -------
        described : dict
            The part that is stored as JSON.
        arrays : dict of ndarray
            By name.

        Raises
        ------
        TypeError, ValueError
            If the encoder is not fitted, or a parameter cannot be stored as JSON.

        Examples
        --------
        >>> import pyarrow, lowprec as lp
        >>> encoder = lp.TabularEncoder().fit(pyarrow.table({"city": ["Rome", "Oslo"]}))
        >>> again = lp.TabularEncoder.from_contents(*encoder.contents())
        >>> again.get_feature_names_out().tolist()
        ['city']
        """
        return description.describe(self.get_params(), self._check_fitted())

    @classmethod
    def from_contents(
        cls: type[Self], described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """Restore an encoder from the result of `contents`.

        Parameters
        ----------
        described : mapping
        arrays : mapping of ndarray

        Returns
        -------
        TabularEncoder

        Raises
        ------
        KeyError, TypeError, ValueError
            If something is not as `contents` returns it: names it.

        Examples
        --------
        >>> import pyarrow, lowprec as lp
        >>> encoder = lp.TabularEncoder().fit(pyarrow.table({"age": [31, 45]}))
        >>> lp.TabularEncoder.from_contents(*encoder.contents()).n_features_in_
        1
        """
        parameters, columns = description.read(described, arrays)
        encoder = cls(**parameters)
        encoder._take(columns)
        return encoder

    def _check_fitted(self) -> Sequence[Column]:
        if self._fitted is None:
            raise not_fitted(self)
        return self._fitted

    def _take(self, columns: Sequence[Column]) -> None:
        self._fitted_with = description.plain(self.get_params())
        self.feature_names_in_ = np.array([column.name for column in columns], dtype=object)
        self.n_features_in_ = len(columns)
        self._fitted = columns

    def _unchanged(self, what: str) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def _contents(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return self.contents()

    @classmethod
    def _from_file(cls: type[Self], found: Checkpoint, device: DeviceName) -> Self:
        with found.reading() as state:
            return cls.from_contents(state, found.arrays)

    def __sklearn_is_fitted__(self) -> bool:
        return self._fitted is not None

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(preserves_dtype=[]),
            input_tags=InputTags(categorical=True, string=True, allow_nan=True),
        )
