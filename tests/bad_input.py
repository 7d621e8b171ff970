"""What is not taken: checks that an error is clear and that nothing was changed."""

import numpy as np
import pytest
from hypothesis import strategies as st

import lowprec as lp
from tests import naive_models
from tests.fuzz.strategies import (
    not_integers,
    not_numbers,
)
from tests.fuzz.verdicts import EXPECTED, in_short, is_clear

SIZES = [5, 3, 4]
F32 = np.float32


def bits(array):
    return np.ascontiguousarray(array).tobytes()


def refuses(call, expected=EXPECTED):
    """The call raises one of `expected`, in lowprec's own words."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - looked at below
        call()
    assert is_clear(caught.value, expected), in_short(caught.value)


def clear(call):
    """The call works, or raises clearly."""
    try:
        return call()
    except Exception as error:
        assert is_clear(error), in_short(error)  # noqa: PT017
        return None


# --- tables ---


def make_table(**kwargs):
    return lp.EmbeddingTable(**{"num_embeddings": SIZES, "embedding_dim": 2, **kwargs})


def plain():
    rng = np.random.default_rng(0)
    return {
        "indices": rng.integers(0, SIZES, (4, 3)),
        "grad": rng.normal(size=(4, 3, 2)).astype(F32),
    }


def state(table):
    return bits(table.weight), table.step, table.skipped_rows, dict(table.optimizer_state)


BAD_ARGUMENTS = {
    "num_embeddings": not_integers.filter(lambda v: not isinstance(v, (list, tuple, np.ndarray)))
    | st.sampled_from([[], [[1], [2, 3]], np.ones((2, 2), int), "ab", {5: 1}, [1.0], [2**31] * 2]),
    "embedding_dim": not_integers,
    "dtype": st.sampled_from(["f8", None, {"a": 1}, [("a", 5)], "(,)f2", "\ud800", np.zeros(3)]),
    "rounding": not_integers,
    "optimizer": not_integers.filter(lambda v: v is not None),
    "seed": not_integers,
    "device": not_integers,
    "init_range": not_numbers.filter(lambda v: v is not None),
    "on_nonfinite": not_integers,
}


# --- models ---

_fitted = {}


def make_model(kind, **kwargs):
    small = {"embedding_dim": 2, "bottom_mlp": (3,), "top_mlp": (3,)} if kind is lp.DLRM else {}
    return kind(**{"num_embeddings": SIZES, "batch_size": 8, **small, **kwargs})


def fitted(kind):
    if kind not in _fitted:
        _fitted[kind] = make_model(kind).fit(*naive_models.samples(20, SIZES, 2))
    return _fitted[kind]
