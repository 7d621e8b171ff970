"""What is told while a model is trained: the progress bar, and the user's callback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress(
    model: Any,
    total: int,
    done: int = 0,
    callback: Callable[[Any, int], None] | None = None,
) -> Iterator[Callable[[int, Any], None]]:
    """What to call with (samples, loss) after each step: tells the user's callback, if there is
    one, and the progress bar, if the model is `verbose`."""
    from tqdm import tqdm  # here, to keep the package quick to import

    bar = tqdm(
        total=total, initial=done, unit=" samples", unit_scale=True, disable=not model.verbose
    )
    running = _RunningMean()

    def report(samples: int, loss: Any) -> None:
        nonlocal done
        done += samples
        if model.verbose:
            bar.set_postfix_str(f"log loss {running.add(float(loss)):.4f}", refresh=False)
            bar.update(samples)
        if callback is not None:
            callback(model, done)

    with bar:
        yield report


class _RunningMean:
    """An average that forgets: each value counts 1 %, the first ones equally."""

    def __init__(self) -> None:
        self._mean = 0.0
        self._count = 0

    def add(self, value: float) -> float:
        self._count += 1
        self._mean += (value - self._mean) * max(0.01, 1.0 / self._count)
        return self._mean
