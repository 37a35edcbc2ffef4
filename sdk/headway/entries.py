"""A span that is made once and entered often: each entry is one of its own.

    STEP = headway.span("step", kind="tool")

    async def job(number):
        with STEP as span:
            span.output = await work(number)

The first entry is the span that was made, begun where and when it is entered; the others are made
like it. As in ``reentries``, whoever leaves is found by what is current where he leaves.
"""

from typing import TYPE_CHECKING, Any

from headway.calls import begin_here, place
from headway.contexts import CURRENT

if TYPE_CHECKING:
    from headway.clients import Client


def begin_entry(span: Any, client: "Client") -> None:
    """Have a span that was made earlier begin where it is entered first.

    Args:
        span: recorded by nobody yet.
        client: the present one, which is another where it was made at import, before ``init``.
    """
    made_by, made_at = span._client, span._made_at
    # One of the past, or of the future, begins when it was said to.
    is_timed = span._shift_ns != 0
    if client is made_by and made_at == place():
        if not is_timed:
            span.record.start_ns = span.record.end_ns = client.clock_ns()
        return
    span._client, span._is_open, span.verdict = client, client.is_recording, None
    if not is_timed:
        begin_here(client, span.record, made_by, made_at)
        span.trace_id = span.record.trace_id
    span.decide_sampling()


def keep_for_others(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a span that also hold for its other entries, as they are now."""
    # What went in and came out is of one call, and not kept alive beyond it.
    fields.pop("input", None)
    fields.pop("output", None)
    for name in ("attributes", "scores"):
        if type(given := fields.get(name)) is dict:
            fields[name] = given.copy()
    return fields


def take_entry(origin: Any, entries: list[Any]) -> Any:
    """Return the open entry of a span that is left here, and take it from the list of them.

    Args:
        origin: the span, which is the first entry itself.
        entries: the others that are open.
    """
    seen: Any = CURRENT.get()
    while seen is not None and not _is_open_entry(seen, origin):
        # Whoever went without leaving stands in between.
        seen = getattr(getattr(seen, "_token", None), "old_value", None)
    if seen is None:
        seen = entries[-1] if entries else origin
    # By identity: another thread may have taken it.
    entries[:] = [each for each in entries if each is not seen]
    return seen


def _is_open_entry(seen: Any, origin: Any) -> bool:
    is_entry = seen is origin or getattr(seen, "_origin", None) is origin
    return is_entry and seen._token is not None
