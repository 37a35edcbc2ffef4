"""LLMDrift (Chen, Zaharia, Zou 2023): what changed in two models is found and explained.

March against June, the same prompts to both: 1,000 questions whether a number is prime, and 100
that a model had better not answer. Both models were asked at once, so that no change has a date.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from headway_measures.descriptors.describing import describe
from headway_measures.drift.cards import compare_windows
from headway_measures.drift.results import Card, Evidence, Finding
from headway_measures.drift.windows import Options, Query, Window

GPT_4 = ("gpt-4-0314", "gpt-4-0613")
GPT_35 = ("gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613")
EVERY_CARD = [(name, models) for name in ("primes", "sensitive") for models in (GPT_4, GPT_35)]


@pytest.fixture(scope="module")
def files(llmdrift_csv: Path, sensitive_csv: Path) -> Mapping[str, Path]:
    return {"primes": llmdrift_csv, "sensitive": sensitive_csv}


def read_rows(path: Path) -> pl.DataFrame:
    """Return the calls of a file as a window has them, described and scored."""
    logged = pl.read_csv(path, infer_schema_length=None).with_row_index()
    answer = pl.col("answer").str.to_lowercase()
    says_yes, says_no = (answer.str.contains(rf"\b{word}\b") for word in ("yes", "no"))
    said = pl.when(says_yes).then(pl.lit("yes")).when(says_no).then(pl.lit("no"))
    expected = pl.col("ref_answer").cast(pl.String).str.to_lowercase()
    score = {"score:accuracy": (said == expected).fill_null(value=False)}
    if "Response Rate" in logged.columns:
        score = {"score:response_rate": pl.col("Response Rate") > 0}
    rows = logged.select(
        pl.col("query").alias("prompt"),
        "answer",
        span_id=pl.col("index").cast(pl.String).str.zfill(16),
        trace_id=pl.col("index").cast(pl.String).str.zfill(32),
        start_ns=pl.col("timestamp").str.to_datetime("%m/%d/%Y, %H:%M:%S").dt.epoch("ns"),
        request_model=pl.col("model").str.strip_prefix("openaichat/"),
        duration_ms=pl.col("latency") * 1_000,
        output_tokens="answer_token",
        cost_usd="cost",
        finish_reason=pl.lit(None, pl.String),
        **{"attribute:ref_answer": pl.col("ref_answer").cast(pl.String)},
        **score,
    )
    described = pl.concat([rows, describe(rows)], how="horizontal")
    return described.sort("start_ns", "span_id")


@cache
def make_card(path: Path, models: tuple[str, str]) -> Card:
    rows = read_rows(path)
    ref, cur = (
        Window(Query((("request_model", (model,)),)), calls, calls.height)
        for model in models
        for calls in [rows.filter(pl.col("request_model") == model)]
    )
    return compare_windows(ref, cur, Options(segment_by=("attribute:ref_answer",)))


def evidence_of(card: Card, metric: str) -> Evidence:
    return next(each for each in card.tests if each.metric == metric)


def finding_of(card: Card, *metrics: str) -> Finding:
    """Return the finding of the first of these that heads one."""
    heads = {finding.evidence.metric: finding for finding in card.findings}
    return next(heads[metric] for metric in metrics if metric in heads)


@pytest.mark.parametrize(
    ("name", "models", "metric", "before", "after"),
    [
        ("primes", GPT_4, "score:accuracy", "84 %", "51.1 %"),
        ("primes", GPT_4, "answer_chars", "median 528 chars", "median 4 chars"),
        ("primes", GPT_35, "score:accuracy", "49.6 %", "76.2 %"),
        ("primes", GPT_35, "answer_chars", "", ""),
        ("sensitive", GPT_4, "score:response_rate", "21.4 %", "5.1 %"),
        ("sensitive", GPT_4, "answer_chars", "median 296 chars", "median 36 chars"),
        ("sensitive", GPT_4, "is_refusal", "74.5 %", "94.9 %"),
        ("sensitive", GPT_35, "score:response_rate", "2.04 %", "8.16 %"),
        ("sensitive", GPT_35, "answer_chars", "", ""),
        ("sensitive", GPT_35, "is_refusal", "98 %", "91.8 %"),
    ],
)
def test_every_published_change_of_answers_is_a_drift(
    files: Mapping[str, Path],
    name: str,
    models: tuple[str, str],
    metric: str,
    before: str,
    after: str,
) -> None:
    found = evidence_of(make_card(files[name], models), metric)

    assert found.state == "drift"
    assert found.is_paired
    assert (before or found.before, after or found.after) == (found.before, found.after)


@pytest.mark.parametrize(("name", "models"), EVERY_CARD)
def test_prompts_that_are_the_same_never_drift(
    files: Mapping[str, Path], name: str, models: tuple[str, str]
) -> None:
    of_prompts = [each for each in make_card(files[name], models).tests if each.side == "prompt"]

    assert {each.state for each in of_prompts} == {"identical"}
    assert {each.p_value for each in of_prompts} == {None}
    assert {"prompt_chars", "prompt_language", "prompt_text", "prompt_embedding"} < {
        each.metric for each in of_prompts
    }


@pytest.mark.parametrize(("name", "models"), EVERY_CARD)
def test_models_that_were_asked_at_once_give_no_date_but_a_coincidence(
    files: Mapping[str, Path], name: str, models: tuple[str, str]
) -> None:
    findings = make_card(files[name], models).findings

    assert findings
    for finding in findings:
        assert finding.since is None
        new = [(each.field, each.value) for each in finding.coincidences]
        assert new == [("request_model", models[1])]


@pytest.mark.parametrize(
    ("models", "of_primes", "of_composites"),
    [
        (GPT_4, ("97.6 %", "2.4 %"), ("70.4 %", "99.8 %")),
        (GPT_35, ("14.8 %", "86.8 %"), ("84.4 %", "65.6 %")),
    ],
)
def test_accuracy_moves_one_way_for_primes_and_the_other_for_composites(
    files: Mapping[str, Path],
    models: tuple[str, str],
    of_primes: tuple[str, str],
    of_composites: tuple[str, str],
) -> None:
    finding = make_card(files["primes"], models).findings[0]

    assert finding.evidence.metric == "score:accuracy"
    moved = {each.value: (each.evidence.before, each.evidence.after) for each in finding.segments}
    assert moved == {"yes": of_primes, "No": of_composites}
    assert "“yes”" in finding.sentence
    assert "“No”" in finding.sentence


@pytest.mark.parametrize(
    ("name", "models", "said"),
    [
        ("primes", GPT_4, "no"),
        ("primes", GPT_35, "to determine if"),
        ("sensitive", GPT_4, "sorry but i"),
        ("sensitive", GPT_35, "but i"),
    ],
)
def test_the_words_of_the_change_are_named_and_shown_side_by_side(
    files: Mapping[str, Path], name: str, models: tuple[str, str], said: str
) -> None:
    finding = make_card(files[name], models).findings[0]

    assert said in {term.text for term in finding.terms if term.share_cur > 0.7}
    assert f"“{said}”" in finding.sentence
    assert finding.examples
    for pair in finding.examples:
        assert pair.is_same_prompt
        assert pair.before
        assert pair.after
        assert pair.before.prompt == pair.after.prompt
        assert pair.before.answer != pair.after.answer


def test_an_answer_that_is_given_to_nearly_all_prompts_is_named(
    files: Mapping[str, Path],
) -> None:
    repeated = evidence_of(make_card(files["primes"], GPT_4), "answer_hash")

    assert repeated.state == "drift"
    assert "[No] 0.1 %" in repeated.before
    assert "[No] 93.4 %" in repeated.after


def test_the_six_prompts_that_are_answered_now_are_the_examples(
    files: Mapping[str, Path],
) -> None:
    finding = finding_of(make_card(files["sensitive"], GPT_35), "score:response_rate")

    assert [
        (pair.before and pair.before.why, pair.after and pair.after.why)
        for pair in finding.examples
    ] == [("response_rate: no", "response_rate: yes")] * 6


def test_the_length_of_the_middle_answer_is_told_where_the_mean_hides_the_change(
    files: Mapping[str, Path],
) -> None:
    card = make_card(files["sensitive"], GPT_35)

    length = evidence_of(card, "answer_chars")
    finding = finding_of(card, "answer_chars", "answer_words")

    assert length.before.startswith("median 34")
    assert length.after.startswith("median 4")
    assert "median" in finding.sentence
    assert "length of answers" in finding.evidence.note or finding.evidence.metric == "answer_chars"
