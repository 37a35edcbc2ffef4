"""The page that says how findings read. A product manager should need no other."""

from dataclasses import replace

import pytest

from headway_measures.drift.results import (
    ChangeTime,
    Coincidence,
    Effect,
    Finding,
    Mix,
    Segment,
    Term,
)
from headway_measures.drift.sentences import finding_sentence
from tests.measures.drift_findings import (
    NAMED,
    NEW_VERSION,
    NO_COST,
    REFUSALS,
    SHORTER,
    SINCE,
    VECTORS,
    WORDING,
    at,
    mix,
    number,
    rate,
)

PAGE: list[tuple[Finding, str]] = [
    (
        Finding(REFUSALS, ""),
        "More answers refuse: 5 % → 10 %, +5.0 points (likely between +3.0 and +7.0 points).",
    ),
    (
        Finding(replace(rate("score:accuracy", 84, 51), is_paired=True), ""),
        (
            "The score accuracy fell: 84 % → 51 %, −33.0 points (likely between −35.0 and −31.0 "
            "points), on the same 1,000 prompts."
        ),
    ),
    (
        Finding(rate(NO_COST.name, 1, 12), ""),
        (
            "More calls come without cost: 1 % → 12 %, +11.0 points (likely between +9.0 and "
            "+13.0 points)."
        ),
    ),
    (
        Finding(replace(SHORTER, is_paired=True, units_ref=1), ""),
        "Answers got shorter: median 346 → 48 characters, on the same prompt.",
    ),
    (
        Finding(number("answer_lines", "median 3 lines", "median 1 lines", -0.5), ""),
        "Answers have fewer lines: median 3 → 1 line.",
    ),
    (
        Finding(number("duration_ms", "median 1,240 ms", "median 1,840 ms", 0.4), ""),
        "Calls got slower: median 1,240 → 1,840 ms.",
    ),
    (
        Finding(number("cost_usd", "median 0.0042 USD", "median 9.5e-05 USD", -0.4), ""),
        "Calls got cheaper: median $0.0042 → $0.000095.",
    ),
    (
        Finding(number("digit_share", "median 0.021", "median 0.134", 0.4), ""),
        "Answers have more digits: median 2.1 % → 13.4 %.",
    ),
    (
        Finding(number("answer_chars", "mean 353 chars", "mean 298 chars", 0.4), ""),
        "Answers got longer in most calls, although the mean fell: mean 353 → 298 characters.",
    ),
    (
        Finding(
            replace(
                number("duration_ms", "median 1,240 ms", "median 1,245 ms", 0.02),
                effects=(
                    Effect("wasserstein_sd", 0.6, None, None, 0.1),
                    Effect("cliffs_delta", 0.02, -0.1, 0.1, 0.1),
                ),
            ),
            "",
        ),
        "The spread of latency changed.",
    ),
    (
        Finding(
            replace(
                number("fence_count", "1 blocks 0.1 %", "1 blocks 30 %", 0.3),
                effects=(Effect("risk_difference", 0.3, None, None, 0.05),),
            ),
            "",
        ),
        "Answers have more fenced code: 1 block in 0.1 % → 30 % of calls, +30.0 points.",
    ),
    (
        Finding(number("hedge_count", "mean 0.265 phrases", "mean 0.061 phrases", -0.05), ""),
        "Answers hedge less in some calls: mean 0.265 → 0.061 phrases.",
    ),
    (
        Finding(
            mix("opener", "i'm sorry, but 2 %, as an ai 79 %", "i'm sorry, but 71 %, as an ai 9 %"),
            "",
        ),
        (
            "Answers begin with other words than before: “i'm sorry, but” 2 % → 71 %, “as an ai” "
            "79 % → 9 %."
        ),
    ),
    (
        Finding(mix("finish_reason", "stop 91 %, other 9 %", "stop 60 %, other 40 %"), ""),
        "Answers end for other reasons than before: “stop” 91 % → 60 %, other 9 % → 40 %.",
    ),
    (
        Finding(mix("answer_clusters", "12 % refund, money", "40 % refund, money"), ""),
        "The mix of answers that are alike changed: “refund, money” 12 % → 40 %.",
    ),
    (
        Finding(
            mix(
                "answer_hash",
                "-8123912391000 4 %, 912391200012 1 %",
                "-8123912391000 72 %, 912391200012 8 %",
            ),
            "",
        ),
        (
            "The answers that are given again and again changed: one of them 4 % → 72 %, another "
            "1 % → 8 %."
        ),
    ),
    (
        Finding(WORDING, ""),
        (
            "Answers are worded otherwise: the words alone tell an answer of before from one of "
            "now in 83 % of pairs, where chance gives 50 %."
        ),
    ),
    (
        Finding(VECTORS, ""),
        "Answers lie elsewhere as vectors: average likeness 0.21 → 0.35.",
    ),
    (
        Finding(
            REFUSALS,
            "",
            since=SINCE,
            coincidences=(NEW_VERSION, Coincidence("release", "2.1", at(9, 16), 0, 0.5, None)),
        ),
        (
            "More answers refuse: 5 % → 10 %, +5.0 points (likely between +3.0 and +7.0 points). "
            "Since about 2026-05-09 14:00 UTC (95 % interval: 2026-05-09 02:00 UTC to 2026-05-10 "
            "04:00 UTC). It coincides with prompt version “triage-v3”, first seen 2026-05-09 "
            "15:00 UTC (0 % → 48 % of calls); calls without it changed by +0.3 points; likewise "
            "release “2.1”."
        ),
    ),
    (
        Finding(
            REFUSALS,
            "",
            since=replace(SINCE, note="and perhaps again at 2026-05-12 06:00 UTC"),
            coincidences=(replace(NEW_VERSION, first_ns=at(8)),),
        ),
        (
            "More answers refuse: 5 % → 10 %, +5.0 points (likely between +3.0 and +7.0 points). "
            "Since about 2026-05-09 14:00 UTC (95 % interval: 2026-05-09 02:00 UTC to 2026-05-10 "
            "04:00 UTC), and perhaps again at 2026-05-12 06:00 UTC. Before it came prompt "
            "version “triage-v3”, first seen 2026-05-08 00:00 UTC (0 % → 48 % of calls); calls "
            "without it changed by +0.3 points."
        ),
    ),
    (
        Finding(
            SHORTER,
            "",
            coincidences=(Coincidence("request_model", "gpt-4-0613", at(9), 0, 1, None),),
        ),
        (
            "Answers got shorter: median 346 → 48 characters. Between the windows came model "
            "“gpt-4-0613” (0 % → 100 % of calls)."
        ),
    ),
    (
        Finding(
            REFUSALS,
            "",
            segments=(
                Segment("kind:*", "refund", rate("is_refusal", 12, 40)),
                Segment("request_model", "small", rate("is_refusal", 2, 4)),
            ),
        ),
        (
            "More answers refuse: 5 % → 10 %, +5.0 points (likely between +3.0 and +7.0 points). "
            "Most for tag “kind:refund” (12 % → 40 %). Less for model “small” (2 % → 4 %)."
        ),
    ),
    (
        Finding(
            rate("score:accuracy", 84, 51),
            "",
            segments=(
                Segment("attribute:team", "Yes", rate("score:accuracy", 98, 2)),
                Segment("attribute:*", "No", rate("score:accuracy", 70, 100)),
            ),
        ),
        (
            "The score accuracy fell: 84 % → 51 %, −33.0 points (likely between −35.0 and −31.0 "
            "points). Most for team “Yes” (98 % → 2 %). The other way for tag "
            "“attribute:No” (70 % → 100 %)."
        ),
    ),
    (
        Finding(REFUSALS, "", mixes=(Mix("kind:*", 0.05, 0.048, 0.002, 0, -0.005, 0.009),)),
        (
            "More answers refuse: 5 % → 10 %, +5.0 points (likely between +3.0 and +7.0 points). "
            "Mostly mix: by tag “kind”, other calls than before make up +4.8 of +5.0 points; "
            "calls of the same tag “kind” changed by +0.2 points (likely between −0.5 and +0.9 "
            "points)."
        ),
    ),
    (
        Finding(SHORTER, "", mixes=(Mix("request_model", -200, -10, -190, 0, -220, -150),)),
        (
            "Answers got shorter: median 346 → 48 characters. Not mix: calls of the same model "
            "changed by −190 of −200 characters on average (likely between −220 and −150 "
            "characters)."
        ),
    ),
    (
        Finding(
            number("cost_usd", "median 0.002 USD", "median 0.003 USD", 0.4),
            "",
            mixes=(Mix("prompt_name", 0.001, 0.0005, 0.0005, 0, 0.0001, 0.0009),),
        ),
        (
            "Calls got more expensive: median $0.002 → $0.003. Partly mix: by prompt, other "
            "calls than before make up +$0.0005 of +$0.001 on average; calls of the same prompt "
            "changed by +$0.0005 (likely between +$0.0001 and +$0.0009)."
        ),
    ),
    (
        Finding(
            WORDING,
            "",
            terms=(
                Term("Sorry, but I", "opener", 0.02, 0.87, 0, 0),
                Term("[No]", "answer", 0, 0.12, 0, 0),
                Term("\n\n", "chars", 0.1, 0.3, 0, 0),
                Term("step", "word", 0.97, 0, 0, 0),
                Term("numbered list", "format", 0.8, 0.1, 0, 0),
            ),
        ),
        (
            "Answers are worded otherwise: the words alone tell an answer of before from one of "
            "now in 83 % of pairs, where chance gives 50 %. Commoner now: opening “Sorry, but I” "
            "2 % → 87 %, whole text “[No]” 0 % → 12 %, signs “↵↵” 10 % → 30 %. Rarer now: “step” "
            "97 % → 0 %, numbered list 80 % → 10 %."
        ),
    ),
    (
        Finding(
            SHORTER,
            "",
            mixes=(Mix("release", -200, -0.0002, -200, 0, -220, -150),),
            terms=(Term("sorry", "word", 0.02, 0.87, 0, 0), Term("but", "word", 0, 0.5, 0, 0)),
        ),
        ("Answers got shorter: median 346 → 48 characters. Commoner now: “sorry” 2 % → 87 %."),
    ),
]


@pytest.mark.parametrize(("finding", "sentence"), PAGE)
def test_a_finding_reads_as_english(finding: Finding, sentence: str) -> None:
    assert finding_sentence(NAMED[finding.evidence.metric], finding) == sentence


def test_texts_of_calls_cannot_break_a_sentence() -> None:
    evil = "x\n</p>\x1b[2J\u202e" * 50_000
    finding = Finding(
        replace(REFUSALS, before=evil, after=evil, method=evil),
        "",
        segments=(Segment(evil, evil, replace(REFUSALS, before=evil, after=evil)),),
        mixes=(Mix(evil, 0.05, 0.048, 0.002, 0, -0.005, 0.009),),
        coincidences=(Coincidence(evil, evil, 2**62, 0, 0.5, float("nan")),),
        terms=(Term(evil, "word", 0.1, 0.9, 0, 0), Term(evil, "answer", 0.9, float("nan"), 0, 0)),
    )

    told = finding_sentence(NAMED["is_refusal"], finding)

    assert told.isprintable()
    assert len(told) < 3000


def test_figures_that_are_no_numbers_are_not_told_as_such() -> None:
    effect = Effect("risk_difference", float("nan"), float("-inf"), float("inf"), 0.02)
    finding = Finding(
        replace(REFUSALS, effects=(effect,)), "", mixes=(Mix("name", 0.0, 0, 0, 0, 0, 0),)
    )

    told = finding_sentence(NAMED["is_refusal"], finding)

    assert "nan" not in told
    assert "inf" not in told


BETWEEN = ChangeTime(at(20), at(3), at(20), 0.95, "between the windows")
NEW_MODEL = Coincidence("request_model", "large", at(20), 0, 1, None)


def test_a_change_between_windows_is_told_by_the_ends_of_the_gap() -> None:
    finding = Finding(SHORTER, "", since=BETWEEN, coincidences=(NEW_MODEL,))

    assert finding_sentence(NAMED["answer_chars"], finding) == (
        "Answers got shorter: median 346 → 48 characters. Most likely between the windows: after "
        "2026-05-03 00:00 UTC and before 2026-05-20 00:00 UTC. Between the windows came model "
        "“large” (0 % → 100 % of calls)."
    )


def test_what_the_windows_were_chosen_by_is_no_coincidence() -> None:
    other = Coincidence("release", "2.1", at(9, 14), 0, 0.5, None)
    finding = Finding(SHORTER, "", since=SINCE, coincidences=(other, NEW_MODEL))

    told = finding_sentence(NAMED["answer_chars"], finding, {"request_model": ("small", "large")})

    assert told.endswith(
        "The windows were chosen by model: “small” before, “large” now; likewise release “2.1”."
    )
