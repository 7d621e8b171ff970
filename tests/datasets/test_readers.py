"""Readers of Parquet and Criteo files: every row once, in an order that any row can begin."""

import gzip

import numpy as np
import pytest

import lowprec as lp
from tests.datasets.tables import lines_of, make_table, parquet, pyarrow

pytest.importorskip("pyarrow.csv")

ROWS = [70, 0, 130, 45]  # of each file; row groups have 40
TOTAL = sum(ROWS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("rows")
    for number, rows in enumerate(ROWS):
        path = home / f"day={number}" / "part.parquet"
        path.parent.mkdir()
        parquet.write_table(make_table(sum(ROWS[:number]), rows), path, row_group_size=40)
    return home


@pytest.fixture(scope="module")
def encoder():
    frame = make_table(0, TOTAL).select(["x", "city", "tags"])
    return lp.TabularEncoder(numerical=["x"]).fit(frame)


@pytest.fixture(scope="module")
def criteo(tmp_path_factory):
    """Files of the rows of `folder`, one of them compressed."""
    home = tmp_path_factory.mktemp("criteo")
    for number, rows in enumerate(ROWS):
        if rows:
            start = sum(ROWS[:number])
            text = lines_of(range(start, start + rows))
            if number == 2:
                (home / f"day_{number}.gz").write_bytes(gzip.compress(text))
            else:
                (home / f"day_{number}").write_bytes(text)
    return home


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    """Files of the rows of `folder`, one of them compressed."""
    home = tmp_path_factory.mktemp("csv")
    for number, rows in enumerate(ROWS):
        table = make_table(sum(ROWS[:number]), rows).drop_columns(["tags"])
        days = pyarrow.array([number] * rows, pyarrow.int64())
        out = pyarrow.BufferOutputStream()
        pyarrow.csv.write_csv(table.append_column("day", days), out)
        if number == 2:
            (home / f"{number}.csv.gz").write_bytes(gzip.compress(out.getvalue().to_pybytes()))
        else:
            (home / f"{number}.csv").write_bytes(out.getvalue().to_pybytes())
    return home


@pytest.fixture(params=["parquet", "encoded", "criteo", "csv"])
def make(request, folder, encoder, criteo, csv):
    """Makes a reader of each kind over the same rows."""
    if request.param == "criteo":
        return lambda **kwargs: lp.CriteoReader(criteo, 1000, **kwargs)
    if request.param == "csv":
        return lambda **kwargs: lp.CsvReader(csv, None, "click", sample_weight="weight", **kwargs)
    chosen = encoder if request.param == "encoded" else None
    return lambda **kwargs: lp.ParquetReader(
        folder, chosen, label="click", sample_weight="weight", **kwargs
    )


def numbers_in(blocks):
    """The rows of blocks by the numbers of `make_table`, which labels and weights bear out."""
    found = []
    for block in blocks:
        X, y = block[:2]
        if isinstance(X, tuple):
            numbers = np.rint(np.expm1(X[0][:, 0].astype(np.float64))).astype(int)
            expected = lp.datasets.hash_categories(
                (numbers[:, None] * 31 + np.arange(26)) % 97, [1000] * 26
            )
            assert np.array_equal(X[1], expected)
        else:
            numbers = (block[2] - 1).astype(int)
            if not isinstance(X, lp.Samples):
                assert X["x"].to_pylist() == numbers.tolist()
                if "tags" in X.column_names:
                    assert X["tags"].to_pylist() == [["a", "b", "c"][: k % 4] for k in numbers]
                assert X["city"].to_pylist() == [f"c{k % 7}" for k in numbers]
                days = np.searchsorted(np.cumsum(ROWS), numbers, side="right")
                assert X["day"].to_pylist() == days.tolist()
        assert np.array_equal(y, numbers % 2)
        found.append(numbers)
    return np.concatenate([np.empty(0, int), *found])


@pytest.mark.parametrize("batch_size", [1, 32, 40, 1000])
def test_every_row_in_order_in_blocks_of_one_size(make, batch_size):
    blocks = list(make(batch_size=batch_size))
    assert numbers_in(blocks).tolist() == list(range(TOTAL))
    sizes = [len(block[1]) for block in blocks]
    assert sizes[:-1] == [batch_size] * (len(sizes) - 1)
    assert 0 < sizes[-1] <= batch_size


def test_encoded_rows_are_those_of_the_whole_frame(folder, encoder):
    whole = encoder.transform(make_table(0, TOTAL))
    reader = lp.ParquetReader(folder, encoder, batch_size=33)
    parts = [X for X, y in reader]
    assert all(y is None for X, y in reader)
    assert np.array_equal(np.concatenate([X.dense for X in parts]), whole.dense)
    assert np.array_equal(np.concatenate([X.indices for X in parts]), whole.indices)
    lengths = [np.diff(X.offsets) for X in [*parts, whole]]
    assert np.array_equal(np.concatenate(lengths[:-1]), lengths[-1])


@pytest.mark.parametrize("window", [1, 50, 1000])
def test_shuffled_orders(make, window):
    """Each row once; functions of seed and epoch alone; a window holds the rows of one stretch."""
    reader = make(batch_size=37, shuffle=True, shuffle_window=window, seed=3)
    orders = [numbers_in(reader.blocks(epoch)) for epoch in (0, 1)]
    for order in orders:
        assert sorted(order) == list(range(TOTAL))
    assert orders[0].tolist() != orders[1].tolist()
    again = make(batch_size=8, shuffle=True, shuffle_window=window, seed=3)
    assert numbers_in(again).tolist() == orders[0].tolist()
    assert numbers_in(again.blocks(1)).tolist() == orders[1].tolist()
    other = make(batch_size=37, shuffle=True, shuffle_window=window, seed=6)
    assert numbers_in(other).tolist() != orders[0].tolist()
    if window == 1000:
        assert (np.diff(orders[0]) == 1).mean() < 0.1
    if window == 1:  # pieces as a whole, in a random order
        assert (np.diff(orders[0]) == 1).sum() >= TOTAL - 8


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_beginning_at_any_row(make, shuffle, known):
    """Whether or not the rows of files are known from a reading before."""
    options = {"batch_size": 30, "shuffle": shuffle, "shuffle_window": 64}
    whole = numbers_in(make(**options).blocks(2))
    for first in (0, 1, 39, 64, 69, 70, 71, 128, 199, 200, 243, TOTAL - 1, TOTAL, TOTAL + 9):
        reader = make(**options)
        if known:
            for _ in reader:
                pass
            assert reader.num_rows == TOTAL
        assert numbers_in(reader.blocks(2, first)).tolist() == whole[first:].tolist()


def test_rows_that_are_known_and_expected(folder, criteo):
    assert lp.ParquetReader(folder).num_rows == TOTAL
    reader = lp.CriteoReader(criteo, batch_size=100)
    assert reader.num_rows is None
    assert TOTAL / 3 < reader.expected_rows < 3 * TOTAL  # a file is compressed
    for _ in reader:
        pass
    assert reader.num_rows == reader.expected_rows == TOTAL
    twin = lp.CriteoReader(criteo)
    twin.take_rows(reader.describe()["files"])
    assert twin.num_rows == TOTAL


def test_types_of_csv(tmp_path, monkeypatch):
    """Those of the first rows hold for all; an encoder says which columns are text."""
    from lowprec.datasets import csv, tsv

    monkeypatch.setattr(csv, "_BYTES_FOR_TYPES", 40)
    monkeypatch.setattr(csv, "BLOCK_BYTES", 40)
    path = tmp_path / "a.csv"
    path.write_text("id,n,none,y\n7,1,,0\n9,2,,1\n" + "07,2.5,x,1\n" * 9)
    blocks = list(lp.CsvReader(path, label="y", batch_size=100))
    X, y = blocks[0]
    assert X["id"].to_pylist() == [7.0, 9.0, *[7.0] * 9]
    assert X["n"].to_pylist() == [1.0, 2.0, *[2.5] * 9]
    assert X["none"].to_pylist() == [None, None, *["x"] * 9]
    assert y.tolist() == [0, *[1] * 10]
    frame = pyarrow.table({"id": ["7", "07"], "n": [1, 2]})
    encoder = lp.TabularEncoder().fit(frame)
    X, _ = next(iter(lp.CsvReader(path, encoder)))
    assert X.indices[:, 0].tolist() == [*encoder.transform(
        pyarrow.table({"id": ["7", "9", *["07"] * 9], "n": [1] * 11})
    ).indices[:, 0]]  # fmt: skip
    text = next(iter(lp.CsvReader(path, text=["id"])))[0]
    assert text["id"].to_pylist()[:3] == ["7", "9", "07"]
    path.write_text("id,n\n" + "7,1\n" * 20 + "12,two\n")
    with pytest.raises(ValueError, match=r"a\.csv: .*two"):
        list(lp.CsvReader(path))
    for kwargs, error, match in (
        ({"delimiter": ",,"}, ValueError, "delimiter must be one character"),
        ({"text": ["no"]}, ValueError, "text names 'no', which is no column"),
        ({"text": 3}, TypeError, "text must be names of columns"),
    ):
        with pytest.raises(error, match=match):
            lp.CsvReader(path, **kwargs)
    path.write_text("n\tn\n1\t2\n")
    with pytest.raises(ValueError, match="two columns have the same name"):
        lp.CsvReader(path, delimiter="\t")
    assert tsv.bytes_of_a_line(str(path)) == 4


def test_columns(folder):
    def names(**kwargs):
        return next(iter(lp.ParquetReader(folder, **kwargs)))[0].column_names

    assert names() == ["x", "city", "tags", "click", "weight", "day"]
    assert names(label="click") == ["x", "city", "tags", "weight", "day"]
    assert names(columns=["day", "x"], label="click") == ["day", "x"]
    assert names(columns=["weight"]) == ["weight"]
    with pytest.raises(ValueError, match=r"part\.parquet: there is no column 'y'; there are 'x',"):
        names(label="y")
    with pytest.raises(ValueError, match="columns has a name twice"):
        names(columns=["x", "x"])
    with pytest.raises(TypeError, match="columns must be names"):
        names(columns=[3])
    with pytest.raises(TypeError, match="label must be the name of a column, got 3"):
        names(label=3)


def test_only_the_needed_columns_are_read(tmp_path, encoder, monkeypatch):
    parquet.write_table(make_table(0, 10), tmp_path / "a.parquet")
    read = []
    iter_batches = parquet.ParquetFile.iter_batches

    def watched(self, *args, **kwargs):
        read.append(kwargs["columns"])
        return iter_batches(self, *args, **kwargs)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", watched)
    list(lp.ParquetReader(tmp_path, encoder, label="click"))
    assert [sorted(columns) for columns in read] == [["city", "click", "tags", "x"]]


def test_encoders_that_do_not_fit(folder, encoder):
    with pytest.raises(TypeError, match=r"encoder must be a fitted lowprec\.TabularEncoder, got 3"):
        lp.ParquetReader(folder, 3)
    with pytest.raises(ValueError, match="not fitted"):
        lp.ParquetReader(folder, lp.TabularEncoder())
    with pytest.raises(ValueError, match="'city' is a feature of the encoder and the label"):
        lp.ParquetReader(folder, encoder, label="city")
    with pytest.raises(ValueError, match="columns are those of the encoder"):
        lp.ParquetReader(folder, encoder, columns=["x"])


def test_what_is_wrong_in_a_file_says_where(tmp_path, encoder):
    path = tmp_path / "a.parquet"
    table = make_table(0, 100).set_column(0, "x", [[*range(70), float("inf"), *range(29)]])
    parquet.write_table(table, path, row_group_size=60)
    place = r"a\.parquet: row group 1, rows from 0 on: column 'x', row 10: inf is not finite"
    with pytest.raises(ValueError, match=place):
        list(lp.ParquetReader(path, encoder))
    table = make_table(0, 5).set_column(3, "click", [[0, 1, None, 1, 0]])
    parquet.write_table(table, path)
    with pytest.raises(ValueError, match="column 'click', row 2 is missing"):
        list(lp.ParquetReader(path, encoder, label="click"))
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(ValueError, match=r"a\.parquet is no Parquet file, or corrupted: "):
        lp.ParquetReader(path)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be in"),
        ({"shuffle": "yes"}, TypeError, "shuffle must be True or False"),
        ({"shuffle_window": 0}, ValueError, "shuffle_window must be in"),
        ({"seed": -1}, ValueError, "seed must be in"),
    ],
)
def test_bad_arguments(make, kwargs, error, message):
    with pytest.raises(error, match=message):
        make(**kwargs)


def test_bad_places(make):
    with pytest.raises(ValueError, match="epoch must be in"):
        make().blocks(-1)
    with pytest.raises(TypeError, match="first must be an integer"):
        make().blocks(0, 1.5)
