"""``python -m lowprec``: what it does is what the library does; faults of users are one line."""

import os
import signal

import numpy as np
import pytest

import lowprec as lp
from lowprec.commands.files import format_of
from lowprec.commands.main import main
from tests import children
from tests.models.small import state

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
pyarrow_csv = pytest.importorskip("pyarrow.csv")

N = 600


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    city = rng.integers(0, 9, N)
    click = (rng.random(N) < np.where(city < 4, 0.8, 0.1)).astype(int)
    return pyarrow.table({
        "city": [f"c{k}" for k in city], "user": rng.integers(0, 20, N),
        "age": rng.integers(20, 60, N), "click": click,
    })  # fmt: skip


@pytest.fixture
def folder(tmp_path, rows, monkeypatch):
    """Where the rows are in both formats, and Criteo's lines."""
    monkeypatch.chdir(tmp_path)
    for name in ("clicks", "more"):
        (tmp_path / name).mkdir()
    for number in range(2):
        parquet.write_table(rows.slice(number * 300, 300), f"clicks/{number}.parquet")
    pyarrow_csv.write_csv(rows, "clicks.csv")
    pyarrow_csv.write_csv(rows.slice(0, 200), "held_out.csv")
    lines = [
        "\t".join([str(click), *[str(age)] * 13, *[f"{user:x}"] * 26])
        for click, age, user in zip(
            *(rows[name].to_pylist() for name in ("click", "age", "user")), strict=True
        )
    ]
    (tmp_path / "day_0").write_text("\n".join(lines) + "\n")
    return tmp_path


def run(*arguments):
    assert main(list(map(str, arguments))) == 0


def predictions(path):
    table = pyarrow_csv.read_csv(path) if str(path).endswith(".csv") else parquet.read_table(path)
    assert table.column_names == ["probability"]
    return table["probability"].to_numpy()


TRAIN = ["--label", "click", "--categorical", "user", "--quiet", "--batch-size", "50"]


def test_train_predict_and_inspect_columns(folder, rows, capsys):
    """The bits of the library, from Parquet; from CSV, where users are text, as good."""
    run("train", "clicks", *TRAIN, "-o", "m.safetensors", "--epochs", "3", "--seed", "4")
    frame = rows.drop_columns(["click"])
    encoder = lp.TabularEncoder(categorical=["user"]).fit(frame)
    reader = lp.ParquetReader("clicks", encoder, "click", shuffle=True, seed=4)
    expected = lp.LogisticRegression(batch_size=50, seed=4).fit_stream(reader, 3)
    assert state(lp.load("m.safetensors")) == state(expected)
    told = capsys.readouterr().out
    assert told.startswith("600 rows, 3 epochs, ")
    assert f"train_loss {expected.history_['train_loss'][-1]:.5f}" in told
    run("predict", "m.safetensors", "clicks", "-o", "p.parquet", "--label", "click", "--score")
    probabilities = expected.predict_proba(encoder.transform(frame))[:, 1]
    assert predictions("p.parquet").tolist() == probabilities.tolist()
    loss = lp.metrics.log_loss(rows["click"].to_numpy(), probabilities)
    assert f"log_loss {loss:.5f}\n" in capsys.readouterr().out
    run("train", "clicks.csv", *TRAIN, "-o", "c.safetensors", "--epochs", "3", "--seed", "4")
    run("predict", "c.safetensors", "clicks.csv", "-o", "p.csv")
    np.testing.assert_allclose(predictions("p.csv"), probabilities, atol=0.05)
    capsys.readouterr()
    run("inspect", "m.safetensors", "--verify")
    shown = capsys.readouterr().out
    for line in (
        "m.safetensors: LogisticRegression, ", "  step          36\n",
        " rows of 3 features x 1, float16, ",
        "classes       0, 1\n", "optimizer     Adagrad(learning_rate=", "state         sum, ",
        "parameters    batch_size=50, seed=4\n", "history       train_loss, 3 epochs: 0.",
        "training      epoch 3, 600 of 600 samples done", "stream        ParquetReader, 2 files\n",
        "encoder       3 columns\n", "user: categorical, number, learned, 21 rows\n",
        "age: numerical, ",
    ):  # fmt: skip
        assert line in shown, (line, shown)
    assert os.listdir("more") == []
    assert not [name for name in os.listdir() if name.startswith(".")]


def test_lines_of_criteo_validation_and_a_dlrm(folder, capsys):
    run(
        "train", "day_0", "--num-embeddings", "50", "-o", "m.safetensors", "--model", "dlrm",
        "--embedding-dim", "4", "--bottom-mlp", "8", "--top-mlp", "8", "--quiet", "--batch-size",
        "50", "--validation", "day_0", "--epochs", "2", "--patience", "5", "--optimizer", "SGD",
        "--learning-rate", "0.5", "--dtype", "bfloat16", "--in-order",
    )  # fmt: skip
    X, y = lp.datasets.load_criteo("day_0", 50)
    expected = lp.DLRM(
        embedding_dim=4, bottom_mlp=(8,), top_mlp=(8,), batch_size=50, dtype="bfloat16",
        num_embeddings=[50] * 26, optimizer=lp.SGD(0.5), shuffle=False, epochs=2,
    ).fit(X, y, validation=(X, y), patience=5)  # fmt: skip
    assert state(lp.load("m.safetensors")) == state(expected)
    assert "validation_loss" in capsys.readouterr().out
    run("predict", "m.safetensors", "day_0", "-o", "p.csv", "--score")
    np.testing.assert_allclose(predictions("p.csv"), expected.predict_proba(X)[:, 1], rtol=1e-15)
    assert "roc_auc" in capsys.readouterr().out


def test_resume_goes_on_from_the_folder(folder, rows, capsys):
    """After a Ctrl-C, which the callback stands for that stops the same training."""
    from tests.models.stopping import interrupt_at

    encoder = lp.TabularEncoder(categorical=["user"]).fit(rows.drop_columns(["click"]))
    (folder / "run").mkdir()
    encoder.save("run/encoder.safetensors")
    reader = lp.ParquetReader("clicks", encoder, "click", shuffle=True)
    model = lp.LogisticRegression(batch_size=50)
    with pytest.raises(KeyboardInterrupt):
        model.fit_stream(reader, 2, save=lp.Checkpoints("run"), callback=interrupt_at(7))
    arguments = ["train", "clicks", *TRAIN, "-o", "m.safetensors", "--epochs", "2", "--save", "run"]
    assert main(arguments) == 2
    assert "--resume goes on with it" in capsys.readouterr().err
    run(*arguments, "--resume")
    assert lp.load("m.safetensors").table_.step == 24
    run(*[*arguments[:-1], "other"])
    assert state(lp.load("m.safetensors")) == state(lp.load("other/step-000000000024.safetensors"))
    capsys.readouterr()
    run("inspect", "run/encoder.safetensors", "run/step-000000000007.safetensors")
    shown = capsys.readouterr().out
    assert "encoder.safetensors: TabularEncoder, " in shown
    assert "training      epoch 1, 350 samples done; can be resumed" in shown


def test_resume_with_other_options(folder, capsys):
    """They used to be ignored."""
    arguments = ["train", "clicks", *TRAIN, "-o", "m", "--save", "run"]
    run(*arguments)
    run(*arguments, "--columns", "city,user,age", "--resume")
    before = sorted(os.listdir("run"))
    capsys.readouterr()
    for options, told in {
        ("--bins", "7"): "encoder.safetensors was made with bins=32, now it is 7: --resume goes on",
        ("--categorical", "age"): "was made with categorical=['user'], now it is ['age']",
        ("--columns", "city,user"): "was made of the columns ['city', 'user', 'age'], now they are",
    }.items():
        assert main([*arguments, "--epochs", "2", *options, "--resume"]) == 2
        assert told in capsys.readouterr().err
    assert sorted(os.listdir("run")) == before


def test_scores_of_labels_that_the_model_does_not_know(folder, rows, capsys):
    """They used to count as the first class."""
    run("train", "clicks", *TRAIN, "-o", "m.safetensors")
    arguments = ["predict", "m.safetensors", "more", "-o", "p.csv", "--label", "click", "--score"]
    labels = rows["click"].to_numpy().copy()
    labels[407] = 2
    for click, told in (
        (labels, "the label of row 407 is 2, which is none of the classes of the model, 0"),
        (labels.astype(str), "the label of row 0 is"), (labels[:0], "--score needs rows"),
    ):  # fmt: skip
        rest = rows.drop_columns(["click"]).slice(0, len(click))
        parquet.write_table(rest.append_column("click", pyarrow.array(click)), "more/a.parquet")
        assert main(arguments) == 2
        assert told in capsys.readouterr().err


def test_validation_of_columns(folder, capsys):
    held_out = ["--validation", "held_out.csv"]
    run("train", "clicks.csv", *TRAIN, "-o", "m.safetensors", *held_out, "--vocabulary", "hash")
    model = lp.load("m.safetensors")
    run("predict", "m.safetensors", "held_out.csv", "-o", "p.csv", "--label", "click", "--score")
    assert f"log_loss {model.history_['validation_loss'][0]:.5f}" in capsys.readouterr().out


def test_inspect_of_tables_and_vocabularies(folder, capsys):
    lp.EmbeddingTable([7, 5], 4, "bfloat16", optimizer=lp.Adam(0.1)).save("t.safetensors")
    vocabulary = lp.Vocabulary(100, ttl=9)
    vocabulary.admit([3, 4, 5])
    vocabulary.save("v.safetensors")
    run("inspect", "t.safetensors", "v.safetensors")
    shown = capsys.readouterr().out
    for line in (
        "t.safetensors: EmbeddingTable, ", "12 rows of 2 features x 4, bfloat16, ",
        "rounded stochastically, 96 bytes", "mean, 12 x 4, float32, 192 bytes", "Adam(",
        "v.safetensors: Vocabulary, ", " in 100 rows, 0 refused", "min_count=1, ttl=9, seed=0",
    ):  # fmt: skip
        assert line in shown, (line, shown)


FAULTS = {
    "no such file": ["train", "none.csv", *TRAIN, "-o", "m"],
    "its folder does not exist": ["train", "clicks", *TRAIN, "-o", "no/m"],
    "--label COLUMN is needed": ["train", "clicks", "-o", "m"],
    "--label is for Parquet and CSV": ["train", "day_0", "--label", "click", "-o", "m"],
    "--num-embeddings is for lines of Criteo": ["train", "clicks", *TRAIN, "-o", "m",
                                                "--num-embeddings", "5"],
    "--top-mlp is for --model dlrm": ["train", "clicks", *TRAIN, "-o", "m", "--top-mlp", "8"],
    "--learning-rate is that of --optimizer": ["train", "clicks", *TRAIN, "-o", "m",
                                               "--learning-rate", "1"],
    "--resume goes on from the folder of --save": ["train", "clicks", *TRAIN, "-o", "m",
                                                   "--resume"],
    "there is no column 'what'": ["train", "clicks", "--label", "what", "-o", "m"],
    "the files are of several formats": ["train", "clicks", "day_0", *TRAIN, "-o", "m"],
    "--output more is a folder": ["train", "clicks", *TRAIN, "-o", "more"],
    "--output no/p.csv: its folder does not exist": ["predict", "t", "clicks", "-o", "no/p.csv"],
    "--every-minutes says how often --save": ["train", "clicks", *TRAIN, "-o", "m",
                                              "--every-minutes", "5"],
    "--shuffle-window is for shuffled rows": ["train", "clicks", *TRAIN, "-o", "m", "--in-order",
                                              "--shuffle-window", "5"],
    "--min-count is for --vocabulary learn": ["train", "clicks", *TRAIN, "-o", "m", "--vocabulary",
                                              "hash", "--min-count", "2"],
    "--buckets is for --vocabulary hash": ["train", "clicks", *TRAIN, "-o", "m", "--buckets", "9"],
    "there are no rows in empty.parquet": ["train", "empty.parquet", *TRAIN, "-o", "m"],
    "--validation empty.csv: there are no rows": ["train", "clicks.csv", *TRAIN, "-o", "m",
                                                  "--validation", "empty.csv"],
    "its name tells no format": ["train", "what.bin", *TRAIN, "-o", "m"],
    "patience=2 needs validation": ["train", "clicks", *TRAIN, "-o", "m", "--patience", "2"],
    "is not a complete safetensors file": ["predict", "clicks.csv", "clicks", "-o", "p.csv"],
    "--output must end in": ["predict", "clicks.csv", "clicks", "-o", "p.txt"],
    "holds a EmbeddingTable, which is no model": ["predict", "t", "clicks", "-o", "p.csv"],
    "has no encoder for columns of csv": ["predict", "n", "clicks.csv", "-o", "p.csv"],
    "line 1 has 1 tab-separated fields": ["predict", "n", "clicks.csv", "--format", "criteo",
                                          "-o", "p.csv"],
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_users(folder, capsys, fault):
    (folder / "what.bin").write_bytes(b"1,2\n")
    (folder / "empty.csv").write_text("city,user,age,click\n")
    parquet.write_table(parquet.read_table("clicks").slice(0, 0), "empty.parquet")
    lp.EmbeddingTable(5, 2).save("t")
    if FAULTS[fault][1] == "n":
        X, y = lp.datasets.load_criteo("day_0", 50)
        lp.LogisticRegression([50] * 26).fit(X, y).save("n")
    before = sorted(os.listdir())
    assert main(FAULTS[fault]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("python -m lowprec: error: ")
    assert "Traceback" not in told.err
    assert fault in told.err.lower() if fault == "no such file" else fault in told.err
    assert sorted(os.listdir()) == before


def test_tracebacks_for_those_who_ask(folder):
    with pytest.raises(FileNotFoundError):
        main(["train", "none.csv", *TRAIN, "-o", "m", "--traceback"])


def test_arguments_that_argparse_refuses(capsys):
    for arguments in (
        [],
        ["dance"],
        ["train", "x"],
        ["train", "x", "-o", "m", "--bottom-mlp", "x"],
    ):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
        assert "usage: python -m lowprec" in capsys.readouterr().err


def test_ctrl_c(folder, capsys, monkeypatch):
    """Status 130, as of a shell, and how to go on."""
    from lowprec.models import training

    step = training.step

    def interrupted_step(model, batch):
        if model.table_.step == 3:
            signal.raise_signal(signal.SIGINT)
        return step(model, batch)

    monkeypatch.setattr(training, "step", interrupted_step)
    assert main(["train", "clicks", *TRAIN, "-o", "m", "--save", "run"]) == 130
    assert "interrupted after step 4" in capsys.readouterr().err
    assert sorted(os.listdir("run")) == ["encoder.safetensors", "step-000000000004.safetensors"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.parquet", "b.PQ"], "parquet"), (["a.csv", "b.csv.gz"], "csv"),
        (["day_0", "day_1.gz", "x.tsv", "y.txt.gz"], "criteo"),
    ],
)  # fmt: skip
def test_formats_by_name(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert format_of([tmp_path]) == expected
    assert format_of([tmp_path / name for name in names]) == expected


def test_as_a_module(folder):
    shown = children.run("-m", "lowprec", "train", "--help", cwd=folder).stdout
    assert "--categorical NAME,NAME" in shown
    assert "examples:" in shown
    failed = children.run("-m", "lowprec", "inspect", "none", cwd=folder, status=2)
    assert failed.stderr.startswith("python -m lowprec: error: [Errno 2] No such file")
