"""A model and the encoder that made its samples, in one file: such a model takes frames."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from lowprec.encoders.frames import is_frame
from lowprec.encoders.tabular import TabularEncoder
from lowprec.files.checkpoint import Checkpoint
from lowprec.files.saved import Saved

_PREFIX = "encoder."  # of its arrays

Contents = tuple[dict[str, Any], dict[str, NDArray[Any]]]


class SavedWithEncoder(Saved):
    """What can be saved to a file together with the encoder of its samples."""

    encoder_: TabularEncoder | None = None
    _write: Callable[..., None]  # (path, contents)

    def save(self, path: str | os.PathLike[str], encoder: TabularEncoder | None = None) -> None:
        """Write the fitted model to a safetensors file, together with the encoder of its samples.

        `load` continues from it.  With an encoder, the loaded model takes frames.  Weights are
        stored in their format (float16 as ``F16``), which any safetensors reader can read.  The
        file is written completely or not at all: an old file stays until the new one is on disk.

        If another thread trains, the file holds the state between two steps.

        If the table is spread over ranks, all call this.  It is written to a folder beside the
        file, whose name begins with that of the file; `load` reads both in one process.

        Parameters
        ----------
        path : path
            The file, in a folder that exists.
        encoder : TabularEncoder, optional
            The encoder that made the samples; the loaded model has it as `encoder_`.  Default: the
            model's own `encoder_`, if it has one.

        Raises
        ------
        OSError
            If it cannot be written.
        TypeError
            If `encoder` is none.
        ValueError
            If the model or the encoder is not fitted, or a learning-rate schedule is not one of
            `lowprec.schedules`.
        RuntimeError
            If waiting for the current step would never end.  The old file stays.

        Examples
        --------
        >>> import tempfile, pyarrow, lowprec as lp
        >>> frame = pyarrow.table({"city": ["Rome", "Oslo"] * 20, "age": [31, 45] * 20})
        >>> encoder = lp.TabularEncoder().fit(frame)
        >>> model = lp.LogisticRegression().fit(encoder.transform(frame), [0, 1] * 20)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/m.safetensors", encoder)
        ...     again = lp.load(f"{folder}/m.safetensors")
        >>> again.predict(frame.slice(0, 2))  # a frame
        array([0, 1])
        """
        chosen = _check_encoder(encoder) or self.encoder_
        with self._unchanged("this is saved"):
            self._write(path, _with_encoder(self._contents(), chosen))


def _check_encoder(encoder: Any) -> TabularEncoder | None:
    """TypeError unless it is an encoder that can be saved, or None."""
    if encoder is not None and not isinstance(encoder, TabularEncoder):
        raise TypeError(f"encoder must be a lowprec.TabularEncoder, got {encoder!r}")
    return encoder


def _with_encoder(contents: Contents, encoder: TabularEncoder | None) -> Contents:
    """What a file holds of a model, with what it holds of its encoder."""
    state, arrays = contents
    if encoder is None:
        return contents
    described, its_arrays = encoder.contents()
    return {**state, "encoder": described}, {
        **arrays, **{_PREFIX + name: array for name, array in its_arrays.items()}
    }  # fmt: skip


def arrays_of_encoder(found: Checkpoint) -> dict[str, NDArray[Any]]:
    """The arrays of the encoder in a file of a model, by their names there; empty without one."""
    if found.state.get("encoder") is None:
        return {}
    return {name: array for name, array in found.arrays.items() if name.startswith(_PREFIX)}


def encoder_from(found: Checkpoint) -> TabularEncoder | None:
    """The encoder in a file of a model; CheckpointError if it is corrupted."""
    with found.reading() as state:
        if state.get("encoder") is None:
            return None
        arrays = arrays_of_encoder(found)
        own_names = {name.removeprefix(_PREFIX): array for name, array in arrays.items()}
        return TabularEncoder.from_contents(state["encoder"], own_names)


def encode(encoder: TabularEncoder | None, X: Any) -> Any:
    """A frame as samples, if there is an encoder; anything else as it is."""
    return X if encoder is None or not is_frame(X) else encoder.transform(X)
