"""``context``: a user, a session, tags, a place and a parent elsewhere for all spans inside."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import msgspec

from headway.contexts import ARRIVAL, CURRENT, LABELS, NO_LABELS, Labels, Remote, restore
from headway.fields import as_word, as_words, checked
from headway.lifecycle import current_client
from headway.otel_parents import OTEL, active_span, modules
from headway.reentries import Reentrant


def context(
    *,
    user: str | None = None,
    session: str | None = None,
    tags: Iterable[str] = (),
    environment: str | None = None,
    release: str | None = None,
    traceparent: str | None = None,
    tracestate: str | None = None,
    baggage: str | None = None,
) -> Reentrant:
    """Give all spans inside a user, a session, more tags, an environment, a release, a parent.

    What it returns may be entered again, also in itself and by several threads and tasks.

    Args:
        user: whoever asks.
        session: the conversation that it is part of.
        tags: more of them, beside those around.
        environment: for example ``production``.
        release: the version of your application.
        traceparent: a header that came in, which names the parent; ignored where it is malformed.
        tracestate: the header beside it.
        baggage: a header that came in, with a user, a session and tags.
    """
    # An iterator is empty the second time.
    kept = tags if not hasattr(type(tags), "__next__") else _read_once(tags)
    given = (user, session, kept, environment, release, traceparent, tracestate, baggage)
    return Reentrant(partial(_labelled, *given), LABELS.get)


@contextmanager
def _labelled(
    user: str | None,
    session: str | None,
    tags: Iterable[str],
    environment: str | None,
    release: str | None,
    traceparent: str | None,
    tracestate: str | None,
    baggage: str | None,
) -> Iterator[None]:
    client, outer = current_client(), LABELS.get()
    headers = traceparent, tracestate
    parent = checked(client.guard, "traceparent", lambda given: _as_parent(*given), headers)
    carried = checked(client.guard, "baggage", _as_labels, baggage) or NO_LABELS
    added = checked(client.guard, "tags", as_words, tags) or ()
    joined = dict.fromkeys((*outer.tags, *carried.tags, *added))
    labels = Labels(
        user=checked(client.guard, "user", as_word, user) or carried.user or outer.user,
        session=checked(client.guard, "session", as_word, session)
        or carried.session
        or outer.session,
        tags=tuple(checked(client.guard, "tags", as_words, joined) or ()),
        environment=checked(client.guard, "environment", as_word, environment) or outer.environment,
        release=checked(client.guard, "release", as_word, release) or outer.release,
    )
    token = None
    try:
        token = LABELS.set(labels)
        with nullcontext() if parent is None else _under(parent):
            yield
    finally:
        if token is None:
            # A signal handler raised in the very call.
            LABELS.set(outer)
        else:
            restore(LABELS, token)


def _read_once(tags: Any) -> list[str]:
    return checked(current_client().guard, "tags", as_words, tags) or []


@contextmanager
def _under(parent: Remote) -> Iterator[None]:
    before = CURRENT.get(), ARRIVAL.get()
    tokens = None
    try:
        tokens = CURRENT.set(parent), ARRIVAL.set(parent)
        yield
    finally:
        if tokens is None:
            CURRENT.set(before[0])
            ARRIVAL.set(before[1])
        else:
            restore(CURRENT, tokens[0])
            restore(ARRIVAL, tokens[1])


def _as_parent(traceparent: str | None, tracestate: str | None) -> Remote | None:
    if not traceparent:
        return None
    # Here and not above: most programs get no such header, and `import headway` would pay for it.
    from headway.propagation import read_traceparent

    parent = read_traceparent(traceparent, tracestate or "")
    if parent is None or OTEL not in modules:
        return parent
    active = active_span()
    if active is not None and active.trace_id == parent.trace_id:
        # OpenTelemetry read the same header and is further inside.
        return active
    return msgspec.structs.replace(parent, otel_id=active.otel_id if active else 0)


def _as_labels(baggage: str | None) -> Labels:
    if not baggage:
        return NO_LABELS
    from headway.propagation import read_baggage

    return read_baggage(baggage)
