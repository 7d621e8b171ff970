"""What is reported while a model is trained: the progress bar, and the user's callback."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress(
    model: Any,
    total: int | None,
    done: int = 0,
    callback: Callable[[Any, int], None] | None = None,
) -> Iterator[Report]:
    """What to call with (samples, loss) after each step: tells the user's callback, if there is
    one, and the progress bar, if the model is `verbose`."""
    bar = _bar(total, done) if model.verbose and model._ranks.first else None
    try:
        yield Report(model, bar, done, callback)
    finally:
        if bar is not None:
            bar.close()


class Report:
    """Tells the progress bar and the user's callback of each step."""

    def __init__(
        self, model: Any, bar: Any, done: int, callback: Callable[[Any, int], None] | None
    ) -> None:
        self._model, self._bar, self._done, self._callback = model, bar, done, callback
        self._running, self._validation = _RunningMean(), ""

    def __call__(self, samples: int, loss: Any) -> None:
        self._done += samples
        if self._bar is not None:
            text = f"log loss {self._running.add(float(loss)):.4f}{self._validation}"
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(samples)
        if self._callback is not None:
            self._callback(self._model, self._done)

    def expect(self, total: int) -> None:
        """How many samples there are in all, once that is known."""
        if self._bar is not None:
            self._bar.total = total

    def validated(self, loss: float) -> None:
        """The validation loss of an epoch, which is shown from now on."""
        self._validation = f", validation {loss:.4f}"
        if self._bar is not None:
            self._bar.set_postfix_str(f"log loss {self._running.mean:.4f}{self._validation}", False)


def _bar(total: int | None, done: int) -> Any:
    """A bar where it can be redrawn, lines in other files, and nothing where there is no stderr."""
    from tqdm import tqdm  # here, to keep the package quick to import

    stream = sys.stderr
    if _is_closed(stream):
        return None
    in_notebook = type(stream).__module__.startswith("ipykernel.")  # which redraws lines, too
    if in_notebook or (hasattr(stream, "isatty") and stream.isatty()):
        return tqdm(total=total, initial=done, unit=" samples", unit_scale=True, file=stream)
    return _Lines(stream, total, done)


def _is_closed(stream: TextIO | None) -> bool:
    """Whether nothing can be written, as under pythonw or in a daemon."""
    return stream is None or getattr(stream, "closed", False)


class _Lines:
    """The progress as lines of a log: one now and then, and one at the end."""

    def __init__(self, stream: TextIO, total: int | None, done: int) -> None:
        self._stream, self.total, self._initial, self._done = stream, total, done, done
        self._began = self._told = time.monotonic()
        self._postfix = ""

    def set_postfix_str(self, text: str, refresh: bool) -> None:
        self._postfix = text

    def update(self, samples: int) -> None:
        self._done += samples
        if time.monotonic() - self._told >= _SECONDS_BETWEEN_LINES:
            self._tell()

    def close(self) -> None:
        self._tell()

    def _tell(self) -> None:
        from tqdm import tqdm

        self._told = time.monotonic()
        if _is_closed(self._stream):
            return
        line = tqdm.format_meter(
            self._done, self.total, self._told - self._began, ncols=0, unit=" samples",
            unit_scale=True, initial=self._initial, postfix=self._postfix,
        )  # fmt: skip
        self._stream.write(f"{line}\n")
        self._stream.flush()


class _RunningMean:
    """An average that forgets: each value counts 1 %, the first ones equally."""

    def __init__(self) -> None:
        self.mean = 0.0
        self._count = 0

    def add(self, value: float) -> float:
        self._count += 1
        self.mean += (value - self.mean) * max(0.01, 1.0 / self._count)
        return self.mean
