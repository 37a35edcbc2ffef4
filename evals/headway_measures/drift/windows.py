"""What is compared: two windows of calls, and how."""

from dataclasses import dataclass
from typing import Literal

import polars as pl


@dataclass(frozen=True, slots=True)
class Query:
    """Which calls a window holds; its canonical JSON is what a card is made again from.

    Args:
        filters: of spans, by name, each with its values, in the order of their names.
        start_ns: the first moment that counts, in nanoseconds since 1970; None for no limit.
        end_ns: the first that no longer counts.
    """

    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The calls of one side.

    Args:
        query: what they were chosen by.
        rows: one a call, ordered by ``start_ns`` and ``span_id``. Columns: ``span_id``,
            ``trace_id``, ``session_id``, ``user_id``, ``start_ns``, ``request_model``,
            ``prompt_name``, ``prompt_version``, ``release``, ``environment``, ``tags``,
            ``status``, ``finish_reason``, ``duration_ms``, ``ttft_ms``, ``input_tokens``,
            ``output_tokens``, ``cost_usd``, every descriptor, ``score:NAME`` for each score (its
            latest value), and ``prompt`` and ``answer``, which are null but in a drawn sample.
        row_count: how many calls the query found before any limit.
    """

    query: Query
    rows: pl.DataFrame
    row_count: int


@dataclass(frozen=True, slots=True)
class Options:
    """How windows are compared.

    Args:
        seed: of all that is drawn.
        alpha: the rate of false alarms.
        pair: compare answers to the same prompts by prompt: where nearly all are the same, never,
            or always.
        unit: what is independent of each other; a call without it is a unit of its own.
        text_rows: how many texts of a side are looked at, the drawn ones.
        permutations: the most that a test draws.
        segment_by: columns in which to look for whom a change holds, besides the usual.
        metrics: only these, by name.
        examples: how many pairs a finding shows.
    """

    seed: int = 0
    alpha: float = 0.05
    pair: Literal["auto", "never", "prompt"] = "auto"
    unit: Literal["session", "trace", "user", "row"] = "session"
    text_rows: int = 4_000
    permutations: int = 999
    segment_by: tuple[str, ...] = ()
    metrics: tuple[str, ...] | None = None
    examples: int = 6
