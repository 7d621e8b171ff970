"""Which pages are run only where a package is installed."""

import importlib.util

import pytest

NEEDS = {"scikit-learn.md": "sklearn"}


def pytest_collection_modifyitems(items):
    for item in items:
        package = NEEDS.get(item.path.name)
        if package and importlib.util.find_spec(package) is None:
            item.add_marker(pytest.mark.skip(reason=f"{package} is not installed"))
