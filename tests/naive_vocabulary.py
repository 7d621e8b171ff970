"""A slow, obvious vocabulary: dicts and Python integers, from the documentation alone.

Nothing here is imported from the library.
"""

from tests.naive import M64, derive, mix64

SLOT, COUNTER, TEXT, CHECK = 16, 17, 18, 19
LINES = 4


def hash_key(seed, use):
    return derive(mix64(seed), use)


def text_hash(data, key):
    """Of bytes: 8 at a time, little-endian, the last ones filled up with zeros; then the length."""
    for start in range(0, len(data), 8):
        key = derive(key, int.from_bytes(data[start : start + 8], "little"))
    return derive(key, len(data))


def home(key, seed, slots):
    """The slot from which a key is looked for: the first one of a bucket of 4."""
    return (((derive(hash_key(seed, SLOT), key) >> 33) * (slots // 4)) >> 31) * 4


class Vocabulary:
    """{key: row}, where a key is an unsigned integer, or the pair of hashes of a string."""

    def __init__(self, capacity, min_count=1, ttl=None, seed=0):
        self.capacity, self.min_count, self.ttl, self.seed = capacity, min_count, ttl, seed
        self.rows, self.seen = {}, {}
        self.refused, self.begun = 0, 0
        self.width = min(max(2**10, 1 << (2 * capacity - 1).bit_length()), 2**26)
        self.newer, self.older = {}, {}  # {(line, place): count}
        self.most = 255 if min_count < 256 else 65535

    def key(self, given):
        if isinstance(given, str):
            given = given.encode("utf-8", "surrogatepass")
        if isinstance(given, bytes):
            return tuple(text_hash(given, hash_key(self.seed, use)) for use in (TEXT, CHECK))
        return (int(given) & M64,)

    def find(self, keys):
        return [self.rows.get(self.key(each), 0) for each in keys]

    def admit(self, keys, step=0):
        keys = [self.key(each) for each in keys]
        unknown = [each for each in keys if each not in self.rows]
        for each in keys:
            if each in self.rows:
                self.seen[each] = max(self.seen[each], step)
        if self.min_count > 1:
            for each in unknown:
                for place in self.places(each):
                    self.newer[place] = min(self.newer.get(place, 0) + 1, self.most)
        new, free = [], sorted(set(range(1, self.capacity)) - set(self.rows.values()))
        for each in sorted(set(unknown)):
            if self.min_count > 1 and self.times(each) < self.min_count:
                continue
            if not free:
                self.refused += 1
                continue
            self.rows[each], self.seen[each] = free.pop(0), step
            new.append(each)
        rows = [self.rows.get(each, 0) for each in keys]
        return rows, [self.rows[each] for each in new], [each[0] for each in new]

    def places(self, key):
        hashed = derive(hash_key(self.seed, COUNTER), key[0])
        low, high = hashed & 0xFFFFFFFF, (hashed >> 32) | 1
        return [(line, (low + line * high) % self.width) for line in range(LINES)]

    def times(self, key):
        return sum(
            min(counts.get(place, 0) for place in self.places(key))
            for counts in (self.newer, self.older)
        )

    def expire(self, step):
        if self.ttl is None:
            return []
        if step - self.begun > self.ttl:
            self.newer, self.older, self.begun = {}, self.newer, step
        freed = [key for key, seen in self.seen.items() if step - seen > self.ttl]
        rows = sorted(self.rows.pop(key) for key in freed)
        for key in freed:
            del self.seen[key]
        return rows
