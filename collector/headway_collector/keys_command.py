"""``headway keys``: made, listed and revoked by the collector that runs, or in the file of none.

    headway keys create --db ./headway.duckdb --scope admin --all-projects
    HEADWAY_API_KEY=hw_… headway keys create --project support-bot --scope ingest --expires 90d

A new key stands alone on standard output, once, so that it can go straight to where it is kept.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from headway.apis import ApiClient
from headway.commands import Command
from headway.errors import CommandError
from headway.records import DEFAULT_URL
from headway.settings import load_sources

if TYPE_CHECKING:
    from headway_collector.store.connections import Store

_SCOPES = ("ingest", "read", "admin")
_FIELDS = ("name", "projects", "all_projects", "scopes", "expires", "requests_per_s", "bytes_per_s")


def _configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key, and print it this once")
    create.add_argument("--name", default="", help="a word for people, such as web-frontend")
    create.add_argument(
        "--project",
        dest="projects",
        action="append",
        default=[],
        help="where it is good; may repeat",
    )
    create.add_argument(
        "--all-projects", action="store_true", help="good everywhere, in projects to come too"
    )
    create.add_argument(
        "--scope",
        dest="scopes",
        action="append",
        choices=_SCOPES,
        required=True,
        help="what it may do; may repeat; admin includes the others",
    )
    create.add_argument("--expires", metavar="TIME", help="such as 90d, 12h or 2027-01-01")
    create.add_argument(
        "--requests-per-s", type=float, metavar="N", help="beyond it answers are 429"
    )
    create.add_argument(
        "--bytes-per-s", type=float, metavar="N", help="the same of the bytes of bodies"
    )
    listed = actions.add_parser("list", help="show the keys, without their secrets")
    revoke = actions.add_parser("revoke", help="make a key good for nothing, for ever")
    revoke.add_argument("key_id", metavar="KEY_ID", help="as `headway keys list` shows it")
    for each in (create, listed, revoke):
        each.add_argument(
            "--db", metavar="PATH", help="the file of a collector that does not run; needs no key"
        )
        each.add_argument("--url", help=f"the collector that runs (default {DEFAULT_URL})")


def _run(arguments: argparse.Namespace) -> int:
    desk: Callable[[argparse.Namespace], Any] = {
        "create": _create,
        "list": _list,
        "revoke": _revoke,
    }[arguments.action]
    desk(arguments)
    return 0


def _create(arguments: argparse.Namespace) -> None:
    if bool(arguments.projects) == arguments.all_projects:
        raise CommandError("say --project NAME, once or more often, or --all-projects, not both")
    body = {name: getattr(arguments, name) for name in _FIELDS}
    if arguments.db is None:
        made = _connect(arguments).post("/v1/keys", body)
    else:
        made = _create_offline(Path(arguments.db), body)
    sys.stderr.write(f"key {made['key_id']}: {_describe(made)}; it is not shown again\n")
    sys.stdout.write(f"{made['key']}\n")


def _list(arguments: argparse.Namespace) -> None:
    if arguments.db is None:
        keys = list(_connect(arguments).pages("/v1/keys", "keys"))
    else:
        keys = _list_offline(Path(arguments.db))
    for key in keys:
        name = f" {key['name']!r}" if key["name"] else ""
        sys.stdout.write(f"{key['key_id']} {key['state']:7}{name} {_describe(key)}\n")
    if not keys:
        sys.stdout.write("there are no keys\n")


def _revoke(arguments: argparse.Namespace) -> None:
    if arguments.db is None:
        key = _connect(arguments).delete(f"/v1/keys/{quote(arguments.key_id, safe='')}")
    else:
        key = _revoke_offline(Path(arguments.db), arguments.key_id)
    sys.stdout.write(f"key {key['key_id']} is revoked since {key['revoked_at']}\n")


def _connect(arguments: argparse.Namespace) -> ApiClient:
    sources = load_sources()
    url = sources.get("url", arguments.url, DEFAULT_URL)
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"the collector's URL is {url!r}: give one such as {DEFAULT_URL}")
    return ApiClient(url, api_key=sources.get("api_key", None, "") or None)


def _describe(key: dict[str, Any]) -> str:
    projects = "all projects" if key["projects"] is None else ", ".join(key["projects"])
    parts = [f"{'+'.join(key['scopes'])} for {projects}"]
    if key["requests_per_s"] is not None:
        parts.append(f"{key['requests_per_s']:g} requests/s")
    if key["bytes_per_s"] is not None:
        parts.append(f"{key['bytes_per_s']:g} bytes/s")
    if key["expires_at"] is not None:
        parts.append(f"until {key['expires_at']}")
    return ", ".join(parts)


# What needs the collector's extra is imported in here: `headway --help` works without.
def _create_offline(path: Path, body: dict[str, Any]) -> dict[str, Any]:
    from pydantic import ValidationError

    from headway_collector.callers import EVERYONE
    from headway_collector.granting import grant
    from headway_collector.schemas.keys import KeyBody, show_key

    now_ns = time.time_ns()
    try:
        wish = KeyBody.model_validate(body).to_wish(now_ns)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CommandError(f"{where}: {first['msg']}".removeprefix(": ")) from error
    with _open(path) as store:
        with store.transaction() as connection:
            granted = grant(connection, wish, EVERYONE, now_ns, is_offline=True)
        store.checkpoint()
    return {**show_key(granted.key, now_ns), "key": granted.text}


def _list_offline(path: Path) -> list[dict[str, Any]]:
    from headway_collector.schemas.keys import show_key
    from headway_collector.store.keys import read_keys

    _check_there(path)
    with _open(path) as store:
        keys = read_keys(store)
    return [show_key(key, time.time_ns()) for key in reversed(keys)]


def _revoke_offline(path: Path, key_id: str) -> dict[str, Any]:
    from headway_collector.callers import EVERYONE
    from headway_collector.granting import revoke
    from headway_collector.schemas.keys import show_key

    _check_there(path)
    now_ns = time.time_ns()
    with _open(path) as store:
        with store.transaction() as connection:
            key = revoke(connection, key_id, EVERYONE, now_ns, is_offline=True)
        store.checkpoint()
    return show_key(key, now_ns)


def _check_there(path: Path) -> None:
    if not path.exists():
        raise CommandError(f"there is no {path}: name the database of the collector with --db")


@contextmanager
def _open(path: Path) -> "Iterator[Store]":
    from headway_collector.errors import StoreInUseError
    from headway_collector.store.connections import Store

    try:
        store = Store(path)
    except StoreInUseError as error:
        raise CommandError(
            f"{path} is in use, so its collector runs: leave out --db to ask that one (--url, and "
            "HEADWAY_API_KEY with a key of the scope admin)"
        ) from error
    try:
        yield store
    finally:
        store.close()


KEYS = Command(
    name="keys",
    summary="Make, list and revoke keys of a collector.",
    extra="collector",
    configure=_configure,
    run=_run,
)
