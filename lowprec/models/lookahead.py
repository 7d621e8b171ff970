"""The rows of the next batch are read from a table's file while the one before is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lowprec.models.data import Labelled
from lowprec.models.model import Model
from lowprec.models.ranks import shard_of


def with_rows_read(model: Model, batches: Iterable[Labelled]) -> Iterable[Labelled]:
    """The batches; of a table in a file, a thread reads the rows of one more.

    An error of the next batch is raised where it would have come: after the step of this one.
    """
    return batches if shard_of(model.table_).path is None else _one_ahead(model, batches)


def _one_ahead(model: Model, batches: Iterable[Labelled]) -> Iterator[Labelled]:
    following = iter(batches)
    batch = next(following, None)
    while batch is not None:
        after, error = None, None
        try:
            after = next(following, None)
        except Exception as raised:
            error = raised
        if after is not None and after.samples.num_features:
            model.table_.prefetch(after.samples.indices, after.samples.offsets)
        yield batch
        if error is not None:
            raise error
        batch = after
