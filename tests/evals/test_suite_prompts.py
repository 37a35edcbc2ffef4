"""What a model is asked: few-shot examples, system prompts, chats, and the four ways to ask."""

import json
from pathlib import Path
from textwrap import dedent

import pytest

from headway_evals.case_results import make_request, score_case
from headway_evals.models.requests import (
    Ask,
    Choices,
    Completion,
    Generate,
    Likelihood,
    Request,
    Rolling,
)
from headway_evals.prompts import Message
from headway_evals.suite_files import load_suite
from headway_evals.suites import Suite
from headway_measures.scores import LikelihoodValue

SUMS = """
    suite: sums
    prompt: "Q: {input}\\nA:"
    scorers: [exact]
    few_shot: {cases: shots.jsonl, count: 2}
    cases:
      - {id: a, input: 1+1, expected: "2"}
      - {id: b, input: 2+2, expected: "4"}
"""
SHOTS = [{"input": "2+2", "expected": "4"}, {"input": "3+3", "expected": "6"}]
SHOTS.append({"input": "4+4", "expected": "8"})
OPTIONS = """
    suite: capitals
    ask: choice
    scorers: [{choice: {normalise: NORMALISE}}]
    prompt: "The capital of {input} is"
    cases:
      - {id: f, input: France, choices: [Rome, Paris], expected: 1}
      - {id: i, input: Italy, choices: [Rome, Paris], expected: Rome}
"""


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "shots.jsonl", *SHOTS)


def write_lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def load(folder: Path, text: str) -> Suite:
    path = folder / "s.yaml"
    path.write_text(dedent(text))
    return load_suite(path)


def requests(suite: Suite) -> list[Request]:
    return [make_request(suite, case) for case in suite.cases]


def asks(suite: Suite) -> list[Ask]:
    return [request.ask for request in requests(suite)]


def test_examples_stand_before_each_case_and_never_the_case_itself(shots: Path) -> None:
    first, second = requests(load(shots.parent, SUMS))

    assert first.prompt == "Q: 2+2\nA: 4\n\nQ: 3+3\nA: 6\n\nQ: 1+1\nA:"
    assert second.prompt == "Q: 3+3\nA: 6\n\nQ: 4+4\nA: 8\n\nQ: 2+2\nA:"


def test_examples_may_be_the_suites_own_other_cases(tmp_path: Path) -> None:
    text = SUMS.replace("cases: shots.jsonl, count: 2", "count: 1, separator: ' | '")

    first, second = requests(load(tmp_path, text))

    assert first.prompt == "Q: 2+2\nA: 4 | Q: 1+1\nA:"
    assert second.prompt == "Q: 1+1\nA: 2 | Q: 2+2\nA:"


def test_a_seed_draws_by_content_and_not_by_order(tmp_path: Path) -> None:
    text = SUMS.replace("count: 2", "count: 5, seed: SEED")
    rows = [{"input": f"{n}+0", "expected": str(n)} for n in range(50)]

    def drawn(seed: int, rows: list[dict[str, str]]) -> tuple[str, object]:
        write_lines(tmp_path / "shots.jsonl", *rows)
        suite = load(tmp_path, text.replace("SEED", str(seed)))
        return suite.version, suite.prompt(suite.cases[0])

    assert drawn(7, rows) == drawn(7, rows[::-1])
    assert drawn(7, rows)[1] != drawn(8, rows)[1]
    assert drawn(7, rows)[0] != drawn(8, rows)[0]


def test_examples_may_be_the_earlier_turns_of_a_chat(shots: Path) -> None:
    text = SUMS.replace("count: 2", "count: 1, as: turns").replace("suite: sums", SYSTEM)

    assert requests(load(shots.parent, text))[0].prompt == (
        Message("system", "Be brief."),
        Message("user", "Q: 2+2\nA:"),
        Message("assistant", "4"),
        Message("user", "Q: 1+1\nA:"),
    )


SYSTEM = """suite: sums
    system: Be brief."""


def test_turns_stand_between_a_templates_system_message_and_its_question(shots: Path) -> None:
    messages = "[{role: system, content: S}, {role: user, content: '{input}?'}]"
    text = SUMS.replace('prompt: "Q: {input}\\nA:"', f"messages: {messages}")

    roles = [each.role for each in requests(load(shots.parent, text))[0].prompt]  # type: ignore[union-attr]

    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]


def test_a_chat_asks_a_text_with_its_examples_as_one_users_turn(shots: Path) -> None:
    text = SUMS.replace("count: 2", "count: 1, as: text").replace(
        "suite: sums", "suite: sums\n    chat: true"
    )

    assert requests(load(shots.parent, text))[0].prompt == (
        Message("user", "Q: 2+2\nA: 4\n\nQ: 1+1\nA:"),
    )


def test_an_example_may_be_messages_of_its_own(tmp_path: Path) -> None:
    asked = [{"role": "system", "content": "S"}, {"role": "user", "content": "2+2"}]
    write_lines(tmp_path / "shots.jsonl", {"input": asked, "expected": 4})

    suite = load(tmp_path, SUMS.replace("count: 2", "count: 1, as: turns"))

    assert [each.content for each in suite.prompt(suite.cases[0])] == [  # type: ignore[union-attr]
        *("2+2", "4", "Q: 1+1\nA:")
    ]


def test_the_version_follows_from_the_examples_that_are_shown(tmp_path: Path) -> None:
    write_lines(tmp_path / "shots.jsonl", *SHOTS)
    version = load(tmp_path, SUMS).version

    write_lines(tmp_path / "shots.jsonl", *SHOTS[:2], {"input": "4+4", "expected": "9"})

    assert load(tmp_path, SUMS).version != version


@pytest.mark.parametrize("normalise", ["none", "unconditional"])
def test_choices_follow_the_prompt_and_are_asked_without_it_where_a_scorer_needs_that(
    tmp_path: Path, normalise: str
) -> None:
    suite = load(tmp_path, OPTIONS.replace("NORMALISE", normalise))

    assert asks(suite) == [Choices((" Rome", " Paris"), normalise == "unconditional")] * 2


@pytest.mark.parametrize(("place", "passed"), [("f", True), ("i", False)])
def test_a_choice_is_expected_by_its_text_or_its_place(
    tmp_path: Path, place: str, passed: bool
) -> None:
    suite = load(tmp_path, OPTIONS.replace("NORMALISE", "none"))
    case = next(each for each in suite.cases if each.case_id == place)
    weights = tuple(LikelihoodValue(logprob, 1, 5, False) for logprob in (-3.0, -1.0))

    result = score_case(case, Completion(" Paris", likelihoods=weights))

    assert (result.output, result.passed) == ("Paris", passed)


@pytest.mark.parametrize(
    ("prompt", "delimiter", "sent"),
    [("{input}:", " ", " yes"), ("{input}: ", " ", "yes"), ("{input}:", "", "yes")],
)
def test_an_answer_is_parted_from_its_prompt_once(
    tmp_path: Path, prompt: str, delimiter: str, sent: str
) -> None:
    suite = load(
        tmp_path,
        f"""
        suite: s
        ask: likelihood
        prompt: "{prompt}"
        delimiter: "{delimiter}"
        scorers: [perplexity]
        cases: [{{id: a, input: x, expected: "yes"}}]
        """,
    )

    assert asks(suite) == [Likelihood(sent)]


def test_the_perplexity_of_the_prompt_itself_is_asked_for(tmp_path: Path) -> None:
    text = "{suite: s, ask: perplexity, scorers: [perplexity], cases: [{id: a, input: x}]}"

    assert asks(load(tmp_path, text)) == [Rolling()]


def test_repeats_are_drawn_apart_and_count_as_one_cluster(tmp_path: Path) -> None:
    suite = load(
        tmp_path,
        """
        suite: s
        generation: {max_new_tokens: 9, temperature: 0.7, top_p: 0.9, seed: 3}
        repeats: 3
        scorers: [exact]
        cases: [{id: a, input: x, expected: y}]
        """,
    )

    assert asks(suite) == [Generate(9, (), 0.7, 0.9, 3, sample) for sample in range(3)]
    assert [(each.case_id, each.cluster) for each in suite.cases] == [
        *(("a", "a"), ("a#2", "a"), ("a#3", "a"))
    ]
