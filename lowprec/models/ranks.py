"""The processes that compute a model together: one alone, or the ranks of a job.

All ranks are given the same samples, and each takes its own of every batch: whole parts, in which
dense layers and their gradients are computed, so that sums have one order for any number of ranks.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lowprec.batches.samples import Samples
from lowprec.device import Device
from lowprec.models.data import Labelled
from lowprec.tables.embedding import EmbeddingTable

if TYPE_CHECKING:
    from lowprec.mpi.exchange import Exchange


class Alone:
    """One process."""

    size, first, together = 1, True, False

    def agreed(self, action: Callable[[], Any]) -> Any:
        """What an action returns, if it raises on no rank; else all raise."""
        return action()

    def check_alike(self, what: str, describe: Callable[[], str]) -> None:
        """ValueError unless all ranks were given the same."""

    def any(self, flag: bool) -> bool:
        """Whether a flag is set on any rank."""
        return flag

    def of_first(self, flag: bool) -> bool:
        """Whether a flag is set on the first rank."""
        return flag

    def batches(self, batches: Iterable[Labelled]) -> Iterable[Labelled]:
        """Batches, which are the same on all ranks."""
        return batches

    def own_rows(self, samples: int, part: int) -> slice:
        """This rank's whole parts of a batch of samples."""
        return slice(None)

    def own_samples(self, samples: Samples, part: int) -> Samples:
        """The samples of this rank's whole parts."""
        return samples

    def whole(self, rows: NDArray[Any], samples: int, part: int) -> NDArray[Any]:
        """The rows of all samples, of which those of a rank's own parts are here."""
        return rows

    def add_parts(self, device: Device, gradients: list[Any], samples: int, part: int) -> list[Any]:
        """The sums of gradients: those of one process alone are sums already."""
        return gradients

    def table(self, *arguments: Any, **options: Any) -> Any:
        """A new table, of which a rank has a shard."""
        return EmbeddingTable(*arguments, **options)


class Ranks(Alone):
    """The ranks of a communicator."""

    together = True

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.rank, self.size = exchange.rank, exchange.size
        self.first = exchange.rank == 0

    def __reduce__(self) -> Any:
        raise TypeError(
            "a model that is spread over ranks cannot be copied or pickled: save it, and load that"
        )

    def agreed(self, action: Callable[[], Any]) -> Any:
        """What an action returns, if it raises on no rank; else all raise."""
        return self.exchange.agreed(action)

    def check_alike(self, what: str, describe: Callable[[], str]) -> None:
        """ValueError unless all ranks were given the same."""
        self._check_alike(what, self.exchange.agree(None, zlib.crc32(describe().encode())))

    def _check_alike(self, what: str, found: NDArray[np.int64]) -> None:
        others = np.flatnonzero((found != found[0]).any(axis=1))
        if others.size:
            raise ValueError(
                f"all ranks must be given the same {what}; rank {others[0]} was given others than "
                "rank 0"
            )

    def any(self, flag: bool) -> bool:
        """Whether a flag is set on any rank."""
        return bool(self.exchange.flags(int(flag)).any())

    def of_first(self, flag: bool) -> bool:
        """Whether a flag is set on the first rank."""
        return bool(self.exchange.flags(int(flag))[0, 0])

    def batches(self, batches: Iterable[Labelled]) -> Iterator[Labelled]:
        """Batches, which are the same on all ranks; an error of one is raised on all."""
        every = iter(batches)
        while True:
            batch, error, header = None, None, (0, 0)
            try:
                batch = next(every, None)
                if batch is not None:
                    header = (len(batch), _checksum(batch))
            except Exception as raised:
                error = raised
            self._check_alike("samples", self.exchange.agree(error, *header))
            if batch is None:
                return
            yield batch

    def counts(self, samples: int, part: int) -> NDArray[np.int64]:
        """How many samples of a batch each rank has."""
        parts = -(-samples // part)
        ends = np.arange(self.size + 1, dtype=np.int64) * parts // self.size * part
        return np.diff(np.minimum(ends, samples))

    def own_rows(self, samples: int, part: int) -> slice:
        """This rank's whole parts of a batch of samples."""
        ends = np.cumsum(self.counts(samples, part))
        return slice(int(ends[self.rank - 1]) if self.rank else 0, int(ends[self.rank]))

    def own_samples(self, samples: Samples, part: int) -> Samples:
        """The samples of this rank's whole parts."""
        return samples[self.own_rows(len(samples), part)]

    def whole(self, rows: NDArray[Any], samples: int, part: int) -> NDArray[Any]:
        """The rows of all samples, of which those of a rank's own parts are here."""
        return self.of_all(rows, self.counts(samples, part))

    def of_all(self, rows: NDArray[Any], counts: NDArray[np.int64]) -> NDArray[Any]:
        """The rows of all ranks, in the order of the ranks."""
        copies = np.concatenate([rows] * self.size)
        return self.exchange.rows(copies, np.full(self.size, len(rows), np.int64), counts)

    def add_parts(self, device: Device, gradients: list[Any], samples: int, part: int) -> list[Any]:
        """The sums of gradients (parts, ...), of which those of a rank's own parts are here.

        Each rank adds up a share of the numbers, over all parts in their order, and sends it to
        all.
        """
        of_ranks = -(-self.counts(samples, part) // part)
        parts = int(of_ranks[self.rank])
        lengths = [math.prod(each.shape[1:]) for each in gradients]
        flat = np.concatenate(
            [each.reshape(parts, n) for each, n in zip(gradients, lengths, strict=True)], axis=1
        )
        bounds = np.arange(self.size + 1, dtype=np.int64) * flat.shape[1] // self.size
        shares = [flat[:, first:last].reshape(-1) for first, last in pairwise(bounds)]
        sizes = np.diff(bounds)
        width = int(sizes[self.rank])
        found = self.exchange.rows(np.concatenate(shares), parts * sizes, of_ranks * width)
        by_parts = found.reshape(int(of_ranks.sum()), width)
        total = self.of_all(device.kernels.add_parts(by_parts), sizes)
        pieces = np.split(total, np.cumsum(lengths)[:-1])
        return [
            piece.reshape(each.shape[1:]) for piece, each in zip(pieces, gradients, strict=True)
        ]

    def table(self, *arguments: Any, **options: Any) -> Any:
        """A new table, of which a rank has a shard."""
        from lowprec.mpi.sharded import ShardedTable  # here, as few programs need it

        del options["device"], options["path"]  # `training_ranks` has seen that they are not given
        return ShardedTable(self.exchange.comm, *arguments, **options)


def _checksum(batch: Labelled) -> int:
    """A checksum of all numbers of a batch in their order, whatever their dtypes are."""
    samples, found = batch.samples, 1
    integers = [each.astype(np.int64, copy=False) for each in (samples.indices, samples.offsets)
                if each is not None]  # fmt: skip
    for array in (*integers, samples.dense, samples.weights, batch.y, batch.weights):
        if array is not None:
            found = zlib.adler32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, found)
    return found


class SharedIds(NamedTuple):
    """A rank's own ids of a batch; all ranks look them up and update their rows together."""

    arguments: tuple[Any, ...]  # of a table's methods: indices, offsets, pooling, weights
    across_features: bool
    ranks: Ranks
    counts: NDArray[np.int64] | None  # samples of each rank, if each is told what all look up

    def begin_look_up(
        self, table: Any, out: NDArray[np.float32] | None
    ) -> Callable[[], NDArray[np.float32]]:
        """Ask other ranks for rows; returns what waits for them.

        It gives the embeddings of own samples, in `out` if it is given, or of all samples.
        """
        pending: Any = None
        if not isinstance(table, EmbeddingTable):  # of a file, all ranks may have all of it
            pending = table.begin_lookup(*self.arguments, across_features=self.across_features)

        def finish() -> NDArray[np.float32]:
            found: NDArray[np.float32]
            if pending is None:
                found = table.lookup(*self.arguments, across_features=self.across_features)
            else:
                found = pending.finish()
            if self.counts is not None:
                return self.ranks.of_all(found, self.counts)
            if out is None:
                return found
            out[...] = found
            return out

        return finish

    def update(self, table: Any, grad: NDArray[np.float32], diverged: NDArray[np.bool_]) -> None:
        """Step the rows of all; notes it if a gradient of any rank is not finite."""
        if self.counts is not None:
            last = int(self.counts[: self.ranks.rank + 1].sum())
            grad = grad[last - int(self.counts[self.ranks.rank]) : last]
        indices, *others = self.arguments
        try:
            table.update(indices, grad, *others, across_features=self.across_features)
        except FloatingPointError:  # on all ranks
            diverged[0] = True


def begin_look_up(
    table: Any, ids: Any, out: NDArray[np.float32] | None = None
) -> Callable[[], NDArray[np.float32]]:
    """Begin to look up a minibatch's ids; returns what gives the embeddings, in `out` if given.

    What other ranks answer is on its way meanwhile.
    """
    if isinstance(ids, SharedIds):
        return ids.begin_look_up(table, out)
    return lambda: table.lookup(ids, out=out)  # type: ignore[no-any-return]


def shard_of(table: Any) -> EmbeddingTable:
    """The table of a model, or what this process has of it."""
    return getattr(table, "table", table)  # type: ignore[no-any-return]


ALONE = Alone()


def ranks_of(comm: Any) -> Alone:
    """The ranks of a communicator; this process alone for None."""
    if comm is None:
        return ALONE
    from lowprec.mpi.exchange import Exchange  # here, as few programs need it

    return Ranks(Exchange(comm))
