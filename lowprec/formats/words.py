"""Words: numbers as a format stores them, integers whose type bears the name of the format.

Compiled code on the CPU knows no float16.  So kernels see a stored array as records of one field,
an unsigned integer that is called like the format, and what they load from it is a `Word`: two
formats may share a width, and the format is known when a kernel is compiled.  float32 is its own
word.
"""

from numba import types
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from lowprec.scalar.lanes import Lanes, dtype_of, with_dtype


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


@intrinsic
def word_as_bits(typingctx, word):
    """The bits of a word as uint32."""

    def codegen(context, builder, sig, args):
        result = context.get_value_type(sig.return_type)
        if dtype_of(word).bitwidth == 32:
            return builder.bitcast(args[0], result)
        return builder.zext(args[0], result)

    return with_dtype(word, types.uint32)(word), codegen


@intrinsic
def bits_as_word(typingctx, bits, format_of):
    """The low bits of a uint32 as a word of the format of `format_of`, an array or a word."""
    word = with_dtype(bits, word_of(format_of))

    def codegen(context, builder, sig, args):
        result = context.get_value_type(word)
        if dtype_of(word).bitwidth == 32:
            return builder.bitcast(args[0], result)
        return builder.trunc(args[0], result)

    return word(with_dtype(bits, types.uint32), format_of), codegen
