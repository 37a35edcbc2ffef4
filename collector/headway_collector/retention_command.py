"""``headway retention``: how long what is kept, and what is past it.

    headway retention set --project support-bot --days 365 --content-days 30
    headway retention set --all-projects --kind rejects --days 7
    headway retention apply --dry-run

Nothing is past its time at once: the collector takes it in the night, or when it is told to.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from headway.apis import ApiClient
from headway.commands import Command
from headway.errors import CommandError
from headway.records import DEFAULT_URL
from headway.settings import load_sources
from headway_collector.project_hints import explain_projects

_TIMEOUT_S = 120.0
_LEAST_DAYS = 1.0


def _configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="show the rules")
    kept = actions.add_parser("set", help="keep a rule, in place of that of the same place")
    removed = actions.add_parser("remove", help="remove a rule")
    for each in (kept, removed):
        where = each.add_mutually_exclusive_group(required=True)
        where.add_argument("--project", help="where it holds")
        where.add_argument("--all-projects", action="store_true", help="it holds everywhere")
        each.add_argument(
            "--kind",
            help="of spans, such as llm, or rejects, batches, jobs, drift_cards or audit "
            "(default all spans)",
        )
    kept.add_argument("--days", type=float, help="until it is deleted (at least 1)")
    kept.add_argument(
        "--content-days", type=float, help="until texts are taken out, and figures stay"
    )
    applied = actions.add_parser("apply", help="take what the rules are past, now")
    applied.add_argument("--project", action="append", default=[], help="only this; may repeat")
    applied.add_argument("--dry-run", action="store_true", help="only say how much that is")
    for each in (listed, kept, removed, applied):
        each.add_argument("--url", help=f"the collector (default {DEFAULT_URL})")


def _run(arguments: argparse.Namespace) -> int:
    sources = load_sources()
    url = sources.get("url", arguments.url, DEFAULT_URL)
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"the collector's URL is {url!r}: give one such as {DEFAULT_URL}")
    client = ApiClient(url, api_key=sources.get("api_key", None, "") or None, timeout_s=_TIMEOUT_S)
    actions: dict[str, Callable[[ApiClient, argparse.Namespace], None]] = {
        "list": _list,
        "set": _set,
        "remove": _remove,
        "apply": _apply,
    }
    actions[arguments.action](client, arguments)
    return 0


def _list(client: ApiClient, arguments: argparse.Namespace) -> None:
    found = client.get("/v1/retention")
    for rule in found["rules"]:
        sys.stdout.write(f"{show_rule(rule)}\n")
    if not found["rules"]:
        sys.stdout.write("there are no rules: spans are kept for ever\n")
    for table, days in found["defaults"].items():
        sys.stdout.write(f"without a rule, {table}: {days:g} days\n")


def _set(client: ApiClient, arguments: argparse.Namespace) -> None:
    names = ("project", "kind", "days", "content_days")
    _check_terms(arguments)
    rule = client.put("/v1/retention", {name: getattr(arguments, name) for name in names})
    sys.stdout.write(f"{show_rule(rule)}\n")
    if arguments.project is not None and (hint := explain_projects(client, [arguments.project])):
        sys.stderr.write(f"headway: {hint}; the rule is kept for what may come\n")


def _check_terms(arguments: argparse.Namespace) -> None:
    """Say in the words of the command what the collector would say in those of the API."""
    days, content_days = arguments.days, arguments.content_days
    if days is None and content_days is None:
        raise CommandError("say --days, --content-days, or both")
    for flag, value in (("--days", days), ("--content-days", content_days)):
        if value is not None and not value >= _LEAST_DAYS:
            raise CommandError(f"{flag} {value:g}: give at least {_LEAST_DAYS:g} day")
    if days is not None and content_days is not None and content_days > days:
        raise CommandError(
            f"--content-days {content_days:g} is more than --days {days:g}: what is deleted has "
            "no content left"
        )


def _remove(client: ApiClient, arguments: argparse.Namespace) -> None:
    values = {"project": arguments.project, "kind": arguments.kind}
    query = urlencode({name: value for name, value in values.items() if value is not None})
    rule = client.delete(f"/v1/retention?{query}")
    sys.stdout.write(f"{_place(rule)}: no rule any more\n")


def _apply(client: ApiClient, arguments: argparse.Namespace) -> None:
    query = urlencode([("project", each) for each in arguments.project])
    if arguments.dry_run:
        _tell(client.get(f"/v1/retention/due?{query}")["terms"], "would be")
        return
    while True:
        applied = client.post(f"/v1/retention/apply?{query}", {})
        _tell(applied["terms"], "were")
        if applied["is_done"]:
            return


def _tell(terms: list[dict[str, Any]], were: str) -> None:
    for term in terms:
        done = "deleted" if term["work"] == "days" else "emptied of texts"
        kind = f" of kind {term['kind']}" if term["kind"] else ""
        project = term["project"] or "all projects"
        sys.stdout.write(f"{project}: {term['count']:,} {term['table']}{kind} {were} {done}\n")
    if not terms:
        sys.stdout.write("nothing is past its time\n")


def show_rule(rule: dict[str, Any]) -> str:
    """Return a rule in a line."""
    return f"{_place(rule)}: {_describe(rule)}"


def _place(rule: dict[str, Any]) -> str:
    project = rule["project"] or "all projects"
    return f"{project}, {rule['kind'] or 'all spans'}"


def _describe(rule: dict[str, Any]) -> str:
    terms = (("deleted", rule["days"]), ("emptied of texts", rule["content_days"]))
    return ", ".join(f"{done} after {days:g} days" for done, days in terms if days is not None)


RETENTION = Command(
    name="retention",
    summary="Say how long calls and their texts are kept.",
    extra="collector",
    configure=_configure,
    run=_run,
)
