"""What surrounds a case: the floating-point state of its thread, and memory that is read-only.

Both are drawn from a stream beside that of the case, which is therefore the same without them.
"""

from dataclasses import dataclass

import numpy as np

from tests.fuzz.checks import check
from tests.fuzz.inputs import folder, pick
from tests.processor_states import STATES, control, in_state
from tests.read_only import mapped

OTHER_STATE, READ_ONLY = 0.3, 0.15  # shares of the cases
HAVE_READ_ONLY = ("tables",)  # areas
NAMES = ("in another state", "with read-only memory")


@dataclass
class Surroundings:
    """Those of one case: the name of a state, or None for that of the process."""

    rng: np.random.Generator
    state: str | None
    read_only: bool

    @property
    def counts(self):
        """By `NAMES`."""
        return self.state is not None, self.read_only

    def run(self, call):
        """Its result or error, in the state, which must be there again in either case."""
        if self.state is None:
            return call()
        with in_state(self.state):
            before = control()
            try:
                return call()
            finally:
                after = control()
                check(after == before, f"state {self.state} {before:#x} became {after:#x}")


def surroundings(rng, area):
    (rng,) = rng.spawn(1)
    # none on machines of which no state is known
    state = pick(rng, list(STATES)) if STATES and rng.random() < OTHER_STATE else None
    read_only = area in HAVE_READ_ONLY and bool(rng.random() < READ_ONLY)
    return Surroundings(rng, state, read_only)


def in_read_only_memory(rng, table):
    """A copy of a table with weights or states, or both, in files mapped for reading."""

    def choose(count):
        return np.flatnonzero(rng.random(count) < 0.5)

    copy = mapped(table, folder(), choose)
    arrays = copy.weight, *copy.optimizer_state.values()
    if all(array.flags.writeable for array in arrays):  # at most others, as the rows of features
        copy = mapped(table, folder())
    return copy
