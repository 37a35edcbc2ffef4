"""Two windows read from their files and compared, in a process that has no database.

Calls that are not described yet are described here, from their texts.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
import pyarrow as pa

from headway_collector.card_forms import make_options, make_query
from headway_collector.drawing import Mask, draw_calls, draw_windows
from headway_collector.drifting import (
    ASKED_FILE,
    CARD_FILE,
    HEAT_FILE,
    HEAT_SIDE,
    SIDES,
    Asked,
    DriftRequest,
    HeatRequest,
)
from headway_collector.processes import ComputeError, Tell
from headway_collector.store.frames import COLUMNS, KEY, LACKS, LOT, SAID, Files
from headway_collector.times import format_time
from headway_measures.descriptors.catalog import SCHEMA
from headway_measures.descriptors.describing import describe
from headway_measures.descriptors.own import read_own
from headway_measures.descriptors.readings import read_answer, read_prompt
from headway_measures.drift.windows import Query, Window, WindowsError

if TYPE_CHECKING:
    from headway_measures.drift.heat import Cell

MOST_SCORES = 100
"""Names of scores that become columns, the commonest; others are not compared."""

_IDS = ("project", "trace_id", "span_id")
_ID_TYPES: dict[str, type[pl.DataType]] = dict.fromkeys(_IDS, pl.String)
_TEXTS: dict[str, type[pl.DataType]] = {"prompt": pl.String, "answer": pl.String}
_ORDER = ("start_ns", "span_id", "trace_id", "project")


def compare(folder: Path, tell: Tell) -> None:
    """Compare the windows of a folder, and leave the card there."""
    # Here and not above: who only reads windows need not load the statistics.
    from headway_measures.drift.card_json import encode_card
    from headway_measures.drift.cards import compare_windows

    asked = msgspec.json.decode((folder / ASKED_FILE).read_bytes(), type=Asked)
    request = asked.request
    options = make_options(request.options)
    reference, current = read_windows(folder, request, asked.row_counts, tell)
    try:
        card = compare_windows(
            reference, current, options, versions=request.versions, progress=tell
        )
    except WindowsError as error:
        raise ComputeError(str(error)) from error
    named = replace(card, card_id=request.card_id)
    (folder / CARD_FILE).write_bytes(encode_card(named))


def map_heat(folder: Path, tell: Tell) -> None:
    """Compare the buckets of a window with its baseline, and leave the map in the folder."""
    from headway_measures.drift.heat import heat_map

    request = msgspec.json.decode((folder / ASKED_FILE).read_bytes(), type=HeatRequest)
    window = read_window(Files(folder, HEAT_SIDE), make_query(request.window), 0, 0, tell)
    tell("columns", 0, 0)
    options = make_options(request.options)
    try:
        heat = heat_map(window.rows, request.bucket_ns, request.baseline, options)
    except ValueError as error:
        raise ComputeError(str(error)) from error
    baseline = dict(zip(("start", "end"), map(format_time, heat.baseline), strict=True))
    shown = {
        "buckets": [format_time(start_ns) for start_ns in heat.buckets],
        "baseline": baseline if heat.buckets else None,
        "metrics": [
            {"name": each.name, "label": each.label, "side": each.side} for each in heat.metrics
        ],
        "cells": [_show_cell(cell) for cell in heat.cells],
    }
    (folder / HEAT_FILE).write_bytes(msgspec.json.encode(shown))


def _show_cell(cell: "Cell") -> dict[str, Any]:
    shown = asdict(cell)
    return {"metric": shown.pop("metric"), "time": format_time(shown.pop("start_ns")), **shown}


def read_windows(
    folder: Path, request: DriftRequest, row_counts: dict[str, int], tell: Tell = lambda *_: None
) -> tuple[Window, Window]:
    """Return both windows from their files, each call described and the drawn ones with texts."""
    options = make_options(request.options)
    files = [Files(folder, side) for side in SIDES]
    ref, cur = (_read_rows(each, tell) for each in files)
    windows = [
        _make_window(rows, each, make_query(getattr(request, side)), row_counts[side], are_drawn)
        for rows, each, side, are_drawn in zip(
            (ref, cur), files, SIDES, draw_windows((ref, cur), options), strict=True
        )
    ]
    return windows[0], windows[1]


def read_window(
    files: Files, query: Query, row_count: int, text_rows: int, tell: Tell = lambda *_: None
) -> Window:
    """Return one window from its files, each call described and the drawn ones with texts."""
    rows = _read_rows(files, tell)
    return _make_window(rows, files, query, row_count, draw_calls(rows, text_rows))


def _make_window(
    rows: pl.DataFrame, files: Files, query: Query, row_count: int, are_drawn: Mask
) -> Window:
    drawn = rows.filter(pl.Series(are_drawn)).select(_IDS)
    rows = rows.join(_read_texts(drawn, files), on=_IDS, how="left")
    rows, scores = _add_scores(rows, files)
    said = read_own(rows[SAID])
    rows = rows.with_columns(said)
    described = [*SCHEMA, *(each.name for each in said)]
    known = [*COLUMNS, "finish_reason", "duration_ms", *described, *scores, *_TEXTS]
    hidden = {*_IDS[:1], KEY, LOT, LACKS, SAID}
    extra = [name for name in rows.columns if name not in (*known, *hidden)]
    return Window(query, rows.sort(_ORDER).select(*known, *extra), row_count)


def _read_rows(files: Files, tell: Tell) -> pl.DataFrame:
    """Return every call, each with its descriptors."""
    rows = pl.read_ipc(files.find("rows")).sort(_ORDER).cast(dict(SCHEMA.items()))
    lacking = rows.filter(LACKS)
    if not lacking.height:
        return rows
    described = _describe(lacking.select(_IDS), files, tell)
    lacking = lacking.drop(*SCHEMA).join(described, on=_IDS, how="left").select(rows.columns)
    return pl.concat([rows.filter(~pl.col(LACKS)), lacking]).sort(_ORDER)


def _describe(wanted: pl.DataFrame, files: Files, tell: Tell) -> pl.DataFrame:
    found, done = [pl.DataFrame(schema=_ID_TYPES | SCHEMA)], 0
    for texts in _iterate_texts(wanted, files):
        found.append(pl.concat([texts.select(_IDS), describe(texts)], how="horizontal"))
        done += texts.height
        tell("describing", done, wanted.height)
    return pl.concat(found)


def _read_texts(wanted: pl.DataFrame, files: Files) -> pl.DataFrame:
    found = [pl.DataFrame(schema=_ID_TYPES | _TEXTS)]
    found += (texts.drop("finish_reason") for texts in _iterate_texts(wanted, files))
    return pl.concat(found)


def _iterate_texts(wanted: pl.DataFrame, files: Files) -> Iterator[pl.DataFrame]:
    with pa.OSFile(str(files.find("texts"))) as file, pa.ipc.open_file(file) as reader:
        for index in range(reader.num_record_batches):
            stored = pl.DataFrame(reader.get_batch(index)).join(wanted, on=_IDS)
            if stored.height:
                yield stored.select(
                    *_IDS,
                    "finish_reason",
                    pl.Series("prompt", map(read_prompt, stored["input"]), pl.String),
                    pl.Series("answer", map(read_answer, stored["output"]), pl.String),
                )


def _add_scores(rows: pl.DataFrame, files: Files) -> tuple[pl.DataFrame, list[str]]:
    scores = pl.read_ipc(files.find("scores"))
    counts = scores.group_by("_score").len().sort(["len", "_score"], descending=[True, False])
    names = sorted(counts["_score"][:MOST_SCORES])
    for name in names:
        one = scores.filter(pl.col("_score") == name)
        values = _type_values([msgspec.json.decode(value) for value in one["value"]])
        column = one.select(_IDS).with_columns(values.alias(f"score:{name}"))
        rows = rows.join(column, on=_IDS, how="left")
    return rows, [f"score:{name}" for name in names]


def _type_values(values: list[Any]) -> pl.Series:
    """Return flags or texts where all are such, and numbers otherwise."""
    for kind, dtype in ((bool, pl.Boolean), (str, pl.String)):
        if all(isinstance(value, kind) for value in values):
            return pl.Series(values, dtype=dtype)
    numbers = [None if isinstance(value, str) else float(value) for value in values]
    return pl.Series(numbers, dtype=pl.Float64)
