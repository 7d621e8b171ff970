"""Which training a model or a file belongs to, by its samples and parameters.

A training is what ends with the same bits: its identity is a hash of the kind of the model, of all
parameters but those that change no step, and of the samples.  It is no random number, so that equal
models give equal files, and files of equal trainings can stand for each other.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.files.pieces import Pieces
from lowprec.files.writing import as_json
from lowprec.models.data import Labelled
from lowprec.models.parameters import TrainingParameters, described_parameters

FREE = ("epochs", "verbose", "warm_start")  # parameters that may differ within a training
_ROWS = 1024
_DIGEST = re.compile("[0-9a-f]{32}")


class Training(NamedTuple):
    """What a training is recognised by."""

    identity: str
    samples: str
    validation: str | None = None  # its samples, and the patience with them

    @classmethod
    def of(
        cls,
        parameters: TrainingParameters,
        samples: Labelled | str,
        validation: Labelled | None = None,
        patience: int | None = None,
    ) -> Training | None:
        """The training of a model on samples; None if its parameters cannot be written.

        Samples that are not in memory are known by a text that describes them.
        """
        try:
            told = _parameters_that_matter(described_parameters(parameters))
            kind = type(parameters).__name__
            text = json.dumps([kind, told], sort_keys=True, default=as_json)
        except (TypeError, ValueError):  # such as a learning rate that is a function
            return None
        seen = _digest(samples.encode()) if isinstance(samples, str) else fingerprint(samples)
        if validation is None:
            return cls(_digest(text.encode(), seen.encode()), seen)
        validated = _digest(fingerprint(validation).encode(), repr(patience).encode())
        return cls(_digest(text.encode(), seen.encode(), validated.encode()), seen, validated)

    def after(self, before: str, arrays: Mapping[str, NDArray[Any] | Pieces]) -> Training:
        """The same training from another beginning: a model with these arrays."""
        parts = map(Pieces.of, arrays.values())
        return self._replace(identity=_digest(self.identity.encode(), before.encode(), *parts))

    def described(self) -> list[str]:
        """What a file holds of it."""
        return [part for part in self if part is not None]

    @classmethod
    def check(cls, told: Any) -> Training | None:
        """The training that a file describes as a list; None in files of earlier versions."""
        if told is None:
            return None
        is_list = isinstance(told, list) and len(told) in (2, 3)
        if not is_list or not all(isinstance(d, str) and _DIGEST.fullmatch(d) for d in told):
            raise ValueError(f"has the training {told!r}")
        return cls(*told)


def fingerprint(labelled: Labelled) -> str:
    """What samples are recognised by, on any device and in any container and integer dtype.

    Their number and columns, all labels in order, the sums of all ids, of all offsets and of the
    bits of all dense features, and as a whole 1024 samples spread over all of them.  So any number
    that changes is seen; not seen is if some of the other samples exchange numbers.
    """
    samples, device, n = labelled.samples, labelled.device, len(labelled)
    rows = samples[np.unique(np.linspace(0, n - 1, _ROWS).astype(np.int64))]
    offsets = np.arange(rows.indices.size + 1)  # without them, bags of one id
    if rows.offsets is not None:
        offsets = device.to_host(rows.offsets)
    bits = samples.dense.view(np.uint32)
    ids = samples.indices.size
    sums = [int(array.sum(dtype=np.uint64)) for array in (samples.indices, bits)]
    if samples.offsets is None:
        sums.append(ids * (ids + 1) // 2 % 2**64)
    else:
        sums.append(int(samples.offsets.sum(dtype=np.uint64)))
    shape = [n, samples.num_features, samples.num_dense, ids]
    arrays = [
        np.array([*shape, *sums], "<u8"),
        device.to_host(labelled.y.astype(np.uint8)),
        np.asarray(device.to_host(rows.dense), "<f4"),
        np.asarray(device.to_host(rows.indices).reshape(-1), "<i8"),
        np.asarray(offsets, "<i8"),
    ]
    if samples.weights is not None:
        assert rows.weights is not None
        bits = samples.weights.astype(np.float32, copy=False).view(np.uint32)
        total = np.array(int(bits.sum(dtype=np.uint64)), "<u8")
        arrays += [total, np.asarray(device.to_host(rows.weights), "<f4")]
    if labelled.weights is not None:
        arrays.append(np.asarray(device.to_host(labelled.weights), "<f4"))
    return _digest(*(np.ascontiguousarray(array).tobytes() for array in arrays))


def why_another(
    parameters: TrainingParameters, own: Training | None, kind: str, state: Mapping[str, Any]
) -> str | None:
    """Why a file of this kind and state is of another training; None if nothing tells that."""
    its = Training.check(state.get("training"))
    if own is not None and its is not None and own.identity == its.identity:
        return None
    if kind != type(parameters).__name__:
        return f"it holds a {kind}"
    there, here = state.get("parameters"), described_parameters(parameters)
    if reason := another_parameter(there if isinstance(there, dict) else {}, here):
        return reason
    if own is not None and its is not None:
        if own.samples != its.samples:
            return "it was trained on other samples, or other labels, or in another order"
        if own.validation != its.validation:
            return "it has other validation samples, or another patience"
        return "it was begun with other parameters, or from another model"
    return None


def another_parameter(there: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """The first parameter that trainings differ in."""
    for name, value in _parameters_that_matter(here).items():
        if name not in there or there[name] != value:
            return f"it has {name}={there.get(name)!r}, this model has {value!r}"
    return None


def _parameters_that_matter(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in FREE}


def _digest(*parts: bytes | Pieces) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, Pieces):
            digest.update(part.nbytes.to_bytes(8, "little"))
            for array in part.parts():
                digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        else:
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()
