"""What runs, as little of it as a record needs: begun with its ids, its parent and its labels.

A call of an observed function stays like this unless somebody asks for its span: then
``tracing`` makes one around it.
"""

from typing import TYPE_CHECKING, Any

import msgspec

from headway.contexts import CURRENT, LABELS, NO_LABELS, Ancestor, Labels
from headway.otel_parents import OTEL, innermost, modules
from headway.records import Span

if TYPE_CHECKING:
    from headway.clients import Client


Place = tuple[Ancestor | None, Labels]
"""Where something is made: under what, and with which labels."""

_LABELLED = ("user_id", "session_id", "tags", "environment", "release")


class Call(msgspec.Struct, gc=False):
    """A call that runs: the parent of all that it calls, and its record so far.

    ``span`` is set as soon as somebody looks at it, ``verdict`` where traces are sampled.
    """

    trace_id: str
    span_id: str
    record: Span
    span: Any = None
    otel_id: int = 0
    verdict: Any = None


def begin(client: "Client", template: Span, start_ns: int) -> Span:
    """Return a record that starts now as a child of what runs here.

    Args:
        client: whose clock, ids and settings they are.
        template: its other fields, with the environment and the release of the client.
        start_ns: when it began.
    """
    record: Span = template.__copy__()  # type: ignore[attr-defined]  # msgspec does not declare it
    parent, labels = CURRENT.get(), LABELS.get()
    if OTEL in modules:
        parent = innermost(parent)
    identities = client.identities
    if parent is None:
        record.trace_id = identities.trace_id(start_ns)
    else:
        record.trace_id, record.parent_span_id = parent.trace_id, parent.span_id
    record.span_id = identities.span_id()
    record.start_ns = record.end_ns = start_ns
    if labels is not NO_LABELS:
        _label(record, labels)
    return record


def begin_here(client: "Client", record: Span, made_by: "Client", made_at: Place) -> None:
    """Have a record that was made elsewhere begin now and here.

    What was set on it since stays, its own id as well.

    Args:
        client: whose clock, ids and settings they are.
        record: of which nothing is recorded yet.
        made_by: the client of then.
        made_at: what was current where it was made.
    """
    present, former = client.settings, made_by.settings
    here = begin(client, template_of(present.environment, present.release), client.clock_ns())
    there = template_of(former.environment, former.release)
    _label(there, made_at[1])
    record.trace_id, record.parent_span_id = here.trace_id, here.parent_span_id
    record.start_ns = record.end_ns = here.start_ns
    for name in _LABELLED:
        if getattr(record, name) == getattr(there, name):
            setattr(record, name, getattr(here, name))


def place() -> Place:
    """Return what is current here: a parent, and labels."""
    return CURRENT.get(), LABELS.get()


def _label(record: Span, labels: Labels) -> None:
    record.user_id, record.session_id = labels.user, labels.session
    record.tags = list(labels.tags)
    record.environment = labels.environment or record.environment
    record.release = labels.release or record.release


def template_of(environment: str | None, release: str | None) -> Span:
    """Return a record to begin others with."""
    return Span(
        trace_id="",
        span_id="",
        name="span",
        start_ns=0,
        end_ns=0,
        environment=environment,
        release=release,
    )
