"""Some records on their way to the collector, until each has arrived or is known to be lost.

A batch that is too large, or that holds what the collector cannot take, is halved until it is
found which record it is: of a thousand records, one costs twenty requests and only itself.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from headway.layouts import Extract, Header
from headway.losses import Lost, make_reports
from headway.transports import Batch, Reply, Transport

MAX_RECORDS = 1000
MAX_BYTES = 4 << 20
_PROMPT = b'{"type":"prompt"'
_STRANGER = "that is no Headway collector, set HEADWAY_URL"


class Receipt(msgspec.Struct, frozen=True):
    """What became of some records, which need no more care.

    Args:
        stop: where in the segment the next record stands.
        count: how many they were, the lost ones among them.
        reason: why some are lost; empty where none is.
    """

    stop: int
    count: int
    payload_bytes: int
    lost: int = 0
    reason: str = ""
    message: str = ""


def deliver(
    transport: Transport, header: Header, extract: Extract, timeout_s: Callable[[], float]
) -> Iterator[Receipt | Reply]:
    """Send the records, and yield receipts in their order; a reply at the end is a failure."""
    waiting = [extract]
    while waiting:
        part = waiting.pop()
        stop = part.stops[-1]
        batch_id = f"{header.segment_id}:{part.start}-{stop}"
        sent = len(part.payloads)
        reply = transport.send(Batch(header.project, batch_id, part.payloads, timeout_s()))
        reply = _checked(reply, at_least=sent, at_most=sent)
        if sent > 1 and (reply.is_too_large or reply.is_refused):
            waiting.extend(reversed(part.halves()))
        elif reply.is_final:
            yield _receipt(part, reply)
        else:
            yield reply
            return


def tell(
    transport: Transport,
    losses: Sequence[Lost],
    *,
    client_id: str,
    host: str,
    pid: int,
    timeout_s: Callable[[], float],
) -> Iterator[Sequence[Lost] | Reply]:
    """Tell the collector what one process lost, and yield what it knows; a reply is a failure.

    They travel by themselves: a collector that does not take them takes the records all the same.
    """
    for report in make_reports(losses, client_id=client_id, host=host, pid=pid):
        reply = transport.send(Batch(report.project, report.batch_id, report.lines, timeout_s()))
        reply = _checked(reply, at_least=0, at_most=len(report.lines))
        if not reply.is_final:
            yield reply
            return
        yield report.losses


def _checked(reply: Reply, *, at_least: int, at_most: int) -> Reply:
    # Losses are counted in none of the three, unless they are rejected.
    if reply.answer is None:
        return reply
    counts = reply.answer.accepted, reply.answer.duplicates, reply.answer.rejected
    if min(counts) >= 0 and at_least <= sum(counts) <= at_most:
        return reply
    message = f"{at_most} records were sent, and {sum(counts)} answered for: {_STRANGER}"
    return Reply(reply.status, message=message)


def _receipt(part: Extract, reply: Reply) -> Receipt:
    stop, count, size = part.stops[-1], len(part.payloads), sum(map(len, part.payloads))
    if reply.answer is None:
        reason = "too_large" if reply.is_too_large else "refused"
        return Receipt(stop, count, size, 1, reason, f"a call was dropped: {reply.message}")
    errors = [each for each in reply.answer.errors if not _is_prompt(part, each.line)]
    # A collector older than this client knows no templates, and no call is lost with one.
    rejected = reply.answer.rejected - (len(reply.answer.errors) - len(errors))
    if rejected < 1:
        return Receipt(stop, count, size)
    reasons = "; ".join(error.reason for error in errors[:3])
    return Receipt(stop, count, size, rejected, "rejected", f"{rejected} calls rejected: {reasons}")


def _is_prompt(part: Extract, line: int) -> bool:
    return 0 < line <= len(part.payloads) and part.payloads[line - 1].startswith(_PROMPT)
