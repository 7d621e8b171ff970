"""Word vectors in float16: skip-gram with negative sampling (Mikolov et al. 2013) on two tables.

Trains vectors from the same words three times: with tables in float32, in float16 rounded to
nearest, and in float16 rounded stochastically.  The score is Spearman's correlation between the
cosine of two words and their similarity as rated by people (or, for planted text, its true value).

Without --data the text is planted: sentences are drawn from a model in which each word has a known
vector.  With --data it is a text file, plain or .gz, with a paragraph a line; words are runs of the
letters a to z in lower case. --similarity takes files of lines "word1 word2 score".

Settings are those of gensim and word2vec.c, with one difference: all context words of a position
share its negative samples (Ji et al. 2016), so that a position reads 7 rows and not 36. --readers
has the same effect as gensim's number of workers: all readers read parts of the text at the same
time, and each lowers its learning rate by its own word count, not the total.

examples:
  python examples/word2vec.py
  python examples/word2vec.py --data novels.txt.gz --similarity MEN.txt WS353.txt --words 1000000
  python examples/word2vec.py --data novels.txt.gz --similarity MEN.txt WS353.txt --full --peers
"""

from __future__ import annotations

import argparse
import gzip
import math
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import report
from numba import njit, prange
from scipy import stats

import lowprec as lp

ALPHA, ALPHA_AT_END = 0.025, 0.0001  # learning rates, falling linearly
UNIGRAM_POWER = 0.75
DRAWS = 1 << 22  # entries of the list that negative samples are drawn from
GROUP = 64  # batches whose samples are drawn at once
SMALL_WORDS = 1_000_000


@dataclass(frozen=True)
class Text:
    """Words as ids, the most frequent 0; sentence s is ``ids[starts[s]:starts[s + 1]]``."""

    vocabulary: list[str]
    counts: np.ndarray  # (V,) how often each word occurs
    ids: np.ndarray  # (n,) int32
    starts: np.ndarray  # (sentences + 1,) int64
    words: int  # read, with those too rare for the vocabulary


@dataclass(frozen=True)
class Similarity:
    """Pairs of words, as ids, and how similar they are."""

    name: str
    pairs: np.ndarray  # (pairs, 2)
    truth: np.ndarray  # (pairs,)

    def score(self, vectors: np.ndarray) -> float:
        """Spearman's correlation of the truth with the cosine of `vectors` (V, dim)."""
        unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
        first, second = self.pairs.T
        return float(stats.spearmanr(self.truth, (unit[first] * unit[second]).sum(axis=1))[0])


# --- text ---


def read_text(path: str, limit: int | None, min_count: int) -> Text:
    """A text file: a line is a sentence."""
    opener = gzip.open if path.endswith(".gz") else open
    sentences: list[list[str]] = []
    words = 0
    with opener(path, "rt", encoding="utf8") as lines:
        for line in lines:
            sentence = re.findall("[a-z]+", line.lower())
            if limit is not None and words + len(sentence) > limit:
                break
            words += len(sentence)
            sentences.append(sentence)
    counts = Counter(chain.from_iterable(sentences))
    frequent = [(word, count) for word, count in counts.most_common() if count >= min_count]
    vocabulary = [word for word, _ in frequent]
    id_of = {word: number for number, word in enumerate(vocabulary)}
    kept = [[id_of[word] for word in sentence if word in id_of] for sentence in sentences]
    ids = np.fromiter(chain.from_iterable(kept), np.int32)
    starts = np.cumsum([0, *map(len, kept)])
    return Text(vocabulary, np.array([count for _, count in frequent]), ids, starts, words)


def plant_text(words: int, seed: int) -> tuple[Text, Similarity]:
    """Sentences about one topic each, and pairs of words with the cosine of their known vectors.

    A word w has a vector v_w and a frequency like a natural language's; a sentence has a topic c,
    and its words are drawn with chances proportional to frequency times exp(c . v_w), a model of
    Arora et al. (2016).
    """
    vocabulary, dim, length = 1000, 8, 20
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(vocabulary, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    frequency = 1.0 / (10 + np.arange(vocabulary))
    parts = []
    for _ in range(max(1, words // (length * 1000))):
        topics = rng.normal(size=(1000, dim))
        topics *= 5.0 / np.linalg.norm(topics, axis=1, keepdims=True)
        chances = np.cumsum(frequency * np.exp(topics @ vectors.T), axis=1)
        chances /= chances[:, -1:]
        draws = rng.random((1000, length))
        parts += [np.searchsorted(c, d) for c, d in zip(chances, draws, strict=True)]
    ids = np.concatenate(parts).astype(np.int32)
    by_count = np.argsort(-np.bincount(ids, minlength=vocabulary), kind="stable")
    rank = np.argsort(by_count)
    counts = np.bincount(rank[ids], minlength=vocabulary)
    starts = np.arange(0, len(ids) + 1, length)
    text = Text([f"w{w}" for w in by_count], counts, rank[ids].astype(np.int32), starts, len(ids))
    pairs = rng.integers(0, vocabulary, (3000, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    truth = (vectors[by_count][pairs[:, 0]] * vectors[by_count][pairs[:, 1]]).sum(axis=1)
    return text, Similarity("planted", pairs, truth)


def side_by_side(text: Text, readers: int) -> Text:
    """The text as `readers` see it, each its own part: a sentence of each in turn."""
    sentences = np.split(text.ids, text.starts[1:-1])
    places = [np.arange(len(part)) for part in np.array_split(np.arange(len(sentences)), readers)]
    order = np.argsort(np.concatenate(places), kind="stable")
    ids = np.concatenate([sentences[sentence] for sentence in order])
    starts = np.cumsum([0, *(len(sentences[sentence]) for sentence in order)])
    return replace(text, ids=ids, starts=starts)


def read_similarity(path: str, text: Text) -> Similarity:
    """The pairs of a file of which both words are in the vocabulary."""
    id_of = {word: number for number, word in enumerate(text.vocabulary)}
    pairs, truth = [], []
    for line in Path(path).read_text().lower().splitlines():
        first, second, score = line.split()
        if first in id_of and second in id_of:
            pairs.append((id_of[first], id_of[second]))
            truth.append(float(score))
    return Similarity(Path(path).stem, np.array(pairs), np.array(truth))


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
        self._sampler = Sampler(text, options, seed)
        self._window, self._dim = options.window, options.dim
        learning_rate = falling(self._sampler.batches_per_epoch, options.epochs, options.readers)

        def table(seed: int, init_range: float) -> lp.EmbeddingTable:
            return lp.EmbeddingTable(
                len(text.vocabulary), options.dim, dtype, rounding, lp.SGD(learning_rate), seed,
                init_range=init_range,
            )  # fmt: skip

        self.parts_per_epoch = math.ceil(self._sampler.batches_per_epoch / GROUP)
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
        for number, batch in enumerate(self._sampler.epoch(epoch), 1):
            self._step(*batch)
            if number % GROUP == 0:
                yield

    def _step(
        self, context_ids: np.ndarray, output_ids: np.ndarray,
        first: np.ndarray, last: np.ndarray, centre: int,
    ) -> None:  # fmt: skip
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


# --- the experiment ---


def read(options: argparse.Namespace) -> tuple[Text, list[Similarity]]:
    """The text that the command line asks for, and the similarities that score its vectors."""
    if not options.data:
        text, similarity = plant_text(options.words or SMALL_WORDS, seed=0)
        return text, [similarity]
    text = read_text(options.data, options.words, options.min_count)
    return text, [read_similarity(path, text) for path in options.similarity]


def train(
    text: Text, similarities: list[Similarity], options: argparse.Namespace, seed: int
) -> list[dict[str, Any]]:
    """Train all variants; their scores after each epoch, and their speeds without the scoring.

    They take turns of `GROUP` batches, in an order that rotates, so that the speeds compare.
    """
    models = {v.name: SkipGram(text, options, v.dtype, v.rounding, seed) for v in report.VARIANTS}
    seconds = dict.fromkeys(models, 0.0)
    curves: dict[str, list[dict[str, float]]] = {name: [] for name in models}
    for epoch in range(options.epochs):
        order = [(name, model.parts(epoch)) for name, model in models.items()]
        for _ in range(models[report.FLOAT32.name].parts_per_epoch):
            for name, parts in order:
                started = time.perf_counter()
                next(parts, None)
                seconds[name] += time.perf_counter() - started
            order = order[1:] + order[:1]
        for name, model in models.items():
            curves[name].append({s.name: s.score(model.vectors) for s in similarities})
    runs = [
        {
            "variant": name,
            "seed": seed,
            "scores": curves[name][-1],
            "curve": curves[name],
            "words_per_second": options.epochs * text.words / seconds[name],
            "table_bytes": model.contexts.nbytes + model.outputs.nbytes,
        }
        for name, model in models.items()
    ]
    for run in runs:
        print(format_run(run), flush=True)
    return runs


def train_gensim(
    text: Text, similarities: list[Similarity], options: argparse.Namespace, seed: int
) -> dict[str, Any]:
    """gensim's skip-gram with the same settings, from a file, as it is fastest."""
    from gensim.models import Word2Vec

    words = np.array(text.vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/words.txt"
        sentences = np.split(words[text.ids], text.starts[1:-1])
        Path(path).write_text("\n".join(" ".join(sentence) for sentence in sentences))
        model = Word2Vec(
            vector_size=options.dim, window=options.window, negative=options.negative, sg=1,
            sample=options.sample, min_count=1, alpha=ALPHA, min_alpha=ALPHA_AT_END,
            workers=options.readers, seed=seed,
        )  # fmt: skip
        model.build_vocab(corpus_file=path)
        started = time.perf_counter()
        model.train(
            corpus_file=path, total_words=model.corpus_total_words,
            total_examples=model.corpus_count, epochs=options.epochs,
        )  # fmt: skip
        seconds = time.perf_counter() - started
    vectors = model.wv.vectors[[model.wv.key_to_index[word] for word in text.vocabulary]]
    run = {
        "variant": "gensim",
        "seed": seed,
        "scores": {s.name: s.score(vectors) for s in similarities},
        "words_per_second": options.epochs * text.words / seconds,
    }
    print(format_run(run), flush=True)
    return run


def compile_kernels(text: Text, options: argparse.Namespace) -> None:
    """Train each variant for a batch, so that no time goes to the compiler later."""
    for variant in report.VARIANTS:
        model = SkipGram(text, options, variant.dtype, variant.rounding, seed=0)
        model._step(*next(model._sampler.epoch(0)))


def format_run(run: dict[str, Any]) -> str:
    """One line for people."""
    scores = "  ".join(f"{name} {score:.4f}" for name, score in run["scores"].items())
    speed = f"{run['words_per_second']:>9,.0f} words/s"
    return f"{run['variant']:<20} seed {run['seed']}  {speed}  {scores}"


def summarize(runs: list[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Means over seeds, and differences to float32 paired by seed."""
    found: dict[str, Any] = {}
    variants = list(dict.fromkeys(run["variant"] for run in runs))
    of = {v: [run for run in runs if run["variant"] == v] for v in variants}
    for variant in variants:
        speeds = [run["words_per_second"] for run in of[variant]]
        entry: dict[str, Any] = {"words_per_second": float(np.median(speeds))}
        for name in names:
            scores = np.array([run["scores"][name] for run in of[variant]])
            reference = np.array([run["scores"][name] for run in of["float32"]])
            entry[name] = {
                "mean": report.Interval.of(scores),
                "difference_to_float32": report.Interval.of(scores - reference),
            }
        found[variant] = entry
    return found


def print_summary(summary: dict[str, Any], names: Sequence[str]) -> None:
    """The means, and the differences to float32 with 95 % intervals."""
    for variant, entry in summary.items():
        print(f"{variant}: {entry['words_per_second']:,.0f} words/s")
        for name in names:
            scores = entry[name]
            told = f"  {name:<16} {scores['mean'].mean:.4f}"
            difference = scores["difference_to_float32"]
            reference = variant == report.FLOAT32.name
            print(told if reference else f"{told}  - float32: {difference:+.4f}")


def draw(runs: list[dict[str, Any]], names: Sequence[str], path: str) -> None:
    """Scores by epoch of the first set, and final scores of all sets."""
    made, (left, right) = report.figure(2)
    variants = list(dict.fromkeys(run["variant"] for run in runs))
    colors = {v.name: v.color for v in report.VARIANTS}
    lines = {v.name: v.line for v in report.VARIANTS}
    width = 0.8 / len(variants)
    for number, variant in enumerate(variants):
        mine = [run for run in runs if run["variant"] == variant]
        color = colors.get(variant, report.PEER_COLOR)
        if "curve" in mine[0]:
            curve = np.mean([[e[names[0]] for e in run["curve"]] for run in mine], axis=0)
            width_of_line = 4.0 if variant == report.FLOAT32.name else 1.8
            left.plot(
                range(1, len(curve) + 1), curve, lines[variant], color=color, marker="o",
                linewidth=width_of_line, markersize=2 + width_of_line,
            )  # fmt: skip
        final = np.array([[run["scores"][name] for name in names] for run in mine])
        places = np.arange(len(names)) + (number - (len(variants) - 1) / 2) * width
        right.bar(places, final.mean(axis=0), width, color=color, label=variant)
        for scores in final if len(final) > 1 else ():
            right.plot(places, scores, ".", color="white", markeredgecolor="black", markersize=5)
    left.set(xlabel="epoch", ylabel=f"Spearman's correlation, {names[0]}")
    left.xaxis.get_major_locator().set_params(integer=True)
    right.set_xticks(range(len(names)), names)
    seeds = len({run["seed"] for run in runs})
    told = "one seed" if seeds == 1 else f"means of {seeds} seeds"
    left.set(title=told)
    right.set(title=f"after the last epoch, {told}" + ("; dots: seeds" if seeds > 1 else ""))
    report.legend_below(made, right)
    right.grid(axis="x", visible=False)
    report.save_figure(made, path)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = report.parser(__doc__, "word2vec")
    parser.add_argument("--data", metavar="FILE", help="text, plain or .gz; default: planted text")
    parser.add_argument("--similarity", nargs="+", metavar="FILE", default=[])
    parser.add_argument("--peers", action="store_true", help='train with gensim too (".[peers]")')
    parser.add_argument("--words", type=int, help="read no more of --data; default: a million")
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--negative", type=int, default=5, help="negative samples of a position")
    parser.add_argument("--sample", type=float, default=1e-3, help="threshold of frequent words")
    parser.add_argument("--min-count", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="default: 3; with --full: 5")
    parser.add_argument("--readers", type=int, default=2, help="parts of the text read at once")
    parser.add_argument("--batch-size", type=int, default=512, help="positions of a step")
    options = parser.parse_args(arguments)
    if bool(options.data) != bool(options.similarity):
        parser.error("--data and --similarity go together")
    if options.full and not options.data:
        parser.error("--full is for --data")
    if options.readers < 1:
        parser.error(f"--readers must be at least 1, got {options.readers}")
    options.seeds = options.seeds or (3 if options.full else 1)
    options.epochs = options.epochs or (5 if options.full else 3)
    if not options.full:
        options.words = options.words or SMALL_WORDS
    return options


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Train all variants over the seeds, print the scores, save the figure and the numbers."""
    options = parse_arguments(arguments)
    text, similarities = read(options)
    names = [similarity.name for similarity in similarities]
    print(f"{text.words:,} words, {len(text.vocabulary):,} in the vocabulary", flush=True)
    for similarity in similarities:
        print(f"{similarity.name}: {len(similarity.truth)} pairs")
    read_at_once = side_by_side(text, options.readers)
    compile_kernels(read_at_once, options)
    runs = []
    for seed in range(options.seeds):
        runs += train(read_at_once, similarities, options, seed)
        if options.peers:
            runs.append(train_gensim(text, similarities, options, seed))
    summary = summarize(runs, names)
    print_summary(summary, names)
    results = {"words": text.words, "options": vars(options), "summary": summary, "runs": runs}
    draw(runs, names, options.figure)
    report.write_json(options.json, results)
    return results


if __name__ == "__main__":
    main()
