"""``headway rejects list|replay``: what the collector refused, and another try for it."""

import argparse
import sys
from typing import Any
from urllib.parse import urlencode

from headway.apis import ApiClient
from headway.commands import Command
from headway.errors import ApiError, CommandError
from headway.records import DEFAULT_URL
from headway.settings import load_sources
from headway_collector.maintenance import ask_patiently

_TIMEOUT_S = 120.0
_SHOWN_CHARS = 100


def _configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|replay")
    listing = actions.add_parser("list", help="show what was refused, the latest first")
    listing.add_argument("--limit", type=int, default=20, help="how many (default 20)")
    replay = actions.add_parser("replay", help="read it again: what lands is stored")
    replay.add_argument("ids", nargs="*", metavar="ID", help="only these (default all)")
    for each in (listing, replay):
        each.add_argument(
            "--project", action="append", default=[], help="only this one; may repeat"
        )
        each.add_argument("--reason", metavar="TEXT", help="only with this text in the reason")
        each.add_argument("--start", metavar="TIME", help="only what came from then on, or -7d")
        each.add_argument("--end", metavar="TIME", help="only what came before then")
        each.add_argument("--url", help=f"the collector (default {DEFAULT_URL})")


def _run(arguments: argparse.Namespace) -> int:
    sources = load_sources()
    url = sources.get("url", arguments.url, DEFAULT_URL)
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"the collector's URL is {url!r}: give one such as {DEFAULT_URL}")
    client = ApiClient(url, api_key=sources.get("api_key", None, "") or None, timeout_s=_TIMEOUT_S)
    filters = [("project", each) for each in arguments.project]
    filters += [
        (name, value)
        for name in ("reason", "start", "end")
        if (value := getattr(arguments, name)) is not None
    ]
    try:
        if arguments.action == "list":
            return _list(client, [*filters, ("limit", str(arguments.limit))])
        return _replay(client, [*filters, *(("reject_id", each) for each in arguments.ids)])
    except ApiError as error:
        raise CommandError(str(error)) from error


def _list(client: ApiClient, filters: list[tuple[str, str]]) -> int:
    answer: Any = client.get(f"/v1/rejects?{urlencode(filters)}")
    for each in answer["rejects"]:
        shown = each["raw"] if each["raw"] is not None else f"base64 {each['raw_base64']}"
        shown = shown if len(shown) <= _SHOWN_CHARS else shown[:_SHOWN_CHARS] + "…"
        note = "" if each["can_replay"] else " (cut: cannot be replayed)"
        sys.stdout.write(
            f"{each['reject_id']}  {each['time']}  {each['project']}  line {each['line']}: "
            f"{each['reason']}{note}\n    {shown!r}\n"
        )
    if answer["next_cursor"] is not None:
        sys.stderr.write("there are more: narrow them with --reason or --start, or raise --limit\n")
    return 0


def _replay(client: ApiClient, filters: list[tuple[str, str]]) -> int:
    landed = failed = 0
    cursor: str | None = None
    while True:
        query = urlencode([*filters, *([] if cursor is None else [("cursor", cursor)])])
        answer = ask_patiently(client, f"/v1/rejects/replay?{query}")
        landed += answer["landed"]
        failed += answer["failed"]
        cursor = answer["cursor"]
        if cursor is None:
            break
    sys.stdout.write(f"{landed:,} rejects are stored now, {failed:,} are refused again\n")
    return 0


REJECTS = Command(
    name="rejects",
    summary="List what the collector refused, or have it read again.",
    extra="collector",
    configure=_configure,
    run=_run,
)
