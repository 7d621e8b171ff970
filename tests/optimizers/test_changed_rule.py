"""A rule that was changed is never answered by a kernel compiled before."""

import uuid
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

import lowprec as lp
from lowprec.kernels.cpu import one_column
from lowprec.optimizers import Optimizer
from tests import children

MODULE = """
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lowprec.optimizers import Optimizer

FACTOR = np.float32({factor})


class Rule(NamedTuple):
    learning_rate: np.float32

    @staticmethod
    def step(rule, gradient, weight):
        "{text}"
        return (weight {sign} rule.learning_rate * (FACTOR * gradient),)


@dataclass(frozen=True)
class Mine(Optimizer):
    def rule(self, step):
        return Rule(np.float32(self.learning_rate_at(step)))
"""
SCRIPT = """
import numpy as np, lowprec as lp
from lowprec.kernels.cpu import one_column
from my_rule import Mine

# of one column, whose kernel is compiled fastest
table = lp.EmbeddingTable(2, 1, "float32", optimizer=Mine(0.5), init_range=0.0)
table.update(np.array([1]), np.ones((1, 1), np.float32))
hits = one_column._update_rows_of_one_column.stats.cache_hits
print(float(table.weight[1, 0]), sum(hits.values()))
"""


def test_a_changed_rule_in_a_module(tmp_path):
    new = uuid.uuid4()  # so that no cache has a rule of this run

    def run(**change):
        parts = {"factor": 4.0, "sign": "-", **change}
        (tmp_path / "my_rule.py").write_text(MODULE.format(text=new, **parts))
        done = children.run("-B", "-c", SCRIPT, paths=[tmp_path])
        weight, hits = done.stdout.split()
        return float(weight), int(hits)

    assert run() == (-2.0, 0)
    assert run(factor=3.0) == (-1.5, 0)
    assert run(sign="+") == (2.0, 0)
    assert run() == (-2.0, 1)


def make(sign):
    """A rule of the same names as another one, as when a notebook's cell is run again."""

    class Rule(NamedTuple):
        learning_rate: np.float32

        @staticmethod
        def step(rule, gradient, weight):
            return (weight + np.float32(sign) * rule.learning_rate * gradient,)

    @dataclass(frozen=True)
    class Mine(Optimizer):
        def rule(self, step):
            return Rule(np.float32(self.learning_rate_at(step)))

    return Mine(0.5)


def test_a_rule_that_is_defined_anew():
    for sign in (-1.0, 2.0):
        table = lp.EmbeddingTable(2, 1, "float32", optimizer=make(sign), init_range=0.0)
        table.update(np.array([1]), np.ones((1, 1), np.float32))
        assert table.weight[1, 0] == 0.5 * sign


def test_kernels_are_cached():
    """What the first test counts on."""
    assert one_column._update_rows_of_one_column.stats.cache_path
