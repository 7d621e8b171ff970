"""Makes the pages of the gallery, and runs the examples that they show.

    python docs/gallery.py
    python docs/gallery.py NAME ... [--adult adult.data.gz] [--out FOLDER]

The first command makes the pages (docs/gallery/NAME.md, docs/gallery.md) from what is there.  The
second also runs these examples, and replaces their output (NAME.txt) and figure (NAME.png); with
--out it writes these to another folder, and no pages.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "examples"


class Example(NamedTuple):
    """A script of the gallery."""

    title: str
    summary: str
    arguments: str = ""
    launcher: str = ""
    modules: tuple[str, ...] = ()  # of this example alone, in the order of reading


GALLERY = {
    "criteo": Example(
        "Three formats side by side",
        "Click models in float32 and float16: what rounding to nearest loses.",
        modules=("criteo_settings", "criteo_output"),
    ),
    "own_loop": Example(
        "A matrix factorisation in NumPy", "Three tables in a loop of your own, down to 8 bits."
    ),
    "adult": Example(
        "A frame of strings and numbers",
        "UCI Adult: how numbers are encoded, against scikit-learn.",
        "--data adult.data.gz --peers --figure adult.png",
    ),
    "word2vec": Example(
        "Word vectors",
        "Skip-gram with negative sampling on our tables.",
        modules=("skip_gram", "words"),
    ),
    "convergence": Example(
        "The rate of convergence", "SGD on strongly convex objectives, against the theory."
    ),
    "parity": Example("The quality of float32", "Paired differences in log loss, seed by seed."),
    "memory": Example("Half the memory", "What a process needs while it trains."),
    "rng": Example("Random generators", "What stochastic rounding costs with other generators."),
    "sharded": Example(
        "Many machines",
        "A DLRM over MPI ranks: the same parameters, bit for bit, for any number of ranks.",
        launcher="mpiexec -n 2 -bind-to core",
    ),
    "speed": Example("Where the time goes", "A training step in float32 and float16, in parts."),
}

PAGE = """# {title}

{text}

## Output

```
{command}
```

prints

```{{literalinclude}} {name}.txt
:language: text
```

![{summary}]({name}.png)

## Code

{code}
"""

CODE = """[`examples/{name}.py`](https://github.com/lowprec/lowprec/blob/main/examples/{name}.py)

```{{literalinclude}} ../../examples/{name}.py
:language: python
:start-at: from __future__
```"""

INDEX = """# Gallery

Each example is a script in `examples/`. Its page shows the code, and the output and the figure of
one run of the command on the page. Runs without `--full` are small, and their speeds are those of a
busy machine; [claims](claims.md) has the results of the full runs. The tests run every script.

::::{{grid}} 1 2 3 3
:gutter: 3

{cards}
::::

```{{toctree}}
:hidden:

{pages}
```
"""

CARD = """:::{{grid-item-card}} {title}
:img-top: gallery/{name}.png
:link: gallery/{name}
:link-type: doc

{summary}
:::
"""


def pages() -> dict[str, str]:
    """The text of each page, by its path in docs."""
    made = {}
    for name, example in GALLERY.items():
        lines = ast.get_docstring(ast.parse((EXAMPLES / f"{name}.py").read_text())) or ""
        text = lines.partition("\n\nexamples:")[0].replace("  ", " ")
        text = re.sub(r"docs/([\w/-]+)\.md", r"[\1](../\1.md)", text)
        parts = text.split("`")  # options outside of code become code
        parts[::2] = [re.sub(r"(--[\w-]+)", r"`\1`", part) for part in parts[::2]]
        text = "`".join(parts)
        command = f"{example.launcher} python examples/{name}.py {example.arguments}".strip()
        code = "\n\n".join(CODE.format(name=part) for part in (name, *example.modules))
        made[f"gallery/{name}.md"] = PAGE.format(
            **example._asdict(), name=name, text=text, command=command, code=code
        )
    cards = "\n".join(CARD.format(**e._asdict(), name=name) for name, e in GALLERY.items())
    listed = "\n".join(f"gallery/{name}" for name in GALLERY)
    return made | {"gallery.md": INDEX.format(cards=cards, pages=listed)}


def run(name: str, adult: Path | None, out: Path) -> None:
    """Run an example, and write its output and its figure to a folder."""
    arguments, launcher = GALLERY[name].arguments.split(), GALLERY[name].launcher.split()
    if launcher:  # beside Python, where pip puts it
        launcher[0] = str(Path(sys.executable).parent / launcher[0])
    with tempfile.TemporaryDirectory() as folder:
        if "adult.data.gz" in arguments:
            if adult is None:
                raise SystemExit(f"{name} needs --adult PATH")
            shutil.copyfile(adult, Path(folder, "adult.data.gz"))
        done = subprocess.run(
            [*launcher, sys.executable, EXAMPLES / f"{name}.py", *arguments],
            cwd=folder, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.txt").write_text(done.stdout)
        shutil.copyfile(Path(folder, f"{name}.png"), out / f"{name}.png")


def main(arguments: list[str] | None = None) -> None:
    """Run what is named, and write all pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="examples to run: " + ", ".join(GALLERY)
    )
    parser.add_argument("--adult", type=Path, help="adult.data.gz, for the example of that name")
    parser.add_argument("--out", type=Path, help="of outputs and figures; default: docs/gallery")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - GALLERY.keys()
    if unknown:
        parser.error(f"no such example: {', '.join(sorted(unknown))}")
    (DOCS / "gallery").mkdir(exist_ok=True)
    for name in options.names:
        run(name, options.adult, options.out or DOCS / "gallery")
    for path, text in pages().items() if options.out is None else ():
        (DOCS / path).write_text(text)


if __name__ == "__main__":
    main()
