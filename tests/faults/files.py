"""What is in a folder of files: which are whole, and which were left behind."""

import os
import re

import numpy as np

import lowprec as lp

LEFT_OVER = re.compile(r"\.lowprec\.\d+\.[0-9a-f]{8}\.tmp")


def differing_bytes(one, other):
    """How many bytes of two files differ; those that one of them lacks count."""
    shared = min(len(one), len(other))
    pair = [np.frombuffer(data[:shared], np.uint8) for data in (one, other)]
    return int((pair[0] != pair[1]).sum()) + abs(len(one) - len(other))


def is_readable(path):
    try:
        lp.load(path)
    except (OSError, ValueError):
        return False
    return True


def left_over(folder):
    return {"temporary files left": sum(bool(LEFT_OVER.fullmatch(n)) for n in os.listdir(folder))}


def lp_files(folder):
    return [name for name in os.listdir(folder) if name.startswith("step-")]
