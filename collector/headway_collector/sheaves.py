"""What a request of OTLP brought, gathered by project, and why the rest of it was refused.

What is refused stands in ``rejects`` beside what was kept of its project, as it was sent, until the
request's share of room for it is full.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from headway.records import Score, Span
from headway_collector.decoding import Form, Reject, cut_reject
from headway_collector.dialects.mapping import PROJECT_ATTRIBUTE, project_of
from headway_collector.limits import MAX_CUT_BYTES, MAX_REFUSED_BYTES
from headway_collector.otlp.answers import Outcome, join_reasons
from headway_collector.otlp.checks import show
from headway_collector.otlp.telemetry import (
    Attributes,
    OtelLog,
    OtelSpan,
    Refused,
    Resource,
    Scope,
)
from headway_collector.soundness import find_score_fault
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.columns import build_ahead

_NO_CALL = "no call of this project within the month has gen_ai.response.id"

FindCalls = Callable[[str, Sequence[str], Sequence[int]], dict[str, tuple[str, str]]]
"""Return the trace and span of responses by their ids: of a project, at about these times."""


class Unplaced(NamedTuple):
    """An evaluation that names the response that it is about, and not the span."""

    position: int
    otel: OtelLog
    score: Score
    response_id: str


@dataclass(frozen=True, slots=True)
class Sheaf:
    """What one project gets of a request."""

    spans: list[Span] = field(default_factory=list)
    derived: list[Derived] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    unplaced: list[Unplaced] = field(default_factory=list)
    logs: list[OtelLog] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class Sheaves:
    """The sheaves of a request by project, and the reasons of what was refused."""

    def __init__(self, project: str | None) -> None:
        self._project = project
        self._sheaves: dict[str, Sheaf] = {}
        self._resource: Resource | None = None
        self._sheaf = Sheaf()
        self._reasons: list[str] = []
        self._notes: list[str] = []
        self._left_bytes = MAX_REFUSED_BYTES

    def __iter__(self) -> Iterator[Sheaf]:
        return iter(self._sheaves.values())

    def find(self, resource: Resource, attributes: Attributes) -> Sheaf:
        """Return the sheaf of the project that an item is of."""
        # One resource has many spans, and only one dialect's name a project of their own.
        if resource is self._resource and PROJECT_ATTRIBUTE not in attributes:
            return self._sheaf
        project = project_of(resource, self._project, attributes)
        sheaf = self._sheaves.setdefault(project, Sheaf())
        if PROJECT_ATTRIBUTE not in attributes:
            self._resource, self._sheaf = resource, sheaf
        return sheaf

    def add_score(self, otel: OtelLog, position: int, score: Score) -> None:
        """Add the score that a log record is, or refuse it."""
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
        """Refuse an item; of one that is too large a beginning is kept."""
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

    def refuse_part(self, sheaf: Sheaf, position: int, reason: str, raw: bytes) -> None:
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
        """Say something in the answer that is no refusal."""
        self._notes.append(text)

    def add_refused(self, refused: list[Refused]) -> None:
        """Refuse what could not be read."""
        last: tuple[Resource, Scope] | None = None
        context: bytes | None = None
        for each in refused:
            if last is None or each.resource is not last[0] or each.scope is not last[1]:
                last = (each.resource, each.scope)
                context = _pack_context(*last)
            self._keep(self.find(each.resource, {}).rejects, _make_reject(each, context))
            self._reasons.append(f"{each.position}: {each.reason}")

    def bind(self) -> list[Batch]:
        """Return what is to be written."""
        return [_bind(project, sheaf) for project, sheaf in self._sheaves.items()]

    def conclude(self) -> Outcome:
        """Return what is to be answered once it is written."""
        return Outcome(len(self._reasons), join_reasons(self._notes + self._reasons))


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


def _bind(project: str, sheaf: Sheaf) -> Batch:
    batch = Batch(
        project=project,
        spans=sheaf.spans,
        derived=sheaf.derived,
        scores=sheaf.scores,
        logs=sheaf.logs,
        rejects=sheaf.rejects,
    )
    return build_ahead(batch)
