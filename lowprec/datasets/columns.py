"""Columns of Arrow as rows of a reader: which are read, and what becomes of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowprec.checks import entries_of
from lowprec.datasets.parts import Part
from lowprec.encoders.tabular import TabularEncoder


class Selection:
    """Which columns are features, the label and the weight of a row."""

    def __init__(
        self, encoder: Any, label: Any, sample_weight: Any, columns: Any, there: Sequence[str]
    ) -> None:
        if encoder is not None and not isinstance(encoder, TabularEncoder):
            raise TypeError(f"encoder must be a fitted lowprec.TabularEncoder, got {encoder!r}")
        for name, value in (("label", label), ("sample_weight", sample_weight)):
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{name} must be the name of a column, got {value!r}")
        self.encoder, self.label, self.sample_weight = encoder, label, sample_weight
        targets = [name for name in (label, sample_weight) if name is not None]
        self.features = _features(encoder, columns, targets, there)
        for name in targets:
            if name in self.features:
                raise ValueError(
                    f"column {name!r} is a feature of the encoder and the "
                    f"{'label' if name == label else 'weight'}: fit the encoder on a frame "
                    "without it"
                )
        self.all = [*self.features, *dict.fromkeys(targets)]
        if missing := [name for name in self.all if name not in there]:
            raise ValueError(
                f"there is no column {', '.join(map(repr, missing))}; there are "
                f"{', '.join(map(repr, there))}"
            )

    def describe(self) -> dict[str, Any]:
        """As JSON has it; of the encoder a digest of all that it has learned."""
        encoder = None if self.encoder is None else digest_of(self.encoder)
        return {
            "features": self.features, "label": self.label, "sample_weight": self.sample_weight,
            "encoder": encoder,
        }  # fmt: skip

    def part(self, table: Any) -> Part:
        """The rows of a table of pyarrow."""
        X = table.select(self.features)
        if self.encoder is not None:
            X = self.encoder.transform(X)
        return Part(X, self._numbers(table, self.label), self._numbers(table, self.sample_weight))

    def _numbers(self, table: Any, name: str | None) -> NDArray[Any] | None:
        if name is None:
            return None
        column = table.column(name)
        if column.null_count:
            row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            raise ValueError(f"column {name!r}, row {row} is missing")
        return column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def digest_of(encoder: TabularEncoder) -> str:
    """What an encoder is recognised by."""
    described, arrays = encoder.contents()
    digest = hashlib.blake2b(json.dumps(described, sort_keys=True).encode(), digest_size=16)
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def texts_of(encoder: TabularEncoder | None) -> list[str]:
    """The columns that an encoder was fitted on as categories that are text."""
    if encoder is None:
        return []
    columns = encoder.contents()[0]["columns"]
    return [
        column["name"]
        for column in columns
        if column["kind"] == "text" and column["role"] == "categorical"
    ]


def _features(
    encoder: TabularEncoder | None, columns: Any, targets: Sequence[str], there: Sequence[str]
) -> list[str]:
    if encoder is not None:
        if columns is not None:
            raise ValueError("columns are those of the encoder: give one of both")
        encoder.get_feature_names_out()  # raises if it is not fitted
        return [str(name) for name in encoder.feature_names_in_]
    if columns is None:
        features = [name for name in there if name not in targets]
    else:
        names = entries_of(columns)
        if names is None or not all(isinstance(name, str) for name in names):
            raise TypeError(f"columns must be names of columns, got {columns!r}")
        features = names
    if not features:
        raise ValueError("there is no column of features")
    if len(set(features)) < len(features):
        raise ValueError(f"columns has a name twice: {features}")
    return features
