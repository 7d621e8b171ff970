"""Errors of files say where they come from."""

from __future__ import annotations

from typing import Any


class naming:  # noqa: N801 - a context
    """Errors of this block say where they come from; Arrow's become a ValueError."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, FileNotFoundError):
            return
        if isinstance(error, TypeError):
            raise TypeError(f"{self.place}: {error}") from error
        if isinstance(error, (KeyError, OSError, ValueError)):
            text = " ".join(str(error).split())
            raise ValueError(f"{self.place}: {text}") from error
