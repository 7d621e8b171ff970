"""The pages of docs: their blocks run, what they name is there, and their pictures are drawn.

Blocks with prompts are run by pytest itself (``--doctest-glob=docs/*.md``).
"""

import ast
import inspect
import re

import pytest

import lowprec as lp
from docs import draw
from tests.children import run
from tests.conftest import ROOT
from tests.test_docstrings import MODULES, methods

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
# Excerpts of what a reader would write, which has been tried in a copy; and what needs a GPU.
NOT_RUN = ["adding-a-format.md", "adding-a-kernel.md", "gpu.md"]

every_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix()
)


def python_blocks(text):
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@every_page
def test_every_block_runs(page):
    """Prompts, or a page of excerpts; a block with prompts ends with an empty line."""
    for block in python_blocks(page.read_text()):
        if page.name in NOT_RUN:
            ast.parse(block)
        else:
            assert block.startswith(">>> "), block
            assert block.endswith("\n\n"), f"doctest would take the fence for output:\n{block}"


def test_the_readme_runs_and_is_short(tmp_path, monkeypatch):
    """From a frame to predictions and back from files, and a table; in under 150 lines."""
    pandas = pytest.importorskip("pandas", "2.2", reason="comes with the extra `test`")
    pytest.importorskip("pyarrow", reason="comes with the extra `data`")
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 150
    monkeypatch.chdir(tmp_path)
    columns = {"click": [0, 1] * 50, "user": [2**60, 7, 8, 9] * 25, "age": [31.5, None] * 50}
    pandas.DataFrame(columns | {"site": ["a", "b", None, "c"] * 25}).to_parquet("clicks.parquet")
    frame_to_model, table = python_blocks(text)
    for block in (frame_to_model, table):
        exec(block, {})
    assert lp.load("model.safetensors").encoder_ is not None
    assert lp.load("table.safetensors").step == 1


def test_pages_that_are_not_run_are_there():
    assert set(NOT_RUN) <= {page.name for page in PAGES}


@every_page
def test_what_a_page_names_is_there(page):
    text = page.read_text()
    paths = re.findall(r"(?<![\w/])(?:benchmarks|docs|examples|lowprec|tests)/[\w./]*\w", text)
    for path in paths:
        assert (ROOT / path).exists(), path
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    for name in re.findall(r"`(test_\w+)`", text):
        assert f"def {name}(" in tests, name


@every_page
def test_links_and_pictures_are_there(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_api_has_every_public_name():
    text = "".join(page.read_text() for page in (DOCS / "api").glob("*.md"))
    for module, names in MODULES:
        for name in names:
            assert inspect.ismodule(getattr(module, name)) or re.search(
                rf":: {module.__name__}\.{name}\b", text
            ), name
    for model in (lp.DLRM, lp.LogisticRegression):
        directives = text.split(f".. autoclass:: lowprec.{model.__name__}\n")[1].split("```")[0]
        assert sorted(re.findall(r":: (\w+)", directives)) == methods(model)


def test_every_picture_is_shown():
    text = "".join(page.read_text() for page in PAGES)
    for picture in sorted((DOCS / "figures").iterdir()):
        assert f"figures/{picture.name}" in text


def test_pictures_are_those_of_the_script(tmp_path):
    draw.main(tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (DOCS / "figures").iterdir()}
    before = (tmp_path / "neighbours.svg").read_bytes()
    assert before.startswith(b"<?xml")
    run(DOCS / "draw.py", tmp_path, "neighbours")
    assert (tmp_path / "neighbours.svg").read_bytes() == before


def test_the_gallery_is_that_of_the_script_and_complete():
    from docs import gallery

    for path, text in gallery.pages().items():
        assert (DOCS / path).read_text() == text, "run python docs/gallery.py"
    shown = {
        path.stem for path in (ROOT / "examples").glob("*.py") if "__main__" in path.read_text()
    }
    assert shown == gallery.GALLERY.keys()
    for name in shown:
        assert (DOCS / f"gallery/{name}.txt").stat().st_size
        assert (DOCS / f"gallery/{name}.png").stat().st_size
