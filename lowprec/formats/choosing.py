"""How compiled code picks a function by the types of its arguments: two decorators."""

from functools import cache, wraps

from lowprec.scalar.internal import internal, overloaded

_INLINE = {"forceinline": True}


def per_format(make):
    """Compile the function that `make` returns for a format: once, when it is first asked for."""

    @cache
    @wraps(make)
    def compiled(fmt):
        return internal(**_INLINE)(make(fmt))

    return compiled


def by_types(choose):
    """Make a function for compiled code of one that gets Numba types and returns a function.

    The returned function has the same parameters.  Numba compiles it for arguments of these types.
    """

    @wraps(choose)
    def function(*args):
        raise TypeError(f"{choose.__name__} is for compiled code")

    overloaded(function, **_INLINE)(choose)
    return function
