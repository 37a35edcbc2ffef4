"""Where figures go: printed as they come, and kept in RESULTS.md with machine and versions.

A section holds the latest figures under its title; what stood there before is in the history of
the file.
"""

import datetime
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
_PACKAGES = ("duckdb", "fastapi", "msgspec", "torch", "transformers", "streamlit")


@dataclass(frozen=True, slots=True)
class Section:
    """What one part has to say in RESULTS.md."""

    title: str
    lines: Sequence[str]


def record(
    title: str,
    command: str,
    lines: Sequence[str],
    *,
    versions: Mapping[str, str] | None = None,
    results: Path = RESULTS,
) -> None:
    """Print the lines, and put them under ``title`` in place of what stood there.

    Args:
        versions: of what was measured; without them those of what Headway rests on.
    """
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    named = versions or {name: version(name) for name in _PACKAGES}
    stood = ", ".join(f"{name} {number}" for name, number in named.items())
    head = [f"## {title}", "", f"{today}, {_machine()}, {stood}. `{command}`", ""]
    section = "\n".join([*head, *lines, ""])
    sys.stdout.write(f"\n{section}\n")
    before = results.read_text(encoding="utf-8") if results.exists() else "# Measured\n"
    preface, *sections = re.split(r"^(?=## )", before, flags=re.MULTILINE)
    titles = [each.split("\n", 1)[0] for each in sections]
    if f"## {title}" in titles:
        sections[titles.index(f"## {title}")] = section
    else:
        sections.append(section)
    whole = "\n\n".join(each.strip() for each in (preface, *sections))
    results.write_text(whole + "\n", encoding="utf-8")


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table with its columns aligned, for terminals too."""
    widths = [max(len(cell) for cell in column) for column in zip(headers, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    return [line(headers), line(["-" * width for width in widths]), *(line(row) for row in rows)]


def at_most(what: str, figure: float, limit: float) -> str:
    """Return whether a figure keeps below its bar, as a line."""
    return _say_bar(what, figure, "at most", limit, is_met=figure <= limit)


def at_least(what: str, figure: float, limit: float) -> str:
    """Return whether a figure reaches its bar, as a line."""
    return _say_bar(what, figure, "at least", limit, is_met=figure >= limit)


def say(line: str) -> None:
    """Say how far it is."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _machine() -> str:
    return (
        f"{os.cpu_count()} cores {_processor()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _say_bar(what: str, figure: float, side: str, limit: float, *, is_met: bool) -> str:
    verdict = "met" if is_met else "MISSED"
    return f"- {what}: {_say_number(figure)}, bar {side} {_say_number(limit)}: {verdict}"


def _say_number(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 or number == int(number) else f"{number:.3g}"
