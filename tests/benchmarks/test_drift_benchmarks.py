"""The parts of ``make bench-drift`` that its figures rest on."""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.benchmarks import bench_drift, drift_calls, drift_cells
from tests.benchmarks.drift_cells import CARD, COLUMN, Cell, Found
from tests.benchmarks.drift_evidently import EVIDENTLY, Evidently
from tests.benchmarks.drift_kept import Kept
from tests.benchmarks.drift_powers import Power, imitate, reflow
from tests.benchmarks.prose import piece
from tests.measures.simulations import Rate

CELL = Cell("columns", "rate 0.3", 60, 60, 20, 0)


def test_a_cell_is_drawn_from_its_name() -> None:
    first, same = (drift_cells.run_cell(CELL, None) for _ in range(2))

    assert first == same


def test_a_rate_is_a_fault_only_where_it_is_surely_too_high() -> None:
    assert Found(CELL, {COLUMN: Rate(60, 1_000)}).faults == ()
    assert Found(CELL, {COLUMN: Rate(90, 1_000)}).faults == (COLUMN,)
    assert bench_drift._faults([Found(CELL, {COLUMN: Rate(90, 1_000)})], (COLUMN,)) == [
        "columns: rate 0.3, 60 v 60: column alarms in 9.0% of draws"
    ]


@pytest.mark.parametrize("world", drift_calls.WORLDS)
def test_windows_hold_as_many_calls_as_were_asked_for_and_none_in_both(
    world: drift_calls.World,
) -> None:
    ref, cur = drift_calls.draw_windows(world, np.random.default_rng(0), 70, 70)

    assert ref.rows.height == cur.rows.height == 70
    assert not set(ref.rows["span_id"]) & set(cur.rows["span_id"])
    same_prompts = sorted(ref.rows["prompt_hash"]) == sorted(cur.rows["prompt_hash"])
    assert same_prompts == (world == "same prompts")
    assert (ref.rows["session_id"].n_unique() < 70) == (world == "sessions")


def test_a_cell_of_calls_tells_of_the_whole_card_where_that_was_asked() -> None:
    texts = drift_cells.run_cell(Cell("calls", "calls", 60, 60, 1, 0), None)
    whole = drift_cells.run_cell(Cell("calls", "calls", 60, 60, 1, 0, is_whole=True), None)

    assert set(texts.ours) == set(drift_cells.TEXTS)
    assert set(whole.ours) == {*drift_cells.TEXTS, CARD}
    assert {name: whole.ours[name] for name in texts.ours} == texts.ours


def test_a_finished_cell_is_not_drawn_anew_and_another_is(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept" / "cells.jsonl")
    other = Cell("columns", "rate 0.3", 60, 60, 10, 0)

    (first,) = drift_cells.run_group([CELL], kept)
    written = kept.path.read_text()
    (again,) = drift_cells.run_group([CELL], kept)
    drift_cells.run_group([other], kept)

    assert first == again
    assert kept.path.read_text().startswith(written)
    assert kept.path.read_text().count("\n") == 2
    kept.path.write_text(written.replace('"source": "', '"source": "other'))
    assert kept.find(astuple(CELL)) is None


def test_a_reflowed_answer_has_the_same_length_and_words() -> None:
    text = piece(3, 2_000)

    assert reflow(text) != text
    assert len(reflow(text)) == len(text)
    assert reflow(text).split() == text.split()
    assert imitate(text) != text


def test_a_change_that_is_found_too_seldom_is_missed() -> None:
    assert Power("a change", 642, alone=Rate(700, 1_000)).is_missed
    assert not Power("a change", 642, alone=Rate(790, 1_000)).is_missed
    assert not Power("a change", 642, alone=Rate(10, 1_000), has_bar=False).is_missed


def test_a_section_is_written_between_its_marks_alone(tmp_path: Path) -> None:
    page = tmp_path / "drift.md"
    page.write_text("a\n<!-- bench-drift: columns -->\nold\n<!-- end of columns -->\nb\n")

    bench_drift.write_section(page, "columns", ["new"])

    assert page.read_text() == (
        "a\n<!-- bench-drift: columns -->\nnew\n<!-- end of columns -->\nb\n"
    )
    with pytest.raises(ValueError, match="no place for speed"):
        bench_drift.write_section(page, "speed", ["new"])


def test_the_page_has_a_place_for_each_section() -> None:
    page = bench_drift.PAGE.read_text(encoding="utf-8")

    assert all(f"<!-- bench-drift: {name} -->" in page for name in bench_drift.SECTIONS)


def test_evidently_gives_a_verdict_of_each_column() -> None:
    if not EVIDENTLY.python.exists():
        pytest.skip("Evidently is not here; make bench-drift installs it")
    ref, cur = (
        pl.DataFrame({"moved": np.arange(50) + shift, "same": ["a", "b"] * 25, "none": [None] * 50})
        for shift in (0, 40)
    )

    with Evidently() as peer:
        found = peer.verdicts(ref, cur, {"moved": "number", "same": "category", "none": "category"})

    assert found["moved"] is True
    assert found["same"] is False
