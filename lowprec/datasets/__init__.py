"""Training data: Criteo click logs from disk, and a planted click model of the same shape."""

from lowprec.datasets.criteo import CriteoReader, load_criteo
from lowprec.datasets.synthetic import make_clicks

__all__ = ["CriteoReader", "load_criteo", "make_clicks"]
