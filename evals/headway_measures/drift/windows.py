"""What is compared: two windows of calls, and how."""

from dataclasses import dataclass
from typing import Literal, get_args

import polars as pl

Pairing = Literal["auto", "never", "prompt"]
Unit = Literal["session", "trace", "user", "row"]

_LEAST = {"seed": 0, "text_rows": 0, "permutations": 1, "examples": 0}
_CHOICES: dict[str, tuple[str, ...]] = {"pair": get_args(Pairing), "unit": get_args(Unit)}


class WindowsError(ValueError):
    """Windows cannot be compared as it was asked; the line says why, and what to do."""


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
    pair: Pairing = "auto"
    unit: Unit = "session"
    text_rows: int = 4_000
    permutations: int = 999
    segment_by: tuple[str, ...] = ()
    metrics: tuple[str, ...] | None = None
    examples: int = 6

    def __post_init__(self) -> None:
        """Refuse what no card can be made by.

        Raises:
            WindowsError: an option is out of its range.
        """
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value < least:
                raise WindowsError(f"{name}={value!r}: give a number of at least {least}")
        if not 0 < self.alpha < 1:
            raise WindowsError(f"alpha={self.alpha!r}: give a rate between 0 and 1, such as 0.05")
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                raise WindowsError(f"{name}={value!r}: give one of {', '.join(known)}")
