"""Skip-gram with negative sampling: its samples, its gradients, and a step on two tables."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numba import njit, prange
from words import Text

import lowprec as lp

ALPHA, ALPHA_AT_END = 0.025, 0.0001  # learning rates, falling linearly
UNIGRAM_POWER = 0.75
DRAWS = 1 << 22  # entries of the list that negative samples are drawn from
GROUP = 64  # batches whose samples are drawn at once


# --- the samples of an epoch ---


class Sampler:
    """What skip-gram sees: frequent words left out at random, windows, negative samples.

    All draws are a function of (seed, epoch), so every variant trains on the same samples.
    """

    def __init__(self, text: Text, options: argparse.Namespace, seed: int) -> None:
        self._text, self._window, self._seed = text, options.window, seed
        share = text.counts / text.counts.sum() / options.sample
        self._keep = np.minimum(1.0, (np.sqrt(share) + 1.0) / share).astype(np.float32)
        expected = float(self._keep[text.ids].sum(dtype=np.float64))
        self.batches_per_epoch = max(1, round(expected / options.batch_size))
        power = text.counts**UNIGRAM_POWER
        bounds = np.round(np.cumsum(power) / power.sum() * DRAWS).astype(np.int64)
        self._negatives = np.repeat(
            np.arange(len(power), dtype=np.int32), np.diff(bounds, prepend=0)
        )
        self._negative = options.negative

    def epoch(self, epoch: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Batches of (context ids, output ids (n, 1 + negative), first, last, centre).

        Row t of the output ids is a word of the text, the target, and its negative samples.  Its
        context words are numbers ``first[t]`` to ``last[t] - 1`` of the batch's context ids, but
        for ``centre + t``, which is the word itself.
        """
        rng = np.random.default_rng([self._seed, epoch])
        ids, starts = self._text.ids, self._text.starts
        kept = rng.random(len(ids), np.float32) < self._keep[ids]
        bounds = np.concatenate([[0], np.cumsum(kept)])[starts]  # of the sentences, now
        ids = ids[kept]
        begins, ends = (np.repeat(b, np.diff(bounds)) for b in (bounds[:-1], bounds[1:]))
        cuts = np.linspace(0, len(ids), self.batches_per_epoch + 1).astype(np.int64)
        for group in range(0, self.batches_per_epoch, GROUP):
            edges = cuts[group : group + GROUP + 1]
            here = np.arange(edges[0], edges[-1])
            reach = rng.integers(1, self._window + 1, len(here))
            first = np.maximum(here - reach, begins[here])
            last = np.minimum(here + reach + 1, ends[here])
            draws = self._negatives[rng.integers(0, DRAWS, (len(here), self._negative))]
            outputs = np.concatenate([ids[here, None], draws], axis=1)
            for start, stop in pairwise(edges):
                batch = slice(start - edges[0], stop - edges[0])
                low, high = first[batch].min(), last[batch].max()
                yield (
                    ids[low:high],
                    outputs[batch],
                    first[batch] - low,
                    last[batch] - low,
                    start - low,
                )


# --- one step ---


@njit(cache=True)
def six_dots(contexts, u, v, outputs, t, i, j, k):
    """Rows u and v of the contexts times rows i, j and k of outputs[t].

    The sums of a float32 dot product wait for each other; six go side by side.
    """
    ui = uj = uk = vi = vj = vk = np.float32(0)
    for d in range(contexts.shape[1]):
        x, y = contexts[u, d], contexts[v, d]
        ui += x * outputs[t, i, d]
        uj += x * outputs[t, j, d]
        uk += x * outputs[t, k, d]
        vi += y * outputs[t, i, d]
        vj += y * outputs[t, j, d]
        vk += y * outputs[t, k, d]
    return (ui, uj, uk), (vi, vj, vk)


@njit(cache=True)
def d_loss(score, label):
    """The derivative of the loss of a pair, sigmoid(score) - label."""
    return np.float32(1) / (np.float32(1) + np.exp(-score)) - np.float32(label)


@njit(parallel=True, cache=True)
def outputs_backward(contexts, outputs, output_ids, first, last, centre, d_scores, d_outputs):
    """The scores' gradients, and from them the outputs'.

    The score of context u and output k of position t is ``contexts[u] . outputs[t, k]``; its
    gradient is ``d_scores[t, u - first[t], k]``, zero for the position itself and for a negative
    sample that is the target.  ``d_outputs[t, k]`` sums ``d_score * contexts[u]`` over u.
    """
    n, targets, dim = outputs.shape
    for t in prange(n):
        ids, g, begin, end = output_ids[t], d_scores[t], first[t], last[t]
        for u in range(begin, end, 2):
            v = min(u + 1, end - 1)
            for i in range(0, targets, 3):
                j, k = min(i + 1, targets - 1), min(i + 2, targets - 1)
                of_u, of_v = six_dots(contexts, u, v, outputs, t, i, j, k)
                for m, target in enumerate((i, j, k)):
                    wanted = target == 0 or ids[target] != ids[0]
                    g[u - begin, target] = d_loss(of_u[m], target == 0) if wanted else 0
                    g[v - begin, target] = d_loss(of_v[m], target == 0) if wanted else 0
        g[centre + t - begin] = 0
        for k in range(targets):
            d_outputs[t, k] = 0
            for u in range(begin, end, 2):  # two at a time: half as many loads and stores
                v = min(u + 1, end - 1)
                gu, gv = g[u - begin, k], g[v - begin, k] if v > u else np.float32(0)
                for d in range(dim):
                    d_outputs[t, k, d] += gu * contexts[u, d] + gv * contexts[v, d]


@njit(parallel=True, cache=True)
def contexts_backward(outputs, d_scores, first, last, centre, window, d_contexts):
    """``d_contexts[u]`` sums ``d_scores[t, u - first[t], k] * outputs[t, k]`` over t and k.

    A context word collects from the positions around it; position t is word number ``centre + t``.
    """
    n, targets, dim = outputs.shape
    for u in prange(len(d_contexts)):
        d_contexts[u] = 0
        for t in range(max(0, u - centre - window), min(n, u - centre + window + 1)):
            if first[t] <= u < last[t]:
                g = d_scores[t, u - first[t]]
                for k in range(0, targets, 2):
                    m = min(k + 1, targets - 1)
                    gk, gm = g[k], g[m] if m > k else np.float32(0)
                    for d in range(dim):
                        d_contexts[u, d] += gk * outputs[t, k, d] + gm * outputs[t, m, d]


def falling(batches_per_epoch: int, epochs: int, readers: int) -> Callable[[int], float]:
    """The learning rate of a step, as gensim's workers have it.

    It falls linearly from the start of an epoch to that of the next, but within an epoch by the
    words that a reader has read itself.
    """

    def learning_rate(step: int) -> float:
        epoch, batch = divmod(step, batches_per_epoch)
        progress = (epoch + batch / batches_per_epoch / readers) / epochs
        return ALPHA + (ALPHA_AT_END - ALPHA) * progress

    return learning_rate


class SkipGram:
    """Two tables: the vector of a word where it is a context, and where it is an output."""

    def __init__(
        self, text: Text, options: argparse.Namespace, dtype: str, rounding: str, seed: int
    ) -> None:
        self.sampler = Sampler(text, options, seed)
        self._window, self._dim = options.window, options.dim
        learning_rate = falling(self.sampler.batches_per_epoch, options.epochs, options.readers)

        def table(seed: int, init_range: float) -> lp.EmbeddingTable:
            return lp.EmbeddingTable(
                len(text.vocabulary), options.dim, dtype, rounding, lp.SGD(learning_rate), seed,
                init_range=init_range,
            )  # fmt: skip

        self.parts_per_epoch = math.ceil(self.sampler.batches_per_epoch / GROUP)
        self.contexts = table(2 * seed, 0.5 / options.dim)
        self.outputs = table(2 * seed + 1, 0.0)

    @property
    def vectors(self) -> np.ndarray:
        """What is used of the trained model: the contexts' vectors, (V, dim) float32."""
        return self.contexts.weight.astype(np.float32)

    def train(self, epoch: int) -> None:
        """One pass over the text."""
        for _ in self.parts(epoch):
            pass

    def parts(self, epoch: int) -> Iterator[None]:
        """One pass over the text, `GROUP` batches at a time."""
        for number, batch in enumerate(self.sampler.epoch(epoch), 1):
            self.step(*batch)
            if number % GROUP == 0:
                yield

    def step(
        self, context_ids: np.ndarray, output_ids: np.ndarray,
        first: np.ndarray, last: np.ndarray, centre: int,
    ) -> None:  # fmt: skip
        """One SGD step of both tables, on a batch of `Sampler.epoch`."""
        context_batch = self.contexts.batch(context_ids)
        output_batch = self.outputs.batch(output_ids.reshape(-1))
        contexts = self.contexts.lookup(context_batch)  # (m, dim)
        outputs = self.outputs.lookup(output_batch).reshape(*output_ids.shape, self._dim)

        d_scores = np.empty((len(first), 2 * self._window + 1, output_ids.shape[1]), np.float32)
        d_outputs, d_contexts = np.empty_like(outputs), np.empty_like(contexts)
        outputs_backward(contexts, outputs, output_ids, first, last, centre, d_scores, d_outputs)
        contexts_backward(outputs, d_scores, first, last, centre, self._window, d_contexts)
        self.contexts.update(context_batch, d_contexts)
        self.outputs.update(output_batch, d_outputs.reshape(-1, self._dim))
