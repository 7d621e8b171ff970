"""What lowprec computes where a thread's floating-point state is another one, as JSON.

``processor_calls.py NAMES STATE...`` runs every group of calls whose name matches a pattern, in the
standard state and then in these: it prints the digests of the former, and which of the latter
differ.  With ``--first`` after NAMES the one state is set before anything is imported, and the
digests are those of that state.
"""

# ruff: noqa: E402 - the state may be set before anything is imported

import hashlib
import json
import re
import sys

from tests.processor_states import control, in_state

FIRST = sys.argv[2:3] == ["--first"]
STANDARD = control()
if FIRST:
    for_good = in_state(sys.argv[3])  # kept, as its end would restore the state
    for_good.__enter__()

import ml_dtypes
import numpy as np

import lowprec as lp
import lowprec.kernels.cpu.launch

lowprec.kernels.cpu.launch.NUMBERS_PER_THREAD = 1  # small batches use all threads too
FORMATS = [
    "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e3m4",
]  # fmt: skip
ROWS, COLUMNS, BATCH = 60, 17, 90
rng = np.random.default_rng(0)
IDS = rng.integers(0, ROWS, BATCH)
BAGS = np.sort(rng.integers(0, BATCH, 31))
BAGS[0], BAGS[-1] = 0, BATCH


def floats(shape, exponents):
    """float32 of random bits: no arithmetic makes them, so they are the same in every state."""
    size = int(np.prod(shape))
    sign, fraction = rng.integers(0, 2, size), rng.integers(0, 1 << 23, size)
    exponent = rng.integers(exponents[0] + 127, exponents[1] + 127, size)
    words = (sign << 31) | (exponent << 23) | fraction
    return words.astype(np.uint32).view(np.float32).reshape(shape)


SMALL = floats((ROWS, COLUMNS), (-127, -100))
NUMBERS = floats(4000, (-45, 17))
SUBNORMAL = floats(300, (-127, -120))
GRADIENT = floats((BATCH, COLUMNS), (-12, 1))
BAG_GRADIENT = floats((30, COLUMNS), (-30, 1))
FACTORS = floats(BATCH, (-20, 1))
NO_GRADIENT = np.zeros((BATCH, COLUMNS), np.float32)
RANDOM_WORDS = rng.integers(0, 2**32, (ROWS, COLUMNS), np.uint64).astype(np.uint32)
DOUBLES = rng.normal(size=(ROWS, COLUMNS)) * 2.0 ** rng.integers(-30, 4, (ROWS, COLUMNS))
DENSE = rng.normal(size=(300, 3)).astype(np.float32)
LABELS = rng.integers(0, 2, 300)
SAMPLES = DENSE, rng.integers(0, 20, (300, 2))
SCORES = rng.random(300)
WEIGHTS = (SUBNORMAL.view(np.uint32) & 0x7FFFFFFF).view(np.float32)


def words_of(dtype):
    """Words of a format: below 2 in size, half of them subnormal."""
    entry = (np if dtype == "float32" else ml_dtypes).finfo(dtype)
    sign, mantissa = 1 << (entry.bits - 1), (1 << entry.nmant) - 1
    words = RANDOM_WORDS & np.uint32(((1 << entry.bits) - 1) ^ (1 << (entry.bits - 2)))
    words[::2] &= np.uint32(sign | mantissa)
    return words.astype(f"u{entry.bits // 8}")


WORDS = {dtype: words_of(dtype) for dtype in FORMATS}


def make_table(dtype, rounding, optimizer, seed=3):
    table = lp.EmbeddingTable(ROWS, COLUMNS, dtype, rounding, optimizer, seed)
    table.weight.view(WORDS[dtype].dtype)[...] = WORDS[dtype]
    return table


def table_calls(dtype, rounding, optimizer):
    table = make_table(dtype, rounding, optimizer)
    yield table.lookup(IDS)
    table.update(IDS, NO_GRADIENT)
    yield table.weight
    yield table.lookup(IDS, BAGS, "mean", FACTORS)
    table.update(IDS, GRADIENT)
    table.update(IDS, BAG_GRADIENT, BAGS, "mean", FACTORS)
    yield table.weight
    yield from table.optimizer_state.values()


def other_table_calls(dtype):
    table = make_table(dtype, "stochastic", lp.SGD(0.1))
    yield table.read(IDS)
    report = table.diagnose(IDS, GRADIENT)
    yield np.array([repr(report)])
    yield table.astype("bfloat16", "stochastic").weight
    table.write(np.arange(ROWS), DOUBLES, "stochastic")
    yield table.weight
    table.write(np.arange(ROWS), DOUBLES)
    yield table.weight
    table.reset(np.arange(ROWS), np.arange(ROWS) - 9)
    yield table.weight
    yield lp.EmbeddingTable(ROWS, COLUMNS, dtype).weight
    yield lp.EmbeddingTable(ROWS, COLUMNS, dtype, init=DOUBLES).weight


def rounding_calls(dtype):
    for numbers in (NUMBERS, SUBNORMAL):
        yield lp.nearest_round(numbers, dtype)
        yield lp.stochastic_round(numbers, dtype, seed=1)
        yield lp.round_up_probability(numbers, dtype)


def model_calls(model):
    model.fit(SAMPLES, LABELS)
    yield model.table_.weight
    yield model.predict_proba(SAMPLES)
    yield model.predict(SAMPLES)


def other_calls():
    X, y, p = lp.datasets.make_clicks(50, [9, 30], 2)
    yield from (*X, y, p)
    metrics = (
        lp.metrics.log_loss, lp.metrics.normalized_entropy, lp.metrics.calibration,
        lp.metrics.roc_auc,
    )  # fmt: skip
    for weights in (None, WEIGHTS):
        yield np.array([metric(LABELS, SCORES, weights) for metric in metrics])
        yield lp.metrics.grouped_roc_auc(LABELS, SCORES, SAMPLES[1][:, 0], weights)
    relevant, scores = LABELS.reshape(30, 10), SCORES.reshape(30, 10)
    for metric in (lp.metrics.recall_at_k, lp.metrics.ndcg_at_k):
        yield metric(relevant, scores, 3, WEIGHTS[:30])
        yield metric(relevant, None, 3, WEIGHTS[:30], ranked=np.argsort(scores, axis=1))


def small_rate():
    """A learning rate that is subnormal in float32."""
    table = lp.EmbeddingTable(ROWS, COLUMNS, "float32", optimizer=lp.SGD(1e-40), init=SMALL)
    table.update(IDS, GRADIENT)
    yield table.weight


CALLS = {
    **{
        f"{dtype}, {rounding}": lambda dtype=dtype, rounding=rounding: table_calls(
            dtype, rounding, lp.SGD(0.1)
        )
        for dtype in FORMATS
        for rounding in ("nearest", "stochastic")
    },
    **{
        f"{type(optimizer).__name__} in {dtype}": lambda optimizer=optimizer, dtype=dtype: (
            table_calls(dtype, "stochastic", optimizer)
        )
        for optimizer, dtype in (
            # kernels that other tests compile too: tests/test_same_bits.py, optimizers/test_all.py
            (lp.RowWiseAdagrad(0.1), "float16"),
            (lp.Adagrad(0.1), "float8_e4m3fn"),
            (lp.Adam(0.1, state_dtype="bfloat16", state_rounding="stochastic"), "float16"),
            (lp.FTRL(0.1), "float8_e3m4"),
            (lp.LAMB(0.1), "float16"),
        )
    },
    **{f"a table of {dtype}": lambda dtype=dtype: other_table_calls(dtype) for dtype in FORMATS},
    **{f"rounding to {dtype}": lambda dtype=dtype: rounding_calls(dtype) for dtype in FORMATS},
    "logistic": lambda: model_calls(lp.LogisticRegression([20, 20], batch_size=50, epochs=2)),
    "DLRM": lambda: model_calls(lp.DLRM([20, 20], embedding_dim=4, batch_size=50, epochs=1)),
    "other": other_calls,
    "a small rate": small_rate,
}


def digests(pattern):
    """Of each group of calls; a call that changes the state, or raises, has a digest of its own."""
    found, before = {}, control()
    for name, calls in CALLS.items():
        if not re.search(pattern, name):
            continue
        digest = hashlib.sha256()
        try:
            for result in calls():
                digest.update(np.ascontiguousarray(result).tobytes())
                assert control() == before, f"the state became {control():#x}"
            found[name] = digest.hexdigest()
        except Exception as error:
            found[name] = repr(error)
    return found


def main():
    pattern, *states = sys.argv[1:]
    assert not FIRST or control() != STANDARD, "the state was restored"
    expected, wrong = digests(pattern), {}
    for state in [] if FIRST else states:
        with in_state(state):
            found = digests(pattern)
        wrong[state] = [name for name in found if found[name] != expected[name]]
    print(json.dumps({"digests": expected, "wrong": wrong}))


if __name__ == "__main__":
    main()
