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


def test_words_stand_for_one_format_each():
    assert len({fmt.word for fmt in FORMATS}) == len({fmt.name for fmt in FORMATS}) == len(FORMATS)
