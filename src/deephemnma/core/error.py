"""Errors that are the user's to mend."""


class InputError(Exception):
    """A file, row or value is not what was wanted; the command line exits with code 2.

    The message says in one sentence what was wanted, what came, and what to do.
    """
