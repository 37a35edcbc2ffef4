"""Cards of tasks that no detector was made with: what was planted is found, and nothing else."""

from functools import cache

import pytest

from headway_measures.drift.cards import compare_windows
from headway_measures.drift.results import Card, Finding
from headway_measures.drift.windows import Options
from tests.measures.kept_aside_worlds import TASKS, make_windows

UNCHANGED = ("medicine", "grids")
CHANGED = tuple(name for name in TASKS if name not in UNCHANGED)


@cache
def make_card(name: str, seed: int = 0) -> Card:
    return compare_windows(*make_windows(name, seed=seed), Options())


def headed(card: Card, metric: str) -> Finding:
    """Return the finding that tells of a metric, as its head."""
    return next(each for each in card.findings if each.evidence.metric == metric)


@pytest.mark.parametrize(
    ("name", "metric", "said"),
    [
        ("code", "score:quality", "The score quality fell"),
        ("code", "fence_count", "Answers have more fenced code: 0 % →"),
        ("code", "answer_chars", "Answers got longer"),
        ("opinions", "score:quality", "The score quality fell: 100 % →"),
        ("opinions", "is_refusal", "More answers refuse: 0 % →"),
        ("opinions", "answer_chars", "Answers got longer"),
        ("agent", "score:quality", "The score quality fell"),
        ("agent", "answer_chars", "Answers got shorter"),
        ("tickets", "score:quality", "The score quality fell: 100 % →"),
        ("tickets", "is_json", "Fewer answers are JSON: 100 % →"),
        ("tickets", "answer_language", "Answers come in other languages than before"),
        ("medicine got worse", "score:quality", "The score quality fell"),
    ],
)
def test_what_june_does_otherwise_is_told(name: str, metric: str, said: str) -> None:
    finding = headed(make_card(name), metric)

    assert finding.sentence.startswith(said)
    assert [each.value for each in finding.coincidences] == ["gpt-4-0613"]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("code", "class solution", "python class"),
        ("opinions", "", "have personal"),
        ("agent", "action input", ""),
        ("tickets", "JSON", "several paragraphs"),
    ],
)
def test_the_words_that_show_the_cause_are_named(name: str, before: str, after: str) -> None:
    terms = [term for finding in make_card(name).findings for term in finding.terms]

    rarer = " | ".join(term.text for term in terms if term.share_cur < term.share_ref - 0.3)
    commoner = " | ".join(term.text for term in terms if term.share_cur > term.share_ref + 0.3)
    assert before in rarer
    assert after in commoner


@pytest.mark.parametrize("name", ["code", "opinions", "agent"])
def test_code_letters_and_sentences_are_not_other_languages(name: str) -> None:
    heads = {finding.evidence.metric for finding in make_card(name).findings}

    assert "answer_language" not in heads


def test_a_format_that_broke_is_not_taken_for_refusals_or_cut_off_answers() -> None:
    moved = {each.metric for each in make_card("agent").tests if each.state == "drift"}

    assert "answer_text" in moved
    assert not moved & {"is_refusal", "is_truncated", "is_json_broken"}


def test_where_only_the_score_fell_nothing_is_said_of_the_answers() -> None:
    moved = {each.metric for each in make_card("medicine got worse").tests if each.state == "drift"}

    assert moved == {"score:quality"}


def test_where_nothing_changed_no_more_is_found_than_alpha_allows() -> None:
    """At 5 % for a card, two of six false alarms would come once in thirty runs."""
    cards = [make_card(name, seed) for name in UNCHANGED for seed in range(3)]

    assert sum(card.verdict != "no_drift" for card in cards) <= 1


@pytest.mark.parametrize("name", CHANGED)
def test_prompts_that_are_the_same_are_not_compared(name: str) -> None:
    of_prompts = [each for each in make_card(name).tests if each.side == "prompt"]

    assert {each.state for each in of_prompts} == {"identical"}


@pytest.mark.parametrize("name", CHANGED)
def test_examples_show_one_prompt_before_and_after(name: str) -> None:
    pairs = make_card(name).findings[0].examples

    assert pairs
    for pair in pairs:
        assert pair.is_same_prompt
        assert pair.before
        assert pair.after
        assert pair.before.answer != pair.after.answer
