"""What own functions said, as columns of one kind and as metrics of a card."""

import json

import polars as pl
import pytest

from headway_measures.descriptors.own import own_metric, read_own
from headway_measures.drift.cards import compare_windows
from headway_measures.drift.metrics_found import find_metrics
from headway_measures.drift.windows import Options, Query, Window


def said(*values: object) -> pl.Series:
    """Return what one function, ``x``, said of calls; None where it was not asked."""
    return pl.Series([None if each is None else json.dumps({"x": each}) for each in values])


@pytest.mark.parametrize(
    ("values", "kept", "kind"),
    [
        ((1, 2.5, None), [1.0, 2.5, None], "number"),
        ((True, False, None), [True, False, None], "rate"),
        (("a", "b"), ["a", "b"], "category"),
        ((1, "slip", 3), [1.0, None, 3.0], "number"),
        ((True, "a", "b"), [None, "a", "b"], "category"),
        (("first", 2), ["first", None], "category"),
    ],
)
def test_what_a_function_says_most_often_is_its_kind(
    values: tuple[object, ...], kept: list[object], kind: str
) -> None:
    (column,) = read_own(said(*values))

    assert (column.name, column.to_list()) == ("own:x", kept)
    assert own_metric("own:x", [column]).kind == kind


def test_what_moved_is_told_by_the_functions_name() -> None:
    kinds = [own_metric("own:x", read_own(said(*values))) for values in ((1, 2), (True,), ("a",))]

    assert [(each.label, each.rises, each.falls) for each in kinds] == [
        ("x", "x rose", "x fell"),
        ("x", "x is true more often", "x is true less often"),
        ("x", "x is another than before", "x is another than before"),
    ]


def test_nothing_said_is_no_column() -> None:
    assert read_own(said(None, None)) == []
    assert read_own(pl.Series([], dtype=pl.String)) == []


def test_where_windows_disagree_the_one_with_more_values_decides() -> None:
    (words,), (numbers,) = read_own(said("a", "b", "c")), read_own(said(1, 2))

    assert own_metric("own:x", [numbers, words]).kind == "category"
    assert own_metric("own:x", [words[:1], numbers]).kind == "number"


def make_window(own: pl.Series) -> Window:
    rows = pl.DataFrame({"span_id": [f"{own.name}{n}" for n in range(len(own))]})
    return Window(Query(), rows.with_columns(own.alias("own:x")), len(own))


def test_a_function_of_which_fewer_calls_were_asked_has_not_drifted() -> None:
    values = [float(number % 7) for number in range(300)]
    before = make_window(pl.Series("a", values))
    after = make_window(pl.Series("b", [*values[:100], *[None] * 200]))
    card = compare_windows(before, after, Options())

    assert {each.metric: each.state for each in card.tests if "own:" in each.metric} == {
        "own:x": "no_drift"
    }


def test_own_functions_stand_among_the_metrics_and_can_be_asked_for() -> None:
    rows = pl.DataFrame({"own:x": [1.0], "own:y": ["a"], "answer_chars": [3]})
    every = [each.name for each in find_metrics(rows, rows, Options())]

    assert every == ["answer_chars", "own:x", "own:y"]
    (asked,) = find_metrics(rows, rows, Options(metrics=("own:y",)))
    assert (asked.name, asked.kind) == ("own:y", "category")
