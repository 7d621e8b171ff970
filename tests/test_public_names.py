"""What is public, and that it is documented."""

import ast
import inspect

import pytest

import lowprec as lp
from tests.sources import SOURCES


def public(module):
    """The names that a module of the package defines for its users."""
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def test_exported_names():
    assert sorted(lp.__all__) == [
        "Adagrad",
        "Adam",
        "CheckpointError",
        "Checkpoints",
        "CriteoReader",
        "CsvReader",
        "DLRM",
        "Diagnostics",
        "EmbeddingTable",
        "FTRL",
        "LAMB",
        "LogisticRegression",
        "ParquetReader",
        "Recommendation",
        "RoundoffReport",
        "RowWiseAdagrad",
        "SGD",
        "Samples",
        "Shard",
        "TabularEncoder",
        "Vocabulary",
        "__version__",
        "datasets",
        "get_num_threads",
        "load",
        "metrics",
        "mpi",
        "nearest_round",
        "round_up_probability",
        "schedules",
        "set_num_threads",
        "stochastic_round",
    ]
    assert sorted(lp.datasets.__all__) == [
        "CriteoReader",
        "CsvReader",
        "DEFAULT_NUM_EMBEDDINGS",
        "ParquetReader",
        "hash_categories",
        "load_criteo",
        "make_clicks",
    ]
    assert sorted(lp.mpi.__all__) == ["ShardedTable", "load"]
    assert sorted(lp.metrics.__all__) == [
        "calibration",
        "grouped_roc_auc",
        "log_loss",
        "ndcg_at_k",
        "normalized_entropy",
        "recall_at_k",
        "roc_auc",
    ]
    assert public(lp.schedules) == [
        "Constant",
        "InverseTime",
        "Schedule",
        "WarmupLinearDecay",
        "check_nonnegative",
        "check_positive",
        "describe",
        "from_description",
    ]


def documented():
    """Every public class and function, by its full name."""
    exported = {f"lp.{name}": getattr(lp, name) for name in lp.__all__}
    for module, names in (
        (lp.datasets, lp.datasets.__all__),
        (lp.metrics, lp.metrics.__all__),
        (lp.mpi, lp.mpi.__all__),
        (lp.schedules, ["Constant", "InverseTime", "WarmupLinearDecay"]),
    ):
        exported |= {f"{module.__name__}.{name}": getattr(module, name) for name in names}
    return {
        name: value
        for name, value in exported.items()
        if inspect.isclass(value) or inspect.isfunction(value)
    }


@pytest.mark.parametrize(("name", "value"), documented().items(), ids=documented())
def test_public_names_have_examples(name, value):
    text = inspect.getdoc(value) or ""
    assert "Examples\n--------\n" in text, name
    assert ">>> " in text, name


@pytest.mark.parametrize("name", SOURCES)
def test_every_module_says_what_it_is_for(name):
    module = ast.parse(SOURCES[name])
    assert not module.body or ast.get_docstring(module), name


def test_every_export_is_listed_once_and_there():
    assert len(set(lp.__all__)) == len(lp.__all__)
    assert all(hasattr(lp, name) for name in lp.__all__)
