"""What cannot be asked of two windows is refused in words, or told on the card."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from headway_measures.drift.cards import compare_windows
from headway_measures.drift.windows import Options, Query, Window, WindowsError


def window(first: int, last: int) -> Window:
    """Return the calls of these numbers."""
    numbers = range(first, last)
    rows = pl.DataFrame(
        {
            "span_id": [f"{number:016x}" for number in numbers],
            "trace_id": [f"{number // 3:032x}" for number in numbers],
            "start_ns": list(numbers),
            "duration_ms": [float(number % 7) for number in numbers],
            "prompt": ["ask"] * len(numbers),
            "answer": ["say"] * len(numbers),
        }
    )
    return Window(Query(), rows, len(numbers))


LATENCY = Options(metrics=("duration_ms",))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"seed": -1}, "seed=-1: give a number of at least 0"),
        ({"text_rows": -5}, "text_rows=-5: give a number of at least 0"),
        ({"permutations": 0}, "permutations=0: give a number of at least 1"),
        ({"examples": -1}, "examples=-1: give a number of at least 0"),
        ({"alpha": 0.0}, "alpha=0.0: give a rate between 0 and 1"),
        ({"alpha": 1.0}, "alpha=1.0: give a rate"),
        ({"alpha": float("nan")}, "alpha=nan: give a rate"),
        ({"pair": "always"}, "pair='always': give one of auto, never, prompt"),
        ({"unit": "call"}, "unit='call': give one of session, trace, user, row"),
    ],
)
def test_an_option_out_of_its_range_is_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(WindowsError, match=told):
        Options(**changed)


def test_a_window_compared_with_itself_is_refused() -> None:
    same = window(0, 40)
    turned = replace(same, rows=same.rows.reverse())

    for other in (same, turned):
        with pytest.raises(WindowsError, match="the same 40 calls, so that nothing can differ"):
            compare_windows(same, other, LATENCY)


def test_calls_in_both_windows_count_where_they_are_the_larger_part() -> None:
    card = compare_windows(window(0, 80), window(60, 100), LATENCY)
    turned = compare_windows(window(60, 100), window(0, 80), LATENCY)

    note = "20 calls are in both windows: they count in the window"
    assert (card.n_ref, card.n_cur, card.notes) == (60, 40, (f"{note} after alone",))
    assert (turned.n_ref, turned.n_cur, turned.notes) == (40, 60, (f"{note} before alone",))


def test_one_model_beside_all_calls_is_compared_with_the_others() -> None:
    every = window(0, 80)
    is_slow = pl.col("start_ns") >= 40
    rows = every.rows.with_columns(duration_ms=pl.col("duration_ms") + 9 * is_slow)

    card = compare_windows(
        replace(every, rows=rows), Window(Query(), rows.filter(is_slow), 40), LATENCY
    )

    assert card.verdict == "drift"
    assert (card.n_ref, card.n_cur) == (40, 40)


def test_the_same_span_id_in_another_trace_is_another_call() -> None:
    here, there = window(0, 40), window(0, 40)
    there = replace(there, rows=there.rows.with_columns(trace_id=pl.lit("f" * 32)))

    assert compare_windows(here, there, LATENCY).notes == ()


def test_what_is_no_metric_is_refused_with_a_list_of_those_there_are() -> None:
    with pytest.raises(
        WindowsError, match="metrics='wit': there is no such metric; there are "
    ) as (refused):
        compare_windows(window(0, 40), window(40, 80), Options(metrics=("wit", "score:")))

    assert "answer_chars" in str(refused.value)
    assert "score:NAME" in str(refused.value)


def test_what_is_no_metric_is_told_beside_one_that_is() -> None:
    options = Options(metrics=("duration_ms", "wit"))

    card = compare_windows(window(0, 40), window(40, 80), options)

    assert [each.metric for each in card.tests] == ["duration_ms"]
    assert "these calls have no metric 'wit'" in card.notes[0]


def test_a_metric_that_no_call_has_is_said_to_be_missing() -> None:
    names = ("score:helpful", "tag:kind", "own:tone", "answer_chars")

    card = compare_windows(window(0, 40), window(40, 80), Options(metrics=names))

    assert {each.metric for each in card.tests} == set(names)
    assert {each.state for each in card.tests} == {"not_enough_data"}
    assert {each.note for each in card.tests} == {"no call of either window has it"}
    assert card.verdict == "not_enough_data"
