"""Stored calls to rows of descriptors: the texts in their JSON, and what is measured of them.

The one room of the collector that needs polars. It is entered when there is a call to describe, so
that a collector starts without it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from headway_collector.store.descriptor_rows import build_rows
from headway_measures.descriptors.catalog import SCHEMA
from headway_measures.descriptors.describing import describe
from headway_measures.descriptors.readings import read_answer, read_prompt

Call = dict[str, Any]
Texts = dict[str, str | None]
Describe = Callable[[pl.DataFrame], pl.DataFrame]
Ask = Callable[[Sequence[Call], Sequence[Texts | None]], list[str | None]]

_TEXTS = {"prompt": pl.String, "answer": pl.String, "finish_reason": pl.String}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Described:
    """Rows as the store takes them, and how many calls could not be described.

    Those have a row too, of nulls: they are not tried again and again.
    """

    rows: pa.Table
    faults: int


def _ask_nobody(calls: Sequence[Call], texts: Sequence[Texts | None]) -> list[str | None]:
    return [None] * len(calls)


def describe_calls(
    calls: Sequence[Call], describe: Describe = describe, ask: Ask = _ask_nobody
) -> Described:
    """Describe calls as `store.descriptors.read_calls` returns them.

    Args:
        calls: with their texts.
        describe: makes descriptors of texts; a call that it fails on costs its own row alone.
        ask: what the user's own functions say of each call, as JSON.
    """
    texts = [_read_texts(call) for call in calls]
    frame = pl.DataFrame([each or {} for each in texts], schema=_TEXTS)
    described, faults = _describe(frame, calls, describe)
    unread = texts.count(None)
    own = pl.Series("own", ask(calls, texts), pl.String)
    rows = build_rows(calls, described.with_columns(own).to_arrow())
    return Described(rows, faults + unread)


def _read_texts(call: Call) -> Texts | None:
    try:
        reasons = call["finish_reasons"]
        return {
            "prompt": read_prompt(call["input"]),
            "answer": read_answer(call["output"]),
            "finish_reason": reasons[0] if reasons else None,
        }
    except Exception:
        _tell(call)
        return None


def _describe(
    frame: pl.DataFrame, calls: Sequence[Call], describe: Describe
) -> tuple[pl.DataFrame, int]:
    """Return descriptors, and how many rows have none; halves are tried until one row is left."""
    try:
        return describe(frame), 0
    # A panic of polars is no Exception.
    except (Exception, pl.exceptions.PanicException):
        if frame.height == 1:
            _tell(calls[0])
            return pl.DataFrame({name: [None] for name in SCHEMA}, schema=SCHEMA), 1
    middle = frame.height // 2
    first, first_faults = _describe(frame[:middle], calls[:middle], describe)
    second, second_faults = _describe(frame[middle:], calls[middle:], describe)
    return pl.concat([first, second]), first_faults + second_faults


def _tell(call: Call) -> None:
    _log.exception("a call of %s from %d cannot be described", call["project"], call["start_ns"])
