"""What an OTLP request brought, as batches for the writer, one a project.

What cannot be kept is refused alone and stands in ``rejects``, because most exporters never look
into an answer. A fault of ours in one span costs that span its place, and no other.
"""

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

import msgspec

from headway.records import Score, Span
from headway_collector.costs.pricing import Prices
from headway_collector.decoding import Form, Reject, cut_reject
from headway_collector.dialects.evaluations import (
    EVALUATION_EVENT,
    find_response_id,
    find_scores,
    read_evaluation,
)
from headway_collector.dialects.mapping import (
    PROJECT_ATTRIBUTE,
    Mapped,
    is_pending,
    map_span,
    project_of,
)
from headway_collector.limits import CAPS, MAX_CUT_BYTES, MAX_REFUSED_BYTES, Caps
from headway_collector.otlp.answers import Outcome, join_reasons
from headway_collector.otlp.checks import show
from headway_collector.otlp.telemetry import (
    Attributes,
    OtelLog,
    OtelSpan,
    Refused,
    Resource,
    Scope,
    Telemetry,
)
from headway_collector.sizes import find_size_fault
from headway_collector.soundness import are_sound, find_score_fault, find_span_fault
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.columns import build_ahead

_GENAI_EVENTS = "gen_ai."
_NO_EVALUATION = (
    "an evaluation needs gen_ai.evaluation.name, a score.value or score.label, "
    "and the ids of a span, a session or a response"
)
_NO_CALL = "no call of this project within the month has gen_ai.response.id"
_NO_SPAN = "a GenAI event without a trace id and a span id belongs to no span"

T = TypeVar("T")

FindCalls = Callable[[str, Sequence[str], Sequence[int]], dict[str, tuple[str, str]]]
"""Return the trace and span of responses by their ids: of a project, at about these times."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Ignored:
    """How much was taken and not kept, because it is not what this collector is for."""

    log_records: int = 0
    data_points: int = 0

    def add(self, others: "Ignored") -> None:
        """Count others too."""
        self.log_records += others.log_records
        self.data_points += others.data_points


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be written, and what is to be answered once it is."""

    batches: list[Batch]
    outcome: Outcome
    ignored: Ignored = field(default_factory=Ignored)


def export_spans(
    telemetry: Telemetry[OtelSpan],
    project: str | None,
    prices: Prices,
    map_span: Callable[[OtelSpan], Mapped] = map_span,
    caps: Caps = CAPS,
) -> Export:
    """Return spans, and the scores they carry, by project.

    Args:
        telemetry: what the request held.
        project: that of all, where the request's header names one.
        prices: what calls cost where they do not say so themselves.
        map_span: makes the canonical span of one that was sent.
        caps: how large a span and its fields may be.
    """
    sheaves = _Sheaves(project)
    sheaves.add_refused(telemetry.refused)
    found = list(_map(telemetry, map_span, sheaves))
    is_sound = are_sound([mapped.span for _, _, mapped, _ in found])
    for position, otel, mapped, scores in found:
        fault = None if is_sound else find_span_fault(mapped.span)
        if fault is not None:
            sheaves.refuse(otel, position, fault)
            continue
        fault = find_size_fault(mapped.span, caps, len(mapped.derived.otel or b""))
        if fault is not None:
            sheaves.refuse(otel, position, fault, is_too_large=True)
            continue
        sheaf = sheaves.find(otel.resource, otel.attributes)
        sheaf.spans.append(mapped.span)
        sheaf.derived.append(mapped.derived)
        for score in scores:
            fault = find_score_fault(score)
            if fault is None:
                sheaf.scores.append(score)
            else:
                sheaves.refuse_part(sheaf, position, fault, msgspec.json.encode(score))
    for sheaf in sheaves:
        prices.price(sheaf.spans, sheaf.derived)
    return sheaves.export()


def _map(
    telemetry: Telemetry[OtelSpan], map_span: Callable[[OtelSpan], Mapped], sheaves: "_Sheaves"
) -> Iterator[tuple[int, OtelSpan, Mapped, list[Score]]]:
    """Yield each span with its number, its row and its scores; what we fail on is refused."""
    has_failed = False
    for position, otel in _count(telemetry):
        if is_pending(otel):
            continue
        try:
            yield position, otel, map_span(otel), find_scores(otel)
        except Exception as error:  # whatever a stranger's attributes do to us, the others land
            if not has_failed:  # a request full of them is not to fill the log
                _log.error("a span of OTLP cannot be mapped", exc_info=error)
            has_failed = True
            sheaves.refuse(otel, position, f"the collector failed on it: {error!r}")


def export_logs(
    telemetry: Telemetry[OtelLog],
    project: str | None,
    arrived_ns: int,
    find_calls: FindCalls,
) -> Export:
    """Return GenAI events, to be joined to their spans, and evaluations, as scores, by project.

    Other log records are counted as ignored, also in the answer.

    Args:
        telemetry: what the request held.
        project: that of all, where the request's header names one.
        arrived_ns: when evaluations were made that do not say it.
        find_calls: looks up the spans of evaluations that name the response alone.
    """
    sheaves = _Sheaves(project)
    ignored = sheaves.ignored
    sheaves.add_refused(telemetry.refused)
    for position, otel in _count(telemetry):
        name = otel.event_name or otel.attributes.get("event.name")
        if not isinstance(name, str) or not name.startswith(_GENAI_EVENTS):
            ignored.log_records += 1
        elif name == EVALUATION_EVENT:
            score = read_evaluation(otel, arrived_ns)
            if score is None:
                sheaves.refuse(otel, position, _NO_EVALUATION)
            elif (response_id := find_response_id(otel)) is not None:
                sheaf = sheaves.find(otel.resource, otel.attributes)
                sheaf.unplaced.append(_Unplaced(position, otel, score, response_id))
            else:
                sheaves.add_score(otel, position, score)
        elif otel.trace_id:
            sheaves.find(otel.resource, otel.attributes).logs.append(otel)
        else:
            sheaves.refuse(otel, position, _NO_SPAN)
    sheaves.place(find_calls)
    if ignored.log_records:
        sheaves.note(f"{ignored.log_records} log records are no GenAI events and were not kept")
    return sheaves.export()


def export_metrics(point_count: int) -> Export:
    """Return nothing to write: the collector computes its metrics from spans."""
    if not point_count:
        return Export([], Outcome())
    message = f"{point_count} data points were not kept: metrics are computed from the spans"
    return Export([], Outcome(message=message), Ignored(data_points=point_count))


class _Unplaced(NamedTuple):
    """An evaluation that names the response that it is about, and not the span."""

    position: int
    otel: OtelLog
    score: Score
    response_id: str


@dataclass(frozen=True, slots=True)
class _Sheaf:
    """What one project gets of a request."""

    spans: list[Span] = field(default_factory=list)
    derived: list[Derived] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    unplaced: list[_Unplaced] = field(default_factory=list)
    logs: list[OtelLog] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class _Sheaves:
    """The sheaves of a request by project, and the reasons of what was refused."""

    def __init__(self, project: str | None) -> None:
        self._project = project
        self._sheaves: dict[str, _Sheaf] = {}
        self._resource: Resource | None = None
        self._sheaf = _Sheaf()
        self._reasons: list[str] = []
        self._notes: list[str] = []
        self._left_bytes = MAX_REFUSED_BYTES
        self.ignored = Ignored()

    def __iter__(self) -> Iterator[_Sheaf]:
        return iter(self._sheaves.values())

    def find(self, resource: Resource, attributes: Attributes) -> _Sheaf:
        # One resource has many spans, and only one dialect's name a project of their own.
        if resource is self._resource and PROJECT_ATTRIBUTE not in attributes:
            return self._sheaf
        project = project_of(resource, self._project, attributes)
        sheaf = self._sheaves.setdefault(project, _Sheaf())
        if PROJECT_ATTRIBUTE not in attributes:
            self._resource, self._sheaf = resource, sheaf
        return sheaf

    def add_score(self, otel: OtelLog, position: int, score: Score) -> None:
        fault = find_score_fault(score)
        if fault is None:
            self.find(otel.resource, otel.attributes).scores.append(score)
        else:
            self.refuse(otel, position, fault)

    def place(self, find_calls: FindCalls) -> None:
        """Add the scores whose spans can be found, or that name a session besides."""
        for project, sheaf in self._sheaves.items():
            if not sheaf.unplaced:
                continue
            ids = [each.response_id for each in sheaf.unplaced]
            calls = find_calls(project, ids, [each.score.time_ns for each in sheaf.unplaced])
            for position, otel, score, response_id in sheaf.unplaced:
                if response_id in calls:
                    score.trace_id, score.span_id = calls[response_id]
                    score.session_id = None
                elif score.session_id is None:
                    self.refuse(otel, position, f"{_NO_CALL} {show(response_id)}")
                    continue
                self.add_score(otel, position, score)

    def refuse(
        self,
        item: OtelSpan | OtelLog,
        position: int,
        reason: str,
        *,
        is_too_large: bool = False,
    ) -> None:
        rejects = self.find(item.resource, item.attributes).rejects
        self._reasons.append(f"{position}: {reason}")
        if self._left_bytes <= 0:
            rejects.append(Reject(position, reason, b"", form="cut"))
            return
        form, raw = _dump(item)
        reject = (
            cut_reject(position, reason, raw, form)
            if is_too_large
            else Reject(position, reason, raw, form=form)
        )
        self._keep(rejects, reject)

    def refuse_part(self, sheaf: _Sheaf, position: int, reason: str, raw: bytes) -> None:
        """Refuse what an item carries, and not the item, which therefore does not count."""
        self._keep(sheaf.rejects, Reject(position, reason, raw))
        self._notes.append(f"{position}: {reason}")

    def _keep(self, rejects: list[Reject], reject: Reject) -> None:
        # Each item is kept with its resource: a large one of many items would come to gigabytes.
        self._left_bytes -= len(reject.raw) + len(reject.context)
        if self._left_bytes < 0:
            size_bytes = reject.size_bytes or len(reject.raw)
            reject = Reject(reject.line, reject.reason, b"", form="cut", size_bytes=size_bytes)
        rejects.append(reject)

    def note(self, text: str) -> None:
        self._notes.append(text)

    def add_refused(self, refused: list[Refused]) -> None:
        last: tuple[Resource, Scope] | None = None
        context: bytes | None = None
        for each in refused:
            if last is None or each.resource is not last[0] or each.scope is not last[1]:
                last = (each.resource, each.scope)
                context = _pack_context(*last)
            self._keep(self.find(each.resource, {}).rejects, _make_reject(each, context))
            self._reasons.append(f"{each.position}: {each.reason}")

    def export(self) -> Export:
        batches = [_bind(project, sheaf) for project, sheaf in self._sheaves.items()]
        message = join_reasons(self._notes + self._reasons)
        return Export(batches, Outcome(len(self._reasons), message), self.ignored)


def _dump(item: OtelSpan | OtelLog) -> tuple[Form, bytes]:
    """Return an item in JSON, or in msgpack where JSON has no word for something in it."""
    kind: Literal["span", "log"] = "span" if isinstance(item, OtelSpan) else "log"
    raw = msgspec.json.encode(item)
    try:
        is_same = msgspec.json.decode(raw, type=type(item)) == item
    except msgspec.MsgspecError:
        is_same = False
    if is_same:
        return kind, raw
    packed: Form = "packed_span" if kind == "span" else "packed_log"
    return packed, msgspec.msgpack.encode(item)


def _pack_context(resource: Resource, scope: Scope) -> bytes | None:
    """Return what an item stood in, or None where that is too much to keep beside each."""
    packed = msgspec.msgpack.encode((resource, scope))
    return packed if len(packed) <= MAX_CUT_BYTES else None


def _make_reject(refused: Refused, context: bytes | None) -> Reject:
    if context is None:
        return Reject(refused.position, refused.reason, refused.raw, form="cut")
    return Reject(refused.position, refused.reason, refused.raw, form=refused.form, context=context)


def _bind(project: str, sheaf: _Sheaf) -> Batch:
    batch = Batch(
        project=project,
        spans=sheaf.spans,
        derived=sheaf.derived,
        scores=sheaf.scores,
        logs=sheaf.logs,
        rejects=sheaf.rejects,
    )
    return build_ahead(batch)


def _count(telemetry: Telemetry[T]) -> Iterator[tuple[int, T]]:
    """Number what was read as it stood in the request, between what was refused."""
    refused = {each.position for each in telemetry.refused}
    positions = (number for number in itertools.count(1) if number not in refused)
    return zip(positions, telemetry.items, strict=False)
