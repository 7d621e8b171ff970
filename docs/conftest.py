"""Which pages are run only where packages are installed that lowprec does not need."""

import importlib.util

import pytest

NEEDS = {
    "jax.md": ["jax"],
    "many-machines.md": ["mpi4py"],
    "pytorch.md": ["torch"],
    "scikit-learn.md": ["sklearn", "pandas", "pyarrow"],
}


def pytest_collection_modifyitems(items):
    for item in items:
        for package in NEEDS.get(item.path.name, []):
            if importlib.util.find_spec(package) is None:
                item.add_marker(pytest.mark.skip(reason=f"{package} is not installed"))
