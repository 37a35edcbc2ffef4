"""What values, groups and figures of a card are called."""

from dataclasses import replace

import numpy as np
import pytest

from headway_measures.descriptors.catalog import METRICS
from headway_measures.descriptors.languages import _CODES
from headway_measures.drift.amounts import before_and_after, change, group_name, plain_metric
from headway_measures.drift.coincidences import find_chosen
from headway_measures.drift.language_names import language_name
from headway_measures.drift.metrics_found import check_names, lacking_metric
from headway_measures.drift.windows import Query, WindowsError
from headway_measures.drift.wordings import centres
from tests.measures.drift_findings import NAMED, mix


@pytest.mark.parametrize("code", _CODES.tolist())
def test_every_language_that_is_found_has_a_name(code: str) -> None:
    assert language_name("answer_language", code).isalpha()


def test_languages_go_by_their_names_and_other_words_by_themselves() -> None:
    spanish = mix("prompt_language", "es 2 %, und 8 %", "es 30 %, und 6 %")
    named = mix("opener", "es 2 %, und 8 %", "es 30 %, und 6 %")

    told = [before_and_after(METRICS[each.metric], each) for each in (spanish, named)]

    assert told == [
        "Spanish 2 % → 30 %, undetermined 8 % → 6 %",
        "“es” 2 % → 30 %, “und” 8 % → 6 %",
    ]
    assert group_name("prompt_language", "es") == "prompts in Spanish"
    assert group_name("prompt_language", "tlh") == "language of prompts “tlh”"


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ("Order 10659 is on its way 4 %", "“Order # is on its way” 4 % → 72 %"),
        ("Order 10659 #-8123912391000 4 %", "“Order #” 4 % → 72 %"),
        ("Order 10659 comes by way of the … 4 %", "“Order # comes by way of the …” 4 % → 72 %"),
        (
            "Order 1 4 %, Order 2 0 %, other 96 %",
            "“Order #” 4 % → 72 %, another such 0 % → 0 %, other 96 % → 0 %",
        ),
        ("-8123912391000 4 %", "one of them 4 % → 72 %"),
    ],
)
def test_answers_that_are_the_same_but_for_numbers_show_none(before: str, told: str) -> None:
    first, *rest = before.split(", ")
    shares = [first.replace(" 4 %", " 72 %"), *(each.rsplit(" ", 2)[0] + " 0 %" for each in rest)]
    evidence = mix("answer_hash", before, ", ".join(shares))

    assert before_and_after(METRICS["answer_hash"], evidence) == told


@pytest.mark.parametrize(
    ("name", "label", "rises"),
    [
        ("truncation", "answers that are not cut off", "fewer answers are cut off"),
        (
            "fence_language",
            "answers without fenced code of a language",
            "fewer answers name a language of their code",
        ),
        ("answer_chars", "calls without an answer", "more calls come without an answer"),
        ("ttft_ms", "calls without time to the first token", "more calls come without time to"),
    ],
)
def test_what_calls_lack_has_a_name(name: str, label: str, rises: str) -> None:
    lacking = lacking_metric(NAMED[name])
    evidence = replace(mix(name, "", ""), metric=f"{name}:missing")

    assert (lacking.label, plain_metric(evidence)) == (label, lacking)
    assert lacking.rises.startswith(rises)


def test_differences_have_two_digits_and_all_before_the_point() -> None:
    chars = METRICS["answer_chars"]

    told = [change(each, chars, is_share=False) for each in (0.9453, -12.64, 1_234.5)]

    assert told == ["+0.95 characters", "−13 characters", "+1,234 characters"]


def test_the_upper_tail_is_told_where_the_middle_stands_still() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.normal(100, 10, 2_000), rng.normal(100, 10, 2_000)
    after[after > 108] += 60

    assert [each.split()[0] for each in centres(before, before + 20, "")] == ["median"] * 2
    assert [each.rsplit(" ", 1)[0] for each in centres(before, after, "")] == [
        "90th percentile"
    ] * 2
    assert (
        before_and_after(
            METRICS["answer_chars"],
            replace(
                mix("answer_chars", "90th percentile 113 chars", "90th percentile 173 chars"),
                kind="number",
            ),
        )
        == "90th percentile 113 → 173 characters"
    )


def test_counts_that_are_mostly_nothing_are_told_by_their_mean() -> None:
    before, after = np.repeat([0.0, 1.0], [90, 10]), np.repeat([0.0, 3.0], [85, 15])

    assert centres(before, after, "phrases") == ("mean 0.1 phrases", "mean 0.45 phrases")


def test_what_both_windows_were_chosen_by_is_known() -> None:
    old, new = (
        Query((("project", ("shop",)), ("release", ("1", "2")), ("request_model", (model,))))
        for model in ("small", "large")
    )

    assert find_chosen(old, new) == {"request_model": ("small", "large")}
    assert find_chosen(old, old) == {}
    assert find_chosen(old, Query()) == {}


def test_names_that_can_be_no_metric_are_refused_at_once() -> None:
    check_names(["answer_chars", "answer_chars:missing", "score:wit", "tag:kind", "own:tone"])

    for name in ("wit", "score:", "wit:missing"):
        with pytest.raises(WindowsError, match="there is no such metric; there are answer_chars,"):
            check_names(["answer_chars", name])
