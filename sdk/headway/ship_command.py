"""``headway ship``: one pass over the journal's folder, with what came of it in a line."""

import argparse
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from headway.client_settings import ClientSettings, read_settings
from headway.commands import Command
from headway.deadlines import PunctualTransport
from headway.errors import CommandError
from headway.forwarding import Forwarding, Outcome
from headway.layouts import Header
from headway.settings import load_sources
from headway.transports import HttpTransport, Transport, address_of

_TIMEOUT_S = 300.0
_PROGRESS_EVERY_S = 2.0
_MEGABYTE = 1 << 20


class Progress:
    """A line on stderr every two seconds, so that nobody wonders whether it hangs."""

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._clock_s = clock_s
        self._said_s = clock_s()

    def __call__(self, outcome: Outcome) -> None:
        """Say how far it is, where it was not said just now."""
        if self._clock_s() - self._said_s >= _PROGRESS_EVERY_S:
            self._said_s = self._clock_s()
            self._write(f"{_amount(outcome)} so far ...\n")


def ship(folder: Path, forwarding: Forwarding, write: Callable[[str], object]) -> int:
    """Ship what lies in ``folder`` and say what came of it; the exit code is 1 where some is left.

    Raises:
        CommandError: nobody may look into the folder.
    """
    try:
        outcome = forwarding.run(folder)
    except OSError as error:
        raise CommandError(f"{folder} cannot be read: {error.strerror}") from error
    parts = [f"{_amount(outcome)} shipped from {folder}"]
    if outcome.told:
        parts.append(f"{outcome.told:,} losses of dead processes told")
    if outcome.in_use:
        parts.append(f"{outcome.in_use} files in use by living processes, which ship them")
    write(_printable("; ".join(parts) + ".\n"))
    for reason, count in outcome.dropped.items():
        write(f"Dropped: {count:,} calls ({reason}).\n")
    for line in outcome.remaining:
        write(_printable(f"Remains: {line}\n"))
    return 1 if outcome.remaining or outcome.dropped else 0


def _amount(outcome: Outcome) -> str:
    return f"{outcome.records:,} calls, {outcome.payload_bytes / _MEGABYTE:.1f} MB"


def _printable(text: str) -> str:
    # A path may hold what is not UTF-8.
    return text.encode("utf-8", "backslashreplace").decode()


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--journal-dir", help="default: the one that applications use")
    parser.add_argument("--url", help="ship all of it there; default: each to its own collector")
    parser.add_argument("--project", help="ship only what belongs to this project")
    parser.add_argument("--api-key", help="default: HEADWAY_API_KEY, for the collector in force")
    parser.add_argument(
        "--timeout", type=float, default=_TIMEOUT_S, help="seconds for all of it (default: 300)"
    )


def _run(arguments: argparse.Namespace) -> int:
    settings = read_settings(
        load_sources(),
        url=arguments.url,
        api_key=arguments.api_key,
        journal_dir=arguments.journal_dir,
    )
    if settings.journal_dir is None:
        raise CommandError("there is no journal folder: give --journal-dir")
    if not arguments.timeout > 0:
        raise CommandError(f"--timeout is {arguments.timeout}: give a number of seconds above zero")
    forwarding = Forwarding(
        _connector(settings, is_for_all=bool(arguments.url), is_key_given=bool(arguments.api_key)),
        _identity(settings),
        timeout_s=arguments.timeout,
        project=arguments.project,
        on_progress=Progress(sys.stderr.write),
    )
    return ship(settings.journal_dir, forwarding, sys.stdout.write)


def _connector(
    settings: ClientSettings, *, is_for_all: bool, is_key_given: bool
) -> Callable[[str], Transport]:
    ours = address_of(settings.url)

    def connect(url: str) -> Transport:
        address = ours if is_for_all or not url else url
        # The key in force is for the collector in force; another one is not shown it unasked.
        is_for_us = is_key_given or address == ours
        return PunctualTransport(HttpTransport(address, settings.api_key if is_for_us else None))

    return connect


def _identity(settings: ClientSettings) -> Header:
    return Header(
        segment_id="ship",
        project=settings.project,
        pid=os.getpid(),
        host=socket.gethostname(),
        created_ns=time.time_ns(),
        client_id=os.urandom(16).hex(),
    )


SHIP = Command(
    name="ship",
    summary="Send what dead processes left in the journal.",
    extra="",
    configure=_configure,
    run=_run,
)
