"""Keys in an open hash table, and counters of those that are not in it.

A slot is a row of `slots` (uint64): the key, its entry, and the second hash of a string.  An entry
is ``row << 32 | step``, the step at which the key was seen last; 0 where the slot is empty.
A key is looked for from the beginning of its bucket on, of BUCKET slots each: a cache line, where
keys are integers.  `keys` are uint64 (n, 1), or (n, 2) with the second hash.
"""

import numpy as np

from lowprec.kernels.cpu.compiling import parallel, serial
from lowprec.kernels.cpu.launch import NUMBERS_TO_FIND_A_ROW, launch, threads_for
from lowprec.kernels.cpu.memory import prefetch_number
from lowprec.kernels.cpu.options import SERIAL
from lowprec.scalar.internal import internal
from lowprec.scalar.vocabulary import counter_of, hash_key, home_of, text_hash
from lowprec.scalar.xorshift import derive

BUCKET = 4
LINES = 4  # counters of a key
_AHEAD = np.uint64(32)  # keys
_ZERO, _ONE, _TWO, _THREE = (np.uint64(number) for number in range(4))
_ROW = np.uint64(32)  # bits of the step in an entry, below those of the row
_STEP = np.uint64(0xFFFFFFFF)


@internal(forceinline=True, **SERIAL)
def _home(slots, of_slots, key):
    buckets = np.uint64(slots.shape[0]) // np.uint64(BUCKET)
    return home_of(key, of_slots, buckets) * np.uint64(BUCKET)


@internal(forceinline=True, **SERIAL)
def _next(slots, slot):
    slot += _ONE
    return _ZERO if slot == np.uint64(slots.shape[0]) else slot


@internal(forceinline=True, **SERIAL)
def _has(slots, slot, keys, i):
    """Whether a slot has key number i, or had it before it was emptied."""
    same = slots[slot, 0] == keys[i, 0]
    return same if keys.shape[1] == 1 else same and slots[slot, 2] == keys[i, 1]


@internal(forceinline=True, **SERIAL)
def _slot_from(slots, slot, keys, i):
    """The slot of key number i, or the empty one where it would be, from its home on."""
    while slots[slot, 1] != _ZERO and not _has(slots, slot, keys, i):
        slot = _next(slots, slot)
    return slot


@internal(forceinline=True, **SERIAL)
def _in_bucket(slots, home, key):
    """The slot of the bucket that holds a key, without a branch; any one, if none or several do."""
    second = np.uint64(slots[home + _ONE, 0] == key)
    third = np.uint64(slots[home + _TWO, 0] == key) * _TWO
    fourth = np.uint64(slots[home + _THREE, 0] == key) * _THREE
    return home + (second | third | fourth)


@internal(**SERIAL)
def _find_homes(slots, of_slots, keys, homes):
    for i in range(np.uint64(homes.size)):
        homes[i] = _home(slots, of_slots, keys[i, 0])


@internal(**SERIAL)
def _find_range(slots, keys, homes, seen, step, rows, places, before):
    unknown, last = np.uint64(0), np.uint64(rows.size) - _ONE
    for i in range(np.uint64(rows.size)):
        prefetch_number(slots, np.int64(homes[min(i + _AHEAD, last)]) * slots.shape[1])
        slot = _in_bucket(slots, homes[i], keys[i, 0])
        if slots[slot, 1] == _ZERO or not _has(slots, slot, keys, i):
            slot = _slot_from(slots, homes[i], keys, i)
        entry = slots[slot, 1]
        rows[i] = np.int64(entry >> _ROW)
        if entry == _ZERO:
            if places.size:
                places[unknown] = before + i
            unknown += _ONE
        elif seen and (entry & _STEP) < step:  # other threads store the same, or nothing
            slots[slot, 1] = ((entry >> _ROW) << _ROW) | step
    return unknown


@parallel
def _find(slots, of_slots, keys, homes, seen, step, rows, places, unknown, t, threads):
    first, last = t * rows.size // threads, (t + 1) * rows.size // threads
    _find_homes(slots, of_slots, keys[first:last], homes[first:last])
    unknown[t] = _find_range(
        slots, keys[first:last], homes[first:last], seen, step, rows[first:last],
        places[first:last], np.uint64(first),
    )  # fmt: skip


def _find_all(slots, of_slots, keys, seen, step, rows, places):
    """How many keys have no row, for each thread; their `places` from its first key on."""
    threads = threads_for(rows.size * NUMBERS_TO_FIND_A_ROW)
    homes, unknown = np.empty(rows.size, np.uint64), np.empty(threads, np.int64)
    launch(
        _find, threads, slots, of_slots, keys, homes, seen, np.uint64(step), rows, places, unknown
    )
    return unknown


def find(slots, of_slots, keys, rows):
    """``rows[i]`` = the row of key i, 0 if there is none."""
    _find_all(slots, of_slots, keys, False, 0, rows, np.empty(0, np.uint64))


def find_and_list(slots, of_slots, keys, step, rows):
    """The same; returns which keys have none, as their places, ascending (uint64).

    The entries of the others note the `step`, where it is not before the one that they have, unless
    it is None.
    """
    places = np.empty(rows.size, np.uint64)
    unknown = _find_all(slots, of_slots, keys, step is not None, step or 0, rows, places)
    starts = np.arange(unknown.size) * rows.size // unknown.size
    return np.concatenate([
        places[start : start + count] for start, count in zip(starts, unknown, strict=True)
    ])  # fmt: skip


@serial
def insert(slots, of_slots, keys, entries):
    """Put keys with their entries into empty slots; returns the first one that is there, or -1."""
    last = np.uint64(keys.shape[0]) - _ONE
    for i in range(np.uint64(keys.shape[0])):
        ahead = _home(slots, of_slots, keys[min(i + _AHEAD, last), 0])
        prefetch_number(slots, np.int64(ahead) * slots.shape[1])
        slot = _slot_from(slots, _home(slots, of_slots, keys[i, 0]), keys, i)
        if slots[slot, 1] != _ZERO:
            return np.int64(i)
        slots[slot, 0] = keys[i, 0]
        if keys.shape[1] > 1:
            slots[slot, 2] = keys[i, 1]
        slots[slot, 1] = entries[i]
    return np.int64(-1)


@internal(**SERIAL)
def _empty(slots, of_slots, hole):
    """Empty a slot, and let keys move up that are further from their homes than need be."""
    size = np.uint64(slots.shape[0])
    slot = _next(slots, hole)
    while slots[slot, 1] != _ZERO:
        home = _home(slots, of_slots, slots[slot, 0])
        from_home = slot - home if slot >= home else slot + size - home
        from_hole = slot - hole if slot >= hole else slot + size - hole
        if from_home >= from_hole:
            for word in range(slots.shape[1]):
                slots[hole, word] = slots[slot, word]
            hole = slot
        slot = _next(slots, slot)
    slots[hole, 1] = _ZERO


@serial
def remove_unseen(slots, of_slots, since, rows):
    """Remove the keys that were seen before a step alone; how many, with their rows in `rows`."""
    count = 0
    for slot in range(np.uint64(slots.shape[0])):
        while slots[slot, 1] != _ZERO and (slots[slot, 1] & _STEP) < since:
            rows[count] = slots[slot, 1] >> _ROW
            count += 1
            _empty(slots, of_slots, slot)
    return count


@serial
def count(counts, of_counters, keys, most):
    """Count each key once in each line of `counts` (LINES, a power of 2), up to `most`."""
    mask = np.uint64(counts.shape[1] - 1)
    for i in range(keys.shape[0]):
        hashed = derive(of_counters, keys[i, 0])
        for line in range(np.uint64(LINES)):
            place = counter_of(hashed, line, mask)
            if counts[line, place] < most:
                counts[line, place] += 1


@serial
def estimate(counts, of_counters, keys, times):
    """Add to ``times[i]`` how often key i was counted at most: its least counter."""
    mask = np.uint64(counts.shape[1] - 1)
    for i in range(keys.shape[0]):
        hashed = derive(of_counters, keys[i, 0])
        least = np.int64(counts[0, counter_of(hashed, _ZERO, mask)])
        for line in range(_ONE, np.uint64(LINES)):
            least = min(least, np.int64(counts[line, counter_of(hashed, line, mask)]))
        times[i] += least


@serial
def hash_text(data, offsets, first_key, second_key, keys):
    """``keys[i]`` = both hashes of the bytes ``data[offsets[i]:offsets[i + 1]]``."""
    for i in range(offsets.size - 1):
        keys[i, 0] = text_hash(data, offsets[i], offsets[i + 1], first_key)
        keys[i, 1] = text_hash(data, offsets[i], offsets[i + 1], second_key)


@serial
def _key_of(seed, use):
    return hash_key(seed, use)


def key_of(seed, use):
    """What the hashes of a seed for one use are derived from."""
    return np.uint64(_key_of(np.uint64(seed), np.uint64(use)))
