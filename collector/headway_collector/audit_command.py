"""``headway audit``: what was done with keys of the scope admin, the latest first."""

import argparse
import json
import sys
from itertools import islice
from typing import Any

from headway.apis import ApiClient
from headway.commands import Command
from headway.errors import CommandError
from headway.records import DEFAULT_URL
from headway.settings import load_sources

_MOST = 50


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", action="append", default=[], help="only this one; may repeat")
    parser.add_argument(
        "--action", action="append", default=[], help="only these, such as key.make; may repeat"
    )
    parser.add_argument("--key", action="append", default=[], help="only by this key; may repeat")
    parser.add_argument("--start", metavar="TIME", help="from then on, such as 2026-11-01, or -7d")
    parser.add_argument("--end", metavar="TIME", help="before then")
    parser.add_argument("--limit", type=int, default=_MOST, help=f"at most (default {_MOST})")
    parser.add_argument("--json", action="store_true", help="a line of JSON each")
    parser.add_argument("--url", help=f"the collector (default {DEFAULT_URL})")


def _run(arguments: argparse.Namespace) -> int:
    sources = load_sources()
    url = sources.get("url", arguments.url, DEFAULT_URL)
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"the collector's URL is {url!r}: give one such as {DEFAULT_URL}")
    if arguments.limit < 1:
        raise CommandError(f"--limit {arguments.limit}: give a number from 1")
    client = ApiClient(url, api_key=sources.get("api_key", None, "") or None)
    asked = {
        "project": arguments.project,
        "action": arguments.action,
        "key_id": arguments.key,
        "start": arguments.start,
        "end": arguments.end,
        "limit": min(arguments.limit, 1000),
    }
    for action in islice(client.pages("/v1/audit", "actions", asked), arguments.limit):
        line = json.dumps(action) if arguments.json else show_action(action)
        sys.stdout.write(f"{line}\n")
    return 0


def show_action(action: dict[str, Any]) -> str:
    """Return an action as a line for a terminal."""
    who = "without a key" if action["key_id"] is None else f"key {action['key_id']}"
    where = "all projects" if action["project"] is None else action["project"]
    told = {name: value for name, value in action["detail"].items() if value is not None}
    facts = " ".join(f"{name}={json.dumps(value)}" for name, value in told.items())
    return f"{action['time'][:19]}Z {action['action']} in {where} by {who} {facts}".rstrip()


AUDIT = Command(
    name="audit",
    summary="Show what administrators did.",
    extra="collector",
    configure=_configure,
    run=_run,
)
