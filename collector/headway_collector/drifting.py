"""Drift cards as jobs: which windows are read, what computes them, and what is kept.

A card is named by what it was asked for, and computed once. A replay computes it again from the
same queries and says whether the same bytes come out, and if not, why.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from headway_collector.errors import NotFoundError
from headway_collector.processes import Tell
from headway_collector.running import Work
from headway_collector.schemas.drift import read_filters
from headway_collector.store.connections import Store
from headway_collector.store.drift_cards import (
    CardSummary,
    StoredQuery,
    read_card,
    save_card,
)
from headway_collector.store.frames import KEY, LACKS, Draw, Files, write_rows, write_texts
from headway_collector.store.jobs import Job

DRIFT = "drift"
REPLAY = "replay"
HEATMAP = "heatmap"
SIDES = ("reference", "current")
HEAT_SIDE = "calls"

CARD_FILE = "card.json"
HEAT_FILE = "heat.json"
ASKED_FILE = "asked.json"

# What calls are described by, among the versions of a card.
_DESCRIBED = "descriptors"

_COMPARE = "headway_collector.comparing:compare"
_MAP_HEAT = "headway_collector.comparing:map_heat"


class DriftRequest(msgspec.Struct, frozen=True):
    """What a card is computed from.

    Args:
        options: as `headway_measures.drift.windows.Options` has them.
        versions: of all that figures depend on.
    """

    card_id: str
    reference: StoredQuery
    current: StoredQuery
    options: dict[str, Any]
    versions: list[tuple[str, str]]


class HeatRequest(msgspec.Struct, frozen=True):
    """What a map of evidence over time is computed from.

    Args:
        bucket_ns: the length of a bucket.
        baseline: its first moment and the first that no longer counts; None for the first third.
        options: as for cards.
    """

    window: StoredQuery
    bucket_ns: int
    baseline: tuple[int, int] | None
    options: dict[str, Any]


class Asked(msgspec.Struct, frozen=True):
    """What the process that compares is given, beside the windows' files."""

    request: DriftRequest
    row_counts: dict[str, int]


def make_works(store: Store) -> dict[str, Work]:
    """Return what jobs on drift do, by their kind."""

    def prepare(job: Job, folder: Path, tell: Tell) -> None:
        _write_windows(store, read_request(job), folder, tell)

    def replay(_: duckdb.DuckDBPyConnection, job: Job, folder: Path) -> dict[str, Any]:
        return _compare_bytes(store, job, (folder / CARD_FILE).read_bytes())

    def prepare_heat(job: Job, folder: Path, tell: Tell) -> None:
        _write_heat(store, msgspec.json.decode(job.request, type=HeatRequest), folder, tell)

    return {
        DRIFT: Work(prepare, _COMPARE, _keep),
        REPLAY: Work(prepare, _COMPARE, replay),
        HEATMAP: Work(prepare_heat, _MAP_HEAT, _return_heat),
    }


def read_request(job: Job) -> DriftRequest:
    """Return what a job on drift was asked."""
    return msgspec.json.decode(job.request, type=DriftRequest)


def _write_windows(store: Store, request: DriftRequest, folder: Path, tell: Tell) -> None:
    # Here and not above: the collector starts without what statistics need.
    import polars as pl

    from headway_collector.drawing import find_texts
    from headway_measures.drift.windows import Options

    def check(rows: int) -> None:
        tell("reading", rows, 0)

    draw = _make_draw(request.options)
    windows = [(read_filters(getattr(request, side)), Files(folder, side)) for side in SIDES]
    found = [write_rows(store, *window, draw, check) for window in windows]
    ref, cur = (pl.DataFrame(rows.calls) for rows in found)
    wanted = find_texts((ref, cur), msgspec.convert(request.options, Options))
    for window, calls, are_wanted in zip(windows, (ref, cur), wanted, strict=True):
        write_texts(store, *window, calls[KEY].filter(pl.Series(are_wanted)).to_list(), check)
    counts = dict(zip(SIDES, (rows.count for rows in found), strict=True))
    (folder / ASKED_FILE).write_bytes(msgspec.json.encode(Asked(request, counts)))


def _write_heat(store: Store, request: HeatRequest, folder: Path, tell: Tell) -> None:
    import polars as pl

    def check(rows: int) -> None:
        tell("reading", rows, 0)

    window = read_filters(request.window), Files(folder, HEAT_SIDE)
    calls = pl.DataFrame(write_rows(store, *window, _make_draw(request.options), check).calls)
    write_texts(store, *window, calls.filter(LACKS)[KEY].to_list(), check)
    (folder / ASKED_FILE).write_bytes(msgspec.json.encode(request))


def _make_draw(options: dict[str, Any]) -> Draw:
    # Here and not above: the collector starts without what statistics need.
    from headway_measures.descriptors.catalog import SCHEMA, VERSION

    return Draw(
        seed=options["seed"],
        version=VERSION,
        descriptors=tuple(SCHEMA),
        extra=tuple(options["segment_by"]),
    )


def _return_heat(_: duckdb.DuckDBPyConnection, job: Job, folder: Path) -> dict[str, Any]:
    heat: dict[str, Any] = msgspec.json.decode((folder / HEAT_FILE).read_bytes())
    return heat


def _keep(connection: duckdb.DuckDBPyConnection, job: Job, folder: Path) -> dict[str, Any]:
    card = (folder / CARD_FILE).read_bytes()
    summary = save_card(connection, job.project, card, job.started_ns or job.created_ns)
    return {"card_id": summary.card_id, "verdict": summary.verdict}


def _compare_bytes(store: Store, job: Job, card: bytes) -> dict[str, Any]:
    try:
        kept = read_card(store, read_request(job).card_id, [job.project]).card
    except NotFoundError:  # erased while it was computed
        return {
            "card_id": read_request(job).card_id,
            "is_same": False,
            "differs": ["card"],
            "changes": [],
        }
    before = msgspec.json.decode(kept, type=CardSummary)
    after = msgspec.json.decode(card, type=CardSummary)
    counts = _tell_changes(
        [("calls before", f"{before.n_ref:,}"), ("calls after", f"{before.n_cur:,}")],
        [("calls before", f"{after.n_ref:,}"), ("calls after", f"{after.n_cur:,}")],
    )
    versions = _tell_changes(before.versions, after.versions)
    differs = []
    # Calls described otherwise have another fingerprint, though they are the same calls.
    is_comparable = dict(before.versions).get(_DESCRIBED) == dict(after.versions).get(_DESCRIBED)
    if counts or (is_comparable and before.fingerprint != after.fingerprint):
        differs.append("data")
    if versions:
        differs.append("versions")
    if kept != card and not differs:
        differs.append("result")
    return {
        "card_id": before.card_id,
        "is_same": kept == card,
        "differs": differs,
        "changes": [*counts, *versions],
    }


def _tell_changes(before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]]) -> list[str]:
    old, new = dict(before), dict(after)
    return [
        f"{name}: {old.get(name, 'none')} then, {new.get(name, 'none')} now"
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]
