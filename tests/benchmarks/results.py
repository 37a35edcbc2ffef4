"""Where figures go: printed as they come, and added to RESULTS.md with machine and versions."""

import datetime
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
_PACKAGES = ("duckdb", "fastapi", "msgspec", "torch", "transformers", "streamlit")


def record(title: str, command: str, lines: Sequence[str]) -> None:
    """Print the lines and add them to RESULTS.md under ``title``."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    head = [f"## {title}", "", f"{today}, {_machine()}. `{command}`", ""]
    text = "\n".join([*head, *lines, "", ""])
    sys.stdout.write(text)
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Measured\n\n"
    RESULTS.write_text(before + text, encoding="utf-8")


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{os.cpu_count()} cores {_processor()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {versions}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
