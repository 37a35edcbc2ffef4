"""The keys of a running collector, in memory: who a request is, found without the database.

A key is ``hw_<key_id>_<secret>``. The id is public; of the secret only the SHA-256 is kept. A slow
hash is for passwords, which can be guessed: 256 random bits cannot, however fast one tries.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from headway_collector.allowances import Allowance
from headway_collector.callers import EVERYONE, Caller
from headway_collector.errors import UnauthorizedError
from headway_collector.store.keys import Key
from headway_collector.times import format_time

PREFIX = "hw"
MAX_HEADER_CHARS = 1024
"""Of an ``Authorization`` that is looked at; a key has 84."""

_HOW = "send it as `Authorization: Bearer KEY`; Headway's own clients take it from HEADWAY_API_KEY"
_NO_DIGEST = hashlib.sha256(b"").hexdigest()
_NOWHERE = ("", "")


@dataclass(frozen=True, slots=True, repr=False)
class _Held:
    """A key, who comes with it, and how fast that one may be."""

    key: Key
    caller: Caller
    allowance: Allowance


class Keyring:
    """All keys that were ever made.

    It is read by the event loop and changed by the writer's thread, an entry at a time.

    Args:
        keys: those of the database.
        clock_ns: the time by which keys expire.
        clock_s: the monotonic time by which rates are kept.
    """

    def __init__(
        self,
        keys: Iterable[Key] = (),
        clock_ns: Callable[[], int] = time.time_ns,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock_ns = clock_ns
        self._clock_s = clock_s
        self._held: dict[str, _Held] = {}
        for key in keys:
            self.put(key)

    @property
    def has_keys(self) -> bool:
        """Whether a key was ever made: from then on nobody is answered without one."""
        return bool(self._held)

    def put(self, key: Key) -> None:
        """Take a key, or what became of one, once that is committed."""
        before = self._held.get(key.key_id)
        allowance = before.allowance if before else Allowance.of(key, self._clock_s)
        caller = Caller(frozenset(key.scopes), key.projects, key.key_id)
        self._held[key.key_id] = _Held(key, caller, allowance)

    def identify(self, authorization: str | None) -> Caller:
        """Return who came with this ``Authorization`` header, None where there was none.

        Raises:
            UnauthorizedError: there are keys, and this is none of them, or no longer good.
        """
        if not self._held:
            return EVERYONE
        if authorization is None:
            raise UnauthorizedError(f"this collector asks for a key: {_HOW}")
        key_id, secret = _split(authorization)
        held = self._held.get(key_id)
        # Of an id that is not there as much is computed as of one that is, so that the time of an
        # answer does not tell which ids there are.
        digest = held.key.digest if held else _NO_DIGEST
        came = hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
        if not hmac.compare_digest(came, digest) or held is None:
            raise UnauthorizedError(f"no such key is known here: {_HOW}")
        key = held.key
        if key.revoked_ns is not None:
            raise UnauthorizedError(
                f"key {key.key_id} was revoked at {format_time(key.revoked_ns)}: ask for a new one"
            )
        if key.expires_ns is not None and key.expires_ns <= self._clock_ns():
            raise UnauthorizedError(
                f"key {key.key_id} expired at {format_time(key.expires_ns)}: ask for a new one"
            )
        return held.caller

    def find_allowance(self, key_id: str | None) -> Allowance | None:
        """Return how fast a key may be; None where nothing bounds it."""
        held = None if key_id is None else self._held.get(key_id)
        return held.allowance if held and held.allowance.is_bounded else None


def hash_secret(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _split(authorization: str) -> tuple[str, str]:
    """Return id and secret of the key in a header, of nothing where there is none."""
    if len(authorization) > MAX_HEADER_CHARS:
        return _NOWHERE
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() == "basic":
        token = _read_password(token)
    elif scheme.lower() != "bearer":
        return _NOWHERE
    parts = token.split("_", 2)
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == PREFIX else _NOWHERE


def _read_password(token: str) -> str:
    # Some OTLP exporters can only say a name and a password; the name is not looked at.
    try:
        said = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return said.partition(":")[2]
