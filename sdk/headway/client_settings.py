"""What ``headway.init`` settles, and where each of it comes from.

Every field is an argument of ``init``, a ``HEADWAY_*`` variable and a key of ``headway.toml``.
"""

import math
import os
from pathlib import Path

import msgspec

from headway.errors import SettingsError
from headway.limits import LIMITS, Limits
from headway.places import DEFAULT_LIMIT_BYTES, Place
from headway.records import DEFAULT_PROJECT, DEFAULT_URL
from headway.settings import Sources, parse_bool
from headway.texts import clip
from headway.transports import address_of

_EXIT_TIMEOUT_S = 2.0
_LONGEST_PROJECT = 128
_LONGEST_LABEL = 256


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
    is_disabled: bool = False
    is_raising: bool = False

    @property
    def limits(self) -> Limits:
        """How much of one value is kept."""
        return Limits(self.capture_limit_bytes, has_data=self.capture_data)

    @property
    def place(self) -> Place:
        """Where the journal is.

        Raises:
            SettingsError: the collector's address is none.
        """
        url = address_of(self.url)
        return Place(self.journal_dir, self.project, self.journal_limit_bytes, url)


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
    is_disabled: bool | None = None,
) -> ClientSettings:
    """Return the settings by precedence: argument, environment, file, default.

    Raises:
        SettingsError: a value cannot be used; the message says which and why.
    """
    return ClientSettings(
        project=_checked_project(sources.get("project", project, DEFAULT_PROJECT)),
        url=sources.get("url", url, DEFAULT_URL),
        api_key=sources.get("api_key", api_key, "") or None,
        journal_dir=_journal_folder(sources, journal_dir),
        journal_limit_bytes=sources.get(
            "journal_limit_bytes", journal_limit_bytes, DEFAULT_LIMIT_BYTES, _parse_bytes
        ),
        capture_limit_bytes=sources.get(
            "capture_limit_bytes", capture_limit_bytes, LIMITS.max_bytes, _parse_bytes
        ),
        capture_data=sources.get("capture_data", capture_data, LIMITS.has_data, parse_bool),
        environment=clip(sources.get("environment", environment, ""), _LONGEST_LABEL) or None,
        release=clip(sources.get("release", release, ""), _LONGEST_LABEL) or None,
        exit_timeout_s=sources.get(
            "exit_timeout_s", exit_timeout_s, _EXIT_TIMEOUT_S, _parse_seconds
        ),
        is_disabled=sources.get("disabled", is_disabled, False, parse_bool),
        is_raising=sources.get("raise", None, False, parse_bool),
    )


def _journal_folder(sources: Sources, given: str | os.PathLike[str] | None) -> Path | None:
    try:
        folder = sources.get("journal_dir", None if given is None else os.fsdecode(given), "")
        if "\0" in folder:
            raise ValueError("it has a null character")
        return Path(folder).expanduser().absolute() if folder else _state_folder(sources)
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        # OSError: a relative one, and the working folder is gone. RuntimeError: ~nobody.
        raise SettingsError(
            f"the journal_dir cannot be used ({error}): give the absolute path of a folder"
        ) from error


def _state_folder(sources: Sources) -> Path | None:
    state = sources.environment.get("XDG_STATE_HOME", "")
    try:
        # The XDG specification says that a relative path there is to be ignored.
        base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError:
        # A user without a home; then the journal is in memory.
        return None
    return base / "headway" / "journal"


def _checked_project(project: str) -> str:
    # It travels in a header of HTTP.
    if 0 < len(project) <= _LONGEST_PROJECT and project.isascii() and project.isprintable():
        return project
    raise SettingsError(
        f"the project is {project!r}: give 1 to {_LONGEST_PROJECT} printable ASCII characters"
    )


def _parse_bytes(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("not a number of bytes above zero")
    return number


def _parse_seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise ValueError("not a number of seconds")
    return number
