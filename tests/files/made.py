"""Tables and models that are saved, and what they hold."""

import lowprec as lp
from lowprec.tables import verbs

SIZES = [50, 30, 20]


def make_table(dtype="float16", **kwargs):
    schedule = lp.schedules.InverseTime(0.5, decay=0.1)
    kwargs = {"optimizer": lp.SGD(schedule), "seed": 2**64 - 1, **kwargs}
    return lp.EmbeddingTable([30, 5], 17, dtype, **kwargs)


def state(table):
    return table.weight.tobytes(), verbs.description_of(table)
