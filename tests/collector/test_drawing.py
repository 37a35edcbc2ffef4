"""Which calls are looked at with their texts: pairs where windows ask the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from headway_collector.comparing import read_windows
from headway_collector.drawing import draw_calls, draw_windows, find_texts
from headway_collector.drifting import ASKED_FILE, DRIFT, Asked, DriftRequest, make_works
from headway_collector.schemas.drift import DriftOptions
from headway_collector.store.connections import Store
from headway_collector.store.drift_cards import StoredQuery
from headway_collector.store.frames import LACKS, LOT, PROMPT
from headway_collector.store.jobs import Job
from headway_measures.drift.windows import Options, Window

Line = Callable[..., bytes]
Ingest = Callable[..., Any]
OPTIONS = Options(text_rows=100)


def make_calls(prompts: list[int | None], seed: int, lack: float = 0.0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    calls = {
        LOT: pl.Series(rng.integers(0, 2**63, len(prompts)), dtype=pl.UInt64),
        PROMPT: pl.Series(prompts, dtype=pl.Int64),
        LACKS: pl.Series(rng.random(len(prompts)) < lack),
    }
    return pl.DataFrame(calls)


def prompts_of(calls: pl.DataFrame, mask: np.ndarray) -> list[int]:
    return calls.filter(pl.Series(mask))[PROMPT].to_list()


def hide(calls: pl.DataFrame) -> pl.DataFrame:
    """Return calls as they are known before those that lack descriptors are described."""
    return calls.with_columns(pl.when(~pl.col(LACKS)).then(PROMPT).alias(PROMPT))


def test_windows_of_the_same_prompts_are_drawn_by_prompt() -> None:
    prompts: list[int | None] = list(range(-500, 500))
    calls = make_calls(prompts, 1), make_calls(prompts[::-1], 2)

    ref, cur = draw_windows(calls, OPTIONS)

    assert ref.sum() == cur.sum() == 100
    assert set(prompts_of(calls[0], ref)) == set(prompts_of(calls[1], cur))
    by_lot = [set(prompts_of(each, draw_calls(each, 100))) for each in calls]
    assert len(by_lot[0] & by_lot[1]) < 30
    other, _ = draw_windows(calls, replace(OPTIONS, seed=1))
    assert set(prompts_of(calls[0], other)) != set(prompts_of(calls[0], ref))


def test_prompts_that_are_asked_often_are_all_looked_at() -> None:
    prompts: list[int | None] = [number % 20 for number in range(1_000)]
    calls = make_calls(prompts, 1), make_calls(prompts, 2)

    ref, _ = draw_windows(calls, OPTIONS)

    assert np.unique(prompts_of(calls[0], ref), return_counts=True)[1].tolist() == [5] * 20


def test_prompts_of_both_windows_come_first() -> None:
    often: list[int | None] = [number % 10 for number in range(900)]
    calls = make_calls([*often, *range(1_000, 1_100)], 1), make_calls([*often, *[None] * 100], 2)

    ref, cur = draw_windows(calls, OPTIONS)

    assert set(prompts_of(calls[0], ref)) == set(prompts_of(calls[1], cur)) == set(range(10))


@pytest.mark.parametrize("pair", ["auto", "never"])
def test_windows_that_are_not_paired_are_drawn_call_by_call(pair: Any) -> None:
    shared = 0 if pair == "auto" else 1_000
    calls = make_calls([*range(1_000)], 1), make_calls([*range(1_000 - shared, 2_000 - shared)], 2)

    masks = draw_windows(calls, replace(OPTIONS, pair=pair))

    for mask, each in zip(masks, calls, strict=True):
        assert np.array_equal(mask, draw_calls(each, 100))


@pytest.mark.parametrize("pair", ["auto", "never", "prompt"])
@pytest.mark.parametrize("shared", [0.0, 0.75, 0.85, 1.0])
def test_texts_that_are_found_are_enough_for_the_draw(pair: Any, shared: float) -> None:
    options = replace(OPTIONS, pair=pair)
    for seed in range(10):
        begin = int(400 * (1 - shared))
        calls = (
            make_calls([*range(400)], seed, lack=0.02),
            make_calls([*range(begin, begin + 400)], 100 + seed, lack=0.02),
        )

        found = find_texts((hide(calls[0]), hide(calls[1])), options)

        for mask, drawn, each in zip(found, draw_windows(calls, options), calls, strict=True):
            assert not (drawn & ~mask).any()
            assert not (each[LACKS].to_numpy() & ~mask).any()


def test_few_texts_are_read_where_new_calls_cannot_make_pairs() -> None:
    calls = make_calls([*range(1_000)], 1, 0.02), make_calls([*range(1_000, 2_000)], 2, 0.02)

    ref, cur = find_texts((hide(calls[0]), hide(calls[1])), OPTIONS)

    assert max(ref.sum(), cur.sum()) < 150


def read_pair(store: Store, folder: Path) -> tuple[Window, Window]:
    """Read two windows as a job on drift does, by the names of their calls."""
    folder.mkdir()
    before, after = (StoredQuery([("name", [name])], None, None) for name in ("before", "after"))
    request = DriftRequest("c", before, after, DriftOptions(text_rows=50).model_dump(), [])
    job = Job("p", "j", DRIFT, 1, msgspec.json.encode(request).decode())
    make_works(store)[DRIFT].prepare(job, folder, lambda *_: None)
    asked = msgspec.json.decode((folder / ASKED_FILE).read_bytes(), type=Asked)
    return read_windows(folder, request, asked.row_counts)


def test_a_job_reads_texts_of_the_same_prompts_whether_they_are_described_or_not(
    client: TestClient, store: Store, ingest: Ingest, span_line: Line, tmp_path: Path
) -> None:
    for name in ("before", "after"):
        ingest(*(span_line(name=name, input=f"q {n}", output=f"{name} {n}") for n in range(200)))
    fresh = read_pair(store, tmp_path / "fresh")
    cursor: str | None = ""
    while cursor is not None:
        query = {"cursor": cursor} if cursor else {}
        cursor = client.post("/v1/describe", params=query).json()["cursor"]

    described = read_pair(store, tmp_path / "described")

    prompts = [set(window.rows["prompt"].drop_nulls()) for window in described]
    assert len(prompts[0]) == 50
    assert prompts[0] == prompts[1]
    assert all(one.rows.equals(other.rows) for one, other in zip(fresh, described, strict=True))
