"""Errors that are the user's to mend."""


class DeephemnmaError(Exception):
    """A mistake in the input or the settings, told in one sentence; the command line exits with code 2."""


class InputError(DeephemnmaError):
    """A file, row or value is not what was wanted. The message says what was wanted, what came, and what to do."""
