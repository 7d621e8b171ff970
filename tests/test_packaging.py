"""What is built: an sdist whose tests can run, a wheel of the package alone; their metadata."""

import configparser
import re
import shutil
import tarfile
import zipfile

import pytest

import lowprec as lp
from tests.children import run
from tests.conftest import ROOT

SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
URL = SETUP["metadata"]["url"]
# What a checkout has beside its files.
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis", "build", "dist"
)
FOLDERS = ("lowprec", "tests", "docs", "examples", "benchmarks", ".ci")
FILES = (
    ".readthedocs.yaml", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE",
    "MANIFEST.in", "README.md", "SECURITY.md", "pyproject.toml", "setup.cfg",
)  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sources, and the sdist and the wheel that are built of a copy of them."""
    pytest.importorskip("setuptools", "70.1", reason="comes with the extra `test`")
    folder = tmp_path_factory.mktemp("built")
    sources, out = folder / "sources", folder / "dist"
    shutil.copytree(ROOT, sources, ignore=LEFT_OUT)
    code = (
        "import sys; from setuptools import build_meta; out = sys.argv[1];"
        "build_meta.build_sdist(out); build_meta.build_wheel(out)"
    )
    run("-W", "ignore", "-c", code, out, cwd=sources)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sources, sdist, wheel


def files_of(folder):
    """The files of the sources, without what a build adds."""
    return {
        path.relative_to(folder).as_posix()
        for home in FOLDERS
        for path in (folder / home).rglob("*")
        if path.is_file()
    } | set(FILES)


def test_the_sdist_has_all_that_its_tests_need(built):
    sources, sdist, _ = built
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert not files_of(sources) - names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_wheel_has_the_package_and_its_types(built):
    sources, _, wheel = built
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert "lowprec/py.typed" in names
    assert names == {name for name in files_of(sources) if name.startswith("lowprec/")}


def test_metadata(built):
    with zipfile.ZipFile(built[2]) as archive:
        name = f"lowprec-{lp.__version__}.dist-info/METADATA"
        text = archive.read(name).decode()
    head, _, readme = text.partition("\n\n")
    for line in (
        f"Version: {lp.__version__}", "Author: the lowprec developers", "Requires-Python: >=3.10",
        "Description-Content-Type: text/markdown", f"Project-URL: Source, {URL}",
    ):  # fmt: skip
        assert line in head.splitlines(), head
    assert re.search(r"^Keywords: .*stochastic rounding", head, re.MULTILINE)
    for extra in ("examples", "bench", "test", "docs"):
        assert f"Provides-Extra: {extra}" in head
    needed = set(re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", head, re.MULTILINE))
    assert needed == {"ml_dtypes", "numba", "numpy", "safetensors", "scipy", "tqdm"}
    assert readme.strip() == (ROOT / "README.md").read_text().strip()


def targets(text):
    """The targets of links and pictures in Markdown: (whether it is a picture, the target)."""
    return [
        (mark == "!", target) for mark, target in re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", text)
    ]


def test_links_of_the_long_description_are_absolute():
    """PyPI shows it, where nothing lies beside it; what they name is in the checkout."""
    found = targets((ROOT / "README.md").read_text())
    assert len([target for picture, target in found if picture]) == 1
    raw = URL.replace("github.com", "raw.githubusercontent.com") + "/main/"
    for picture, target in found:
        home = raw if picture else f"{URL}/blob/main/"
        assert target.startswith(home), target
        path, _, heading = target.removeprefix(home).partition("#")
        assert (ROOT / path).is_file(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.MULTILINE)
            assert heading in [title.lower().replace(" ", "-") for title in titles], target


def test_links_are_found():
    assert targets("[a](b) ![c](d.png)") == [(False, "b"), (True, "d.png")]


def test_files_beside_the_sources_agree():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {lp.__version__}\n" in citation
    assert f"\nlicense: {SETUP['metadata']['license']}\n" in citation
    assert f"\nrepository-code: {URL}\n" in citation
    assert SETUP["metadata"]["author"] in citation
    assert SETUP["metadata"]["author"] in (ROOT / "LICENSE").read_text()
    assert f"{URL}/security" in (ROOT / "SECURITY.md").read_text()
    hosted = (ROOT / ".readthedocs.yaml").read_text()
    assert "configuration: docs/conf.py" in hosted
    assert "docs" in SETUP["options.extras_require"]


@pytest.mark.parametrize("name", ["CITATION.cff", ".readthedocs.yaml"])
def test_yaml_is_sound(name):
    yaml = pytest.importorskip("yaml", reason="comes with the extra `docs`")
    assert isinstance(yaml.safe_load((ROOT / name).read_text()), dict)
