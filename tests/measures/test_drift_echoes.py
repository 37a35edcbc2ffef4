"""Many tests find what happened once: how drifts become few findings, and in which order."""

from dataclasses import replace

from headway_measures.drift.echoes import Group, group_drifts
from headway_measures.drift.results import Effect, Evidence
from tests.measures.drift_findings import NAMED, REFUSALS, WORDING, mix, number, rate

CHARS = number("answer_chars", "median 346 chars", "median 48 chars", -0.6)
WORDS = number("answer_words", "median 60 words", "median 9 words", -0.7)
TOKENS = number("output_tokens", "median 80 tokens", "median 12 tokens", -0.65)
CHEAPER = number("cost_usd", "median 0.0042 USD", "median 0.0021 USD", -0.5)
CAPITALS = number("upper_share", "median 0.02", "median 0.25", 0.9)


def sure(evidence: Evidence, q_value: float) -> Evidence:
    """Return a drift of this q-value."""
    return replace(evidence, p_value=q_value, q_value=q_value)


def heads(*drifts: Evidence) -> list[str]:
    return [group.head.metric for group in group_drifts([sure(each, 0.001) for each in drifts])]


def moved(metric: str, before: str, after: str, distance: float) -> Evidence:
    """Return the drift of a category."""
    return replace(mix(metric, before, after), effects=(Effect("tvd", distance, None, None, 0.05),))


def test_a_group_is_told_by_what_people_say_not_by_the_least_p_value() -> None:
    (group,) = group_drifts([sure(CHARS, 0.01), sure(WORDS, 1e-20), sure(TOKENS, 1e-9)])

    assert group.head.metric == "answer_chars"
    assert group.note(NAMED) == "the same shows in words in answers and output tokens"


def test_a_number_without_a_direction_does_not_stand_for_those_that_have_one() -> None:
    spread = replace(CHARS, effects=(Effect("cliffs_delta", 0.01, None, None, 0.1),))

    assert heads(spread, WORDS) == ["answer_words"]


def test_cost_that_follows_the_length_is_told_with_it() -> None:
    assert heads(CHARS, CHEAPER) == ["answer_chars"]


def test_cost_that_goes_another_way_or_much_further_stands_alone() -> None:
    dearer = number("cost_usd", "median 0.0042 USD", "median 0.009 USD", 0.5)
    much_cheaper = number("cost_usd", "median 0.0042 USD", "median 0.0001 USD", -0.95)

    assert heads(CHARS, dearer) == ["answer_chars", "cost_usd"]
    assert heads(CHARS, much_cheaper) == ["answer_chars", "cost_usd"]
    assert heads(CHEAPER) == ["cost_usd"]


def test_tokens_of_prompts_and_the_first_token_follow_what_they_depend_on() -> None:
    longer = number("prompt_chars", "median 10 chars", "median 99 chars", 0.6)
    tokens = number("input_tokens", "median 3 tokens", "median 30 tokens", 0.6)
    slower = number("duration_ms", "median 800 ms", "median 1,900 ms", 0.5)
    later = number("ttft_ms", "median 80 ms", "median 190 ms", 0.5)

    assert heads(longer, tokens) == ["prompt_chars"]
    assert heads(slower, later) == ["duration_ms"]


def test_looks_of_texts_are_told_with_other_wording_or_else_other_lengths() -> None:
    assert heads(CAPITALS, WORDING) == ["answer_text"]
    assert heads(CAPITALS, CHARS) == ["answer_chars"]
    assert heads(CAPITALS) == ["upper_share"]


def test_an_answer_that_many_calls_get_stands_for_other_wording_and_a_rare_one_does_not() -> None:
    many = moved("answer_hash", "[No] 0.1 %, other 99.9 %", "[No] 93 %, other 7 %", 0.93)
    few = moved("answer_hash", "[No] 0.1 %, other 99.9 %", "[No] 7 %, other 93 %", 0.07)

    assert heads(many, WORDING) == ["answer_hash"]
    assert heads(few, WORDING) == ["answer_text"]
    assert group_drifts([many, WORDING])[0].is_of_words
    assert not group_drifts([many])[0].is_of_words


def test_a_language_is_a_finding_and_texts_too_short_for_one_are_not() -> None:
    german = moved("answer_language", "en 98 %, de 1 %, und 1 %", "en 70 %, de 28 %, und 2 %", 0.3)
    short = moved("answer_language", "en 99 %, und 1 %", "en 20 %, und 80 %", 0.79)
    assert heads(CHARS, german) == ["answer_language", "answer_chars"]
    longer = moved("answer_language", "en 90 %, und 9 %, cs 1 %", "en 98 %, und 2 %, cs 0 %", 0.08)

    assert heads(CHARS, short) == ["answer_chars"]
    assert heads(CHARS, longer) == ["answer_chars"]
    assert heads(short) == ["answer_language"]


def test_scores_come_first_then_conduct_then_texts_then_what_calls_take() -> None:
    slower = number("duration_ms", "median 800 ms", "median 1,900 ms", 0.5)
    score = rate("score:accuracy", 84, 51)
    missing = rate("cost_usd:missing", 1, 12)
    drifts = [
        sure(missing, 1e-30),
        sure(slower, 1e-20),
        sure(CHARS, 1e-10),
        sure(REFUSALS, 1e-5),
        sure(score, 1e-3),
    ]

    told = [group.head.metric for group in group_drifts(drifts)]

    assert told == [
        "score:accuracy",
        "is_refusal",
        "answer_chars",
        "duration_ms",
        "cost_usd:missing",
    ]


def test_what_did_not_drift_is_in_no_group() -> None:
    assert group_drifts([replace(CHARS, state="no_drift")]) == ()


def test_a_note_names_the_nearest_few_and_counts_the_rest() -> None:
    styles = ("upper_share", "digit_share", "punctuation_share", "distinct_2", "distinct_3")
    texts = (mix("opener", "", ""), mix("template_hash", "", ""), mix("answer_clusters", "", ""))
    (group,) = group_drifts([WORDING, *texts, *(replace(CAPITALS, metric=each) for each in styles)])

    assert isinstance(group, Group)
    assert len(group.others) == 8
    assert group.note(NAMED).endswith(" and 2 more")
    assert "groups of answers" in group.note(NAMED)
