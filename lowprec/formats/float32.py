"""The arithmetic of float32, which is stored as it is: see `lowprec.formats.floats`."""

from lowprec.formats.choosing import per_format
from lowprec.scalar.bits import bits_as_float, float_as_bits


@per_format
def decode(fmt):
    return lambda word: bits_as_float(word)


@per_format
def round_nearest(fmt):
    return lambda x: float_as_bits(x)


@per_format
def round_stochastic(fmt):
    return lambda x, draw: float_as_bits(x)


@per_format
def round_up_probability(fmt):
    return lambda x: 0.0


@per_format
def random_bits(fmt):
    return lambda: 0
