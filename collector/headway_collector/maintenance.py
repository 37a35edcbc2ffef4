"""``headway remap`` and ``headway reprice``: chunk after chunk, with how far it is.

The work is the collector's. What is done is done, chunk by chunk, so either may be stopped at any
moment; the cursor it says then is where the same command goes on.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from headway.apis import ApiClient
from headway.commands import Command
from headway.errors import ApiError, CommandError
from headway.records import DEFAULT_URL
from headway.settings import load_sources

# A collector that is busy or out of disk says so with these, and is asked again.
_PASSING = frozenset({429, 503})
_DELAYS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0)
# A chunk takes half a second, and may wait behind many batches.
_TIMEOUT_S = 120.0


@dataclass(slots=True)
class Totals:
    """How far it came."""

    rows: int = 0
    changed: int = 0
    cursor: str | None = None

    def __str__(self) -> str:
        return f"{self.rows:,} rows looked at, {self.changed:,} changed"


def run_chunks(
    client: ApiClient,
    path: str,
    filters: list[tuple[str, str]],
    totals: Totals,
    *,
    on_progress: Callable[[], None] = lambda: None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Ask for chunk after chunk until the last, noting in ``totals`` what came of each.

    Args:
        client: the collector.
        path: ``/v1/remap`` or ``/v1/reprice``.
        filters: query parameters that stay the same.
        totals: its cursor says where to begin.
        on_progress: called after each chunk.
        sleep: waits for a busy collector.

    Raises:
        ApiError: the collector refused, or cannot be reached.
    """
    while True:
        cursor = [] if totals.cursor is None else [("cursor", totals.cursor)]
        query = urlencode([*filters, *cursor])
        answer = ask_patiently(client, f"{path}?{query}", sleep)
        totals.rows += answer["rows"]
        totals.changed += answer["changed"]
        totals.cursor = answer["cursor"]
        on_progress()
        if totals.cursor is None:
            return


def ask_patiently(client: ApiClient, path: str, sleep: Callable[[float], None] = time.sleep) -> Any:
    """Post to a path, again and again while the collector is busy or out of disk.

    Raises:
        ApiError: it refused, cannot be reached, or is busy for too long.
    """
    for delay_s in _DELAYS_S:
        try:
            return client.post(path, {})
        except ApiError as error:
            if error.status not in _PASSING:
                raise
        sleep(delay_s)
    return client.post(path, {})


def configure_chunks(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of every command that works chunk by chunk."""
    parser.add_argument(
        "--project", action="append", default=[], help="only this one; may repeat (default all)"
    )
    parser.add_argument(
        "--start", metavar="TIME", help="only calls from then on, such as 2026-11-01, or -7d"
    )
    parser.add_argument("--end", metavar="TIME", help="only calls before then")
    parser.add_argument("--cursor", help="where a run that was stopped goes on, as it said")
    parser.add_argument("--url", help=f"the collector (default {DEFAULT_URL})")


def _configure_remap(parser: argparse.ArgumentParser) -> None:
    configure_chunks(parser)
    parser.add_argument(
        "--all",
        action="store_true",
        help="every call that came by OTLP, not only those that an older Headway mapped",
    )


def _run_remap(arguments: argparse.Namespace) -> int:
    extra = [("all", "true")] if arguments.all else []
    return run_command(arguments, "/v1/remap", extra)


def _run_reprice(arguments: argparse.Namespace) -> int:
    return run_command(arguments, "/v1/reprice", [])


def run_command(arguments: argparse.Namespace, path: str, extra: list[tuple[str, str]]) -> int:
    """Drive the chunks of a path to the last, with how far it is, and say what came of them.

    Raises:
        CommandError: the collector refused or cannot be reached; it says where to go on.
    """
    # Here and not above: `headway --help` must be quick, and work without the collector's extra.
    from rich.console import Console
    from rich.progress import Progress

    sources = load_sources()
    url = sources.get("url", arguments.url, DEFAULT_URL)
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"the collector's URL is {url!r}: give one such as {DEFAULT_URL}")
    client = ApiClient(url, api_key=sources.get("api_key", None, "") or None, timeout_s=_TIMEOUT_S)
    filters = [("project", each) for each in arguments.project]
    filters += [
        (name, value)
        for name in ("start", "end")
        if (value := getattr(arguments, name)) is not None
    ]
    totals = Totals(cursor=arguments.cursor)
    try:
        with Progress(
            console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
        ) as progress:
            task = progress.add_task(str(totals), total=None)
            run_chunks(
                client,
                path,
                [*filters, *extra],
                totals,
                on_progress=lambda: progress.update(task, description=str(totals)),
            )
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped: {totals}{_tell_cursor(totals)}\n")
        raise
    except ApiError as error:
        raise CommandError(f"{error} ({totals}{_tell_cursor(totals)})") from error
    sys.stdout.write(f"{totals}\n")
    return 0


def _tell_cursor(totals: Totals) -> str:
    if totals.cursor is None or not totals.rows:
        return ""
    return f"; the same command with --cursor {totals.cursor} goes on from here"


REMAP = Command(
    name="remap",
    summary="Map calls that came by OTLP again, after an upgrade.",
    extra="collector",
    configure=_configure_remap,
    run=_run_remap,
)
REPRICE = Command(
    name="reprice",
    summary="Give stored calls the costs of today's prices.",
    extra="collector",
    configure=configure_chunks,
    run=_run_reprice,
)
