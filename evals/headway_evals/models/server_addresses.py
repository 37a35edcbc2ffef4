"""Where an ``openai:`` model is served, as its spec says it.

    openai:gpt-5-mini                               api.openai.com, or OPENAI_BASE_URL
    openai:my-model@http://127.0.0.1:8000/v1        a server of one's own
    openai:my-model@http://127.0.0.1:8000/v1?api=chat

``?api=chat`` sends texts as a user's message, for servers that only chat; ``?api=completions``
refuses messages. OPENAI_API_KEY is sent where it is set, so what looks like an address and is not
written as one is refused, and not taken for a model's name at api.openai.com.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import get_args
from urllib.parse import parse_qsl, urlsplit

from headway_evals.errors import ModelError
from headway_evals.models.server_bodies import Api

OPENAI_URL = "https://api.openai.com/v1"

_AT = re.compile(r"(?P<model>.*?)@(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<place>.*)", re.IGNORECASE)
_PORT = re.compile(r".*:\d+")
# With letters at its end, as no date and no version has them.
_DOTTED_HOST = re.compile(r"([\w-]+\.)+[a-z]{2,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a model is served.

    Args:
        model: the server's name for it.
        base_url: the part of the URL before ``/chat/completions``.
        api: where requests go; None sends messages to the chat and texts to the completions.
        api_key: the server's key.
    """

    model: str
    base_url: str = OPENAI_URL
    api: Api | None = None
    api_key: str | None = field(default=None, repr=False)

    @property
    def spec(self) -> str:
        """Return what names it, with all but the key."""
        is_told = self.base_url != OPENAI_URL or _ends_in_address(self.model)
        place = f"@{self.base_url}" if is_told else ""
        return f"openai:{self.model}{place}{f'?api={self.api}' if self.api else ''}"


def parse_address(rest: str, environment: Mapping[str, str]) -> Address:
    """Return what ``openai:REST`` names.

    Raises:
        ModelError: it names nothing, or its address or the key cannot be used.
    """
    where, _, query = rest.partition("?")
    match = _AT.fullmatch(where)
    model = match["model"] if match else where
    named = f"{match['scheme']}://{match['place']}" if match else ""
    base_url = _lowered(named or environment.get("OPENAI_BASE_URL") or OPENAI_URL).rstrip("/")
    api_key = environment.get("OPENAI_API_KEY") or None
    # A password in an address would be written into every run: neither used nor repeated.
    if re.match(r"[^/]*://[^/]*@", base_url):
        raise ModelError("the address of an openai: model holds a password: set OPENAI_API_KEY")
    if match and match["scheme"].lower() not in ("http", "https"):
        raise ModelError(
            f"openai:{rest} is at a {match['scheme']}:// address: write openai:{model or 'MODEL'}"
            f"@http://{match['place']}"
        )
    if match is None:
        _refuse_lost_address(where)
    if not model.strip("@ "):
        raise ModelError(f"openai:{rest} names no model: write openai:MODEL@http://host:8000/v1")
    if not _is_url(base_url):
        raise ModelError(
            f"openai:{rest} is at {base_url!r}, which is no address: one is http://host:8000/v1 "
            "(behind the model's name, or in OPENAI_BASE_URL)"
        )
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise ModelError("OPENAI_API_KEY holds a line break or a letter that no key has")
    if api_key is None and base_url == OPENAI_URL:
        raise ModelError(
            f"openai:{rest} is at {OPENAI_URL}, which needs a key: set OPENAI_API_KEY, or name a "
            "server of your own: openai:MODEL@http://host:8000/v1"
        )
    return Address(model, base_url, _parse_api(rest, query), api_key)


def _refuse_lost_address(where: str) -> None:
    """Refuse an address that is not behind an ``@`` with ``http://`` before it."""
    if "://" in where or _is_machine(where):
        place = where.rpartition("://")[2].rpartition("@")[2]
        raise ModelError(f"an openai: model needs a name: write openai:MODEL@http://{place}")
    model, *places = where.split("@")
    if places and not places[-1]:
        raise ModelError(f"openai:{model}@ names no address: write openai:{model}@http://host:8000")
    if _ends_in_address(where):
        # What stands between may be a password.
        name = model if len(places) == 1 and model else "MODEL"
        place = re.sub(r"^(https?:)?/*", "", places[-1], flags=re.IGNORECASE)
        if place.count(":") > 1 and not place.startswith("["):
            place = f"[{place}]"
        raise ModelError(
            f"openai:{name}@{places[-1]} has an address without http:// or https:// before it: "
            f"write openai:{name}@http://{place}"
        )


def _ends_in_address(where: str) -> bool:
    """Return whether what is behind the last ``@`` is an address rather than a version."""
    _, at, last = where.rpartition("@")
    return bool(at) and (
        "/" in last
        or last.lower().startswith(("http:", "https:"))
        or _PORT.fullmatch(last) is not None
        or _is_machine(last)
        or _DOTTED_HOST.fullmatch(last) is not None
    )


def _is_machine(text: str) -> bool:
    """Return whether a text is an IP address or this machine, with a port, a path or neither."""
    host = text.partition("/")[0]
    for each in (host, host.rpartition(":")[0]):
        if each.lower() == "localhost":
            return True
        try:
            ip_address(each.removeprefix("[").removesuffix("]"))
        except ValueError:
            continue
        return True
    return False


def _lowered(url: str) -> str:
    scheme, colon, rest = url.partition("://")
    return f"{scheme.lower()}{colon}{rest}" if colon else url


def _parse_api(rest: str, query: str) -> Api | None:
    pairs = parse_qsl(query, keep_blank_values=True)
    unknown = [key for key, _ in pairs if key != "api"]
    if unknown:
        raise ModelError(f"openai:{rest} has the unknown option {unknown[0]!r}; known: api")
    for api in get_args(Api):
        if pairs and pairs[-1][1] == api:
            found: Api = api
            return found
    if pairs:
        raise ModelError(
            f"openai:{rest} names the API {pairs[-1][1]!r}; there are chat and completions"
        )
    return None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_web = parts.scheme in ("http", "https") and not parts.query and not parts.fragment
        return is_web and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, or a port that is no number
        return False
