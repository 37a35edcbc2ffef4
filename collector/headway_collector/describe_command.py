"""``headway describe``: describe stored calls now, chunk after chunk, with how far it is.

The collector describes what arrives by itself. This is for who does not want to wait for it after
an upgrade, or wants everything described anew.
"""

import argparse

from headway.commands import Command
from headway_collector.maintenance import configure_chunks, run_command


def _configure(parser: argparse.ArgumentParser) -> None:
    configure_chunks(parser)
    parser.add_argument(
        "--all", action="store_true", help="every call, not only those without descriptors"
    )


def _run(arguments: argparse.Namespace) -> int:
    extra = [("all", "true")] if arguments.all else []
    return run_command(arguments, "/v1/describe", extra)


DESCRIBE = Command(
    name="describe",
    summary="Describe stored calls now, for drift.",
    extra="collector",
    configure=_configure,
    run=_run,
)
