"""Words: numbers as a format stores them, integers whose type bears the name of the format.

Compiled code on the CPU knows no float16.  So kernels see a stored array as records of one field,
an unsigned integer that is called like the format, and what they load from it is a `Word`: two
formats may share a width, and the format is known when a kernel is compiled.  float32 is its own
word.
"""

from numba import types
from numba.core.datamodel import models
from numba.extending import register_model

from lowprec.scalar.lanes import Lanes


class Word(types.Type):
    """The Numba type of one word of a format."""

    def __init__(self, format_name, integer):
        self.format_name, self.integer = format_name, integer
        self.bitwidth = integer.bitwidth
        super().__init__(name=f"Word({format_name})")


@register_model(Word)
class _WordModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, dmm.lookup(fe_type.integer).get_value_type())


def number_type(dtype):
    """The type of what is loaded from an array of this Numba dtype."""
    if isinstance(dtype, types.Record) and len(dtype.fields) == 1:
        name = next(iter(dtype.fields))
        return Word(name, dtype.typeof(name))
    return dtype


def format_of(given):
    """The name of the format of a Numba type: of an array, of words or of a number."""
    dtype = given.dtype if isinstance(given, (types.Array, Lanes)) else given
    dtype = number_type(dtype)
    return dtype.format_name if isinstance(dtype, Word) else str(dtype)


def word_of(given):
    """The type of one word of the format of an array, of words or of a record."""
    return number_type(given.dtype if isinstance(given, (types.Array, Lanes)) else given)
