"""Slow, obvious oracles for the data sets.  Shares no code with the library."""

import math
import re

import numpy as np

WORD = 2**64


def mix64(z):
    for _ in range(2):
        z = (z ^ (z >> 32)) * 0xD6E8FEB86659FD93 % WORD
    return z ^ (z >> 32)


def derive(key, value):
    return mix64((key + (value + 1) * 0x9E3779B97F4A7C15) % WORD)


def category_id(value, feature, num_embeddings):
    """docs/hash.md, to the letter."""
    hashed = derive(derive(1, feature), value)
    return (hashed >> 32) * num_embeddings >> 32


def parse_criteo(content, sizes):
    """(dense, indices, y) of the bytes of a Criteo file, or ValueError."""
    lines = re.split(rb"\r\n|\n|\r", content)
    while lines and lines[-1] == b"":
        del lines[-1]  # the last line end ends a line, and begins none; nor do those behind it
    if not lines:
        raise ValueError("empty file")
    rows = [parse_line(line, sizes) for line in lines]
    dense, indices, y = zip(*rows, strict=True)
    return np.array(dense, np.float32), np.array(indices, np.int32), np.array(y, np.int8)


def parse_line(line, sizes):
    fields = line.split(b"\t")
    if len(fields) != 40:
        raise ValueError(f"{len(fields)} fields")
    if fields[0] not in (b"0", b"1"):
        raise ValueError(f"label {fields[0]!r}")
    dense = [parse_dense(field) for field in fields[1:14]]
    indices = [parse_category(fields[14 + j], j, sizes[j]) for j in range(26)]
    return dense, indices, int(fields[0])


def parse_dense(field):
    if field == b"":
        return 0.0
    if not re.fullmatch(rb"-?[0-9]+", field) or not -(2**63) <= int(field) < 2**63:
        raise ValueError(f"integer {field!r}")
    x = int(field)
    return math.log1p(x) if x >= 0 else -math.log1p(-x)


def parse_category(field, feature, num_embeddings):
    if field == b"":
        return category_id(2**32, feature, num_embeddings)
    if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", field):
        raise ValueError(f"category {field!r}")
    return category_id(int(field, 16), feature, num_embeddings)
