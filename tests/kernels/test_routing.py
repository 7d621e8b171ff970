"""Batches by owner, and what is sent, against NumPy and the naive oracle."""

import itertools

import numpy as np
import pytest

import lowprec as lp
from lowprec.device import get_device
from lowprec.formats.entries import storage_dtype
from lowprec.workspace import Allocator
from tests import naive
from tests.devices import DEVICE, host

KEY = 0x0123456789ABCDEF
device = get_device(DEVICE)
kernels, scratch = device.kernels, Allocator(device)


def there(array):
    return device.asarray(array)


@pytest.mark.parametrize(("n", "size"), [(0, 1), (0, 3), (1, 1), (1000, 1), (1000, 7), (90_000, 3)])
def test_by_owner(n, size):
    rows = np.random.default_rng(n).integers(0, 700, n).astype(np.uint32)
    order, of_owner, counts = kernels.split_by_owner(there(rows), size, scratch)
    expected = np.argsort(rows % size, kind="stable")
    assert host(order).tolist() == expected.tolist()
    assert host(of_owner).tolist() == (rows // size)[expected].tolist()
    assert counts.tolist() == np.bincount(rows % size, minlength=size).tolist()


@pytest.mark.parametrize("counts", [[0], [0, 0, 0], [40], [300, 0, 5, 700], [0, 20_000, 30_000, 0]])
def test_distinct_rows(counts):
    most = 90
    rows = np.random.default_rng(0).integers(0, most, sum(counts)).astype(np.uint32)
    found, totals, places = kernels.distinct_rows(there(rows), np.array(counts), most, scratch)
    by_owner = np.split(rows, np.cumsum(counts)[:-1])
    distinct = [np.unique(some) for some in by_owner]
    assert totals.tolist() == [len(some) for some in distinct]
    assert host(found).tolist() == np.concatenate(distinct).tolist()
    assert host(found)[host(places)].tolist() == rows.tolist()
    bounds = np.repeat(np.cumsum(totals), counts)  # places are among the owner's own
    assert (host(places) < bounds).all()


@pytest.mark.parametrize("counts", [[0, 0], [12], [5, 0, 30]])
def test_bags_of_owners(counts):
    rng = np.random.default_rng(1)
    bags = np.sort(rng.integers(0, 9, sum(counts))).astype(np.uint32)
    order = rng.permutation(sum(counts)).astype(np.uint32)
    bounds = [0, *np.cumsum(counts)]
    for start, stop in itertools.pairwise(bounds):
        order[start:stop].sort()
    if sum(counts):
        found, sizes, totals = kernels.bags_of_owners(
            there(order), there(bags), np.array(counts), scratch
        )
        pairs = [
            (owner, bags[position])
            for owner in range(len(counts))
            for position in order[bounds[owner] : bounds[owner + 1]]
        ]
        expected = sorted(set(pairs))
        assert host(found).tolist() == [bag for _, bag in expected]
        assert host(sizes).tolist() == [pairs.count(pair) for pair in expected]
        assert totals.tolist() == [sum(o == k for o, _ in expected) for k in range(len(counts))]


@pytest.mark.parametrize("wire", ["float32", "float16"])
@pytest.mark.parametrize(("columns", "bags"), [(1, 50), (19, 120), (64, 40), (48, 30_000)])
def test_packed_gradients(columns, bags, wire):
    """Rounded as the whole array is, whatever is sent of it; the largest is found."""
    rng = np.random.default_rng(columns)
    grad = device.empty((bags, columns), np.float32)
    grad[...] = there(rng.normal(size=(bags, columns)).astype(np.float32))
    sent = rng.permutation(bags)[: bags // 2 + 1].astype(np.uint32)
    first_bag, storage = 77, storage_dtype(wire)
    whole = device.empty((bags * columns,), storage)
    kernels.round_stochastic(
        grad.reshape(-1), np.uint64(KEY), device.words(whole, storage), first_bag * columns
    )
    out = device.empty((sent.size, columns), storage)
    bits = kernels.pack(grad, there(sent), first_bag, np.uint64(KEY), device.words(out, storage))
    assert host(out).tobytes() == host(whole).reshape(bags, columns)[sent].tobytes()
    considered = host(grad)[sent] if DEVICE == "cpu" else host(grad)
    assert np.uint32(host(bits)).view(np.float32) == np.abs(considered).max()
    if wire == "float16":  # the whole is what the specification says
        for number in (0, 1, columns * bags - 1):
            place = first_bag * columns + number
            draw = naive.draw(naive.derive(KEY, place // 1024), place % 1024, 13)
            expected = naive.round_stochastic(host(grad).reshape(-1)[number], draw, "float16")
            assert host(whole)[number] == expected


def test_the_largest_may_be_no_number():
    grad = device.empty((3, 4), np.float32)
    grad[...] = 1
    out, sent = device.empty((3, 4), np.float32), there(np.arange(3, dtype=np.uint32))
    words = device.words(out, np.dtype(np.float32))
    for number in (-np.inf, np.nan):
        grad[2, 3] = number
        bits = np.uint32(host(kernels.pack(grad, sent, 0, np.uint64(0), words)))
        assert bits.view(np.float32) == np.inf or np.isnan(bits.view(np.float32))
        assert host(out)[2, 3] == number or np.isnan(number)


@pytest.mark.parametrize(("columns", "n"), [(1, 30), (19, 30), (64, 9000)])
def test_rows_into_places(columns, n):
    rng = np.random.default_rng(2)
    table = lp.EmbeddingTable(50, columns, device=DEVICE)
    rows = there(rng.integers(0, 50, n).astype(np.uint32))
    places = rng.permutation(n + 3)[:n].astype(np.uint32)
    out = device.empty((n + 3, columns), np.float32)
    out.fill(9)
    kernels.gather_to(device.words(table._weight, table.dtype), rows, there(places), out)
    expected = np.full((n + 3, columns), 9, np.float32)
    expected[places] = host(table.read(rows))
    assert host(out).tobytes() == expected.tobytes()
