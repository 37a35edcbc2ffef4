"""What the shipper does with a journal, by hand and without a collector."""

from headway.journals import Journal
from headway.segments import Segment


def ship(journal: Journal, segment: Segment) -> list[bytes]:
    """Acknowledge the oldest records of a segment, and return them."""
    extract = segment.read(100, 1 << 20)
    journal.acknowledge(segment, extract.stops[-1], len(extract.payloads))
    return list(extract.payloads)


def ship_all(journal: Journal) -> list[bytes]:
    """Acknowledge everything that waits, and return it."""
    shipped: list[bytes] = []
    while (segment := journal.oldest()) is not None:
        shipped += ship(journal, segment)
    return shipped
