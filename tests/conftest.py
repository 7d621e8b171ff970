"""Test settings: a compile cache that follows the sources, and one hypothesis profile."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent


def _cache_folder():
    """A folder for compiled kernels, named after all sources of the package.

    Numba's own cache looks at the file of a kernel only, and would miss a change in the scalar
    functions that it calls.
    """
    digest = hashlib.sha256()
    for path in sorted((ROOT / "lowprec").rglob("*.py")):
        digest.update(path.read_bytes())
    return ROOT / ".numba_cache" / digest.hexdigest()[:16]


os.environ.setdefault("NUMBA_CACHE_DIR", str(_cache_folder()))

# The same examples every time, and no deadline: the first call compiles.
settings.register_profile("lowprec", deadline=None, derandomize=True, max_examples=100)
settings.load_profile("lowprec")


def pytest_configure(config):
    from tests import devices

    if devices.DEVICE != "cpu":
        devices.set_default_device(devices.DEVICE)
        if not devices.lowprec.cuda.SIMULATED:
            devices.share_memory_with_the_host()
    config.addinivalue_line("markers", "side_by_side: with the simulator's own threads")


def pytest_runtest_setup(item):
    from tests import devices

    if devices.lowprec.cuda.SIMULATED:
        in_turn = item.get_closest_marker("side_by_side") is None
        devices.simulate_threads_in_turn(in_turn)


def pytest_collection_modifyitems(items):
    """The simulator's tests are one long one: it goes first, beside all others."""
    items.sort(key=lambda item: item.path.name != "test_simulator.py")


@pytest.fixture(scope="session")
def root():
    """The folder of the checkout."""
    return ROOT
