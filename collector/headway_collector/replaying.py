"""What was refused, read again with the readers, mappers and limits of today.

A chunk is read and decoded beside the writer, and written by it in one transaction: what lands
leaves the rejects there, and what does not gets the reason of today. Whatever was replayed by
somebody else in the meantime is left alone, and a span that is stored already is a duplicate.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import duckdb
import msgspec

from headway.records import IngestAnswer
from headway_collector.callers import Caller
from headway_collector.costs.pricing import Prices
from headway_collector.decoding import decode_records
from headway_collector.errors import RequestError
from headway_collector.exports import export_logs, export_spans
from headway_collector.limits import CAPS, Caps
from headway_collector.otlp import json_bodies, protobufs
from headway_collector.otlp.checks import UnreadableError, find_log_fault, find_span_fault
from headway_collector.otlp.telemetry import OtelLog, OtelSpan, Resource, Scope, Telemetry
from headway_collector.sheaves import FindCalls
from headway_collector.store.audit import save_action
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.rejects import (
    StoredReject,
    drop_rejects,
    find_present,
    restate_rejects,
)

REPLAYED_ROWS = 500
"""About as many as half a second is enough for."""

Append = Callable[[duckdb.DuckDBPyConnection, Sequence[Batch]], list[IngestAnswer]]
"""Writes batches within a transaction, as those of requests are written."""

_SPANS = msgspec.json.Decoder(OtelSpan)
_LOGS = msgspec.json.Decoder(OtelLog)
_PACKED_SPANS = msgspec.msgpack.Decoder(OtelSpan)
_PACKED_LOGS = msgspec.msgpack.Decoder(OtelLog)
_CONTEXTS = msgspec.msgpack.Decoder(tuple[Resource, Scope])

_log = logging.getLogger(__name__)


class Replayed(msgspec.Struct):
    """What came of one chunk; without a cursor it was the last.

    Args:
        rows: how many rejects were read again.
        landed: how many of them are no longer rejects.
        failed: how many stay, with the reason of today.
    """

    cursor: str | None
    rows: int
    landed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Reread:
    """A chunk of rejects as they are read today.

    Args:
        batches: what lands, by the id of its reject.
        reasons: why the others are refused.
    """

    batches: dict[str, Batch] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


class Replayer:
    """Reads rejects again.

    Args:
        prices: what calls cost where they do not say so themselves.
        find_calls: looks up the spans of evaluations that name the response alone.
        caps: how large a record may be today.
    """

    def __init__(self, prices: Prices, find_calls: FindCalls, caps: Caps = CAPS) -> None:
        self._prices = prices
        self._find_calls = find_calls
        self._caps = caps

    def reread(self, rejects: Sequence[StoredReject]) -> Reread:
        """Return what the rejects hold, for a thread that may take a while."""
        reread = Reread()
        for reject in rejects:
            try:
                batch = self._read(reject)
            except (RequestError, UnreadableError) as error:
                reread.reasons[reject.reject_id] = str(error)
            except Exception as error:  # one that breaks us again must not hold up the others
                _log.error("reject %s cannot be read again", reject.reject_id, exc_info=error)
                said = f"the collector failed on it again: {type(error).__name__}"
                reread.reasons[reject.reject_id] = said
            else:
                if batch.row_count > len(batch.rejects):
                    reread.batches[reject.reject_id] = batch
                else:
                    said = batch.rejects[0].reason if batch.rejects else "it holds nothing to keep"
                    reread.reasons[reject.reject_id] = said
        return reread

    def _read(self, reject: StoredReject) -> Batch:
        form = reject.form or guess_form(reject.raw)
        if form == "record":
            return self._read_record(reject)
        if form.endswith("span"):
            span = self._read_span(form, reject)
            fault = find_span_fault(span)
            if fault is not None:
                raise UnreadableError(fault)
            spans = Telemetry([span], [])
            export = export_spans(spans, reject.project, self._prices, caps=self._caps)
        elif form.endswith("log"):
            log = self._read_log(form, reject)
            fault = find_log_fault(log)
            if fault is not None:
                raise UnreadableError(fault)
            logs = Telemetry([log], [])
            export = export_logs(logs, reject.project, reject.received_ns, self._find_calls)
        else:
            raise UnreadableError("only its beginning was kept, or nobody knows what it is")
        return export.batches[0] if export.batches else Batch(reject.project)

    def _read_record(self, reject: StoredReject) -> Batch:
        decoded = decode_records(reject.raw, self._caps)
        derived = [Derived() for _ in decoded.spans]
        self._prices.price(decoded.spans, derived)
        return Batch(
            project=reject.project,
            spans=decoded.spans,
            derived=derived,
            scores=decoded.scores,
            prompts=decoded.prompts,
            losses=decoded.losses,
            rejects=decoded.rejects,
        )

    @staticmethod
    def _read_span(form: str, reject: StoredReject) -> OtelSpan:
        if form == "span":
            return _SPANS.decode(reject.raw)
        if form == "packed_span":
            return _PACKED_SPANS.decode(reject.raw)
        read = protobufs.read_span if form == "protobuf_span" else json_bodies.read_span
        return read(reject.raw, *_CONTEXTS.decode(reject.context))

    @staticmethod
    def _read_log(form: str, reject: StoredReject) -> OtelLog:
        if form == "log":
            return _LOGS.decode(reject.raw)
        if form == "packed_log":
            return _PACKED_LOGS.decode(reject.raw)
        read = protobufs.read_log if form == "protobuf_log" else json_bodies.read_log
        return read(reject.raw, *_CONTEXTS.decode(reject.context))


def make_task(
    rejects: Sequence[StoredReject],
    reread: Reread,
    *,
    append: Append,
    caller: Caller,
    cursor: str | None,
    time_ns: int,
) -> Callable[[duckdb.DuckDBPyConnection], Replayed]:
    """Return what the writer does with a chunk that was read again.

    Args:
        rejects: the chunk.
        reread: what it holds.
        append: the writer's own way to write batches.
        caller: who asked for it, for the audit.
        cursor: of the next chunk.
        time_ns: now.
    """
    return partial(
        _write,
        rejects=rejects,
        reread=reread,
        append=append,
        caller=caller,
        cursor=cursor,
        time_ns=time_ns,
    )


def _write(
    connection: duckdb.DuckDBPyConnection,
    rejects: Sequence[StoredReject],
    reread: Reread,
    append: Append,
    caller: Caller,
    cursor: str | None,
    time_ns: int,
) -> Replayed:
    present = find_present(connection, [each.reject_id for each in rejects])
    landing = {key: batch for key, batch in reread.batches.items() if key in present}
    if landing:
        append(connection, list(landing.values()))
        drop_rejects(connection, list(landing))
    failing = {key: reason for key, reason in reread.reasons.items() if key in present}
    restate_rejects(connection, failing)
    projects = sorted({each.project for each in rejects if each.reject_id in present})
    for project in projects:
        counts = {
            name: sum(each.project == project and each.reject_id in some for each in rejects)
            for name, some in (("landed", landing), ("failed", failing))
        }
        save_action(connection, "rejects.replay", caller, project, counts, time_ns)
    return Replayed(cursor, len(present), len(landing), len(failing))


def guess_form(raw: bytes) -> str:
    """Return what a reject is that an older collector kept without saying so."""
    try:
        said = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return "record" if raw.lstrip().startswith(b"{") else "cut"
    if "type" in said:
        return "record"
    if {"trace_id", "span_id", "start_ns", "end_ns", "resource"} <= said.keys():
        return "span"
    if {"event_name", "resource"} <= said.keys():
        return "log"
    # A span in OTLP's JSON was kept without its resource, which says where it belongs.
    return "cut" if "traceId" in said else "record"
