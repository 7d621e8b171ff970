"""Where files are, and threads that save."""

import pytest


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.safetensors"
