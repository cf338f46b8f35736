"""Entry point of `deephemnma`."""

import errno
import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial, wraps
from importlib import import_module
from itertools import takewhile

import docstring_parser
import tyro

from deephemnma.cli.console import tell_mistake
from deephemnma.cli.section import retitle_sections
from deephemnma.core.error import InputError
from deephemnma.settings.stage import STAGES

COMMANDS = ("check", *STAGES, "run")
DESCRIPTION = "Conformation, orientation and shift of every cryo-EM particle, by normal modes and deep learning."
MISTAKE = 2
OUT_OF_MEMORY = (
    "the memory of this machine is too small for this: make the images (--box-size) or what is done at once "
    "(--batch-size, --workers) smaller; the same command then goes on or starts anew."
)
ALLOW = "check its permissions and the room on its disk."
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG}
_NO_NUMBER = re.compile(
    r"Error parsing (\S+): (?:invalid literal for int\(\) with base 10|could not convert .*): ('.*')"
)


class _Screen(io.StringIO):
    """Keeps what is printed, and is like standard output in what decides on colours and frames."""

    def __init__(self) -> None:
        super().__init__()
        self._output = sys.stdout

    @property
    def encoding(self) -> str:
        """Encoding of standard output, in the spelling that the parser knows."""
        return (getattr(self._output, "encoding", None) or "utf-8").lower()

    def isatty(self) -> bool:
        """Return whether standard output is a terminal."""
        return self._output.isatty()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    command = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    try:
        with _one_line_for_parsing(command):
            call = _parse(arguments, command)
        call()
    except InputError as error:
        tell_mistake(command, str(error))
        return MISTAKE
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        tell_mistake(command, f"{OUT_OF_MEMORY} ({error})")
        return MISTAKE
    except OSError as error:
        if error.filename is None or error.errno not in _NOT_ALLOWED:
            raise
        tell_mistake(command, f"{error.filename} cannot be read or written ({error.strerror}): {ALLOW}")
        return MISTAKE
    except KeyboardInterrupt:
        tell_mistake(command, "interrupted; the same command goes on from here.")
        return 130
    return 0


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether it is numpy's or torch's error, on a CPU or GPU, that there is no memory left."""
    text = str(error)
    return isinstance(error, MemoryError) or "can't allocate memory" in text or "out of memory" in text


def _parse(arguments: list[str], command: str) -> Callable[[], None]:
    """Return the call that the arguments ask for; only the file of the named command is loaded."""
    names = (command,) if command else COMMANDS
    functions = {name: _defer(getattr(import_module(f"deephemnma.cli.{name}"), name)) for name in names}
    with _joined_docstrings():
        if command:
            return tyro.cli(functions[command], args=arguments[1:], prog=f"deephemnma {command}")
        return tyro.extras.subcommand_cli_from_dict(
            functions, args=arguments, prog="deephemnma", description=DESCRIPTION
        )


@contextmanager
def _joined_docstrings() -> Iterator[None]:
    """Let the parser read what is said of an option as one paragraph: of indented lines it keeps the breaks."""
    parse = docstring_parser.parse_from_object

    def parse_and_join(thing: object) -> docstring_parser.Docstring:
        docstring = parse(thing)
        for each in docstring.params:
            each.description = each.description and " ".join(each.description.split())
        return docstring

    docstring_parser.parse_from_object = parse_and_join
    try:
        yield
    finally:
        docstring_parser.parse_from_object = parse


def _defer(function: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """Return a function of the same options that only returns the call, so that parsing ends before work begins."""

    @wraps(function)
    def make_call(*values: object, **options: object) -> Callable[[], None]:
        return partial(function, *values, **options)

    return make_call


@contextmanager
def _one_line_for_parsing(command: str) -> Iterator[None]:
    """Replace the framed message of the parser by one line, and the section heads of its help by titles."""
    printed, shown = io.StringIO(), _Screen()
    try:
        with redirect_stderr(printed), redirect_stdout(shown):
            yield
    except SystemExit as ending:
        print(retitle_sections(shown.getvalue()), end="")
        if ending.code == MISTAKE:
            tell_mistake(command, f"{_unframe(printed.getvalue())} See {f'deephemnma {command}'.strip()} --help.")
        raise


def _unframe(message: str) -> str:
    """Return the first paragraph inside the frame."""
    lines = [line.strip("│╭╮╰╯ ") for line in message.splitlines()]
    inside = [line for line in takewhile(lambda line: not line.startswith("─"), lines[1:]) if line]
    if inside and inside[0].startswith("Missing from"):
        return f"These options are needed: {', '.join(line for line in inside if line.startswith('-'))}."
    return _NO_NUMBER.sub(r"\1 wants a number, not \2.", " ".join(inside))


if __name__ == "__main__":
    sys.exit(main())
