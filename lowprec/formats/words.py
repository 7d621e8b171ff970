"""Words: numbers as a format stores them, integers whose type bears the name of the format.

Compiled code on the CPU knows no float16.  So kernels see a stored array as records of one field,
an unsigned integer that is called like the format, and what they load from it is a `Word`: two
formats may share a width, and the format is known when a kernel is compiled.  float32 is its own
word.

Kernels call the functions of words below, which take the arithmetic of the format when they are
compiled, so one kernel source serves every format.
"""

from numba import types
from numba.core.datamodel import models
from numba.core.errors import TypingError
from numba.extending import intrinsic, register_model

from lowprec.formats import float32, floats
from lowprec.formats.choosing import by_types
from lowprec.formats.entries import FORMATS
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


def format_name(given):
    """The name of the format of a Numba type: of an array, of words or of a number."""
    dtype = given.dtype if isinstance(given, (types.Array, Lanes)) else given
    dtype = number_type(dtype)
    return dtype.format_name if isinstance(dtype, Word) else str(dtype)


def word_of(given):
    """The type of one word of the format of an array, of words or of a record."""
    return number_type(given.dtype if isinstance(given, (types.Array, Lanes)) else given)


@intrinsic
def word_as_integer(typingctx, word):
    """The bits of a word as an unsigned integer of its width."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], context.get_value_type(sig.return_type))

    integer = types.Integer.from_bitwidth(dtype_of(word).bitwidth, signed=False)
    return with_dtype(word, integer)(word), codegen


@intrinsic
def integer_as_word(typingctx, integer, format_of):
    """An unsigned integer as a word of the format of an array or word, which has its width."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], context.get_value_type(sig.return_type))

    return with_dtype(integer, word_of(format_of))(integer, format_of), codegen


# --- the functions of words, by the format that their types bear ---

# name of a format -> the module of its family, and what that knows it by
_FAMILIES = {fmt.name: (floats, fmt) for fmt in FORMATS} | {"float32": (float32, None)}


def _of_format(name, given):
    """The family's function `name` for the format of a Numba type."""
    if format_name(given) not in _FAMILIES:
        raise TypingError(f"{given} has no storage format; supported are {', '.join(_FAMILIES)}")
    family, fmt = _FAMILIES[format_name(given)]
    return getattr(family, name)(fmt)


@by_types
def decode(word):
    """The float32 value of a word: always exact."""
    value = _of_format("decode", word)
    return lambda word: value(word_as_integer(word))


@by_types
def round_nearest(x, format_of):
    """The word nearest to float32 `x`, ties to even, in the format of an array or word."""
    rounded = _of_format("round_nearest", format_of)
    return lambda x, format_of: integer_as_word(rounded(x), format_of)


@by_types
def round_stochastic(x, draw, format_of):
    """One of the two words around float32 `x`, in the format of an array or word.

    `draw` is a uniform integer of `random_bits` bits (uint32).  It is added to the bits that the
    format drops, so the carry happens with the probability that they, as a fraction, stand for.
    """
    rounded = _of_format("round_stochastic", format_of)
    return lambda x, draw, format_of: integer_as_word(rounded(x, draw), format_of)


@by_types
def round_up_probability(x, format_of):
    """The exact share (float64) of draws with which `round_stochastic` goes towards +inf."""
    probability = _of_format("round_up_probability", format_of)
    return lambda x, format_of: probability(x)


@by_types
def random_bits(format_of):
    """How many random bits one rounding takes in a format: 0 for float32."""
    bits = _of_format("random_bits", format_of)
    return lambda format_of: bits()
