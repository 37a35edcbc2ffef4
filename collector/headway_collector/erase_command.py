"""``headway erase``: the calls of a user, a session or a trace, gone; and what became of them.

    headway erase --user user-4711 --project support-bot --now --wait
    headway erase --status 8f0c…

The answer to an erasure comes when no read shows the calls any more. Their bytes leave the file
with its next rewrite, which ``--now`` asks for and ``--wait`` waits for. One that found nothing
ends with 1: it may be the wrong project.
"""

import argparse
import re
import shlex
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from headway.apis import ApiClient
from headway.commands import Command
from headway.errors import CommandError
from headway.records import DEFAULT_PROJECT, DEFAULT_URL
from headway.settings import load_sources

_KINDS = ("user", "session", "trace")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_POLL_S = 0.5
# Of a user with very many calls; a busy collector takes its time for each chunk.
_TIMEOUT_S = 600.0


def _configure(parser: argparse.ArgumentParser) -> None:
    target = parser.add_mutually_exclusive_group(required=True)
    for kind in _KINDS:
        target.add_argument(f"--{kind}", metavar="ID", help=f"erase the calls of this {kind}")
    target.add_argument("--status", metavar="RECEIPT", help="show a receipt instead")
    parser.add_argument("--project", help=f"of the calls (default {DEFAULT_PROJECT})")
    parser.add_argument(
        "--now", action="store_true", help="have the file rewritten at once, not in the night"
    )
    parser.add_argument(
        "--wait", action="store_true", help="until the bytes have left the file, too"
    )
    parser.add_argument("--url", help=f"the collector (default {DEFAULT_URL})")


def _run(arguments: argparse.Namespace) -> int:
    sources = load_sources()
    url = sources.get("url", arguments.url, DEFAULT_URL)
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"the collector's URL is {url!r}: give one such as {DEFAULT_URL}")
    client = ApiClient(url, api_key=sources.get("api_key", None, "") or None, timeout_s=_TIMEOUT_S)
    if arguments.status is not None:
        receipt = _read(client, arguments.status)
        if arguments.wait:
            receipt = wait_for_removal(client, receipt)
        sys.stdout.write(describe_receipt(receipt))
        return 0
    kind = next(kind for kind in _KINDS if getattr(arguments, kind) is not None)
    identity: str = getattr(arguments, kind)
    if kind == "trace" and not _TRACE_ID.fullmatch(identity):
        raise CommandError(f"--trace {identity!r} is not a trace's id: 32 lower-case hex digits")
    if not identity:
        raise CommandError(f"--{kind} is empty: name whose calls are to be erased")
    project = sources.get("project", arguments.project, DEFAULT_PROJECT)
    body = {"kind": kind, "id": identity, "now": arguments.now}
    receipt = client.post("/v1/erasures", body, project=project)
    if not any(receipt["counts"].values()):
        sys.stdout.write(_explain_nothing(kind, identity, project))
        sys.stdout.write(describe_receipt(receipt))
        return 1
    if arguments.wait:
        receipt = wait_for_removal(client, receipt)
    sys.stdout.write(describe_receipt(receipt))
    return 0


def _explain_nothing(kind: str, identity: str, project: str) -> str:
    quoted = identity.replace("'", "''")
    sql = f"SELECT DISTINCT project FROM spans WHERE {kind}_id = '{quoted}'"
    return (
        f"NOTHING WAS FOUND of this {kind} in project {project}. Look where the calls are, and "
        f"erase there with --project:\n  headway sql {shlex.quote(sql)}\n"
    )


def wait_for_removal(
    client: ApiClient, receipt: dict[str, Any], sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Return the receipt once the bytes have left the file.

    Raises:
        ApiError: the collector refused, or cannot be reached.
    """
    # Here and not above: `headway --help` must be quick, and work without the collector's extra.
    from rich.console import Console

    status = Console(stderr=True).status("the bytes leave the file with its next rewrite")
    with status:
        while receipt["stage"] != "removed":
            sleep(_POLL_S)
            receipt = _read(client, receipt["receipt_id"])
    return receipt


def describe_receipt(receipt: dict[str, Any]) -> str:
    """Return a receipt in a few lines."""
    counts = [f"{count:,} {table}" for table, count in receipt["counts"].items() if count]
    if not counts:
        stage = "what still comes of it is refused"
    elif receipt["stage"] == "removed":
        stage = f"gone from every read and, since {receipt['removed_at']}, from the file's bytes"
    else:
        stage = "gone from every read; the bytes leave the file with its next rewrite"
    lines = [
        f"receipt {receipt['receipt_id']} of {receipt['created_at']}: a {receipt['kind']} of "
        f"project {receipt['project']}",
        f"  {stage}",
        f"  {', '.join(counts) or 'there was nothing'}",
        "not in reach:",
        *(f"  {each}" for each in receipt["outside"]),
    ]
    return "\n".join(lines) + "\n"


def _read(client: ApiClient, receipt_id: str) -> dict[str, Any]:
    receipt: dict[str, Any] = client.get(f"/v1/erasures/{quote(receipt_id, safe='')}")
    return receipt


ERASE = Command(
    name="erase",
    summary="Erase the calls of a user, a session or a trace.",
    extra="collector",
    configure=_configure,
    run=_run,
)
