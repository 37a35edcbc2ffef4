"""Log events and their spans for tests of the joining: batches, and what a store says of them."""

from collections.abc import Callable
from typing import Any

import msgspec

from headway.records import Span
from headway_collector.dialects.mapping import map_span
from headway_collector.otlp.telemetry import OtelLog, OtelSpan
from headway_collector.remapping import Remapper
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.connections import Store
from headway_collector.store.late import LateEvents
from headway_collector.store.writes import append_batches

DAY_NS = 86_400_000_000_000
HOUR_NS = DAY_NS // 24
START_NS = 1_763_800_000_000_000_000
TRACE, SPAN = "ab" * 16, "cd" * 8

Commit = Callable[..., None]


def make_commit(store: Store) -> Commit:
    """Return what writes batches in one transaction, as the writer does."""
    late = LateEvents(Remapper().reread, DAY_NS)

    def write(*batches: Batch, now_ns: int = START_NS) -> None:
        with store.transaction() as connection:
            append_batches(connection, batches, now_ns)
            late.join(connection, batches, now_ns)

    return write


def span_batch(**fields: Any) -> Batch:
    otel = OtelSpan(
        **{
            "trace_id": TRACE,
            "span_id": SPAN,
            "name": "chat gpt-4o",
            "start_ns": START_NS,
            "end_ns": START_NS + HOUR_NS,
            "attributes": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"},
            **fields,
        }
    )
    mapped = map_span(otel)
    return Batch("p", None, [mapped.span], [mapped.derived])


def native_batch() -> Batch:
    span = Span(trace_id=TRACE, span_id=SPAN, name="mine", start_ns=START_NS, end_ns=START_NS + 1)
    span.input = msgspec.Raw(b'"as we logged it"')
    return Batch("p", None, [span], [Derived()])


def user_event(text: str = "where is my parcel?", **fields: Any) -> OtelLog:
    return OtelLog(
        **{
            "time_ns": START_NS + 1,
            "event_name": "gen_ai.user.message",
            "body": {"content": text},
            "trace_id": TRACE,
            "span_id": SPAN,
            **fields,
        }
    )


def choice_event(text: str = "on its way", **fields: Any) -> OtelLog:
    message = {"role": "assistant", "content": text}
    return user_event(
        event_name="gen_ai.choice",
        time_ns=START_NS + 2,
        body={"index": 0, "finish_reason": "stop", "message": message},
        **fields,
    )


def log_batch(*logs: OtelLog) -> Batch:
    return Batch("p", logs=logs)


def rows(store: Store) -> list[dict[str, Any]]:
    return store.read("SELECT * EXCLUDE start_time FROM store.spans ORDER BY start_ns, span_id")


def row(store: Store) -> dict[str, Any]:
    (only,) = rows(store)
    return only


def said(store: Store) -> list[Any]:
    """Return the texts of the one span's messages, in order."""
    only = row(store)
    messages = [msgspec.json.decode(only[name] or "[]") for name in ("input", "output")]
    return [part["content"] for each in messages for m in each for part in m["parts"]]


def waiting(store: Store) -> int:
    return int(store.read("SELECT count(*) AS n FROM store.late_events")[0]["n"])


def list_duplicates(store: Store) -> list[dict[str, Any]]:
    """Return the spans that are there twice; no test may leave any."""
    return store.read(
        "SELECT project, trace_id, span_id FROM store.spans GROUP BY ALL HAVING count(*) > 1"
    )
