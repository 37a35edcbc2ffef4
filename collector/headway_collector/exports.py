"""What an OTLP request brought, as batches for the writer, one a project.

What cannot be kept is refused alone and stands in ``rejects``, because most exporters never look
into an answer. A fault of ours in one span costs that span its place, and no other.
"""

import itertools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from headway.records import Score
from headway_collector.costs.pricing import Prices
from headway_collector.dialects.evaluations import (
    EVALUATION_EVENT,
    find_response_id,
    find_scores,
    read_evaluation,
)
from headway_collector.dialects.mapping import Mapped, is_pending, map_span
from headway_collector.limits import CAPS, Caps
from headway_collector.otlp.answers import Outcome
from headway_collector.otlp.telemetry import OtelLog, OtelSpan, Telemetry
from headway_collector.sheaves import FindCalls, Sheaves, Unplaced
from headway_collector.sizes import find_size_fault
from headway_collector.soundness import are_sound, find_score_fault, find_span_fault
from headway_collector.store.batches import Batch

_GENAI_EVENTS = "gen_ai."
_NO_EVALUATION = (
    "an evaluation needs gen_ai.evaluation.name, a score.value or score.label, "
    "and the ids of a span, a session or a response"
)
_NO_SPAN = "a GenAI event without a trace id and a span id belongs to no span"

T = TypeVar("T")

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
    sheaves = Sheaves(project)
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
    return Export(sheaves.bind(), sheaves.conclude())


def _map(
    telemetry: Telemetry[OtelSpan], map_span: Callable[[OtelSpan], Mapped], sheaves: Sheaves
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
    sheaves = Sheaves(project)
    ignored = Ignored()
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
                sheaf.unplaced.append(Unplaced(position, otel, score, response_id))
            else:
                sheaves.add_score(otel, position, score)
        elif otel.trace_id:
            sheaves.find(otel.resource, otel.attributes).logs.append(otel)
        else:
            sheaves.refuse(otel, position, _NO_SPAN)
    sheaves.place(find_calls)
    if ignored.log_records:
        sheaves.note(f"{ignored.log_records} log records are no GenAI events and were not kept")
    return Export(sheaves.bind(), sheaves.conclude(), ignored)


def export_metrics(point_count: int) -> Export:
    """Return nothing to write: the collector computes its metrics from spans."""
    if not point_count:
        return Export([], Outcome())
    message = f"{point_count} data points were not kept: metrics are computed from the spans"
    return Export([], Outcome(message=message), Ignored(data_points=point_count))


def _count(telemetry: Telemetry[T]) -> Iterator[tuple[int, T]]:
    """Number what was read as it stood in the request, between what was refused."""
    refused = {each.position for each in telemetry.refused}
    positions = (number for number in itertools.count(1) if number not in refused)
    return zip(positions, telemetry.items, strict=False)
