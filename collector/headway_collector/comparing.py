"""Two windows read from their files and compared, in a process that has no database.

Calls that are not described yet are described here, from their texts.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl
import pyarrow as pa

from headway_collector.card_forms import make_options, make_query
from headway_collector.drifting import (
    ASKED_FILE,
    CARD_FILE,
    HEAT_FILE,
    HEAT_SIDE,
    SIDES,
    Asked,
    HeatRequest,
)
from headway_collector.processes import ComputeError, Tell
from headway_collector.store.frames import COLUMNS, Files
from headway_collector.times import format_time
from headway_measures.descriptors.catalog import SCHEMA
from headway_measures.descriptors.describing import describe
from headway_measures.descriptors.readings import read_answer, read_prompt
from headway_measures.drift.windows import Query, Window

if TYPE_CHECKING:
    from headway_measures.drift.heat import Cell

MOST_SCORES = 100
"""Names of scores that become columns, the commonest; others are not compared."""

_IDS = ("project", "trace_id", "span_id")
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
    reference, current = (
        read_window(
            Files(folder, side),
            make_query(getattr(request, side)),
            asked.row_counts[side],
            options.text_rows,
            tell,
        )
        for side in SIDES
    )
    card = compare_windows(reference, current, options, versions=request.versions, progress=tell)
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
        "metrics": [{"name": each.name, "side": each.side} for each in heat.metrics],
        "cells": [_show_cell(cell) for cell in heat.cells],
    }
    (folder / HEAT_FILE).write_bytes(msgspec.json.encode(shown))


def _show_cell(cell: "Cell") -> dict[str, Any]:
    shown = asdict(cell)
    return {"metric": shown.pop("metric"), "time": format_time(shown.pop("start_ns")), **shown}


def read_window(
    files: Files, query: Query, row_count: int, text_rows: int, tell: Tell = lambda *_: None
) -> Window:
    """Return a window from its files, each call described and the drawn ones with their texts."""
    rows = pl.read_ipc(files.find("rows")).sort(_ORDER)
    is_drawn = pl.Series("_is_drawn", range(rows.height)).is_in(
        rows["_lot"].arg_sort()[:text_rows].implode()
    )
    rows = rows.with_columns(is_drawn)
    described, texts = _read_texts(rows.select(*_IDS, "_is_undescribed", "_is_drawn"), files, tell)
    rows = _fill_descriptors(rows, described).join(texts, on=_IDS, how="left")
    rows, scores = _add_scores(rows, files)
    own = [*COLUMNS, "finish_reason", "duration_ms", *SCHEMA, *scores, *_TEXTS]
    hidden = {*_IDS[:1], "_key", "_lot", "_is_undescribed", "_is_drawn"}
    extra = [name for name in rows.columns if name not in (*own, *hidden)]
    return Window(query, rows.sort(_ORDER).select(*own, *extra), row_count)


def _read_texts(
    wanted: pl.DataFrame, files: Files, tell: Tell
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the descriptors of calls that lack them, and the texts of those that were drawn."""
    ids: dict[str, type[pl.DataType]] = dict.fromkeys(_IDS, pl.String)
    described, texts = [pl.DataFrame(schema=ids | SCHEMA)], [pl.DataFrame(schema=ids | _TEXTS)]
    total = int(wanted["_is_undescribed"].sum())
    done = 0
    with pa.OSFile(str(files.find("texts"))) as file, pa.ipc.open_file(file) as reader:
        for index in range(reader.num_record_batches):
            stored = pl.DataFrame(reader.get_batch(index)).join(wanted, on=_IDS)
            read = stored.select(
                *_IDS,
                "finish_reason",
                "_is_undescribed",
                "_is_drawn",
                pl.Series("prompt", map(read_prompt, stored["input"]), pl.String),
                pl.Series("answer", map(read_answer, stored["output"]), pl.String),
            )
            texts.append(read.filter("_is_drawn").select(*_IDS, *_TEXTS))
            lacking = read.filter("_is_undescribed")
            if lacking.height:
                described.append(
                    pl.concat([lacking.select(_IDS), describe(lacking)], how="horizontal")
                )
                done += lacking.height
                tell("describing", done, total)
    return pl.concat(described), pl.concat(texts)


def _fill_descriptors(rows: pl.DataFrame, described: pl.DataFrame) -> pl.DataFrame:
    rows = rows.cast(dict(SCHEMA.items()))
    lacking = rows.filter("_is_undescribed").drop(*SCHEMA).join(described, on=_IDS, how="left")
    known = rows.filter(~pl.col("_is_undescribed"))
    return pl.concat([known, lacking.select(known.columns)])


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
