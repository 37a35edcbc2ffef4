"""The golden fixtures: what a real emitter sends, and what has to become of it.

Each file in ``fixtures`` holds an export of spans and, where the emitter sends them, of log
records, in OTLP's JSON; ``project``, and by span id the canonical fields that are not at their
default. Ids, times and names are OTLP's own, and not repeated; null is a span that makes no row.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from headway_collector.otlp.json_bodies import read_logs, read_spans
from headway_collector.otlp.telemetry import OtelLog, OtelSpan

FOLDER = Path(__file__).parent / "fixtures"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


@dataclass(frozen=True, slots=True)
class Example:
    """What one emitter sends, read, with the log events joined to their spans."""

    spans: list[OtelSpan]
    logs: list[OtelLog]
    expected: dict[str, dict[str, Any] | None]
    project: str
    scores: list[dict[str, Any]]


def load_example(name: str) -> Example:
    """Return the fixture of that name."""
    said = json.loads((FOLDER / f"{name}.json").read_text())
    spans = read_spans(msgspec.json.encode(said["traces"])).items
    logs = read_logs(msgspec.json.encode(said["logs"])).items if "logs" in said else []
    for span in spans:
        span.logs = [
            log for log in logs if (log.trace_id, log.span_id) == (span.trace_id, span.span_id)
        ]
    return Example(spans, logs, said["spans"], said["project"], said.get("scores", []))


def make_span(attributes: dict[str, Any] | None = None, **fields: Any) -> OtelSpan:
    """Return a span of one second with the attributes."""
    start_ns = 1_795_377_600_000_000_000
    said: dict[str, Any] = {
        "trace_id": "5b8efff798038103d269b633813fc60c",
        "span_id": "eee19b7ec3c1b001",
        "name": "step",
        "start_ns": start_ns,
        "end_ns": start_ns + 1_000_000_000,
        "attributes": attributes or {},
    }
    return OtelSpan(**(said | fields))
