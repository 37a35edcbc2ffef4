"""What ``headway.init`` settles, and where each of it comes from.

Every field is an argument of ``init``, a ``HEADWAY_*`` variable and a key of ``headway.toml``.
"""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from headway.errors import SettingsError
from headway.known_keys import CLIENT_KEYS, PRIVATE_KEYS
from headway.limits import LIMITS, Limits
from headway.places import DEFAULT_LIMIT_BYTES, Place
from headway.records import DEFAULT_PROJECT, DEFAULT_URL
from headway.redaction.choices import NO_CHOICES, Choices, read_patterns
from headway.sampling import Rates, parse_rates, written_rates
from headway.settings import Sources, parse_bool, parse_bytes
from headway.texts import clip
from headway.transports import HttpTransport, Transport, Withheld, address_of, bearer

_EXIT_TIMEOUT_S = 2.0
_LONGEST_PROJECT = 128
_LONGEST_LABEL = 256
_LARGEST_CAPTURE_BYTES = 8_000_000
"""What one call may take in the journal is little more."""


class ClientSettings(msgspec.Struct, frozen=True):
    """How a process records; a ``journal_dir`` of None keeps the journal in memory."""

    project: str = DEFAULT_PROJECT
    url: str = DEFAULT_URL
    api_key: str | None = None
    journal_dir: Path | None = None
    journal_limit_bytes: int = DEFAULT_LIMIT_BYTES
    capture_limit_bytes: int = LIMITS.max_bytes
    capture_data: bool = LIMITS.has_data
    environment: str | None = None
    release: str | None = None
    exit_timeout_s: float = _EXIT_TIMEOUT_S
    sample: Rates = Rates()
    trace_hosts: tuple[str, ...] = ("*",)
    """Who is told which trace a request belongs to."""
    baggage_hosts: tuple[str, ...] = ()
    """Who is told for which user, in which session and with which tags it is made."""
    is_disabled: bool = False
    is_raising: bool = False
    choices: Choices = NO_CHOICES
    """What is kept out of the log."""
    obstacle: str | None = None
    """Why nothing can be sent; calls wait in the journal then."""
    is_url_chosen: bool = True
    """Whether anybody named the collector, or it is only where one usually is."""
    strange_keys: tuple[str, ...] = ()
    """What is wrong with keys of ``headway.toml`` that nobody knows, a line each."""

    @property
    def limits(self) -> Limits:
        """How much of one value is kept."""
        # In base64 a secret cannot be found.
        has_data = self.capture_data and not self.choices.has_redaction
        return Limits(self.capture_limit_bytes, has_data=has_data)

    @property
    def place(self) -> Place:
        """Where the journal is.

        Raises:
            SettingsError: the collector's address is none.
        """
        # Without an address any collector may have them.
        url = address_of(self.url) if self.url else ""
        return Place(self.journal_dir, self.project, self.journal_limit_bytes, url)

    def make_transport(self) -> Transport:
        """Make what carries batches to the collector.

        Raises:
            SettingsError: there is no such address, or the key cannot stand in a header.
        """
        if self.obstacle is not None:
            return Withheld(self.obstacle)
        return HttpTransport(self.url, self.api_key)


def read_usable_settings(sources: Sources) -> tuple[ClientSettings, dict[str, str]]:
    """Return settings to go on with, whatever the sources say, and by key what is wrong there.

    What cannot be used gives way to the default. Only an address or a key does not: then nothing
    is sent, and the calls wait in the journal. Who meant to say something of ``disabled`` is taken
    to have meant yes.
    """
    problems: dict[str, str] = {}
    settings = read_settings(msgspec.structs.replace(sources, problems=problems))
    if "disabled" in problems:
        problems["disabled"] += "; nothing is recorded"
        settings = msgspec.structs.replace(settings, is_disabled=True)
    for key in [key for key in problems if key in PRIVATE_KEYS or key not in CLIENT_KEYS]:
        # Who meant to keep something out of the log cannot be asked what.
        problems[key] += "; nothing is recorded"
        settings = msgspec.structs.replace(settings, is_disabled=True)
    for key, check in (("url", address_of), ("api_key", bearer)):
        try:
            check(getattr(settings, key) or "")
        except SettingsError as error:
            problems[key] = f"{error}; nothing is sent, calls wait in the journal"
            cleared = {key: "" if key == "url" else None}
            settings = msgspec.structs.replace(settings, obstacle=str(error), **cleared)
    return settings, problems


def read_settings(
    sources: Sources,
    *,
    project: str | None = None,
    url: str | None = None,
    api_key: str | None = None,
    journal_dir: str | os.PathLike[str] | None = None,
    journal_limit_bytes: int | None = None,
    capture_limit_bytes: int | None = None,
    capture_data: bool | None = None,
    environment: str | None = None,
    release: str | None = None,
    exit_timeout_s: float | None = None,
    sample: float | Mapping[str, float] | None = None,
    trace_hosts: str | None = None,
    baggage_hosts: str | None = None,
    is_disabled: bool | None = None,
    redact: Sequence[Any] | str | None = None,
    redact_names: Sequence[str] | str | None = None,
    capture_content: bool | None = None,
    silent_spans: Sequence[str] | str | None = None,
) -> ClientSettings:
    """Return the settings by precedence: argument, environment, file, default.

    Raises:
        SettingsError: a value cannot be used; the message says which and why.
    """
    return ClientSettings(
        strange_keys=sources.strange(),
        project=sources.get(
            "project", _as_text("project", project), DEFAULT_PROJECT, _parse_project
        ),
        url=sources.get("url", url, DEFAULT_URL),
        is_url_chosen=url is not None or sources.origin("url") != "default",
        api_key=sources.get("api_key", api_key, "") or None,
        journal_dir=sources.get("journal_dir", _as_given(journal_dir), None, _parse_folder)
        or _state_folder(sources),
        journal_limit_bytes=sources.get(
            "journal_limit_bytes", journal_limit_bytes, DEFAULT_LIMIT_BYTES, parse_bytes
        ),
        capture_limit_bytes=sources.get(
            "capture_limit_bytes", capture_limit_bytes, LIMITS.max_bytes, _parse_capture
        ),
        capture_data=sources.get("capture_data", capture_data, LIMITS.has_data, parse_bool),
        environment=clip(sources.get("environment", environment, ""), _LONGEST_LABEL) or None,
        release=clip(sources.get("release", release, ""), _LONGEST_LABEL) or None,
        exit_timeout_s=sources.get(
            "exit_timeout_s", exit_timeout_s, _EXIT_TIMEOUT_S, _parse_seconds
        ),
        trace_hosts=_hosts(sources, "trace_hosts", trace_hosts, ("*",)),
        baggage_hosts=_hosts(sources, "baggage_hosts", baggage_hosts, ()),
        sample=sources.get("sample", written_rates(sample), Rates(), parse_rates),
        is_disabled=sources.get("disabled", is_disabled, False, parse_bool),
        is_raising=sources.get("raise", None, False, parse_bool),
        choices=_read_choices(sources, redact, redact_names, capture_content, silent_spans),
    )


def _read_choices(
    sources: Sources,
    redact: Sequence[Any] | str | None,
    redact_names: Sequence[str] | str | None,
    capture_content: bool | None,
    silent_spans: Sequence[str] | str | None,
) -> Choices:
    return msgspec.structs.replace(
        sources.get_list("redact", redact, read_patterns),
        names=sources.get_list("redact_names", redact_names, _parse_globs),
        is_content_kept=sources.get("capture_content", capture_content, True, parse_bool),
        silent_spans=sources.get_list("silent_spans", silent_spans, _parse_globs),
    )


def _parse_globs(given: Sequence[Any]) -> tuple[str, ...]:
    for each in given:
        if not isinstance(each, str):
            raise ValueError(f"{type(each).__name__} is not a name")
    return tuple(given)


def _as_given(folder: str | os.PathLike[str] | None) -> Any:
    try:
        return None if folder is None else os.fsdecode(folder)
    except TypeError as error:
        raise SettingsError(f"the argument for journal_dir cannot be used: {error}") from error


def _as_text(key: str, given: Any) -> Any:
    # A setting with a parser takes numbers too, which these are not.
    if given is None or isinstance(given, str):
        return given
    kind = type(given).__name__
    raise SettingsError(f"the argument for {key} is of type {kind}: give a text")


def _parse_capture(text: str) -> int:
    limit_bytes = parse_bytes(text)
    if limit_bytes > _LARGEST_CAPTURE_BYTES:
        raise ValueError("one call may take 8 MB in the journal: give at most 8MB")
    return limit_bytes


def _parse_folder(text: str) -> Path | None:
    if "\0" in text:
        raise ValueError("it has a null character")
    try:
        return Path(text).expanduser().absolute() if text else None
    except (RuntimeError, OSError) as error:
        # OSError: a relative one, and the working folder is gone. RuntimeError: ~nobody.
        raise ValueError(f"{error}; give the absolute path of a folder") from error


def _state_folder(sources: Sources) -> Path | None:
    state = sources.environment.get("XDG_STATE_HOME", "")
    try:
        # The XDG specification says that a relative path there is to be ignored.
        base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError:
        # A user without a home; then the journal is in memory.
        return None
    return base / "headway" / "journal"


def _parse_project(text: str) -> str:
    # It travels in a header of HTTP.
    if 0 < len(text) <= _LONGEST_PROJECT and text.isascii() and text.isprintable():
        return text
    raise ValueError(f"give 1 to {_LONGEST_PROJECT} printable ASCII characters")


def _hosts(sources: Sources, key: str, given: Any, default: tuple[str, ...]) -> tuple[str, ...]:
    return sources.get(key, _as_text(key, given), default, _parse_hosts)


def _parse_hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(host.strip().lower() for host in text.split(",") if host.strip())
    for host in hosts:
        if "/" in host or host.count(":") == 1 or host.split() != [host]:
            raise ValueError(f"{host} is no name: give hosts such as api.example.org, *.internal")
    return tuple(host.strip("[]") for host in hosts)


def _parse_seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError("not a number of seconds, such as 2 or 0.5")
    return number
