"""How much training gains from its random generator: the same DLRM with other generators.

Stochastic rounding draws random bits for each weight that it stores.  The models train in turns on
the same samples and differ only in the generator: KWX32, the generator of lowprec
(docs/random-bits.md); none, like a generator that costs nothing; xorshift, one number after the
other; and two Mersenne twisters, the usual generator of numerical libraries.

examples:
  python examples/rng.py
  python examples/rng.py --full
"""

from __future__ import annotations

from typing import Any

import report
import turns
from turns import Shape, make_model, median, quartiles, speed_up, told, train_in_turns

import lowprec as lp
from benchmarks.generator_kernels import NoGenerator, NumbaTwister, NumpyTwister, Xorshift
from benchmarks.report import markdown_table

KWX32 = "KWX32 (lowprec)"
GENERATORS = {
    KWX32: lp.SGD,
    "none": NoGenerator,
    "xorshift, one by one": Xorshift,
    "Mersenne twister (NumPy, bulk)": NumpyTwister,
    "Mersenne twister (Numba)": NumbaTwister,
}
SHAPES = (Shape(1_000_000, 64, (64,), 2048),)
SHAPES_IN_FULL = (
    Shape(10_000_000, 64, (64,), 4096),
    Shape(10_000_000, 64, (512, 256), 4096),
    Shape(10_000_000, 16, (512, 256), 4096),
)


def compare(shape: Shape, batches: int, rounds: int) -> dict[str, Any]:
    """One shape: milliseconds a step, and how many times faster training is with KWX32."""
    models = {
        name: make_model(shape, "float16", "stochastic", optimizer(0.1))
        for name, optimizer in GENERATORS.items()
    }
    trainees = train_in_turns(shape, models, batches, rounds, seed=0)
    own = trainees[KWX32]
    return {
        "shape": shape.name,
        "generators": {
            name: {
                "update_milliseconds": 1e3 * median(trainee.update) / batches,
                "step_milliseconds": 1e3 * median(trainee.total) / batches,
                "step_quartiles": quartiles(trainee.total, batches),
                "update_speed_up": speed_up(trainee.update, own.update),
                "training_speed_up": speed_up(trainee.total, own.total),
            }
            for name, trainee in trainees.items()
        },
    }


def print_result(result: dict[str, Any]) -> None:
    """For people."""
    print(f"{result['shape']}: KWX32 is faster by these factors (median and quartiles)")
    for name, found in result["generators"].items():
        update, whole = found["update_speed_up"], found["training_speed_up"]
        print(
            f"  {name:<32} update {found['update_milliseconds']:7.2f} ms: {told(update)}  "
            f"step {found['step_milliseconds']:7.2f} ms: {told(whole)}",
            flush=True,
        )


def table(results: list[dict[str, Any]]) -> str:
    """The table of docs/claims.md: how many times faster training and updates are with KWX32."""
    rows = [
        [name]
        + [told(result["generators"][name]["training_speed_up"]) for result in results]
        + [told(results[0]["generators"][name]["update_speed_up"])]
        for name in GENERATORS if name != KWX32
    ]  # fmt: skip
    shapes = [result["shape"] for result in results]
    return markdown_table(["instead of KWX32", *shapes, f"{shapes[0]}: the update alone"], rows)


def draw(results: list[dict[str, Any]], path: str) -> None:
    """Milliseconds of a step with each generator, medians and quartiles."""
    figure, axis = report.figure(1, height=1.0 + 1.3 * len(results))
    height = 0.8 / len(GENERATORS)
    for place, result in enumerate(results):
        for number, (name, found) in enumerate(result["generators"].items()):
            y = place + (number - (len(GENERATORS) - 1) / 2) * height
            color = report.STOCHASTIC.color if name == KWX32 else report.PEER_COLOR
            axis.barh(y, found["step_milliseconds"], 0.9 * height, color=color)
            low, high = found["step_quartiles"]
            turns.whisker(axis, low, high, y)
            axis.text(high, y, f"  {name}", va="center", fontsize="small")
    axis.set_yticks(range(len(results)), [result["shape"] for result in results])
    axis.set(xlabel="milliseconds a step of training (median, quartiles)")
    axis.margins(x=0.35)
    axis.grid(axis="y", visible=False)
    axis.invert_yaxis()
    report.save_figure(figure, path)


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """All shapes; print, save the figure and the numbers."""
    options = turns.parser(__doc__, "rng", rounds=9, batches=8).parse_args(arguments)
    shapes = SHAPES_IN_FULL if options.full else SHAPES
    return turns.run(options, shapes, compare, print_result, table, draw)


if __name__ == "__main__":
    main()
