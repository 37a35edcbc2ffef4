"""The tree of a trace, tidy and untidy."""

from typing import Any

from headway_ui.trees import build_rows, find_root, total_ms


def make_span(span_id: str, parent: str | None, start_ms: int, end_ms: int) -> dict[str, Any]:
    return {
        "span_id": span_id,
        "parent_span_id": parent,
        "start_time": f"2026-11-22T10:00:{start_ms / 1000:09.6f}Z",
        "end_time": f"2026-11-22T10:00:{end_ms / 1000:09.6f}Z",
        "duration_ms": end_ms - start_ms,
    }


def outline(spans: list[dict[str, Any]]) -> list[str]:
    return ["." * row.depth + row.span["span_id"] for row in build_rows(spans)]


def test_children_stand_below_their_parent_in_order_of_time() -> None:
    spans = [
        make_span("late", "root", 50, 60),
        make_span("root", None, 0, 100),
        make_span("early", "root", 10, 40),
        make_span("leaf", "early", 20, 30),
    ]

    assert outline(spans) == ["root", ".early", "..leaf", ".late"]


def test_bars_lie_where_the_span_lay_in_the_whole() -> None:
    root, child = build_rows([make_span("root", None, 0, 200), make_span("child", "root", 50, 150)])

    assert (root.offset, root.width) == (0, 1)
    assert (round(child.offset, 6), round(child.width, 6)) == (0.25, 0.5)


def test_a_span_whose_parent_is_missing_stands_as_a_root_and_says_so() -> None:
    rows = build_rows([make_span("only", "gone", 0, 10)])

    assert [(row.depth, row.is_orphan) for row in rows] == [(0, True)]


def test_a_circle_of_parents_still_gives_every_span_one_row() -> None:
    spans = [make_span("a", "b", 0, 10), make_span("b", "a", 1, 5), make_span("c", "c", 2, 3)]

    assert outline(spans) == ["c", "a", ".b"]


def test_spans_without_any_length_fill_the_whole() -> None:
    rows = build_rows([make_span("a", None, 5, 5)])

    assert [(row.offset, row.width) for row in rows] == [(0, 1)]


def test_a_clock_that_runs_backwards_gives_no_negative_bar() -> None:
    rows = build_rows([make_span("root", None, 0, 100), make_span("odd", "root", 60, 40)])

    assert min(row.width for row in rows) == 0


def test_a_chain_deeper_than_pythons_recursion_is_drawn() -> None:
    spans = [make_span(f"s{n}", f"s{n - 1}" if n else None, n % 900, 999) for n in range(3000)]

    assert len(build_rows(spans)) == 3000


def test_the_root_stands_for_the_trace() -> None:
    spans = [make_span("child", "root", 5, 300), make_span("root", None, 0, 100)]

    assert find_root(spans)["span_id"] == "root"
    assert round(total_ms(spans)) == 300
    assert build_rows([]) == []
