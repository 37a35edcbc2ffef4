"""Calls for ``make bench-drift``: windows drawn from one pool of described calls.

Prompts and answers are real English, neighbouring pieces of it about one thing; every window is a
fresh draw of them, so that two windows differ by chance alone. Described once, a pool gives a
thousand pairs of windows at the price of drawing rows.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from headway_measures.descriptors.describing import describe
from headway_measures.drift.windows import Query, Window
from tests.benchmarks.prose import piece

World = Literal["calls", "sessions", "repeated prompts", "same prompts", "templates"]
WORLDS: dict[World, str] = {
    "calls": "every call for itself",
    "sessions": "one to six calls a session, about one thing",
    "repeated prompts": "sixty prompts, asked again and again",
    "same prompts": "both windows ask the same prompts, each once",
    "templates": "three answers in five are one of three sentences",
}

PROMPTS = 5_000
ANSWERS = 2  # of each prompt
TEMPLATES = (
    "I'm sorry, but I can't help with that.",
    "Please give me the number of your order, and I will look into it.",
    "Thank you for your message. A colleague will answer within a day.",
)
_REPEATED = 60
_DAY_NS = 86_400 * 10**9
_START_NS = 1_750_000_000 * 10**9

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pool:
    """What windows are drawn from.

    Args:
        prompts: their texts and descriptors.
        answers: the same; those of prompt ``i`` are at ``ANSWERS * i`` and after it, and the
            templates are the last.
    """

    prompts: pl.DataFrame
    answers: pl.DataFrame


@cache
def pool() -> Pool:
    """Describe the pool; the same one in every process."""
    rng = np.random.default_rng(10)
    sizes = rng.lognormal(6, 0.5, (PROMPTS, 1 + ANSWERS)).clip(40, 4_000).astype(int).tolist()
    numbers = [number for number in range(PROMPTS) for _ in range(ANSWERS)]
    asked = [piece(number, sizes[number][0]) for number in numbers]
    given = [
        _answer(rng, 7 * number + 3 * which, sizes[number][1 + which])
        for number in range(PROMPTS)
        for which in range(ANSWERS)
    ]
    prompts, answers = describe_calls([*asked, *[asked[0]] * len(TEMPLATES)], [*given, *TEMPLATES])
    return Pool(prompts[: PROMPTS * ANSWERS : ANSWERS], answers)


def describe_calls(prompts: list[str], answers: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return prompts and answers, each with what describes them."""
    frame = pl.DataFrame({"prompt": prompts, "answer": answers, "finish_reason": "stop"})
    whole = pl.concat([frame.drop("finish_reason"), describe(frame)], how="horizontal")
    of_prompts = [
        name
        for name in whole.columns
        if name == "has_prompt_code" or (name.startswith("prompt") and name != "prompt_copy_share")
    ]
    return whole.select(of_prompts), whole.drop(of_prompts)


def draw_windows(world: World, rng: Generator, n_ref: int, n_cur: int) -> tuple[Window, Window]:
    """Draw a reference and a current window, a day after it."""
    if world == "same prompts" and n_ref != n_cur:
        raise ValueError(f"windows of {n_ref} and {n_cur} calls cannot ask the same: make them one")
    shared = rng.choice(PROMPTS, n_ref, replace=False)
    return (
        _draw_window(world, rng, n_ref, shared, 0),
        _draw_window(world, rng, n_cur, shared, 1),
    )


def make_window(
    rng: Generator, prompts: pl.DataFrame, answers: pl.DataFrame, sessions: Ints, day: int
) -> Window:
    """Return the calls of these described prompts and answers, with all that a call has."""
    n = prompts.height
    start_ns = _START_NS + day * _DAY_NS + np.sort(rng.integers(0, _DAY_NS, n))
    chars = answers["answer_chars"].to_numpy()
    duration_ms = (200 + 3 * chars) * rng.lognormal(0, 0.3, n)
    names = pl.Series([f"{day}-{number}" for number in range(n)])
    kinds = rng.choice(["kind:question", "kind:order", "kind:complaint"], n, p=[0.6, 0.3, 0.1])
    calls = pl.DataFrame(
        {
            "span_id": names,
            "trace_id": names,
            "session_id": [f"{day}-{number}" for number in sessions.tolist()],
            "user_id": pl.Series([None] * n, dtype=pl.String),
            "start_ns": start_ns,
            "request_model": rng.choice(["small", "large"], n, p=[0.7, 0.3]),
            "prompt_name": ["support"] * n,
            "prompt_version": rng.choice(["v1", "v2"], n),
            "release": ["1.0"] * n,
            "environment": ["production"] * n,
            "tags": [[kind] for kind in kinds.tolist()],
            "status": rng.choice(["ok", "error"], n, p=[0.98, 0.02]),
            "finish_reason": rng.choice(["stop", "length"], n, p=[0.95, 0.05]),
            "duration_ms": duration_ms,
            "ttft_ms": duration_ms * rng.uniform(0.05, 0.2, n),
            "input_tokens": prompts["prompt_chars"] // 4,
            "output_tokens": chars // 4,
            "cost_usd": chars * 2e-6,
            "score:correct": (rng.random(n) < 0.8).astype(float),
            "score:helpful": np.where(rng.random(n) < 0.5, rng.normal(0.6, 0.2, n), np.nan),
        }
    ).with_columns(pl.col("score:helpful").fill_nan(None))
    rows = pl.concat([calls, prompts, answers], how="horizontal")
    return Window(query_of(day), rows, n)


def query_of(day: int) -> Query:
    """Return what the calls of a day are found by."""
    return Query(start_ns=_START_NS + day * _DAY_NS, end_ns=_START_NS + (day + 1) * _DAY_NS)


def _draw_window(world: World, rng: Generator, n: int, shared: Ints, day: int) -> Window:
    sessions = np.arange(n)
    prompts = rng.integers(0, PROMPTS, n)
    if world == "sessions":
        sessions = np.repeat(np.arange(n), rng.integers(1, 7, n))[:n]
        first = rng.integers(0, PROMPTS - 6, n)[sessions]
        prompts = first + np.arange(n) - np.searchsorted(sessions, sessions)
    if world == "repeated prompts":
        prompts = rng.zipf(1.3, n) % _REPEATED
    if world == "same prompts":
        prompts = shared
    answers = ANSWERS * prompts + rng.integers(0, ANSWERS, n)
    if world == "repeated prompts":
        answers = rng.integers(0, PROMPTS * ANSWERS, n)
    if world == "templates":
        given = PROMPTS * ANSWERS + rng.integers(0, len(TEMPLATES), n)
        answers = np.where(rng.random(n) < 0.6, given, answers)
    return make_window(rng, pool().prompts[prompts], pool().answers[answers], sessions, day)


def _answer(rng: Generator, number: int, size: int) -> str:
    """Return prose, now and then as a list, in a fence, as JSON, or a refusal."""
    text, form = piece(number, size), float(rng.random())
    if form < 0.05:
        return f"I'm sorry, but I can't help with that. {text[:200]}"
    if form < 0.15:
        return "\n".join(f"- {line}" for line in text.splitlines())
    if form < 0.2:
        return f"```python\n{text}\n```"
    return text
