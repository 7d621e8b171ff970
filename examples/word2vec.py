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
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import report
from skip_gram import ALPHA, ALPHA_AT_END, SkipGram
from words import Similarity, Text, plant_text, read_similarity, read_text, side_by_side

SMALL_WORDS = 1_000_000


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
        model.step(*next(model.sampler.epoch(0)))


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
