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
from headway_collector.store.mentions import OwnedKey
from headway_collector.store.quotations import find_holding, read_card_windows, read_requests

Windows = list[SpanFilters] | None
"""None where what was asked cannot be read any more: it may have held anything."""


def find_quoting(
    store: Store, project: str, gone: pa.Table, *, has_all_projects: bool
) -> tuple[set[OwnedKey], set[OwnedKey]]:
    """Return the cards, and the jobs, whose windows held one of the calls.

    Args:
        store: in which the calls still are.
        project: of the calls; what is of other projects alone is not looked at.
        gone: their keys, as `store.targets.find_spans` returns them.
        has_all_projects: whether what is of several projects goes when it cannot be read.
    """
    if not len(gone):
        return set(), set()
    cards = {
        key: _read(partial(_read_windows, said)) for key, said in read_card_windows(store, project)
    }
    jobs = {
        key: _read(partial(_read_heat, text))
        for key, text in read_requests(store, project, HEATMAP)
    }
    windows = {each for found in (*cards.values(), *jobs.values()) for each in found or ()}
    held = find_holding(store, gone, windows)

    def pick(found: dict[OwnedKey, Windows]) -> set[OwnedKey]:
        return {
            key
            for key, each in found.items()
            if (
                key.project == project or has_all_projects
                if each is None
                else held.intersection(each)
            )
        }

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
