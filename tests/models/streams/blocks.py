"""Samples cut into blocks, readers of them, and what a training by them gives."""

import threading
from itertools import pairwise

import lowprec as lp
from tests.models.small import SIZES, state

N = 300  # 10 batches an epoch, the last one smaller


def cut(samples, places, weights=None):
    """Blocks of the samples between these places."""
    (dense, *ids), y = samples
    whole = lp.Samples(dense, *ids)
    places = [0, *places, len(y)]
    return [
        (whole[start:stop], y[start:stop], *([] if weights is None else [weights[start:stop]]))
        for start, stop in pairwise(places)
    ]


def all_of(model):
    return state(model), model.history_, model._progress_of_training()


def reader_of(folder, encoder, **kwargs):
    options = {"shuffle": True, "shuffle_window": 90, "batch_size": 50, **kwargs}
    return lp.ParquetReader(folder, encoder, label="click", **options)


def model_of(make, **kwargs):
    return make(num_embeddings=None, **kwargs)


def train(make, stream, **kwargs):
    return make(num_embeddings=SIZES if isinstance(stream, list) else None).fit_stream(
        stream, 3, **kwargs
    )


def threads_that_read():
    return [each for each in threading.enumerate() if each.name == "lowprec reads ahead"]
