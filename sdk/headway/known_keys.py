"""Every key that ``headway.toml`` may have, and what is said of one that it may not.

A key that nobody knows is a slip, or of a later version. Recording goes on without it and says so,
unless it sounds as if it was to keep something out of the log, also one in a wrong table: then
nothing is recorded, as with a value of such a key that cannot be used.
"""

from collections.abc import Iterator, Mapping
from typing import Any

CLIENT_KEYS = (
    "project",
    "url",
    "api_key",
    "journal_dir",
    "journal_limit_bytes",
    "capture_limit_bytes",
    "environment",
    "release",
    "exit_timeout_s",
    "sample",
    "capture_data",
    "redact",
    "redact_names",
    "capture_content",
    "silent_spans",
    "trace_hosts",
    "baggage_hosts",
    "raise",
    "disabled",
)
"""Of a program that logs, in the order in which they are shown."""
PRIVATE_KEYS = ("redact", "redact_names", "capture_content", "silent_spans")
"""Of those, the ones that keep something out of the log."""
OTHER_KEYS = (
    "prices",
    "collector.host",
    "collector.port",
    "collector.db",
    "collector.label",
    "collector.sql_seconds",
    "collector.nightly",
    "collector.log_format",
    "collector.log_level",
    "collector.max_record_bytes",
    "collector.max_field_bytes",
    "collector.disk_reserve_bytes",
    "ui.host",
    "ui.port",
    "evals.runs_dir",
    "evals.cache_dir",
    "evals.cache_bytes",
)
"""Of the other parts of Headway."""
_OPEN_TABLES = frozenset({"descriptors"})
"""With names of the user's own, which the collector reads."""
_KNOWN = frozenset((*CLIENT_KEYS, *OTHER_KEYS))
_TABLES = frozenset(key.partition(".")[0] for key in OTHER_KEYS if "." in key)
_CAREFUL = (*PRIVATE_KEYS, "disabled")
_CAREFUL_WORDS = ("redact", "mask", "privacy", "private", "silent", "content", "disable")
_ALIKE = 0.6
_MUCH_ALIKE = 0.7
"""``project`` is somewhat like ``redact``."""


def strange_keys(file: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys that nobody knows, dotted, each with what is wrong with it."""
    return {key: _advice(key) for key in _keys_in(file) if key not in _KNOWN}


def sounds_private(key: str) -> bool:
    """Whether a key that nobody knows may have been meant to keep something out of the log."""
    parts = key.lower().replace("-", "_").split(".")
    return any(
        _nearest(part, _CAREFUL, _MUCH_ALIKE) or any(word in part for word in _CAREFUL_WORDS)
        for part in parts
    )


def _keys_in(file: Mapping[str, Any]) -> Iterator[str]:
    for key, value in file.items():
        if key in _OPEN_TABLES or not isinstance(value, Mapping) or key in _KNOWN:
            # A known one that is a table is refused where it is read.
            if key not in _OPEN_TABLES:
                yield key
        elif key not in _TABLES and not value:
            yield key
        else:
            yield from (f"{key}.{inner}" for inner in value)


def _advice(key: str) -> str:
    if key in _TABLES:
        return f"it is a table: write [{key}], and its keys below"
    table, _, name = key.rpartition(".")
    if name in CLIENT_KEYS:
        return f"it stands in [{table}]: write it above the first [table]"
    near = _nearest(key, tuple(_KNOWN)) or _nearest(name, tuple(_KNOWN))
    return f"do you mean {near}?" if near else "correct it, or update Headway"


def _nearest(name: str, known: tuple[str, ...], least: float = _ALIKE) -> str | None:
    from difflib import get_close_matches  # most files have no such key

    return next(iter(get_close_matches(name, sorted(known), 1, least)), None)
