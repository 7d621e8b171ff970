"""Floating-point states of a thread, as Linux keeps them on x86-64 and AArch64.

Nothing is imported that computes, so that a state can be set before all else.  Elsewhere
there are no `STATES`.
"""

import contextlib
import ctypes
import platform

LINUX = platform.system() == "Linux"
LIBM = ctypes.CDLL(None) if LINUX else None
# the control register of each machine: its place in `fenv_t`, and bits to set and to clear
PLACE, STATES = {
    "x86_64": (28, {
        "flush": (0x8040, 0), "up": (0x4000, 0x2000), "down": (0x2000, 0x4000), "zero": (0x6000, 0),
        "trap": (0, 0x0680),
    }),
    "aarch64": (0, {
        "flush": (1 << 24, 0), "up": (1 << 22, 1 << 23), "down": (1 << 23, 1 << 22),
        "zero": (3 << 22, 0), "trap": (0x0700, 0),
    }),
}.get(platform.machine() if LINUX else "", (0, {}))  # fmt: skip
FLAGS = 0x3F if platform.machine() == "x86_64" else 0


def environment():
    buffer = ctypes.create_string_buffer(64)
    LIBM.fegetenv(buffer)
    return buffer


def control():
    return int.from_bytes(environment().raw[PLACE : PLACE + 4], "little") & ~FLAGS


@contextlib.contextmanager
def in_state(name):
    """Sets a state of the calling thread, and then that from before."""
    before, other = environment(), environment()
    to_set, to_clear = STATES[name]
    word = (int.from_bytes(before.raw[PLACE : PLACE + 4], "little") | to_set) & ~(to_clear | FLAGS)
    other[PLACE : PLACE + 4] = word.to_bytes(4, "little")
    LIBM.fesetenv(other)
    try:
        yield
    finally:
        LIBM.fesetenv(before)
