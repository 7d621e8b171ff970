"""Rows of one number: grouped in buckets, and their gradients added up there."""

import numpy as np
import pytest

from lowprec.device import get_device
from lowprec.kernels.cpu import buckets as of_rows
from lowprec.kernels.cpu.buckets import Unsorted, segments_of
from lowprec.kernels.cpu.compiling import parallel, serial
from lowprec.kernels.cpu.grouping import group_to_update
from lowprec.kernels.gradients import Gradients
from lowprec.workspace import Allocator

NONE = np.empty(0, np.float32)


@serial
def fill(rows, labels, buckets, counts, threads):
    of_rows.put_in_buckets(rows, labels, buckets, counts, threads)


def in_buckets(rows, labels, num_rows, threads=2, num_labels=None):
    """A batch in buckets, as so many threads put it there."""
    unsorted = Unsorted(rows, labels, num_rows)
    num_labels = num_labels or rows.size
    scratch = Allocator(get_device("cpu"))
    buckets, counts = of_rows.empty_buckets(unsorted, num_labels, threads, scratch)
    fill(rows, labels, buckets, counts, threads)
    return buckets


@parallel
def sum_parts(buckets, gradients, found, ends, t, threads):
    first = of_rows.first_bucket(buckets.bounds, t, threads)
    last = of_rows.first_bucket(buckets.bounds, t + 1, threads)
    ends[t, 0] = buckets.bounds[first]
    end = np.uint64(ends[t, 0])
    for bucket in range(first, last):
        end = of_rows.sum_bucket(buckets, gradients, bucket, found, t, end, ())
    ends[t, 1] = end


def sums_of(buckets, gradients, threads):
    """The rows of a batch with their summed gradients, as so many threads find them."""
    found = of_rows.empty_sums(buckets, threads, 1, Allocator(get_device("cpu")))
    ends = np.empty((threads, 2), np.int64)
    sum_parts(buckets, gradients, found, ends, threads)
    assert not found.held.any()
    assert not found.totals.any()
    rows, sums = found.rows, found.sums
    return [
        (int(row), total)
        for begin, end in ends
        for row, total in zip(rows[begin:end], sums[begin:end], strict=True)
    ]


def expected_sums(rows, labels, grad, factors):
    """The same from the definition: in batch order, in pieces of 128 that are then added."""
    terms = {}
    for position, row in enumerate(rows.tolist()):
        term = grad[labels[position]].astype(np.float64)
        if factors.size:
            term = term * factors[position]
        terms.setdefault(row, []).append(term)
    found = {}
    for row, numbers in terms.items():
        pieces = [numbers[start : start + 128] for start in range(0, len(numbers), 128)]
        totals = []
        for piece in pieces:
            total = np.float32(0.0)
            for term in piece:  # float64 holds the product exactly, and rounds the sum once
                total = np.float32(np.float64(total) + term)
            totals.append(total)
        total = totals[0]
        for further in totals[1:]:
            total = np.float32(total + further)
        found[row] = total
    return found


def batch(num_rows, n, rng):
    """Rows of which some are frequent, each with the sample that it is of."""
    rows = rng.integers(0, num_rows, n)
    frequent = rng.random(n) < 0.5
    rows[frequent] = num_rows - 1 - rng.integers(0, min(3, num_rows), frequent.sum())
    return rows.astype(np.uint32), (np.arange(n) // 3).astype(np.uint32)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("num_labels", [500, 2**31])
@pytest.mark.parametrize("num_rows", [1, 2, 63, 64, 4097, 2**22 + 5, 2**32 - 1])
def test_sums_are_those_of_the_definition(num_rows, num_labels, weighted, threads):
    rng = np.random.default_rng([num_rows, weighted])
    rows, labels = batch(num_rows, 1500, rng)
    # few bits, so that neither a product nor its sum with a float32 is rounded in float64
    grad = rng.integers(-(2**20), 2**20, (500, 1)).astype(np.float32)
    factors = rng.integers(-8, 8, rows.size).astype(np.float32) / 8 if weighted else NONE
    given = labels[:0] if weighted else labels
    buckets = in_buckets(rows, given, num_rows, threads, num_labels)
    gradients = Gradients(grad, labels if weighted else labels[:0], factors)
    found = sums_of(buckets, gradients, threads)
    expected = expected_sums(rows, labels, grad[:, 0], factors)
    assert len(found) == len(expected)
    assert {row: total.tobytes() for row, total in found} == {
        row: total.tobytes() for row, total in expected.items()
    }


@pytest.mark.parametrize("count", [127, 128, 129, 255, 256, 257])
def test_pieces_end_where_they_are_long_enough(count):
    rng = np.random.default_rng(count)
    rows, labels = np.zeros(count, np.uint32), np.arange(count, dtype=np.uint32)
    grad = rng.standard_normal((count, 1)).astype(np.float32)
    buckets = in_buckets(rows, labels, 1)
    ((row, total),) = sums_of(buckets, Gradients(grad, labels[:0], NONE), 1)
    assert (row, total) == (0, expected_sums(rows, labels, grad[:, 0], NONE)[0])


@pytest.mark.parametrize("positions", [False, True])
@pytest.mark.parametrize("num_labels", [2000, 2**20 - 1, 2**31])
@pytest.mark.parametrize("num_rows", [3, 5000, 2**31])
def test_buckets_hold_every_position_once_in_order(num_rows, num_labels, positions):
    rows, labels = batch(num_rows, 2000, np.random.default_rng(num_rows))
    given = labels[:0] if positions else labels + np.uint32(num_labels - 1 - labels.max())
    found = in_buckets(rows, given, num_rows, num_labels=num_labels)
    if positions:
        given = np.arange(rows.size)
    few_bits = int(found.shift + found.label_bits) <= 32
    assert found.order.dtype == (np.uint32 if few_bits else np.uint64)
    inside = rows.astype(np.uint64) & ((np.uint64(1) << found.shift) - np.uint64(1))
    entries = (inside << found.label_bits) | given.astype(np.uint64)
    by_bucket = np.argsort(rows >> np.uint32(found.shift), kind="stable")
    np.testing.assert_array_equal(found.order, entries[by_bucket])
    starts = np.searchsorted(rows[by_bucket] >> np.uint32(found.shift), range(len(found.bounds)))
    np.testing.assert_array_equal(found.bounds, starts)


def test_segments_of_unsorted_rows_are_those_of_sorted_ones():
    scratch = Allocator(get_device("cpu"))
    rows, labels = batch(1000, 2000, np.random.default_rng(5))
    grad = np.random.default_rng(6).standard_normal((2000, 1)).astype(np.float32)
    gradients = Gradients(grad, labels[:0], NONE)
    unsorted = group_to_update(rows, labels, 1000, 1, scratch)
    assert isinstance(unsorted, Unsorted)
    segments = segments_of(unsorted, gradients, scratch)
    order = np.argsort(rows, kind="stable")
    np.testing.assert_array_equal(segments.order >> np.uint64(32), rows[order])
    np.testing.assert_array_equal(segments.order.astype(np.uint32), labels[order])
    assert segments_of(segments, gradients, scratch) is segments


@pytest.mark.parametrize(("n", "num_rows", "buckets"), [(6656, 2**22, 256), (60000, 2**22, 1024)])
def test_a_small_batch_has_fewer_buckets(n, num_rows, buckets):
    rows, labels = batch(num_rows, n, np.random.default_rng(n))
    assert in_buckets(rows, labels, num_rows).bounds.size - 1 == buckets


def test_a_small_batch_needs_no_more_sums_than_a_large_one():
    rows, labels = batch(2**30, 64, np.random.default_rng(0))
    assert in_buckets(rows, labels, 2**30).shift == 18
