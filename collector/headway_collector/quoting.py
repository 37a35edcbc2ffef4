"""Drift cards and heat maps that may quote erased calls, by the windows that they were made of."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa

from headway_collector.drifting import HEATMAP, HeatRequest
from headway_collector.errors import InvalidRequestError
from headway_collector.schemas.drift import read_filters, read_kept
from headway_collector.store.connections import Store
from headway_collector.store.filters import SpanFilters
from headway_collector.store.quotations import find_holding, read_card_windows, read_requests

Windows = list[SpanFilters] | None
"""None where what was asked cannot be read any more: it may have held anything."""


def find_quoting(store: Store, gone: pa.Table) -> tuple[list[str], list[str]]:
    """Return the ids of cards, and of jobs, whose windows held one of the calls.

    Args:
        store: in which the calls still are.
        gone: their keys, as `store.erasures.find_spans` returns them.
    """
    if not len(gone):
        return [], []
    cards = {
        card_id: _read(partial(_read_windows, said)) for card_id, said in read_card_windows(store)
    }
    jobs = {
        job_id: _read(partial(_read_heat, text)) for job_id, text in read_requests(store, HEATMAP)
    }
    windows = {each for found in (*cards.values(), *jobs.values()) for each in found or ()}
    held = find_holding(store, gone, windows)

    def pick(found: dict[str, Windows]) -> list[str]:
        return [name for name, each in found.items() if each is None or held.intersection(each)]

    return pick(cards), pick(jobs)


def _read_windows(said: Sequence[dict[str, Any]]) -> list[SpanFilters]:
    return [read_kept(each) for each in said]


def _read_heat(text: str) -> list[SpanFilters]:
    return [read_filters(msgspec.json.decode(text, type=HeatRequest).window)]


def _read(read: Callable[[], list[SpanFilters]]) -> Windows:
    try:
        return read()
    except (InvalidRequestError, msgspec.DecodeError):
        return None
