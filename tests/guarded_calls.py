"""Runs every kernel that takes a user's arrays on arrays next to forbidden pages.

``python tests/guarded_calls.py``: a child of `tests/test_bounds.py`, which this kills if a kernel
reads or writes a byte too far.
"""

import sys
from pathlib import Path

import numba
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

import lowprec as lp
from lowprec import device, layers
from lowprec.formats.entries import FORMATS
from lowprec.kernels.cpu import launch
from lowprec.losses import logistic_loss
from lowprec.optimizers.dense import init_dense_states, update_dense
from lowprec.optimizers.rules import rules_of
from lowprec.workspace import Allocator
from tests import guard

DTYPES = ["float32", *(fmt.name for fmt in FORMATS)]
F32 = np.float32


def tables(rng, at_end):
    """gather, pool, find rows, sort, sum, check, update: of all formats and all ends of a row."""
    guarded = lambda array: guard.guarded(array, at_end=at_end)
    for number, dim in enumerate((1, 2, 3, 4, 8, 15, 16, 17, 31, 32, 33, 64, 65)):
        for dtype in (DTYPES[(number + k) % len(DTYPES)] for k in range(2)):
            table = lp.EmbeddingTable(
                [7, 5], dim, dtype, optimizer=lp.SGD(0.5), on_nonfinite="skip"
            )
            table._weight = guarded(table._weight)
            for samples in (1, 2, 33):
                ids = guarded(rng.integers(0, 5, (samples, 2)))
                ids[-1, 0] = 6  # the last row of its feature
                ids[0, 1] = 4  # and of the table
                grad = guarded(rng.normal(size=(samples, 2, dim)).astype(F32))
                out = guard.empty(grad.shape, F32, at_end=at_end)
                table.lookup(ids, out=out)
                table.update(ids, grad)
                table.update(ids.astype(np.int32), guarded(grad[:, 0]), across_features=True)
                counts = rng.integers(0, 4, 2 * samples)
                counts[-1] = 3
                offsets = guarded(np.concatenate([[0], np.cumsum(counts)]))
                flat = guarded(rng.integers(0, 5, offsets[-1]))
                weights = guarded(rng.normal(size=flat.size).astype(F32))
                for mean in ("sum", "mean"):
                    table.lookup(flat, offsets, mean, weights, out=out)
                    table.lookup(flat, offsets, mean, out=out)
                    table.update(flat, grad, offsets, mean, weights)
            long = guarded(np.full((300, 2), 4))  # a segment in pieces
            table.update(long, guarded(np.ones((300, 2, dim), F32)))
            bad = np.ones((300, 2, dim), F32)
            bad[-1, -1, -1] = np.nan
            table.update(long, guarded(bad))


def rounding(rng, at_end):
    """All three functions into all formats, at all lengths of a last block."""
    for dtype in DTYPES:
        for size in (1, 15, 16, 17, 1023, 1024, 1025, 1040, 2055):
            x = guard.guarded(rng.normal(size=size).astype(F32), at_end=at_end)
            lp.stochastic_round(x, dtype)
            lp.nearest_round(x, dtype)
            lp.round_up_probability(x, dtype)


def dense(rng, at_end):
    """The interaction, the layers and the loss."""
    guarded = lambda shape: guard.guarded(rng.normal(size=shape).astype(F32), at_end=at_end)
    cpu = device.get_device("cpu")
    for dim in (1, 3, 16, 17):
        for features in (1, 2, 15, 16, 17):
            vectors, embeddings = guarded((3, dim)), guarded((3, features, dim))
            memory = Allocator(cpu)
            joined = layers.dot_forward(cpu, memory, vectors, embeddings)
            layers.dot_backward(cpu, memory, guarded(joined.shape), vectors, embeddings)
        weight, bias, x = guarded((dim, 5)), guarded((5,)), guarded((300, dim))
        parameters, memory = [(weight, bias), (guarded((5, 1)), guarded((1,)))], Allocator(cpu)
        for part in (128, 150, 300):  # samples
            activations = layers.mlp_forward(
                cpu, memory, "mlp", x, parameters, last_relu=True, part=part
            )
            activations = [guard.guarded(array, at_end=at_end) for array in activations]
            layers.mlp_backward(
                cpu, memory, "mlp", guarded((300, 1)), activations, parameters, last_relu=True,
                input_too=True, part=part,
            )  # fmt: skip
        cpu.kernels.weighted_sum(x, guarded((300,)), guarded((dim,)))
        halted = np.zeros(1, bool)
        for optimizer in (lp.SGD(0.1), lp.RowWiseAdagrad(0.1)):
            states = init_dense_states(cpu, optimizer, [weight, bias])
            gradients = [guarded((dim, 5)), guarded((5,))]
            rules, held = rules_of(optimizer, 0), [weight, bias]
            update_dense(cpu, rules, held, states, gradients, halted, memory)
            cpu.kernels.note_nonfinite(bias, gradients, halted, memory)
    for size in (1, 1023, 1025):
        ones = guard.guarded(np.ones(size, F32), at_end=at_end)
        logistic_loss(cpu, guarded((size,)), ones)
        logistic_loss(cpu, guarded((size,)), ones, guarded((size,)))
    values = guard.guarded(rng.integers(0, 2**32 + 1, (33, 3)), at_end=at_end)
    lp.datasets.hash_categories(values, [5, 2**31, 1])


def vocabularies(rng, at_end):
    """Keys that are admitted, found and removed, in all slots of a table that grows."""
    for kind in ("u8", "U4"):
        for size in (1, 33, 3000):
            vocabulary = lp.Vocabulary(1500, min_count=2, ttl=1)
            for step in range(4):
                keys = rng.integers(0, 2 * size, size).astype(kind)
                if kind == "u8":
                    keys = guard.guarded(keys, at_end=at_end)
                vocabulary.admit(keys, step)
                vocabulary.find(keys[:size])
                vocabulary.expire(step)


def main():
    launch.NUMBERS_PER_THREAD = 1  # all threads, whose parts have edges too
    # what the library makes for itself ends at a page, too
    plain = device.Device.empty
    for threads in (1, 2):
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        for at_end in (True, False):
            device.Device.empty = lambda self, shape, dtype, e=at_end: guard.empty(
                shape, dtype, at_end=e
            )
            for part in (tables, rounding, dense, vocabularies):
                part(np.random.default_rng(0), at_end)
            device.Device.empty = plain
    print("no step too far")


if __name__ == "__main__":
    main()
