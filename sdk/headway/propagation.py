"""W3C's ``traceparent`` and ``baggage``, as texts and as what they say.

    traceparent: 00-0199c1d5a83f73f28b1c44d0e8aa71c5-7ac35c9f7be2f2b1-01
    baggage: headway.user=ada%40example.org,headway.session=s1,headway.tags=beta%2Cgold

Headers come from strangers. One that does not keep to the form says nothing, as W3C has it, and
what it says is no longer than a span's field. What is too long to be sent is left out whole,
because half of somebody's name is somebody else.
"""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_plus

from headway.contexts import NO_LABELS, Labels, Remote
from headway.fields import as_word, as_words

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
_LONGEST_STATE = 512
_LONGEST_BAGGAGE = 8192
_LONGEST_ENTRY = 1024
_MOST_ENTRIES = 180
_MOST_TAGS = 64
_USER, _SESSION, _TAGS = "headway.user", "headway.session", "headway.tags"


def read_traceparent(text: str, state: str = "") -> Remote | None:
    """Return the span that a ``traceparent`` names, or None where it names none.

    Args:
        text: the header.
        state: the ``tracestate`` beside it.
    """
    found = _TRACEPARENT.fullmatch(text.strip(" \t"))
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    is_unknown = version == "ff" or (version == "00" and more is not None)
    if is_unknown or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    is_sampled = bool(int(flags, 16) & _SAMPLED)
    return Remote(trace_id, span_id, is_sampled, _checked_state(state))


def write_traceparent(remote: Remote) -> str:
    """Return the header that names a span."""
    return f"00-{remote.trace_id}-{remote.span_id}-{'01' if remote.is_sampled else '00'}"


def read_baggage(text: str) -> Labels:
    """Return the user, the session and the tags that a ``baggage`` names."""
    if len(text) > _LONGEST_BAGGAGE or "headway." not in text:
        return NO_LABELS
    said: dict[str, str] = {}
    for entry in text.split(",", _MOST_ENTRIES)[:_MOST_ENTRIES]:
        # What stands behind a semicolon are properties, of which we know none.
        name, is_pair, value = entry.partition(";")[0].partition("=")
        if is_pair and (name := name.strip()) in (_USER, _SESSION, _TAGS):
            # OpenTelemetry's propagator writes a space as a plus.
            said.setdefault(name, unquote_plus(value.strip(), errors="replace"))
    tags = filter(None, said.get(_TAGS, "").split(","))
    return Labels(
        user=as_word(said.get(_USER) or None),
        session=as_word(said.get(_SESSION) or None),
        tags=tuple(as_words([unquote_plus(tag) for tag in tags][:_MOST_TAGS])),
    )


def write_baggage(labels: Labels) -> str:
    """Return the header that carries the user, the session and the tags; empty without any."""
    entries = {_USER: labels.user or "", _SESSION: labels.session or "", _TAGS: _joined(labels)}
    written = (f"{name}={quote(value, safe='')}" for name, value in entries.items() if value)
    return ",".join(entry for entry in written if len(entry) <= _LONGEST_ENTRY)


def add_baggage(given: str, ours: str) -> str:
    """Return a ``baggage`` with ours at its end, unless it has some or would be too long."""
    if not given or not ours or "headway." in given:
        return given or ours
    joined = f"{given},{ours}"
    return joined if len(joined) <= _LONGEST_BAGGAGE else given


def _joined(labels: Labels) -> str:
    # Separated by commas, so those inside a tag are written in another way.
    kept: Iterable[str] = (tag.replace("%", "%25").replace(",", "%2C") for tag in labels.tags)
    joined = ""
    for tag in kept:
        longer = f"{joined},{tag}" if joined else tag
        if len(quote(longer, safe="")) + len(_TAGS) < _LONGEST_ENTRY:
            joined = longer
    return joined


def _checked_state(state: str) -> str:
    state = state.strip(" \t")
    is_fit = len(state) <= _LONGEST_STATE and state.isascii() and state.isprintable()
    return state if is_fit else ""
