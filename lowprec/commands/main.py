"""The command line: what was asked for, and errors of users without tracebacks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from lowprec.commands import inspecting, predicting, training

_COMMANDS = (training, predicting, inspecting)
_FAULT, _INTERRUPTED = 2, 130  # exit statuses: as of argparse, as of a shell


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 2 if it was asked for what cannot be."""
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
    except KeyboardInterrupt as error:
        return _say(str(error) or "interrupted", _INTERRUPTED)
    except (ImportError, IndexError, OSError, TypeError, ValueError, FloatingPointError) as error:
        if given.traceback:
            raise
        return _say(str(error), _FAULT)
    return 0


def _say(text: str, status: int) -> int:
    print(f"python -m lowprec: error: {text}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lowprec",
        description="Train recommenders with embedding tables in low precision, on files.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in _COMMANDS:
        command = commands.add_parser(
            module.NAME, help=module.HELP, description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        module.add_arguments(command)
        command.add_argument(
            "--traceback", action="store_true", help="show where in the code an error was raised"
        )
        command.set_defaults(run=module.run)
    return parser
