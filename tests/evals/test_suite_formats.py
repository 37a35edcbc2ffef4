"""Suites that come from elsewhere, several gates, and the faults of what a suite asks."""

import json
import re
from pathlib import Path
from textwrap import dedent

import pytest

from headway_evals.case_results import make_request, score_case
from headway_evals.errors import SuiteError
from headway_evals.models.requests import Completion
from headway_evals.suite_files import load_suite
from headway_evals.suites import Gate, Suite
from headway_measures.verdicts import Margin

ROOT = Path(__file__).parents[2]
GSM8K = ROOT.parent / "shared" / "data" / "gsm8k_test.jsonl"
IMPORT = """
    suite: gsm8k
    prompt: "Question: {input}\\nAnswer:"
    scorers: [numeric: {pattern: '#### (.+)'}]
    fields: {input: question, expected: answer}
    few_shot: {count: 2}
    cases: FILE
"""


def load(folder: Path, text: str, name: str = "s.yaml") -> Suite:
    path = folder / name
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return load_suite(path)


def faults(folder: Path, text: str, name: str = "s.yaml") -> list[str]:
    with pytest.raises(SuiteError) as caught:
        load(folder, text, name)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_gsm8k_imports_as_a_suite_that_reads_the_number_after_its_mark(tmp_path: Path) -> None:
    if not GSM8K.is_file():
        pytest.skip(f"{GSM8K} is not here")
    suite = load(tmp_path, IMPORT.replace("FILE", str(GSM8K)))
    first = suite.cases[0]

    assert len(suite.cases) == 1_319
    assert first.case_id == "gsm8k_test-1"
    assert all(score_case(each, Completion(each.expected)).passed for each in suite.cases)
    assert score_case(first, Completion("16 - 3 - 4 = 9, so\n#### $18.00")).passed
    assert not score_case(first, Completion("18 eggs, or\n#### 19")).passed
    assert str(make_request(suite, first).prompt).count("Question: ") == 3


def test_columns_of_other_peoples_files_are_renamed(tmp_path: Path) -> None:
    rows = [{"passage": "P", "ask": "Q?", "gold": 1, "choices": ["no", "yes"], "noise": [0]}]
    (tmp_path / "boolq.jsonl").write_text("\n".join(json.dumps(row) for row in rows))

    suite = load(
        tmp_path,
        """
        suite: s
        ask: choice
        prompt: "{passage} {ask}"
        scorers: [choice]
        fields: {input: [passage, ask], expected: gold}
        cases: boolq.jsonl
        """,
    )
    (case,) = suite.cases

    assert (case.case_id, case.expected, case.choices) == ("boolq-1", 1, ("no", "yes"))
    assert suite.prompt(case) == "P Q?"


def test_a_column_that_is_not_there_is_told_by_line(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"question": "1+1", "answer": "#### 2"}\n{"q": "x"}\n')

    told = faults(tmp_path, IMPORT.replace("FILE", "q.jsonl"))

    assert "q.jsonl:2: case 2 has no column 'question', which fields names as input" in told
    assert not any(fault.startswith("q.jsonl:1:") for fault in told)


def test_a_suite_may_be_jsonl_with_itself_in_the_first_line(tmp_path: Path) -> None:
    case = '{"id": "a", "input": "x", "expected": "y"}\n'
    yaml = load(tmp_path, "{suite: s, scorers: [exact], cases: [{id: a, input: x, expected: y}]}")

    headed = load(tmp_path, '{"suite": "s", "scorers": ["exact"]}\n' + case, "s.jsonl")
    bare = load(tmp_path, case.replace("}", ', "scorers": ["exact"]}'), "letters.jsonl")

    assert headed == yaml
    assert (bare.name, [each.case_id for each in bare.cases]) == ("letters", ["a"])


def test_the_faults_of_a_jsonl_suite_have_their_lines(tmp_path: Path) -> None:
    told = faults(tmp_path, '{"suite": "s", "cases": 1}\n\n{"id": "a"}\n[1]\n{', "s.jsonl")

    assert told == [
        "s.jsonl:1: the suite has cases, which are the lines that follow",
        "s.jsonl:3: case 'a' has no input",
        "s.jsonl:3: case 'a' has no scorer: give one to it or to the suite",
        "s.jsonl:4: case 2 is [1], not a mapping",
        "s.jsonl:5: not JSON: Input data was truncated",
    ]


GATED = """
    suite: s
    scorers: [exact, f1]
    GATES
    cases: [{id: a, input: x, expected: y, must_pass: true}, {id: b, input: x, expected: y}]
"""


def test_a_suite_may_have_several_gates_and_cases_that_must_pass(tmp_path: Path) -> None:
    gates = "gates: [{scorer: exact, margin: 0.02}, {name: words, scorer: f1, alpha: 0.1}]"

    suite = load(tmp_path, GATED.replace("GATES", gates))

    assert suite.gates == (
        Gate("exact", Margin(0.02), name="exact"),
        Gate("f1", alpha=0.1, name="words"),
    )
    assert suite.gate == suite.gates[0]
    assert [each.must_pass for each in suite.cases] == [True, False]


def test_gates_of_one_scorer_have_names_of_their_own(tmp_path: Path) -> None:
    gates = "gates: [{scorer: exact}, {scorer: exact, margin: 0.1}, {}]"

    suite = load(tmp_path, GATED.replace("GATES", gates))

    assert [gate.name for gate in suite.gates] == ["exact", "exact 2", "all"]


def test_a_margin_is_in_the_unit_of_what_is_compared(tmp_path: Path) -> None:
    text = "{suite: s, scorers: [latency, exact], gate: GATE, cases: [{id: a, input: x}]}"
    text = text.replace("input: x", "input: x, expected: y")

    suite = load(tmp_path, text.replace("GATE", "{scorer: latency, margin: 250}"))

    assert suite.gate.margin == Margin(250)
    assert faults(tmp_path, text.replace("GATE", "{scorer: exact, margin: 250}")) == [
        "s.yaml:1: gate has margin 250.0, which must be a fraction: 0.05 is 5 points"
    ]


def test_the_version_does_not_depend_on_what_is_judged(tmp_path: Path) -> None:
    one = load(tmp_path, GATED.replace("GATES", "gate: {scorer: f1}"))
    other = load(
        tmp_path,
        GATED.replace("GATES", "gates: [{scorer: exact}]").replace(", must_pass: true", ""),
    )

    assert one.version == other.version


def test_a_function_that_scores_is_found_beside_the_suite_and_in_its_version(
    tmp_path: Path,
) -> None:
    scorer = "python: {call: 'short_checks:is_short'}"
    text = f"{{suite: s, scorers: [{{{scorer}}}], cases: [{{id: a, input: x}}]}}"
    checks = tmp_path / "short_checks.py"
    checks.write_text("def is_short(output):\n    return len(output) < 9\n")
    suite = load(tmp_path, text)

    assert score_case(suite.cases[0], Completion("short")).passed
    assert not score_case(suite.cases[0], Completion("longer than that")).passed
    assert load(tmp_path, text).version == suite.version
    checks.write_text("def is_short(output):\n    return len(output) < 8\n")
    assert load(tmp_path, text).version != suite.version
    assert faults(tmp_path, text.replace("short_checks", "gone_checks"))[0].startswith(
        "s.yaml:1: the suite: python: gone_checks:is_short cannot be imported"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ask: guess", "the suite has ask 'guess'; known: generate, choice, likelihood, perplex"),
        ("repeats: 0", "the suite has repeats 0, which must be from 1 to 1,000"),
        ("repeats: 10000000", "the suite has repeats 10000000, which must be from 1 to 1,000"),
        ("repeats: 2", "the suite has repeats 2 of one answer: give generation a temperature"),
        ("generation: {temperature: -1}", "generation has temperature -1.0, which must be 0 or"),
        ("generation: {top_p: 0}", "generation has top_p 0.0, which must be above 0 and at most"),
        ("system: S, chat: false", "the suite has chat: false, and system is a message of a chat"),
        ("gates: []", "the suite has no gates"),
        ("gates: [7]", "gate 1 is 7, no mapping"),
        ("gates: [{}], gate: {}", "the suite has both gate and gates: keep one"),
        ("gates: [{name: n}, {name: n}]", "gate 'n' stands twice; give one a name: …"),
        ("gates: [{name: n, margin: 2}]", "gate 'n' has margin 2.0, which must be a fraction"),
        ("fields: {inptu: q}", "fields has an unknown key 'inptu'; did you mean 'input'?"),
        ("fields: {input: 3}", "fields has input 3, which is not a list of texts"),
        ("few_shot: {cuont: 3}", "few_shot has an unknown key 'cuont'; did you mean 'count'?"),
        ("few_shot: {count: 1}", "few_shot has count 1, and there are 0 to choose from"),
        ("few_shot: {count: 0}", "few_shot has count 0, which must be at least 1"),
        ("few_shot: {as: chat}", "few_shot has as 'chat'; known: text, turns"),
        ("few_shot: {cases: [{input: x}]}", "example 1 has no expected value, which an example"),
        ("few_shot: {cases: no.jsonl}", "there is no file no.jsonl"),
        ("ask: perplexity, few_shot: {count: 1}", "few_shot stands before texts whose own"),
        ("ask: likelihood, scorers: [perplexity]", "case 'c' has no expected text, whose likel"),
        ("ask: choice, scorers: [choice]", "case 'c' has 0 choices, and ask: choice needs two"),
        ("scorers: [choice]", "case 'c' has choice, which needs ask: choice"),
        ("scorers: [perplexity]", "case 'c' has perplexity, which needs ask: perplexity or like"),
    ],
)
def test_a_suite_that_asks_for_what_cannot_be_says_so(tmp_path: Path, text: str, told: str) -> None:
    given = text if "scorers" in text else f"{text}, scorers: [latency]"

    found = faults(tmp_path, f"{{suite: s, {given}, cases: [{{id: c, input: x}}]}}")

    assert any(re.match(rf"s\.yaml:1: {re.escape(told)}", fault) for fault in found), found


@pytest.mark.parametrize(
    ("asked", "case", "told"),
    [
        ("scorers: [numeric]", "expected: abc", "an expected value for numeric that is 'abc', "),
        ("scorers: [numeric]", "expected: [1]", "an expected value for numeric that is [1], "),
        ("scorers: [f1]", "expected: {a: 1}", "an expected value for f1 that is {'a': 1}, "),
        ("scorers: [latency]", "choices: [a, b]", "choices, which ask: generate does not look at"),
        ("ask: choice, scorers: [choice]", "choices: [a, ' a']", "one choice twice"),
        ("ask: choice, scorers: [choice]", "choices: [a, '']", "an empty choice"),
        ("system: S, scorers: [latency]", "", "a system message of its own beside the suite's"),
        ("few_shot: {as: text}, scorers: [latency]", "", "messages, and few_shot gives text"),
    ],
)
def test_a_case_that_cannot_be_judged_is_told_before_it_is_asked(
    tmp_path: Path, asked: str, case: str, told: str
) -> None:
    chat = "[{role: system, content: S}, {role: user, content: U}]"
    own = f"input: x, {case}" if case else f"input: {chat}"

    found = faults(tmp_path, f"{{suite: s, {asked}, cases: [{{id: c, {own}}}]}}")

    assert any(fault.startswith(f"s.yaml:1: case 'c' has {told}") for fault in found), found


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ("2", "case 'c' expects 2, and its choices are numbered 0 to 1"),
        ("c", "case 'c' expects 'c', which is none of its choices"),
        ("[a]", "case 'c' has an expected value for choice that is ['a'], neither"),
    ],
)
def test_a_choice_that_is_expected_must_be_one(tmp_path: Path, expected: str, told: str) -> None:
    case = f"{{id: c, input: x, choices: [a, b], expected: {expected}}}"

    found = faults(tmp_path, f"{{suite: s, ask: choice, scorers: [choice], cases: [{case}]}}")

    assert any(fault.startswith(f"s.yaml:1: {told}") for fault in found), found


BLOCKS = re.findall(
    r"```(yaml|jsonl)\n(.*?)```", (ROOT / "docs" / "suites.md").read_text(encoding="utf-8"), re.S
)


@pytest.mark.parametrize(("kind", "text"), BLOCKS)
def test_every_suite_in_the_documentation_is_one(tmp_path: Path, kind: str, text: str) -> None:
    rows = [{"question": f"{n} + 1 = ?", "answer": f"#### {n + 1}"} for n in range(9)]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "gsm8k_test.jsonl").write_text(lines)
    (tmp_path / "polite_checks.py").write_text("def is_polite(output):\n    return True\n")

    assert load(tmp_path, text, f"s.{kind}").cases
