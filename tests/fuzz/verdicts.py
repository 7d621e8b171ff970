"""Whether an error is a clear one: of an expected type, and raised by lowprec in its own words."""

import ast
import functools
import os
import traceback
from pathlib import Path

import lowprec as lp

PACKAGE = Path(lp.__file__).parent
EXPECTED = (ValueError, TypeError, IndexError, FloatingPointError)


@functools.cache
def _raises(path):
    """The numbers of the lines of a source file that belong to a `raise`."""
    tree = ast.parse(Path(path).read_text())
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Raise))
    return {line for node in found for line in range(node.lineno, node.end_lineno + 1)}


def is_clear(error, expected=EXPECTED):
    """Not that of NumPy or another library that happens to be of the right type."""
    frame = error.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    path = frame.tb_frame.f_code.co_filename
    ours = path.startswith(f"{PACKAGE}{os.sep}")
    return isinstance(error, expected) and ours and frame.tb_lineno in _raises(path)


def in_short(error):
    """The error and where it was raised, in one line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error).replace("\n", " ")[:200]
    return f"{type(error).__name__}: {text} ({Path(frame.filename).name}:{frame.lineno})"
