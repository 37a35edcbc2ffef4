import numpy as np
import polars as pl
import pytest
from numpy.random import Generator
from scipy import stats

from headway_measures.descriptors.metrics import Kind, Metric
from headway_measures.drift.results import Effect, Evidence, Segment
from headway_measures.drift.segments import field_values, find_segments, usual_fields
from headway_measures.drift.windows import Options, Query, Window
from tests.measures.simulations import Rate

REFUSED = Metric("is_refusal", "rate", "answer", "", "refusals", "more refusals", "fewer refusals")
CHARS = Metric("answer_chars", "number", "answer", "chars", "length", "longer", "shorter")
OPENER = Metric("opener", "category", "answer", "", "opener", "", "")

KINDS = ("refund", "delivery", "account", "product")


def window(rows: pl.DataFrame) -> Window:
    return Window(Query(), rows, rows.height)


def calls(rng: Generator, count: int, rates: dict[str, float]) -> Window:
    """Return calls of four kinds, refused at the rate of their kind."""
    kinds = rng.choice(KINDS, count)
    refused = rng.random(count) < np.array([rates.get(kind, 0.05) for kind in kinds])
    tags = [[f"kind:{kind}", "beta"] for kind in kinds]
    return window(pl.DataFrame({"tags": tags, "is_refusal": refused}))


def compare_rates(ref: pl.DataFrame, cur: pl.DataFrame) -> Evidence:
    counts = [(int(rows["is_refusal"].sum()), rows.height) for rows in (ref, cur)]
    pooled = (counts[0][0] + counts[1][0]) / (counts[0][1] + counts[1][1])
    move = counts[1][0] / counts[1][1] - counts[0][0] / counts[0][1]
    error = np.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / counts[0][1] + 1 / counts[1][1]))
    return evidence(REFUSED, float(2 * stats.norm.sf(abs(move / error))), move, 0.02)


def compare_chars(ref: pl.DataFrame, cur: pl.DataFrame) -> Evidence:
    p_value = stats.mannwhitneyu(ref["answer_chars"], cur["answer_chars"]).pvalue
    return evidence(CHARS, float(p_value), 1.0, 0.1)


def compare_openers(ref: pl.DataFrame, cur: pl.DataFrame) -> Evidence:
    counts = [[(rows["opener"] == name).sum() for name in "abc"] for rows in (ref, cur)]
    return evidence(OPENER, float(stats.chi2_contingency(counts).pvalue), 1.0, 0.05)


def evidence(metric: Metric, p_value: float, effect: float, floor: float) -> Evidence:
    return Evidence(
        metric.name,
        metric.kind,
        metric.side,
        "of a test",
        "no_drift",
        100,
        100,
        100,
        100,
        p_value=p_value,
        effects=(Effect("of a test", effect, None, None, floor),),
    )


def refused_for(ref: Window, cur: Window, fields: tuple[str, ...] = ("kind:*",)) -> list[str]:
    found = find_segments(ref, cur, REFUSED, fields, Options(), compare_rates)
    return [segment.value for segment in found]


def test_the_kind_of_call_that_changed_is_named() -> None:
    rng = np.random.default_rng(1)

    found = find_segments(
        calls(rng, 1_200, {}),
        calls(rng, 1_200, {"refund": 0.3}),
        REFUSED,
        ("kind:*",),
        Options(),
        compare_rates,
    )

    assert [(segment.field, segment.value) for segment in found] == [("kind:*", "refund")]
    assert found[0].evidence.state == "drift"
    assert found[0].evidence.q_value is not None
    assert found[0].evidence.q_value >= (found[0].evidence.p_value or 0)


def test_a_change_for_everybody_is_for_no_segment() -> None:
    rng = np.random.default_rng(2)
    everywhere = dict.fromkeys(KINDS, 0.4)

    named = sum(
        bool(refused_for(calls(rng, 1_000, {}), calls(rng, 1_000, everywhere))) for _ in range(40)
    )

    assert Rate(named, 40).lower <= 0.05


def test_where_nothing_changed_segments_are_rarely_named() -> None:
    rng = np.random.default_rng(3)

    named = sum(bool(refused_for(calls(rng, 600, {}), calls(rng, 600, {}))) for _ in range(60))

    assert Rate(named, 60).lower <= 0.05


def test_that_many_segments_were_looked_at_counts() -> None:
    rng = np.random.default_rng(9)
    surely = evidence(REFUSED, 0.0, 1.0, 0.0)
    named = 0
    for _ in range(20):
        sides = [
            window(
                pl.DataFrame(
                    {"team": rng.integers(0, 20, 1_200), "is_refusal": rng.random(1_200) < 0.4}
                )
            )
            for _ in range(2)
        ]
        named += bool(
            find_segments(
                sides[0], sides[1], REFUSED, ("team",), Options(), lambda _ref, _cur: surely
            )
        )

    assert Rate(named, 20).lower <= 0.05


def test_a_segment_that_changed_as_the_rest_but_less_is_not_named() -> None:
    rng = np.random.default_rng(4)
    most = dict.fromkeys(KINDS, 0.6) | {"account": 0.2}

    found = refused_for(calls(rng, 4_000, {}), calls(rng, 4_000, most))

    assert "account" not in found


def test_changes_against_each_other_are_both_named() -> None:
    rng = np.random.default_rng(5)
    answers = rng.choice(["[Yes]", "[No]"], 800)
    ref = pl.DataFrame({"attribute:ref": answers, "is_refusal": answers == "[Yes]"})
    cur = pl.DataFrame({"attribute:ref": answers, "is_refusal": rng.random(800) < 0.4})

    found = refused_for(window(ref), window(cur), ("attribute:ref",))

    assert sorted(found) == ["[No]", "[Yes]"]


def test_numbers_and_categories_have_segments_and_whole_texts_have_none() -> None:
    rng = np.random.default_rng(6)
    model = rng.choice(["a", "b"], 800)
    chars = rng.lognormal(5, 2, 800)
    ref = pl.DataFrame(
        {"request_model": model, "answer_chars": chars, "opener": rng.choice(["a", "b", "c"], 800)}
    )
    cur = ref.with_columns(
        answer_chars=pl.Series(np.where(model == "a", chars / 8, chars)),
        opener=pl.when(pl.col("request_model") == "b").then(pl.lit("c")).otherwise("opener"),
    )

    def named(metric: Metric, compare: object) -> list[str]:
        test = compare_chars if compare == "chars" else compare_openers
        fields = ("request_model",)
        found = find_segments(window(ref), window(cur), metric, fields, Options(), test)
        return [segment.value for segment in found]

    assert named(CHARS, "chars") == ["a"]
    assert named(OPENER, "openers") == ["b"]
    kind: Kind = "text"
    assert named(Metric("opener", kind, "answer", "", "", "", ""), "openers") == []


def test_a_segment_needs_thirty_units_a_side_and_as_many_outside() -> None:
    refused = [False] * 40 + [True] * 40
    sessions = [f"s{place // 2}" for place in range(80)]
    rows = pl.DataFrame({"session_id": sessions, "request_model": ["m"] * 40 + ["n"] * 40})
    ref = window(rows.with_columns(is_refusal=pl.Series([False] * 80)))
    cur = window(rows.with_columns(is_refusal=pl.Series(refused)))

    by_session = find_segments(ref, cur, REFUSED, ("request_model",), Options(), compare_rates)
    by_row = find_segments(
        ref, cur, REFUSED, ("request_model",), Options(unit="row"), compare_rates
    )

    assert by_session == ()
    assert [segment.value for segment in by_row] == ["n"]


def test_calls_of_one_session_are_no_proof_that_a_segment_differs() -> None:
    def found(unit: str) -> int:
        rng = np.random.default_rng(7)
        always = evidence(REFUSED, 0.0, 1.0, 0.0)
        named = 0
        for _ in range(40):
            sides = []
            for _ in range(2):
                sessions = np.repeat(np.arange(80), 10)
                rows = {
                    "session_id": sessions.astype(str),
                    "request_model": np.where(sessions < 40, "m", "n"),
                    "is_refusal": (rng.random(80) < 0.5)[sessions],
                }
                sides.append(window(pl.DataFrame(rows)))
            options = Options(unit="session" if unit == "session" else "row")
            fields = ("request_model",)
            segments: tuple[Segment, ...] = find_segments(
                sides[0], sides[1], REFUSED, fields, options, lambda _ref, _cur: always
            )
            named += bool(segments)
        return named

    assert Rate(found("session"), 40).lower <= 0.05
    assert Rate(found("row"), 40).lower > 0.05


def test_effects_below_the_floor_and_tests_that_did_not_run_are_left_out() -> None:
    rng = np.random.default_rng(8)
    ref, cur = calls(rng, 1_200, {}), calls(rng, 1_200, {"refund": 0.5})
    small = evidence(REFUSED, 1e-9, 0.01, 0.02)

    def run(found: Evidence | None) -> tuple[Segment, ...]:
        return find_segments(ref, cur, REFUSED, ("kind:*",), Options(), lambda _ref, _cur: found)

    assert run(small) == ()
    assert run(None) == ()


def test_usual_fields_are_the_columns_there_are_and_the_families_of_tags() -> None:
    rows = pl.DataFrame(
        {"request_model": ["m"], "tags": [["kind:refund", "beta", "tier:free"]], "team": ["t"]}
    )
    options = Options(segment_by=("team", "missing"))

    fields = usual_fields(rows, rows, options)

    assert fields == ("request_model", "team", "kind:*", "tier:*")


@pytest.mark.parametrize(
    ("tags", "value"),
    [
        (["kind:b", "kind:a"], "a"),
        (["beta"], None),
        ([], None),
        (None, None),
        (["kind:a:b"], "a:b"),
    ],
)
def test_a_tag_family_has_one_value_a_call(tags: list[str] | None, value: str | None) -> None:
    rows = pl.DataFrame({"tags": [tags]}, schema={"tags": pl.List(pl.String)})

    assert field_values(rows, "kind:*").to_list() == [value]


def test_a_field_that_no_call_has_is_empty() -> None:
    assert field_values(pl.DataFrame({"a": [1, 2]}), "release").to_list() == [None, None]


def test_the_same_calls_by_another_name_are_told_once() -> None:
    rng = np.random.default_rng(12)
    ref, cur = calls(rng, 1_200, {}), calls(rng, 1_200, {"refund": 0.4})
    kind = pl.col("tags").list.first().str.strip_prefix("kind:")
    mostly = pl.when(pl.int_range(pl.len()) % 5 > 0).then(kind.replace("refund", "money"))
    named = [
        window(
            side.rows.with_columns(
                release=mostly.otherwise(pl.lit("none")),
                prompt_language=pl.when(pl.int_range(pl.len()) % 3 == 0).then(kind),
            )
        )
        for side in (ref, cur)
    ]

    alone = refused_for(named[0], named[1], ("release",))
    by_language = refused_for(named[0], named[1], ("prompt_language",))

    assert alone == ["money"]
    assert by_language == ["refund"]
    assert refused_for(named[0], named[1], ("kind:*", "release", "prompt_language")) == ["refund"]
