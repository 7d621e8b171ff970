"""What vocabularies cost and gain, at sizes of seconds."""

from benchmarks import vocabulary


def test_cost(capsys):
    vocabulary.main(["cost", "--rows", "5e4", "--dims", "16", "--rounds", "2"])
    out = capsys.readouterr().out
    assert all(f"50,000 x 16  {kind}" in out for kind in vocabulary.KINDS)
    found = vocabulary.costs(50_000, 16, 2, "5 % new")
    assert list(found) == ["find", "admit", "reset", "lookup", "update"]
    assert all(time > 0 for time in found.values())


def test_quality(capsys):
    vocabulary.main([
        "quality", "--days", "12", "--samples", "4000", "--keys", "400", "--table-rows", "4000",
        "--rates", "0.1", "--seeds", "2",
    ])  # fmt: skip
    losses = {
        line.split("  ")[0]: float(line.split("log loss ")[1].split(",")[0])
        for line in capsys.readouterr().out.splitlines()[1:]
    }
    assert list(losses) == [
        "hashing", "vocabulary", "vocabulary, min_count=2", "the true chances"
    ]  # fmt: skip
    assert losses["the true chances"] < losses["vocabulary"] < losses["hashing"] - 0.002
