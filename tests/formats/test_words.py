"""The functions of words pick the arithmetic of a format by the types of arguments."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from lowprec.formats import words

FUNCTIONS = {
    "decode": lambda given: words.decode(given[0]),
    "round_nearest": lambda given: words.round_nearest(np.float32(1), given),
    "round_stochastic": lambda given: words.round_stochastic(np.float32(1), np.uint32(0), given),
    "round_up_probability": lambda given: words.round_up_probability(np.float32(1), given),
    "random_bits": lambda given: words.random_bits(given),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_other_types_are_of_no_format(name):
    compiled = njit(FUNCTIONS[name])
    with pytest.raises(
        TypingError, match=r"int32.* has no storage format; supported are float16, "
    ):
        compiled(np.zeros(1, np.int32))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_words_are_for_compiled_code(name):
    with pytest.raises(TypeError, match=f"{name} is for compiled code"):
        FUNCTIONS[name](np.zeros(1, np.float32))


def test_float32_is_its_own_word():
    @njit
    def back(x, format_of):
        return words.decode(words.round_nearest(x, format_of)), words.random_bits(format_of)

    assert back(np.float32(0.1), np.zeros(1, np.float32)) == (np.float32(0.1), 0)
