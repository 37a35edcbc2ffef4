"""Headers that tell other services whose child their work is, and for whom it is done.

Every host may know the ids of a trace: they are random. Users, sessions and tags are for those
alone that the setting ``baggage_hosts`` names, because an e-mail address in a header would go to
every provider of models there is. The collector gets neither.
"""

from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from headway.contexts import CURRENT, LABELS, NO_LABELS
from headway.lifecycle import current_client
from headway.otel_parents import here
from headway.propagation import write_baggage, write_traceparent

_PORTS = {"http": 80, "https": 443}


def headers(*, baggage: bool = False) -> dict[str, str]:
    """Return the headers that make another service's spans children of the current one.

    Args:
        baggage: also the user, the session and the tags: for services of your own.
    """
    written: dict[str, str] = {}
    parent, labels = here(), LABELS.get()
    if (parent is None and labels is NO_LABELS) or not current_client().is_recording:
        return written
    if parent is not None:
        written["traceparent"] = write_traceparent(parent)
        if parent.state:
            written["tracestate"] = parent.state
    if baggage and labels is not NO_LABELS and (carried := write_baggage(labels)):
        written["baggage"] = carried
    return written


def headers_for(scheme: str, host: str, port: int | None) -> dict[str, str]:
    """Return the headers that a request to this host is to have.

    Args:
        scheme: ``http`` or ``https``.
        host: its name or address.
        port: None for the scheme's own.
    """
    if CURRENT.get() is None and LABELS.get() is NO_LABELS:
        # What only OpenTelemetry follows is for OpenTelemetry to tell.
        return {}
    written = headers(baggage=True)
    if not written:
        return written
    settings = current_client().settings
    host = host.strip("[]").lower()
    place = host, port or _PORTS.get(scheme)
    if place == _place_of(settings.url):
        return {}
    if not _is_among(host, settings.trace_hosts):
        written.pop("traceparent", None)
        written.pop("tracestate", None)
    if not _is_among(host, settings.baggage_hosts):
        written.pop("baggage", None)
    return written


def _is_among(host: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(host, pattern) for pattern in patterns)


def _place_of(url: str) -> tuple[str, int | None]:
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)
