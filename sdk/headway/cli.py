"""The ``headway`` command: finds what the installed parts registered, and runs one of them."""

import argparse
import os
import re
import select
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import TextIO

from headway._version import __version__
from headway.commands import Command
from headway.errors import HeadwayError

GROUP = "headway.commands"
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
_TIME_BACK = re.compile(r"-\d+[smhdw]")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``headway`` with ``argv``; errors are one line on stderr and exit code 2."""
    try:
        try:
            return _run(argv)
        finally:
            # Here and not at the end of the interpreter, whose words nobody could explain.
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        # `headway … | head`: whoever read has enough. What is still in the buffer goes nowhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        return EXIT_PIPE
    except OSError as error:
        return _complain(f"standard output cannot be written: {error.strerror}")


def _run(argv: Sequence[str] | None) -> int:
    commands = find_commands()
    parser = build_parser(commands)
    arguments = parser.parse_args(join_times(sys.argv[1:] if argv is None else argv))
    if arguments.command is None:
        parser.print_help()
        return EXIT_ERROR
    try:
        return commands[arguments.command].run(arguments)
    except HeadwayError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except SystemExit as ended:
        # Rich, which draws tables, ends a program itself then, and with 1.
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None
        raise
    except BrokenPipeError:
        if _is_read(sys.stdout):
            return _explain_fault()  # some other pipe, which is ours to mind
        raise
    except Exception as error:
        if hint := _missing_extra(commands[arguments.command], error):
            return _complain(hint)
        return _explain_fault()


def join_times(argv: Sequence[str]) -> list[str]:
    """Return the words with ``--start -7d`` as ``--start=-7d``, which argparse takes for a value.

    For argparse what begins with a minus is an option, unless it is a number.
    """
    joined: list[str] = []
    for place, word in enumerate(argv):
        if word == "--":
            return [*joined, *argv[place:]]
        before = joined[-1] if joined else ""
        if _TIME_BACK.fullmatch(word) and before.startswith("--") and "=" not in before:
            joined[-1] = f"{before}={word}"
        else:
            joined.append(word)
    return joined


def find_commands() -> dict[str, Command]:
    """Return the registered commands by name, in alphabetical order."""
    found = [point.load() for point in entry_points(group=GROUP)]
    return {command.name: command for command in sorted(found, key=lambda each: each.name)}


def build_parser(commands: dict[str, Command]) -> argparse.ArgumentParser:
    """Return the parser with a subparser per command."""
    parser = argparse.ArgumentParser(
        prog="headway", description="Log, test and watch what your language models say."
    )
    parser.add_argument("--version", action="version", version=f"headway {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for command in commands.values():
        command.configure(
            subparsers.add_parser(command.name, help=command.summary, description=command.summary)
        )
    return parser


def _missing_extra(command: Command, error: Exception) -> str | None:
    # Our own modules are always there; a missing one of ours is a fault, and keeps its traceback.
    if not isinstance(error, ModuleNotFoundError) or not command.extra:
        return None
    if (error.name or "").startswith("headway"):
        return None
    return (
        f"`headway {command.name}` needs {error.name}, which is not installed: "
        f'pip install "headway[{command.extra}]"'
    )


def _explain_fault() -> int:
    # Ours, not the user's. Python would exit with 1, which means "regressed".
    traceback.print_exc()
    return _complain("this is a fault in Headway; please report it with the lines above")


def _is_read(stream: TextIO) -> bool:
    """Whether somebody still reads what is written to a stream, as far as the system can say."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return not any(event & select.POLLERR for _, event in poll.poll(0))
    except (AttributeError, OSError, ValueError):
        return False


def _complain(message: str) -> int:
    sys.stderr.write(f"headway: {message}\n")
    return EXIT_ERROR
