"""Threads whose floating-point states differ: flushing, rounding otherwise, ending the process."""

import numpy as np

import lowprec as lp
from lowprec.kernels.cpu import launch
from tests.children import in_child
from tests.faults.at_once import in_threads
from tests.faults.promises import Skip, check
from tests.processor_states import STATES, control, in_state

ROUNDS, STEPS = 12, 5
TABLES = [
    {"dtype": "float16", "optimizer": lp.SGD(0.3)},
    {"dtype": "float32", "optimizer": lp.Adagrad(0.3)},
]


class Training:
    """A table, its batches, and what its lookups gave; half of the gradients are subnormal."""

    def __init__(self, number):
        rng = np.random.default_rng(number)
        self.table = lp.EmbeddingTable(300, 17, seed=number, **TABLES[number % len(TABLES)])
        self.ids = rng.integers(0, 300, (ROUNDS * STEPS, 200))
        self.grads = rng.normal(size=(ROUNDS * STEPS, 200, 17)).astype(np.float32)
        self.grads[:, ::2] *= np.float32(1e-39)
        self.found = []

    def go_on(self, number):
        """A round."""
        for step in range(number * STEPS, (number + 1) * STEPS):
            self.found.append(self.table.lookup(self.ids[step]).tobytes())
            self.table.update(self.ids[step], self.grads[step])

    def result(self):
        arrays = self.table.weight, *self.table.optimizer_state.values()
        return [*self.found, *(array.tobytes() for array in arrays)]


def processor_state(folder, rng):
    """Each thread sets another state for each round; the bits are those of the standard one."""
    if not STATES:
        raise Skip("no states of this machine are known")

    def child(ready):
        launch.NUMBERS_PER_THREAD = 1  # small batches use all threads too
        names, first = list(STATES), int(rng.integers(len(STATES)))
        trainings, twins = ([Training(k) for k in range(len(names))] for _ in "ab")

        def work(number):
            outside = control()
            for k in range(ROUNDS):
                name = names[(first + number + k) % len(names)]
                with in_state(name):
                    inside = control()
                    trainings[number].go_on(k)
                    after = control()
                check(inside != outside, f"{name} was not set")
                check(after == inside, f"{name}: {inside:#x} became {after:#x}")
            check(control() == outside, "the state outside")

        in_threads(len(names), work)
        for number, twin in enumerate(twins):
            for k in range(ROUNDS):
                twin.go_on(k)
            check(twin.result() == trainings[number].result(), f"the bits of thread {number}")
        return {"threads": len(names), "steps in another state": len(names) * ROUNDS * STEPS}

    return in_child(child)
