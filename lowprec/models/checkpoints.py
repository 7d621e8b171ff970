"""Files written while a model is trained, from which an interrupted `fit` is resumed."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowprec.checks import check_int, check_path
from lowprec.files.reading import describe
from lowprec.files.shards import remove_shards
from lowprec.models.identity import Training, why_another
from lowprec.schedules import check_nonnegative

_NAME = re.compile(r"step-(\d{12,})\.safetensors")


@dataclass(frozen=True)
class Checkpoints:
    """When and where `fit` writes files, and how many it keeps.

    Files have names like ``step-000000001024.safetensors``, with the number of steps.  One is also
    written at the end, and when Ctrl-C ends training.  The last file holds the last epoch, from
    which training can continue, and with `patience` also the best epoch.  Each training needs its
    own folder: files of another training are neither deleted nor replaced.

    Parameters
    ----------
    folder : path
        Created if it does not exist.
    every_batches : int, optional
        Write a file after this many batches.
    every_minutes : float, optional
        Write a file after the first batch that ends this many minutes after the last file.
    keep : int, default 3
        How many files of this training to keep: the newest ones, up to the last one written.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid.

    Examples
    --------
    >>> import tempfile, lowprec as lp
    >>> X, y, p = lp.datasets.make_clicks(200, num_embeddings=[50, 20], seed=0)
    >>> model = lp.LogisticRegression([50, 20], batch_size=50, epochs=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = model.fit(X, y, save=lp.Checkpoints(folder, every_batches=3))
    ...     longer = lp.LogisticRegression([50, 20], batch_size=50, epochs=3)
    ...     longer.fit(X, y, resume=folder).table_.step  # continues after the 8 steps
    12
    """

    folder: str | os.PathLike[str]
    every_batches: int | None = None
    every_minutes: float | None = None
    keep: int = 3

    def __post_init__(self) -> None:
        check_path("folder", self.folder)
        if self.every_batches is not None:
            check_int("every_batches", self.every_batches, low=1)
        if self.every_minutes is not None:
            check_nonnegative("every_minutes", self.every_minutes, in_float32=False)
        check_int("keep", self.keep, low=1)

    def write(self, model: Any) -> None:
        """Write a file now, then delete the oldest files of this training beyond `keep`.

        Parameters
        ----------
        model : LogisticRegression or DLRM
            A fitted model.

        Raises
        ------
        OSError, ValueError
            If it cannot be written (see ``save`` of a model), or would replace a file of another
            training.

        Examples
        --------
        >>> import os, tempfile, lowprec as lp
        >>> X, y, p = lp.datasets.make_clicks(200, num_embeddings=[50, 20], seed=0)
        >>> model = lp.LogisticRegression([50, 20], batch_size=50).fit(X, y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     lp.Checkpoints(folder).write(model)
        ...     os.listdir(folder)
        ['step-000000000004.safetensors']
        """
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        with model._unchanged("this is saved"):
            written = folder / f"step-{model.table_.step:012d}.safetensors"
            with contextlib.suppress(FileNotFoundError):  # there is none yet
                model._ranks.agreed(lambda: _check_own(model, model._training, written))
            model.save(written)
            if not model._ranks.first:
                return
            own = [path for path in _files(folder) if _is_older(model, path, written)]
        for path in own[: len(own) - (self.keep - 1)] if len(own) >= self.keep else []:
            with contextlib.suppress(FileNotFoundError):  # another process may be quicker
                path.unlink()
            remove_shards(path)

    def after_batches(self, model: Any) -> Callable[[], None]:
        """What to call after each batch of a training that begins now."""
        batches, last = 0, time.monotonic()

        def after_batch() -> None:
            nonlocal batches, last
            batches += 1
            due = self.every_batches is not None and batches % self.every_batches == 0
            if self.every_minutes is not None:
                minutes = (time.monotonic() - last) / 60.0
                due = due or model._ranks.of_first(minutes >= self.every_minutes)
            if due:
                self.write(model)
                last = time.monotonic()

        return after_batch


def _files(folder: Path) -> list[Path]:
    """The files of a folder that `Checkpoints` wrote, by their steps."""
    found = [(match, path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for match, path in sorted(found, key=lambda pair: int(pair[0][1]))]


def check_folder(
    save: Checkpoints, model: Any, training: Training | None, *, resumes: bool
) -> None:
    """ValueError if the folder to save to has files of another training than this one of a model.

    Files of earlier versions do not tell: they are those of what `resumes` one of them.
    """
    folder = Path(save.folder)
    for path in _files(folder) if folder.is_dir() else []:
        with contextlib.suppress(FileNotFoundError):  # another process deletes its own
            _check_own(model, training, path, known=not resumes)


def _check_own(model: Any, own: Training | None, path: Path, *, known: bool = False) -> None:
    """ValueError if a file is of another training, or if that is not `known`."""
    kind, state = describe(path)
    reason = why_another(model, own, kind, state)
    if reason is None and known and state.get("training") is None:
        reason = "it does not tell its samples, as those of earlier versions"
    if reason is not None:
        raise ValueError(
            f"{path} is a file of another training: {reason}; save to another folder, or move or "
            "delete the files of that training"
        )


def _is_older(model: Any, path: Path, written: Path) -> bool:
    """Whether a file is of the training of a model that has just `written` one, and before it."""
    if _step_of(path) >= _step_of(written):
        return False
    try:
        kind, state = describe(path)
        tells = (state.get("training") is None) == (model._training is None)
        return tells and why_another(model, model._training, kind, state) is None
    except (OSError, ValueError, TypeError):  # gone or corrupted: of no training
        return False


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-").partition(".")[0])


def newest(path: str | os.PathLike[str]) -> Path:
    """The file itself, or the newest one of a folder; FileNotFoundError if it has none."""
    if not os.path.isdir(check_path("resume", path)):
        return Path(path)
    if files := _files(Path(path)):
        return files[-1]
    raise FileNotFoundError(f"{os.fspath(path)} has no step-*.safetensors to resume from")
