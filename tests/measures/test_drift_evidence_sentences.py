"""What single tests and whole cards say, above all where nothing was found."""

from dataclasses import replace

import pytest

from headway_measures.drift.headlines import headline
from headway_measures.drift.results import Coincidence, Evidence, Finding, State, Term
from headway_measures.drift.sentences import evidence_sentence
from tests.measures.drift_findings import (
    NAMED,
    NEW_VERSION,
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

PAGE: list[tuple[Evidence, str]] = [
    (
        REFUSALS,
        "More answers refuse: 5 % → 10 %, +5.0 points (likely between +3.0 and +7.0 points).",
    ),
    (
        replace(REFUSALS, state="no_drift", detectable=0.031),
        (
            "Refusals: no drift; 5 % → 10 % may be chance. With 1,000 calls before and 1,000 "
            "now, a change of 3.1 points would be found four times in five."
        ),
    ),
    (
        replace(rate("is_refusal", 5, 6), state="no_drift", detectable=0.031),
        (
            "Refusals: no drift; 5 % → 6 % is too little to matter. With 1,000 calls before and "
            "1,000 now, a change of 3.1 points would be found four times in five."
        ),
    ),
    (
        replace(SHORTER, state="no_drift", detectable=0.08),
        (
            "Length of answers: no drift; median 346 → 48 characters may be chance. With 1,000 "
            "calls before and 1,000 now, a shift that makes a call of now the higher one in 54 % "
            "of pairs would be found four times in five."
        ),
    ),
    (
        replace(SHORTER, state="no_drift", detectable=0.08, is_paired=True, units_ref=100),
        (
            "Length of answers: no drift; median 346 → 48 characters may be chance. With 100 "
            "prompts, 8 % more prompts going one way than the other would be found four times in "
            "five."
        ),
    ),
    (
        replace(WORDING, state="no_drift", detectable=0.53),
        (
            "Wording of answers: no drift. With 1,000 calls before and 1,000 now, texts told "
            "apart in 53 % of pairs instead of 50 % would be found four times in five."
        ),
    ),
    (
        replace(mix("opener", "a 5 %", "a 6 %"), state="no_drift", detectable=0.04),
        (
            "First words of answers: no drift; “a” 5 % → 6 % may be chance. With 1,000 calls "
            "before and 1,000 now, 4 % of calls moving to other values would be found four times "
            "in five."
        ),
    ),
    (
        replace(
            rate("is_refusal", 5, 6),
            state="not_enough_data",
            needs_n=642,
            units_ref=12,
            units_cur=1,
            n_ref=12,
            n_cur=1,
        ),
        (
            "Refusals: not enough data with 12 calls before and 1 now; it takes about 642 calls "
            "in each window to find a change of 2 points, four times in five."
        ),
    ),
    (
        replace(
            rate("is_refusal", 5, 6),
            state="not_enough_data",
            needs_n=642,
            units_ref=12,
            units_cur=15,
        ),
        (
            "Refusals: not enough data with 12 independent units before and 15 now; it takes "
            "about 642 independent units in each window to find a change of 2 points, four times "
            "in five."
        ),
    ),
    (
        replace(SHORTER, state="not_enough_data", needs_n=64, units_ref=1, is_paired=True),
        (
            "Length of answers: not enough data with 1 prompt; it takes about 64 prompts to find "
            "10 % more prompts going one way than the other, four times in five."
        ),
    ),
    (
        replace(
            WORDING,
            effects=(),
            state="not_enough_data",
            needs_n=2600,
            units_ref=20,
            units_cur=30,
            n_ref=20,
            n_cur=30,
            note="too few independent texts to compare",
        ),
        (
            "Wording of answers: not enough data with 20 calls before and 30 now (too few "
            "independent texts to compare); it takes about 2,600 calls in each window."
        ),
    ),
    (
        replace(SHORTER, state="identical", note="every value is equal"),
        "Length of answers: nothing to compare: every value is equal.",
    ),
    (
        replace(SHORTER, state="failed", note="vectors are not finite"),
        "Length of answers: could not be compared: vectors are not finite.",
    ),
    (
        replace(rate("is_refusal", 5, 5), state="no_drift"),
        "Refusals: no drift; 5 % in both windows.",
    ),
    (
        replace(mix("opener", "", ""), state="not_enough_data", needs_n=30, note="all are rare"),
        "First words of answers: not enough data with 1,000 calls before and 1,000 now (all are "
        "rare).",
    ),
]

NEW_MODEL = Coincidence("request_model", "gpt-4-0613", at(9), 0, 1, None)
OPENERS = mix("opener", "i'm sorry, but 2 %, as an ai 79 %", "i'm sorry, but 71 %, as an ai 9 %")
LINES = number("answer_lines", "median 3 lines", "median 1 lines", -0.5)
QUIET = [
    replace(each, state="no_drift", detectable=size)
    for each, size in ((SHORTER, 0.2), (WORDING, 0.53), (REFUSALS, 0.025))
]
FEW = [
    replace(
        each, state="not_enough_data", units_ref=12, units_cur=15, n_ref=12, n_cur=15, needs_n=n
    )
    for each, n in (
        (SHORTER, 1047),
        (REFUSALS, 642),
        (rate("asks_back", 1, 2), 10),
        (rate("score:accuracy", 84, 51), 40),
    )
]


@pytest.mark.parametrize(("evidence", "sentence"), PAGE)
def test_a_test_reads_as_english(evidence: Evidence, sentence: str) -> None:
    assert evidence_sentence(NAMED[evidence.metric], evidence) == sentence


HEADLINES: list[tuple[State, list[Finding], list[Evidence], str]] = [
    (
        "drift",
        [Finding(SHORTER, "", since=SINCE), Finding(REFUSALS, "")],
        [SHORTER, REFUSALS],
        "Drift since about 2026-05-09 14:00 UTC: answers got shorter (median 346 → 48 "
        "characters); more answers refuse (5 % → 10 %).",
    ),
    (
        "drift",
        [Finding(LINES, "")] * 4,
        [LINES] * 4,
        "Drift: answers have fewer lines (median 3 → 1 line); answers have fewer lines (median "
        "3 → 1 line); and 2 more changes.",
    ),
    (
        "drift",
        [
            Finding(each, "", coincidences=(NEW_MODEL,))
            for each in (
                replace(rate("score:accuracy", 84, 51), is_paired=True),
                replace(OPENERS, is_paired=True),
            )
        ],
        [],
        "Drift, with the new model “gpt-4-0613”, on the same 1,000 prompts: the score accuracy "
        "fell (84 % → 51 %); answers begin with other words than before (“i'm sorry, but” 2 % → "
        "71 %).",
    ),
    (
        "drift",
        [
            Finding(REFUSALS, "", since=SINCE, coincidences=(NEW_VERSION,)),
            Finding(
                WORDING,
                "",
                since=SINCE,
                terms=(Term("Sorry, but I", "opener", 0.02, 0.87, 0, 0),),
            ),
            Finding(VECTORS, ""),
        ],
        [],
        "Drift since about 2026-05-09 14:00 UTC, when prompt version “triage-v3” came: more "
        "answers refuse (5 % → 10 %); answers are worded otherwise (opening “Sorry, but I” 2 % → "
        "87 %); and 1 more change.",
    ),
    (
        "drift",
        [Finding(REFUSALS, "", since=SINCE, coincidences=(replace(NEW_VERSION, first_ns=at(1)),))],
        [],
        "Drift since about 2026-05-09 14:00 UTC: more answers refuse (5 % → 10 %).",
    ),
    (
        "no_drift",
        [],
        QUIET,
        "No drift in 3 comparisons. Of refusals, a change of 2.5 points would have been found "
        "four times in five.",
    ),
    (
        "no_drift",
        [],
        QUIET[:1],
        "No drift in 1 comparison. Of length of answers, a shift that makes a call of now the "
        "higher one in 60 % of pairs would have been found four times in five.",
    ),
    (
        "no_drift",
        [],
        [replace(SHORTER, state="identical")],
        "No drift: nothing that was compared differs at all between the windows.",
    ),
    (
        "not_enough_data",
        [],
        FEW,
        "Not enough data to call the windows alike. The nearest to an answer: refusals, with 12 "
        "calls before and 15 now; it takes about 642 calls in each window to find a change of 2 "
        "points, four times in five.",
    ),
    (
        "not_enough_data",
        [],
        [*FEW, replace(FEW[0], metric="fence_count", units_ref=0, units_cur=0, needs_n=10)],
        "Not enough data to call the windows alike. The nearest to an answer: refusals, with 12 "
        "calls before and 15 now; it takes about 642 calls in each window to find a change of 2 "
        "points, four times in five.",
    ),
    ("not_enough_data", [], [], "Not enough data: there was nothing to compare."),
    (
        "failed",
        [],
        [replace(SHORTER, state="failed")],
        "No answer: the comparisons that decide could not be made.",
    ),
]


@pytest.mark.parametrize(("verdict", "findings", "tests", "sentence"), HEADLINES)
def test_a_verdict_reads_as_english(
    verdict: State, findings: list[Finding], tests: list[Evidence], sentence: str
) -> None:
    assert headline(verdict, findings, tests, NAMED) == sentence


def test_a_metric_without_a_label_goes_by_its_name() -> None:
    told = headline("drift", [Finding(REFUSALS, "")], [REFUSALS], {})

    assert told.startswith("Drift: is_refusal changed (5 % → 10 %)")


def test_windows_that_were_chosen_by_a_value_are_told_apart_by_it() -> None:
    between = replace(SINCE, note="between the windows")
    finding = Finding(REFUSALS, "", since=between, coincidences=(NEW_MODEL,))

    told = headline("drift", [finding], [], NAMED, {"request_model": ("gpt-4-0314", "gpt-4-0613")})

    assert told == (
        "Drift, with model “gpt-4-0613” instead of “gpt-4-0314”: more answers refuse (5 % → 10 %)."
    )


@pytest.mark.parametrize("length", [10, 20, 30, 38])
def test_a_headline_is_short_however_long_its_values_are(length: int) -> None:
    name = "x" * length
    openers = mix("opener", f"{name} 2 %, other 98 %", f"{name} 71 %, other 29 %")
    found = [Finding(each, "", since=SINCE) for each in (openers, REFUSALS, openers, SHORTER)]

    told = headline("drift", found, [], NAMED)

    assert len(told) <= 200
    assert told.startswith("Drift since about 2026-05-09 14:00 UTC: answers begin with other words")
    assert told.endswith("and 2 more changes.")
