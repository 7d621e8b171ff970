"""Files that tests write."""

import pytest


@pytest.fixture
def write(tmp_path):
    def write(content, name="day.tsv"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write
