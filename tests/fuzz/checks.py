"""What is wrong with a case: its answer, or an error that is not clear."""

from tests.fuzz.verdicts import in_short, is_clear


class WrongError(Exception):
    """A wrong answer."""


class UnclearError(Exception):
    """An error that does not say what was wrong, or not by lowprec's own words."""


def check(condition, what):
    if not condition:
        raise WrongError(what)


def attempt(call, expected):
    """The result of a call, or None where it raised one of the `expected` errors, clearly."""
    try:
        return call()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of a Rust library is no Exception
        if not is_clear(error, expected):
            raise UnclearError(in_short(error)) from error
        return None
