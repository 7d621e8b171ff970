"""Training data: Criteo click logs from disk, and a planted click model of the same shape."""

from lowprec.datasets.criteo import CriteoReader, load_criteo
from lowprec.datasets.hashing import hash_categories
from lowprec.datasets.synthetic import DEFAULT_NUM_EMBEDDINGS, make_clicks

__all__ = [
    "DEFAULT_NUM_EMBEDDINGS",
    "CriteoReader",
    "hash_categories",
    "load_criteo",
    "make_clicks",
]
