"""Calls with scores, sent to a real collector."""

from collections.abc import Callable
from typing import Any

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]
Log = Callable[..., None]


def span_id(number: int) -> str:
    """Return the id of a call by its number."""
    return f"{number:016x}"


def make_log(ingest: Ingest, span_line: Lines, score_line: Lines) -> Log:
    """Return what logs one call with its scores by name; the calls are numbered from 1."""
    count = 0

    def send(project: str = "p", scores: dict[str, Any] | None = None, **fields: Any) -> None:
        nonlocal count
        count += 1
        lines = [span_line(span_id=span_id(count), trace_id=f"{count:032x}", **fields)]
        for name, value in (scores or {}).items():
            ids = {"span_id": span_id(count), "trace_id": f"{count:032x}"}
            lines.append(score_line(name=name, value=value, score_id=f"{name}-{count}", **ids))
        ingest(*lines, project=project)

    return send
