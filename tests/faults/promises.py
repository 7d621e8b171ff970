"""Whether a promise was held."""


class BrokenError(Exception):
    """A promise was not held."""


class Skip(Exception):  # noqa: N818 - no error
    """A fault that cannot be made here."""


def check(condition, what):
    if not condition:
        raise BrokenError(what)


def refused(call, error=OSError):
    try:
        call()
    except error:
        return
    raise BrokenError(f"{error} was not raised")
