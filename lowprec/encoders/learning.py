"""Columns that have seen a frame: all of it is read before any of them changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from lowprec.batches.vocabulary import Vocabulary
from lowprec.checks import check_choice, check_int
from lowprec.encoders.categories import MAX_ROWS, Grown, Hashed, Learned, salt_of
from lowprec.encoders.columns import Column, Encoding
from lowprec.encoders.kinds import NUMERICAL
from lowprec.encoders.numbers import Numbers
from lowprec.encoders.parallel import in_parallel
from lowprec.typing import VocabularyName

VOCABULARIES: tuple[str, ...] = get_args(VocabularyName)
DEFAULT_BUCKETS = 2**16
_MOST_BINS = 1 << 15


@dataclass(frozen=True)
class Vocabularies:
    """The parameters of encodings, checked."""

    vocabulary: str
    buckets: int | Mapping[str, int]
    min_count: int
    capacity: int | Mapping[str, int]
    bins: int

    @classmethod
    def check(
        cls, vocabulary: Any, buckets: Any, min_count: Any, capacity: Any, bins: Any
    ) -> Vocabularies:
        """TypeError or ValueError name a parameter that is none of what it may be."""
        return cls(
            check_choice("vocabulary", vocabulary, VOCABULARIES),
            _check_rows("buckets", buckets),
            check_int("min_count", min_count, low=1, high=2**63),
            _check_rows("capacity", buckets if capacity is None else capacity),
            check_int("bins", bins, low=1, high=_MOST_BINS + 1),
        )

    def of_column(self, name: str, role: str) -> Encoding:
        """The encoding of a column that has seen nothing."""
        if role == NUMERICAL:
            return Numbers(self.bins)
        if self.vocabulary == "learn":
            return Learned(self.min_count)
        if self.vocabulary == "hash":
            return Hashed(_of_column(self.buckets, name), salt_of(name))
        return Grown(Vocabulary(_of_column(self.capacity, name), self.min_count))

    def expect_names(self, names: Mapping[str, Any]) -> None:
        """ValueError unless the columns for which there are numbers are there."""
        for parameter in ("buckets", "capacity"):
            value = getattr(self, parameter)
            for name in value if isinstance(value, Mapping) else ():
                if name not in names:
                    raise ValueError(f"the frame has no column {name!r}, named in {parameter}")


def _check_rows(name: str, value: Any) -> int | Mapping[str, int]:
    if not isinstance(value, Mapping):
        return check_int(name, value, low=2, high=MAX_ROWS + 1)
    return {
        key: check_int(f"{name}[{key!r}]", rows, low=2, high=MAX_ROWS + 1)
        for key, rows in value.items()
    }


def _of_column(rows: int | Mapping[str, int], name: str) -> int:
    return rows.get(name, DEFAULT_BUCKETS) if isinstance(rows, Mapping) else rows


def start(parameters: Vocabularies, roles: Mapping[str, str]) -> list[Column]:
    """Columns that have seen nothing."""
    return [
        Column(name, role, None, parameters.of_column(name, role)) for name, role in roles.items()
    ]


def learn(columns: Sequence[Column], found: Mapping[str, Any]) -> list[Column]:
    """The columns once they have seen those of a frame; TypeError or ValueError name a fault."""
    fitting = [column.fitting(found[column.name]) for column in columns]
    read = in_parallel(lambda pair: pair[0].read(pair[1]), zip(columns, fitting, strict=True))
    return in_parallel(lambda pair: pair[0].seen(*pair[1]), zip(columns, read, strict=True))
