from pathlib import Path
from textwrap import dedent

import pytest

from headway_evals.errors import SuiteError
from headway_evals.prompts import Message
from headway_evals.suite_files import load_suite
from headway_evals.suites import Gate, Generation, Suite
from headway_measures.text_scorers import Exact, Regex
from headway_measures.verdicts import Margin


def write(folder: Path, text: str, name: str = "s.yaml") -> Path:
    path = folder / name
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def load(folder: Path, text: str) -> Suite:
    return load_suite(write(folder, text))


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(SuiteError) as caught:
        load(folder, text)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


FULL = """
    suite: triage
    description: one line
    prompt: "Message: {text} {{text}}"
    generation: {max_new_tokens: 96, stop: ["\\n"]}
    scorers:
      - exact: {ignore_case: true}
    gate: {scorer: exact, margin: {value: 0.03, hard: true}, alpha: 0.1, min_n: 30, slices: none}
    cases:
      - id: a-1
        input: {text: hello}
        expected: {n: 7}
        tags: [kind:refund, long]
        cluster: mail-7
        scorers:
          - exact
          - regex: {name: ends, pattern: "}$"}
"""


def test_a_suite_says_everything_once(tmp_path: Path) -> None:
    suite = load(tmp_path, FULL)
    (case,) = suite.cases

    assert (suite.name, suite.description) == ("triage", "one line")
    assert suite.generation == Generation(96, ("\n",))
    assert suite.gate == Gate("exact", Margin(0.03, is_hard=True), 0.1, 30, "none")
    assert (case.case_id, case.cluster, case.tags) == ("a-1", "mail-7", ("kind:refund", "long"))
    assert case.scorers == {"exact": Exact(), "ends": Regex("}$")}
    assert suite.prompt(case) == "Message: hello {text}"


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    suite = load(tmp_path, "{suite: s, scorers: [exact], cases: [{id: a, input: x, expected: y}]}")

    assert suite.gate == Gate()
    assert suite.generation == Generation()
    assert suite.prompt(suite.cases[0]) == "x"


def test_every_fault_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, '{"id": "j", "input": "x", "expected": 1}\n\n{bad\n{"id": "a"}\n', "c.jsonl")

    told = faults(
        tmp_path,
        """
        suite: 7
        promt: x
        prompt: "say {message}"
        generation: {max_new_tokens: 0, stop: [""]}
        scorers:
          - exact: {ignore: 1}
          - regex
        gate: {scorer: f1, margin: 5, alpha: x, min_n: true, slices: kind}
        cases:
          - {id: a, input: {message: hi}, expected: "yes", tags: kind:x}
          - id: a
            input: {mesage: hi}
            expected: 1
            scorers: [includes, numeric]
          - {input: 5, scorers: [exact]}
          - c.jsonl
          - gone.jsonl
          - 7
        """,
    )

    assert told == [
        "s.yaml:1: the suite has suite 7, which is not text",
        "s.yaml:1: the suite has no name: give it as suite: NAME",
        "s.yaml:2: the suite has an unknown key 'promt'; did you mean 'prompt'?",
        "s.yaml:4: generation has max_new_tokens 0, which must be at least 1",
        "s.yaml:4: generation has an empty stop text, which would end every answer at once",
        "s.yaml:6: the suite: exact has no option 'ignore'; did you mean 'ignore_case'?",
        "s.yaml:7: the suite: regex: missing required field 'pattern'",
        "s.yaml:8: gate has scorer 'f1', which no case has; known: all, exact, includes, numeric",
        "s.yaml:8: gate has alpha 'x', which is not a number",
        "s.yaml:8: gate has min_n True, which is not a whole number",
        "s.yaml:8: gate has slices 'kind'; known: tags, none",
        "s.yaml:8: gate has margin 5.0, which must be a fraction: 0.05 is 5 points",
        "s.yaml:10: case 'a' has no scorer: give one to it or to the suite",
        "s.yaml:11: case 'a' stands twice, first at s.yaml:10",
        "s.yaml:12: case 'a' has an input without the prompt's field 'message'",
        "s.yaml:13: case 'a' has an expected value for includes that is 1, not a text or a list "
        "of texts",
        "s.yaml:15: case 3 has no id",
        "s.yaml:15: case 3 has input 5: give text, a mapping or messages",
        "s.yaml:15: case 3 has no expected value, and exact compares with it",
        "s.yaml:17: there is no file gone.jsonl",
        "s.yaml:18: case 6 is 7, not a mapping",
        "c.jsonl:1: case 'j' has an input without the prompt's field 'message'",
        "c.jsonl:1: case 'j' has no scorer: give one to it or to the suite",
        "c.jsonl:3: not JSON: JSON is malformed: object keys must be strings (byte 1)",
        "c.jsonl:4: case 'a' stands twice, first at s.yaml:10",
        "c.jsonl:4: case 'a' has no input",
        "c.jsonl:4: case 'a' has no scorer: give one to it or to the suite",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "s.yaml:1: a suite is a mapping with the keys suite and cases"),
        ("[1, 2]", "s.yaml:1: a suite is a mapping with the keys suite and cases"),
        ("suite: [\n  a: b: c", "s.yaml:2: not YAML: did not find expected ',' or ']'"),
        ("&a [*a]", "s.yaml:1: an alias stands inside what it names"),
        ("suite: x\nsuite: y\ncases: 3", "s.yaml:2: 'suite' stands twice, first in line 1"),
        ("suite: !!python/name:os.system ''", "s.yaml:1: the tag 'tag:yaml.org,2002:python/name"),
        ("{suite: s, cases: []}", "s.yaml:1: the suite has no cases"),
        ("{suite: s, cases: 3}", "s.yaml:1: the suite has cases 3, which is no list and no file"),
        ("{suite: s, messages: [x]}", "s.yaml:1: the suite has messages that are not a list"),
        ("{suite: s, scorers: [{a: 1, b: 2}]}", "s.yaml:1: the suite: scorer {'a': 1, 'b': 2} is"),
        ("{suite: s, scorers: [exact, exact]}", "s.yaml:1: the suite: two scorers are called"),
        ("{suite: s, scorers: [{exact: 3}]}", "s.yaml:1: the suite: exact has 3 where its"),
        ("{suite: s, scorers: [{exact: {name: all}}]}", "s.yaml:1: the suite: a scorer cannot be"),
        ("{suite: s, ? [a] : b}", "s.yaml:1: a key must be text"),
        ("suite: !!int x", "s.yaml:1: 'x' is no such value"),
        ("a:\n " + "[" * 200_000, "s.yaml:2: nested more than 100 deep"),
        ("{suite: s, cases: [s.yaml]}", "s.yaml:1: s.yaml holds no list of cases"),
        ("{suite: s, prompt: a, messages: []}", "s.yaml:1: the suite has both prompt and messages"),
        ("{suite: s, gate: {margin: {value: 1}}}", "s.yaml:1: gate has margin 1.0, which must be"),
        ("a\0b", "s.yaml:1: not YAML: control characters are not allowed"),
    ],
)
def test_a_file_that_is_no_suite_says_so(tmp_path: Path, text: str, told: str) -> None:
    assert any(fault.startswith(told) for fault in faults(tmp_path, text))


def test_an_id_is_no_longer_than_a_collector_takes(tmp_path: Path) -> None:
    told = faults(tmp_path, f"{{suite: s, cases: [{{id: {'x' * 201}, input: a}}]}}")

    assert any("has an id of more than 200 characters" in fault for fault in told)


def test_aliases_cannot_mean_more_than_fits(tmp_path: Path) -> None:
    wide = "a0: &a0 [x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
    )
    deep = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 5000))

    assert faults(tmp_path, wide) == ["s.yaml:7: aliases stand for more than 1,000,000 values"]
    assert faults(tmp_path, deep) == ["s.yaml:100: nested more than 100 deep"]


def test_an_alias_means_what_it_names(tmp_path: Path) -> None:
    suite = load(
        tmp_path,
        """
        suite: s
        scorers: &shared [exact]
        cases:
          - {id: a, input: x, expected: &e {n: [1]}}
          - {id: b, input: y, expected: *e}
        """,
    )

    assert [case.expected for case in suite.cases] == [{"n": [1]}, {"n": [1]}]


def test_a_suite_that_is_not_there_or_not_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SuiteError, match="there is no file"):
        load_suite(tmp_path / "gone.yaml")
    with pytest.raises(SuiteError, match=r"b\.yaml:1: not UTF-8 text"):
        load_suite(tmp_path / "b.yaml")
    with pytest.raises(SuiteError, match="Is a directory"):
        load_suite(tmp_path)


def test_only_the_first_fifty_faults_are_told(tmp_path: Path) -> None:
    cases = "".join(f"  - {{id: c{i}, input: x}}\n" for i in range(60))

    told = faults(tmp_path, f"suite: s\ncases:\n{cases}")

    assert len(told) == 51
    assert told[-1] == "and 10 more faults"


def test_yaml_means_what_it_says(tmp_path: Path) -> None:
    suite = load(
        tmp_path,
        """
        suite: s
        scorers: [exact]
        cases:
          - {id: 1, input: x, expected: [no, on, 12:30, 2026-11-22, 0123, 1e3, .5, ~, true, "1"]}
        """,
    )

    assert suite.cases[0].expected == [
        *("no", "on", "12:30", "2026-11-22", 123, 1000.0, 0.5, None, True, "1")
    ]


def test_cases_come_from_files_beside_the_suite_too(tmp_path: Path) -> None:
    chat = '[{"role": "user", "content": "hi"}]'
    write(tmp_path, f'{{"id": "j", "input": {chat}, "tags": ["a"]}}\n', "one.jsonl")
    write(tmp_path, "- {id: y, input: x}\n", "two.yaml")

    mixed = load(
        tmp_path,
        """
        suite: s
        scorers: [{regex: {pattern: a}}]
        cases: [one.jsonl, {id: i, input: x}, two.yaml]
        """,
    )
    single = load(tmp_path, "{suite: s, scorers: [{regex: {pattern: a}}], cases: one.jsonl}")

    assert [case.case_id for case in mixed.cases] == ["j", "i", "y"]
    assert [case.case_id for case in single.cases] == ["j"]


SMALL = """
    suite: s
    scorers: [exact]
    cases:
      - {id: a, input: x, expected: "1"}
      - {id: b, input: y, expected: "2"}
"""
LAID_OUT_OTHERWISE = """
    # a comment
    cases: [{input: "y", id: b, expected: "2"}, {id: a, expected: '1', input: x}]
    scorers:
      - exact
    description: other words
    gate: {margin: 0.1}
    suite: s
"""


def test_a_line_of_jsonl_ends_only_where_json_says(tmp_path: Path) -> None:
    lines = '{"id": "a", "input": "x\u2028y\x85z"}\r\n\n{"id": "b", "input": "x"}'
    write(tmp_path, lines, "c.jsonl")

    suite = load(tmp_path, "{suite: s, scorers: [{regex: {pattern: a}}], cases: c.jsonl}")

    assert [case.input for case in suite.cases] == ["x\u2028y\x85z", "x"]


def test_the_version_follows_from_the_content_alone(tmp_path: Path) -> None:
    version = load(tmp_path, SMALL).version

    assert load(tmp_path, LAID_OUT_OTHERWISE).version == version
    assert load(tmp_path, SMALL.replace('"2"', '"3"')).version != version
    assert load(tmp_path, SMALL.replace("[exact]", "[{exact: {ignore_case: true}}]")).version != (
        version
    )


def test_messages_are_filled_and_followed_by_those_of_an_input(tmp_path: Path) -> None:
    suite = load(
        tmp_path,
        """
        suite: s
        messages: [{role: system, content: Be brief.}, {role: user, content: "Q: {input}"}]
        scorers: [{regex: {pattern: a}}]
        cases:
          - {id: a, input: why?}
          - {id: b, input: [{role: user, content: "how?"}]}
        """,
    )

    system = Message("system", "Be brief.")
    assert suite.prompt(suite.cases[0]) == (system, Message("user", "Q: why?"))
    assert suite.prompt(suite.cases[1])[-1] == Message("user", "how?")


def test_braces_that_name_no_field_stand_for_themselves(tmp_path: Path) -> None:
    suite = load(
        tmp_path,
        """
        suite: s
        prompt: 'Answer {"kind": {"a": 1}} to {input}'
        scorers: [{regex: {pattern: a}}]
        cases: [{id: a, input: {b: é}}]
        """,
    )

    assert suite.prompt(suite.cases[0]) == 'Answer {"kind": {"a": 1}} to {"b": "é"}'
