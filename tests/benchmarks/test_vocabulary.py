"""What vocabularies cost and gain, at sizes of seconds."""

from benchmarks import page_tables, vocabulary
from tests.conftest import ROOT

PAGE = page_tables.tables_of((ROOT / "docs/vocabularies.md").read_text())
HEADERS = [table.header for table in PAGE]


def test_cost(capsys):
    vocabulary.main(["cost", "--rows", "5e4", "--dims", "16", "--rounds", "2"])
    (made,) = page_tables.tables_of(capsys.readouterr().out)
    assert [row[:2] for row in made.rows[1:]] == [["5e4 x 16", kind] for kind in vocabulary.KINDS]
    assert made.header in HEADERS
    found = vocabulary.costs(50_000, 16, 2, [*vocabulary.SHARES][-1])
    assert list(found) == ["find", "admit", "reset", "lookup", "update"]
    assert all(time > 0 for time in found.values())


def test_quality(capsys):
    vocabulary.main([
        "quality", "--days", "12", "--samples", "4000", "--keys", "400", "--table-rows", "4000",
        "--rates", "0.1", "--seeds", "2",
    ])  # fmt: skip
    (made,) = page_tables.tables_of(capsys.readouterr().out)
    assert made.header in HEADERS
    losses = {row[0]: float(row[1]) for row in made.rows[1:]}
    assert list(losses) == [
        "hashing", "vocabulary", "vocabulary, `min_count=2`", "the true chances"
    ]  # fmt: skip
    assert losses["the true chances"] < losses["vocabulary"] < losses["hashing"] - 0.002
