"""What ``headway doctor`` has to say: findings, and how people and machines read them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["ok", "warn", "fail"]
_EXIT_CODES: dict[Level, int] = {"ok": 0, "warn": 1, "fail": 2}
_CHECK_WIDTH = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        check: what was looked at, in a word.
        advice: what to do; empty where all is well.
        data: the same for machines.
    """

    level: Level
    check: str
    message: str
    advice: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0 where all is well, 1 where something needs attention, 2 where it cannot work."""
    return max((_EXIT_CODES[finding.level] for finding in findings), default=0)


def as_text(findings: Sequence[Finding]) -> str:
    """Return a line for each finding, and one below it with what to do."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.level:4}  {finding.check:{_CHECK_WIDTH}}  {finding.message}")
        if finding.advice:
            lines.append(f"{'':4}  {'':{_CHECK_WIDTH}}  -> {finding.advice}")
    # A path may hold what is not UTF-8.
    return "\n".join(lines).encode("utf-8", "backslashreplace").decode() + "\n"


def as_json(findings: Sequence[Finding]) -> str:
    """Return ``{"exit_code": 0, "findings": [{"level": "ok", "check": …}]}``, indented."""
    # The standard library's: it writes numbers of any length, and paths that are not UTF-8.
    report = {"exit_code": exit_code(findings), "findings": [asdict(each) for each in findings]}
    return json.dumps(report, indent=2) + "\n"
