"""Keys made and revoked: who may do that, and what it leaves in the audit.

All of it runs in one transaction of the writer, so that what is checked still holds when the key is
kept: whether it is the first, and whether the caller's own is still good.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from headway_collector.callers import EVERYONE, Caller, Scope
from headway_collector.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnauthorizedError,
)
from headway_collector.keyring import PREFIX, hash_secret
from headway_collector.store.audit import Act, save_act
from headway_collector.store.keys import Key, find_key, has_keys, insert_key, is_good, stamp_revoked
from headway_collector.times import format_time, parse_later

_ID_BYTES = 6
_SECRET_BYTES = 32
_SHOWN_CHARS = 80

# What a key has no more of than the one that made it, and the name of it for people.
_BOUNDS = {
    "expires_ns": "expires",
    "requests_per_s": "requests_per_s",
    "bytes_per_s": "bytes_per_s",
}

Draw = Callable[[int], str]
"""So many random bytes in hex."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a key is to be; the fields are those of ``store.keys.Key``."""

    name: str
    projects: tuple[str, ...] | None
    scopes: tuple[Scope, ...]
    requests_per_s: float | None = None
    bytes_per_s: float | None = None
    expires_ns: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Granted:
    """A new key, and the one time that it is said whole."""

    key: Key
    text: str


def parse_expiry(text: str, now_ns: int) -> int:
    """Read when a key expires: ``90d``, ``12h``, or an ISO 8601 time.

    Raises:
        InvalidRequestError: the text is neither, or that time is over.
    """
    try:
        expires_ns = parse_later(text, now_ns)
    except ValueError as error:
        message = f"expires={text[:_SHOWN_CHARS]!r} is neither a time nor as long as 90d or 12h"
        raise InvalidRequestError(message) from error
    if expires_ns <= now_ns:
        raise InvalidRequestError(f"expires={text[:_SHOWN_CHARS]!r} is over already")
    return expires_ns


def grant(
    connection: duckdb.DuckDBPyConnection,
    wish: Wish,
    caller: Caller,
    now_ns: int,
    *,
    is_offline: bool = False,
    draw: Draw = secrets.token_hex,
) -> Granted:
    """Make a key.

    Args:
        connection: in the writer's transaction.
        wish: what it is to be.
        caller: who asks, with the scope admin.
        now_ns: the time.
        is_offline: whether the asker has the file itself, and so may make any.
        draw: where id and secret come from.

    Raises:
        InvalidRequestError: it is the first, and nobody could make a second one with it.
        UnauthorizedError: the caller's own key is no longer good, or it has none and has to.
        ForbiddenError: it would be good for projects that the caller's is not, or for longer, or
            faster.
    """
    if not is_offline:
        _check_standing(connection, caller, now_ns)
        if caller.key_id is not None:
            wish = _cap(wish, find_key(connection, caller.key_id, EVERYONE))
        if not has_keys(connection) and (wish.projects is not None or "admin" not in wish.scopes):
            raise InvalidRequestError(
                "from the first key on nobody is answered without one, so the first has to be for "
                "administrators: scope admin and all projects (headway keys create --scope admin "
                "--all-projects)"
            )
    if wish.projects is None:
        caller.check_everything()
    for project in wish.projects or ():
        caller.check_project(project)
    key_id, secret = draw(_ID_BYTES), draw(_SECRET_BYTES)
    while find_key(connection, key_id, EVERYONE) is not None:
        key_id = draw(_ID_BYTES)
    key = Key(
        key_id=key_id,
        name=wish.name,
        digest=hash_secret(secret),
        projects=wish.projects,
        scopes=wish.scopes,
        requests_per_s=wish.requests_per_s,
        bytes_per_s=wish.bytes_per_s,
        created_ns=now_ns,
        expires_ns=wish.expires_ns,
    )
    insert_key(connection, key)
    expires_at = None if key.expires_ns is None else format_time(key.expires_ns)
    detail = {"made_key_id": key_id, "scopes": key.scopes, "expires_at": expires_at}
    save_act(connection, Act("key.make", caller, key.projects or (), now_ns, detail), {})
    return Granted(key, f"{PREFIX}_{key_id}_{secret}")


def revoke(
    connection: duckdb.DuckDBPyConnection,
    key_id: str,
    caller: Caller,
    now_ns: int,
    *,
    is_offline: bool = False,
) -> Key:
    """Make a key good for nothing, for ever; one that is so already stays as it is.

    Raises:
        NotFoundError: there is none of that id, or it is good for other projects too.
        UnauthorizedError: the caller's own key is no longer good.
    """
    if not is_offline:
        _check_standing(connection, caller, now_ns)
    key = find_key(connection, key_id, caller)
    if key is None:
        raise NotFoundError(
            f"there is no key {key_id[:_SHOWN_CHARS]!r} that is yours to revoke: "
            "headway keys list shows those that are"
        )
    if key.revoked_ns is not None:
        return key
    stamp_revoked(connection, key_id, now_ns)
    detail = {"revoked_key_id": key_id}
    save_act(connection, Act("key.revoke", caller, key.projects or (), now_ns, detail), {})
    return replace(key, revoked_ns=now_ns)


def _cap(wish: Wish, own: Key | None) -> Wish:
    """Return what is wished for within the bounds of the key that it is made with.

    A key that ends or is slow could else make itself one that is neither.
    """
    capped: dict[str, Any] = {}
    for name, words in _BOUNDS.items():
        most, wished = getattr(own, name), getattr(wish, name)
        if most is None:
            continue
        if wished is not None and wished > most:
            shown, own_shown = _show(name, wished), _show(name, most)
            raise ForbiddenError(
                f"{words} {shown} is more than this key has itself, which is {own_shown}: ask for "
                "no more than that, or leave it out to have as much"
            )
        capped[name] = most if wished is None else wished
    return replace(wish, **capped)


def _show(name: str, value: float) -> str:
    return format_time(int(value)) if name == "expires_ns" else f"{value:g}"


def _check_standing(connection: duckdb.DuckDBPyConnection, caller: Caller, now_ns: int) -> None:
    """Look at the caller's key once more: it may have been revoked while this waited."""
    if caller.key_id is None:
        if has_keys(connection):
            raise UnauthorizedError("somebody made the first key meanwhile: this needs one now")
    elif not is_good(connection, caller.key_id, now_ns):
        raise UnauthorizedError(f"key {caller.key_id} is no longer good: ask for a new one")
