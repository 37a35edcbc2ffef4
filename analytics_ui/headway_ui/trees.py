"""The spans of a trace as the rows of an indented tree, each with its place in time. Pure.

Real traces are untidy: a parent may not have arrived yet, clocks of two machines disagree, and a
broken exporter can name a span its own ancestor. Every span still gets exactly one row.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from headway_ui.formats import moment

Span = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TreeRow:
    """One span in the tree.

    Args:
        depth: 0 for a root.
        offset: where it starts, as a fraction of the trace's whole time.
        width: how long it took, as such a fraction.
        is_orphan: whether it names a parent that is not in the trace.
    """

    span: Span
    depth: int
    offset: float
    width: float
    is_orphan: bool = False


def build_rows(spans: Sequence[Span]) -> list[TreeRow]:
    """Return the spans depth first, siblings by their start."""
    if not spans:
        return []
    ordered = sorted(spans, key=lambda span: (moment(span["start_time"]), span["span_id"]))
    known = {span["span_id"] for span in ordered}
    children: dict[str, list[Span]] = defaultdict(list)
    roots = []
    for span in ordered:
        parent = span.get("parent_span_id")
        if parent is not None and parent in known and parent != span["span_id"]:
            children[parent].append(span)
        else:
            roots.append(span)

    begin = moment(ordered[0]["start_time"])
    whole = max(moment(span["end_time"]) for span in ordered) - begin
    rows: list[TreeRow] = []
    seen: set[str] = set()

    def walk(top: Span) -> None:
        # A stack, because a chain of agents may be deeper than Python's recursion.
        stack = [(top, 0)]
        while stack:
            span, depth = stack.pop()
            if span["span_id"] in seen:
                continue
            seen.add(span["span_id"])
            rows.append(_row(span, depth, begin, whole, known))
            stack += [(child, depth + 1) for child in reversed(children[span["span_id"]])]

    for root in roots:
        walk(root)
    # What is left hangs on a circle of parents; it begins with its oldest span.
    for span in ordered:
        if span["span_id"] not in seen:
            walk(span)
    return rows


def find_root(spans: Sequence[Span]) -> Span:
    """Return the span that stands for the trace: its first root, or its first row."""
    return build_rows(spans)[0].span


def total_ms(spans: Sequence[Span]) -> float:
    """Return the time from the first start to the last end, in milliseconds."""
    begin = min(moment(span["start_time"]) for span in spans)
    return (max(moment(span["end_time"]) for span in spans) - begin).total_seconds() * 1000


def _row(span: Span, depth: int, begin: datetime, whole: timedelta, known: set[str]) -> TreeRow:
    start, end = moment(span["start_time"]), moment(span["end_time"])
    parent = span.get("parent_span_id")
    return TreeRow(
        span,
        depth,
        offset=(start - begin) / whole if whole else 0.0,
        width=max(end - start, timedelta(0)) / whole if whole else 1.0,
        is_orphan=parent is not None and parent not in known,
    )
