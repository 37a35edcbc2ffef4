"""The ``headway`` command: finds what the installed parts registered, and runs one of them."""

import argparse
import re
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import entry_points

from headway._version import __version__
from headway.commands import Command
from headway.errors import HeadwayError

GROUP = "headway.commands"
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130
_TIME_BACK = re.compile(r"-\d+[smhdw]")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``headway`` with ``argv``; errors are one line on stderr and exit code 2."""
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
    except Exception as error:
        if hint := _missing_extra(commands[arguments.command], error):
            return _complain(hint)
        # Ours, not the user's. Python would exit with 1, which means "regressed".
        traceback.print_exc()
        return _complain("this is a fault in Headway; please report it with the lines above")


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


def _complain(message: str) -> int:
    sys.stderr.write(f"headway: {message}\n")
    return EXIT_ERROR
