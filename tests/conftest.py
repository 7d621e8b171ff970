"""Test settings: a folder for compiled kernels, and one hypothesis profile."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parent.parent


# where lowprec's kernels lie, for each state of the sources, and those of the tests themselves
os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".numba_cache"))

# The same examples every time, and no deadline: the first call compiles.
settings.register_profile("lowprec", deadline=None, derandomize=True, max_examples=100)
settings.load_profile("lowprec")


def pytest_configure(config):
    # ignored where a shell starts a job in the background; the tests count on Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from tests import devices

    if devices.DEVICE != "cpu":
        devices.set_default_device(devices.DEVICE)
        if not devices.lowprec.cuda.SIMULATED:
            devices.share_memory_with_the_host()
    config.addinivalue_line("markers", "side_by_side: the simulator has threads of Python")


def pytest_runtest_setup(item):
    from tests import devices

    if devices.lowprec.cuda.SIMULATED:
        in_turn = item.get_closest_marker("side_by_side") is None
        devices.simulate_threads_in_turn(in_turn)


# what runs kernels that other tests compile: at the end it takes them from the cache
LAST = ["test_same_bits.py", "test_processor_state.py", "test_simulator.py"]


def pytest_collection_modifyitems(items):
    """What uses most kernels goes last."""
    places = {name: place for place, name in enumerate(LAST)}
    items.sort(key=lambda item: places.get(item.path.name, -1))


@pytest.fixture(scope="session")
def root():
    """The folder of the checkout."""
    return ROOT
