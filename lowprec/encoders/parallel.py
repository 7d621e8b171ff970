"""Work on columns and rows by several threads; Arrow and the kernels run without the GIL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lowprec.num_threads import get_num_threads

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results in the order of the items, or the exception of the first item that has one."""
    every = list(items)
    threads = min(get_num_threads(), len(every))
    if threads < 2:
        return [work(item) for item in every]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, every))
