"""What a format says about itself, against its dtype."""

import numpy as np

from lowprec.formats.entries import FORMATS
from tests.formats.numbers import all_words, every_format, finite_values


@every_format
def test_constants(fmt):
    """What a format says about itself, against what its dtype says."""
    values = finite_values(fmt)
    assert values[-1] == fmt.max_finite
    smallest = values[values > 0][0]
    assert smallest == fmt.min_normal * 2.0**-fmt.mantissa_bits
    assert fmt.random_bits == 23 - fmt.mantissa_bits
    has_inf = np.isinf(all_words(fmt).view(fmt.storage).astype(np.float32)).any()
    assert has_inf == fmt.has_inf


@every_format
def test_the_bound_of_the_bias(fmt):
    """Half a draw of the smallest subnormal, of which float32 has none in bfloat16."""
    values = finite_values(fmt)
    half_a_draw = values[values > 0][0] * 2.0 ** -(fmt.random_bits + 1)
    smallest = float(np.finfo(np.float32).smallest_subnormal)
    assert fmt.bias_bound == (half_a_draw if half_a_draw >= smallest else 0.0)


def test_words_stand_for_one_format_each():
    assert len({fmt.word for fmt in FORMATS}) == len({fmt.name for fmt in FORMATS}) == len(FORMATS)
