"""Text of an example with words: how it is read, and the judges of vectors."""

import gzip

import numpy as np
import pytest
from words import Similarity, Text, plant_text, read_similarity, read_text, side_by_side


def test_reading(tmp_path):
    path = tmp_path / "text.gz"
    with gzip.open(path, "wt") as file:
        file.write("The cat, the DOG.\n\nThe end; a cat's life!\nthe\n")
    found = read_text(str(path), None, min_count=2)
    assert found.vocabulary == ["the", "cat"]
    assert found.counts.tolist() == [4, 2]
    assert found.words == 11
    assert found.ids.tolist() == [0, 1, 0, 0, 1, 0]
    assert found.starts.tolist() == [0, 3, 3, 5, 6]
    assert read_text(str(path), 5, min_count=1).words == 4  # whole lines


def test_similarity(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("cat dog 9\nthe\tCAT 1.5\ndog  the 2\nbird cat 5\n")
    text = Text(["the", "cat", "dog"], np.ones(3), np.arange(3), np.array([0, 3]), 3)
    found = read_similarity(str(path), text)
    assert found.pairs.tolist() == [[1, 2], [0, 1], [2, 0]]
    vectors = np.array([[1, 0], [0.1, 1], [0.2, 1]], np.float32)
    assert found.score(vectors) == pytest.approx(1.0)
    assert Similarity("", found.pairs, -found.truth).score(vectors) == pytest.approx(-1.0)


def test_readers_take_turns():
    text, _ = plant_text(20_000, seed=0)
    few = Text(["a"], np.ones(1), np.arange(9), np.array([0, 2, 2, 5, 8, 9]), 9)
    found = side_by_side(few, 2)  # sentences 0, 1, 2 and 3, 4
    assert found.ids.tolist() == [0, 1, 5, 6, 7, 8, 2, 3, 4]
    assert found.starts.tolist() == [0, 2, 5, 5, 6, 9]
    same = side_by_side(text, 1)
    assert (same.ids == text.ids).all()
    assert (same.starts == text.starts).all()
