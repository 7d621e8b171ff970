"""Callbacks of `fit` that end it, or interrupt it, after a step."""

import signal


class StopError(Exception):
    """An end in the middle."""


def stop_at(step, by=None):
    """Raises StopError after a step, or a signal."""

    def callback(model, done):
        if model.table_.step == step:
            if by is None:
                raise StopError
            signal.raise_signal(by)

    return callback


def interrupt_at(step, times=1):
    """Presses Ctrl-C after a step."""

    def interrupt(model, done):
        if model.table_.step == step:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return interrupt
