"""Text as ids of words, and the judges of word vectors: pairs of words with their similarity."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
from scipy import stats


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
