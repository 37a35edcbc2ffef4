"""What ``headway serve`` says of a ``headway.toml`` that it cannot use, before it starts."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from headway.errors import SettingsError
from headway.settings import Sources, parse_bytes
from headway_collector.bodies import BODY_LIMIT_BYTES
from headway_collector.disks import measure_space
from headway_collector.store.openings import MEMORY

TABLE = "collector"
_TEXTS = ("url", "project", "api_key", "prices")
_TABLE_TEXTS = ("host", "db", "label", "log_format", "log_level", "nightly")


def check_file(sources: Sources) -> None:
    """Tell of keys that nobody knows, on standard error.

    Raises:
        SettingsError: ``[collector]`` is no table, or what is a text in either is none.
    """
    told: dict[str, str] = {}
    lines = msgspec.structs.replace(sources, problems=told).strange()
    for line in (*lines, *told.values()):
        sys.stderr.write(f"headway: {line}\n")
    table = sources.file.get(TABLE, {})
    if not isinstance(table, Mapping):
        raise SettingsError(
            f"{TABLE} in {sources.file_name} is {table!r}: it is a table, [{TABLE}] with its keys "
            "below"
        )
    _check_texts("", sources.file, _TEXTS, sources)
    _check_texts(f"{TABLE}.", table, _TABLE_TEXTS, sources)


def parse_cap(text: str) -> int:
    """Read how large a record or a field may be.

    Raises:
        ValueError: it is no size, or no body could be as large.
    """
    cap_bytes = parse_bytes(text)
    if cap_bytes > BODY_LIMIT_BYTES:
        raise ValueError(f"a whole body has at most {BODY_LIMIT_BYTES} bytes: give no more")
    return cap_bytes


def check_reserve(reserve_bytes: int | None, path: Path) -> None:
    """Refuse to keep more free than there is.

    Raises:
        SettingsError: the disk of the database is smaller, so nothing would ever be taken.
    """
    if reserve_bytes is None or str(path) == MEMORY:
        return
    folder = path.expanduser().absolute().parent
    try:
        total_bytes = measure_space(str(folder)).total
    except OSError:  # there is no such folder, and the store says so
        return
    if reserve_bytes >= total_bytes:
        raise SettingsError(
            f"{TABLE}.disk_reserve_bytes is {reserve_bytes}, and the disk of {folder} has "
            f"{total_bytes} in all: nothing could ever be taken; give less"
        )


def _check_texts(
    place: str, table: Mapping[str, Any], names: tuple[str, ...], sources: Sources
) -> None:
    for name in names:
        value = table.get(name, "")
        # A table or a list is told where it is read.
        if not isinstance(value, str) and not isinstance(value, (Mapping, list)):
            raise SettingsError(
                f"{place}{name} in {sources.file_name} is {value!r}: give a text, in quotes"
            )
