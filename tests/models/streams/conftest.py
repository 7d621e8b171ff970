"""Streams of each kind, and models that train on them."""

import pytest

import lowprec as lp
from tests import naive_models
from tests.models.small import SIZES, make_dlrm, make_logistic
from tests.models.streams.blocks import N, cut, reader_of


@pytest.fixture(params=[make_logistic, make_dlrm], ids=["LogisticRegression", "DLRM"])
def make(request):
    """Makes a model of each kind; in order, as streams are."""
    return lambda **kwargs: request.param(**{"standardize": True, "shuffle": False, **kwargs})


@pytest.fixture(params=[False, True], ids=["plain", "jagged"])
def samples(request):
    return naive_models.samples(N, SIZES, 3, jagged=request.param)


@pytest.fixture(scope="module")
def rows():
    pyarrow = pytest.importorskip("pyarrow")
    (dense, indices), y = naive_models.samples(N, SIZES, 3)
    columns = {f"id{k}": [f"{i}" for i in indices[:, k]] for k in range(3)}
    return pyarrow.table({**columns, "x": dense[:, 0], "click": y})


@pytest.fixture
def folder(tmp_path, rows):
    parquet = pytest.importorskip("pyarrow.parquet")
    for number, start in enumerate(range(0, N, 110)):
        path = tmp_path / "rows" / f"{number}.parquet"
        path.parent.mkdir(exist_ok=True)
        parquet.write_table(rows.slice(start, 110), path, row_group_size=35)
    return tmp_path / "rows"


@pytest.fixture(scope="module")
def encoder(rows):
    return lp.TabularEncoder().fit(rows.drop_columns(["click"]))


@pytest.fixture(params=["reader", "blocks", "bags", "lines"])
def stream(request, folder, encoder, tmp_path):
    """Makes the same stream anew."""
    if request.param in ("blocks", "bags"):
        samples = naive_models.samples(N, SIZES, 3, jagged=request.param == "bags")
        return lambda: cut(samples, [100, 101, 222])
    if request.param == "reader":
        return lambda: reader_of(folder, encoder)
    lines = [
        "\t".join([str(k * k % 3 % 2), *[str(k % 17)] * 13, *[f"{k % 11:x}"] * 26]) + "\n"
        for k in range(400)
    ]
    (tmp_path / "0.tsv").write_text("".join(lines[:N]))
    (tmp_path / "1.tsv").write_text("".join(lines[N:]))
    return lambda: lp.CriteoReader(
        [tmp_path / "0.tsv", tmp_path / "1.tsv"], 40, batch_size=64, shuffle=True,
        shuffle_window=100,
    )  # fmt: skip
