"""Batches of a table: valid ones, and those of which one thing is wrong."""

import numpy as np

from tests.fuzz.inputs import pick, with_entry

_FLAG = np.array([True])  # a number, as a weight
WRONG_TYPES = [
    None, 3, "text", b"bytes", [[1, 2], [3]], {"a": 1}, object(), [None], ["a"], np.float32(1.5),
    [[]],
    np.datetime64("2020-01-01"), np.array([1 + 2j]), np.array(["x"]), np.array([object()]), 1e300,
    2**70, _FLAG, np.array([2**63], np.uint64), np.zeros((1, 1, 1, 1, 1)), float("nan"),
]  # fmt: skip
INT_EDGES = [-1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**40, -(2**40)]


def random_batch(rng, sizes, single, dim):
    """Arguments of `lookup` and a gradient, all of them valid."""
    features, samples = len(sizes), int(rng.integers(0, 6))
    batch = {"pooling": pick(rng, ["sum", "mean"]), "across_features": bool(rng.random() < 0.2)}
    counts = np.ones(samples * features, np.int64)
    if rng.random() < 0.5:
        counts = rng.integers(0, 4, samples * features)
        batch["offsets"] = np.concatenate([[0], np.cumsum(counts)]).astype(pick(rng, ["i4", "i8"]))
    limits = np.repeat(np.tile(sizes, samples), counts)
    ids = (rng.random(limits.size) * limits).astype(pick(rng, ["i4", "i8"]))
    if "offsets" not in batch and not (single and rng.random() < 0.5):
        ids = ids.reshape(samples, features)
    if rng.random() < 0.4:
        batch["per_sample_weights"] = rng.normal(size=ids.shape).astype(np.float32)
    bags = (samples,) if single and ids.ndim == 1 else (samples, features)
    if batch["across_features"]:
        bags = (samples,)
    grad = (rng.normal(size=(*bags, dim)) * 10.0 ** rng.uniform(-5, 1)).astype(np.float32)
    return {"indices": ids, **batch}, grad


def spoil(rng, batch, grad, sizes):
    """One thing that is wrong: (batch, grad)."""
    ids, batch = batch["indices"], dict(batch)
    choices = [
        "ids",
        "ids",
        "type",
        "type",
        "dtype",
        "offsets",
        "offsets",
        "weights",
        "grad",
        "word",
    ]
    kind = pick(rng, choices)
    if kind == "ids" and ids.size:
        low, high = np.iinfo(ids.dtype).min, np.iinfo(ids.dtype).max
        edges = [edge for edge in [*INT_EDGES, max(sizes)] if low <= edge <= high]
        batch["indices"] = with_entry(ids, int(rng.integers(ids.size)), pick(rng, edges))
        return batch, grad
    if kind == "type":
        name = pick(rng, ["indices", "offsets", "per_sample_weights", "grad"])
        right = {"offsets": (None,), "per_sample_weights": (None, _FLAG)}.get(name, ())
        wrong = [value for value in WRONG_TYPES if not any(value is other for other in right)]
        value = pick(rng, wrong)
        return (batch, value) if name == "grad" else ({**batch, name: value}, grad)
    if kind == "dtype":
        dtype = pick(rng, ["f4", "f8", "?", "O", "c8", "U5", "M8[s]", "m8[s]", "f2"])
        batch["indices"] = ids.astype(np.int64).astype(dtype)
        return batch, grad
    if kind == "offsets" and batch.get("offsets") is not None:
        bounds = batch["offsets"].astype(np.int64)
        how = pick(rng, ["first", "last", "inside", "count", "shape", "float"])
        if how == "first":
            bounds = with_entry(bounds, 0, pick(rng, [1, *INT_EDGES]))
        elif how == "last":
            bounds = with_entry(bounds, -1, ids.size + pick(rng, [-1, 1, 7, 2**31, 2**62]))
        elif how == "inside" and bounds.size > 2:
            place = int(rng.integers(1, bounds.size - 1))
            edges = [-1, -(2**63), ids.size + 1, 2**31, 2**63 - 1]
            bounds = with_entry(bounds, place, pick(rng, edges))
        elif how == "count":
            bounds = np.concatenate([bounds[:1], bounds]) if len(sizes) > 1 else bounds[:0]
        elif how == "shape":
            bounds = bounds[None]
        else:
            bounds = bounds.astype(pick(rng, ["f8", "O", "?"]))
        return {**batch, "offsets": bounds}, grad
    if kind == "weights" and ids.size:
        weights = np.ones(ids.shape, np.float32)
        bad = [
            with_entry(weights, int(rng.integers(ids.size)), pick(rng, [np.nan, np.inf, -np.inf])),
            np.full(ids.shape, 1e39), weights.astype(complex), weights[..., None],
            np.ones(ids.size + 1, np.float32),
        ]  # fmt: skip
        return {**batch, "per_sample_weights": pick(rng, bad)}, grad
    if kind == "word":
        pairs = [
            ("pooling", "max"), ("pooling", None), ("pooling", ["sum"]), ("across_features", "no"),
            ("across_features", None), ("across_features", np.ones(2)), ("pooling", np.ones(2)),
        ]  # fmt: skip
        name, value = pick(rng, pairs)
        return {**batch, name: value}, grad
    bad = [
        np.full(grad.shape, 1e39) if grad.size else grad.astype(str),
        grad[..., None], grad[None], grad[..., :-1], grad.astype(complex),
        grad.astype(object), np.ones((2 * len(grad) + 1, *grad.shape[1:]), np.float32),
    ]  # fmt: skip
    return batch, pick(rng, bad)
