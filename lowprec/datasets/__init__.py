"""Training data: Parquet and CSV files and Criteo click logs from disk, and planted clicks."""

from lowprec.datasets.criteo import CriteoReader, load_criteo
from lowprec.datasets.csv import CsvReader
from lowprec.datasets.hashing import hash_categories
from lowprec.datasets.parquet import ParquetReader
from lowprec.datasets.synthetic import DEFAULT_NUM_EMBEDDINGS, make_clicks

__all__ = [
    "DEFAULT_NUM_EMBEDDINGS",
    "CriteoReader",
    "CsvReader",
    "ParquetReader",
    "hash_categories",
    "load_criteo",
    "make_clicks",
]
