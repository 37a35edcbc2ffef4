"""What can be known without the collector: the settings, the journal's folder, what waits in it."""

import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway.client_settings import ClientSettings
from headway.findings import Finding, Level
from headway.known_keys import CLIENT_KEYS
from headway.leftovers import Leftover, survey
from headway.settings import Sources
from headway.transports import address_of

_FIELDS = {"raise": "is_raising", "disabled": "is_disabled"}
_CHOICES = {
    "redact": "patterns",
    "redact_names": "names",
    "capture_content": "is_content_kept",
    "silent_spans": "silent_spans",
}
_PRIVATE = 0o700
_NEARLY_FULL_PERCENT = 90
_LITTLE_SPACE_BYTES = 64 << 20
_MEGABYTE = 1 << 20
_SECOND_NS = 1_000_000_000


def check_settings(settings: ClientSettings, sources: Sources) -> list[Finding]:
    """Say what is in force and who said so; of the key only whether there is one."""
    findings = []
    for key in CLIENT_KEYS:
        value = _value_of(key, settings)
        if key == "api_key":
            value = "set, not shown" if value else None
        elif key == "url":
            value = address_of(value)
        elif key == "sample":
            value = value.as_text
        elif key == "journal_dir" and value is not None:
            value = str(value)
        origin = sources.origin(key)
        shown = "not set" if value is None else value
        data = {"key": key, "value": value, "origin": origin}
        finding = Finding("ok", "setting", f"{key} = {shown} ({origin})", data=data)
        if key == "disabled" and value:
            message = f"disabled = true ({origin}): nothing is recorded"
            finding = Finding("warn", "setting", message, "unset HEADWAY_DISABLED", data)
        findings.append(finding)
    for said in settings.strange_keys:
        findings.append(Finding("warn", "setting", said, "correct it"))
    return findings


def _value_of(key: str, settings: ClientSettings) -> Any:
    if key in _CHOICES:
        chosen = getattr(settings.choices, _CHOICES[key])
    else:
        chosen = getattr(settings, _FIELDS.get(key, key))
    return ", ".join(chosen) or None if isinstance(chosen, tuple) else chosen


def check_journal(settings: ClientSettings) -> Finding:
    """Say whether records can be kept on disk."""
    folder = settings.journal_dir
    if folder is None:
        return Finding(
            "warn",
            "journal",
            "there is no folder for it: calls are kept in memory, and lost with their process",
            "set HEADWAY_JOURNAL_DIR",
        )
    # With the functions of ``os.path``, to which a name that is too long is one that is not there.
    # A link to nowhere is there: no folder can be made in its place.
    place = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not os.path.isdir(place) or not os.access(place, os.W_OK | os.X_OK):
        return _unwritable(f"{place} cannot be written")
    for part in folder.relative_to(place).parts:
        if len(os.fsencode(part)) > os.pathconf(place, "PC_NAME_MAX"):
            return _unwritable(f"{folder} cannot be made: a name in it is too long")
    free_bytes = shutil.disk_usage(place).free
    used_bytes = _used_bytes(folder)
    limit_bytes = settings.journal_limit_bytes
    data = {"free_bytes": free_bytes, "used_bytes": used_bytes, "limit_bytes": limit_bytes}
    message = f"{folder} takes {_megabytes(used_bytes)} of {_megabytes(limit_bytes)}"
    if place != folder:
        message = f"{folder} is made at the first call"
    elif rights := stat.S_IMODE(folder.stat().st_mode) & ~_PRIVATE:
        return Finding(
            "warn",
            "journal",
            f"{folder} is open to others (rights {rights | _PRIVATE:o})",
            f"chmod 700 {folder}",
            data,
        )
    if used_bytes * 100 > limit_bytes * _NEARLY_FULL_PERCENT:
        return Finding(
            "warn",
            "journal",
            message,
            "run `headway ship`, or raise HEADWAY_JOURNAL_LIMIT_BYTES",
            data,
        )
    if free_bytes < _LITTLE_SPACE_BYTES:
        return Finding(
            "warn", "journal", f"{message}; {_megabytes(free_bytes)} are free", "free space", data
        )
    return Finding("ok", "journal", f"{message}; {_megabytes(free_bytes)} are free", data=data)


def _unwritable(message: str) -> Finding:
    return Finding("fail", "journal", message, "set HEADWAY_JOURNAL_DIR, or its rights")


@dataclass(slots=True)
class Pile:
    """What waits for one project at one collector."""

    url: str
    project: str
    records: int = 0
    payload_bytes: int = 0
    oldest_ns: int = 0
    pids: list[int] = field(default_factory=list)


def pile_up(leftovers: Sequence[Leftover]) -> list[Pile]:
    """Return what waits, by collector and project."""
    piles: dict[tuple[str, str], Pile] = {}
    for leftover in leftovers:
        content = leftover.content
        if content is None or not content.pending:
            continue
        header = content.header
        pile = piles.setdefault((header.url, header.project), Pile(header.url, header.project))
        pile.records += content.pending
        pile.payload_bytes += leftover.pending_bytes
        pile.oldest_ns = min(pile.oldest_ns or header.created_ns, header.created_ns)
        if leftover.is_in_use and header.pid not in pile.pids:
            pile.pids.append(header.pid)
    return list(piles.values())


def check_waiting(
    leftovers: Sequence[Leftover], url: str, now_ns: int, *, is_reachable: bool
) -> list[Finding]:
    """Say what waits in the journal, for whom, since when, and which files cannot be read.

    Args:
        leftovers: of the folder.
        url: of the collector in force.
        now_ns: since the Unix epoch.
        is_reachable: whether that collector takes records.
    """
    findings = []
    for pile in pile_up(leftovers):
        age_s = max(0, now_ns - pile.oldest_ns) // _SECOND_NS
        users = f", in use by {', '.join(map(str, pile.pids))}" if pile.pids else ""
        message = (
            f"{pile.records:,} calls of {pile.project} ({_megabytes(pile.payload_bytes)}) for "
            f"{pile.url or 'any collector'}, the oldest file is {age_s:,} s old{users}"
        )
        data = {
            "project": pile.project,
            "url": pile.url,
            "records": pile.records,
            "bytes": pile.payload_bytes,
            "oldest_age_s": age_s,
            "pids": pile.pids,
        }
        is_ours = pile.url in ("", url)
        if is_ours and is_reachable:
            advice = "" if pile.pids else "run `headway ship`"
            findings.append(Finding("ok", "waiting", message, advice, data))
        elif is_ours:
            advice = "bring the collector back; then run `headway ship`"
            findings.append(Finding("warn", "waiting", message, advice, data))
        else:
            # Only an application with that address adopts them.
            advice = "run `headway ship`, with --url where that collector has moved"
            level: Level = "ok" if pile.pids else "warn"
            findings.append(Finding(level, "waiting", message, "" if pile.pids else advice, data))
    for leftover in leftovers:
        content, data = leftover.content, {"path": str(leftover.path)}
        if leftover.problem:
            findings.append(Finding("warn", "waiting", leftover.problem, data=data))
        elif content is not None and content.damaged and not leftover.is_in_use:
            message = f"{content.damaged:,} calls or more in {leftover.path} cannot be read"
            advice = "run `headway ship`, which sends what is whole; look after the disk"
            findings.append(Finding("warn", "damaged", message, advice, data))
    return findings or [Finding("ok", "waiting", "nothing waits")]


def check_untold(leftovers: Sequence[Leftover]) -> list[Finding]:
    """Say what processes lost and could not tell their collector."""
    return [
        Finding(
            "warn",
            "losses",
            f"{lost.count:,} calls of {lost.project} lost by process "
            f"{leftover.content.header.pid}: {lost.reason}, not told to the collector yet",
            "bring the collector back; then run `headway ship`",
            {"project": lost.project, "reason": lost.reason, "count": lost.count},
        )
        for leftover in leftovers
        if leftover.content is not None
        for lost in leftover.content.losses
    ]


def look_into(folder: Path | None) -> list[Leftover]:
    """Return what lies in the folder; nothing where there is none or nobody may look."""
    try:
        return [] if folder is None else survey(folder)
    except OSError:
        # Said by ``check_journal``.
        return []


def _used_bytes(folder: Path) -> int:
    return sum(leftover.size_bytes for leftover in look_into(folder))


def _megabytes(count: int) -> str:
    tenths = count * 10 // _MEGABYTE
    return f"{tenths // 10:,}.{tenths % 10} MB"
