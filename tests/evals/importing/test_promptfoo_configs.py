"""promptfoo's configs as suites: prompts, variables, defaults, files; and what is reported."""

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from headway_evals.errors import ImportingError
from headway_evals.importing.formats import import_file
from headway_evals.importing.reports import ImportedSuite, ImportOptions, ImportReport
from headway_evals.importing.writing import suite_text, write_suite
from headway_evals.prompts import Message
from headway_evals.suite_files import load_suite
from headway_evals.suites import Suite

ONE = '[{"vars": {"q": "x"}, "assert": [{"type": "contains", "value": "y"}]}]'


def imported(
    folder: Path, config: str, *, allow_code: bool = False
) -> tuple[list[ImportedSuite], ImportReport]:
    path = folder / "config.yaml"
    path.write_text(dedent(config), encoding="utf-8")
    return import_file(path, "promptfoo", ImportOptions(allow_code=allow_code))


def loaded(folder: Path, suite: ImportedSuite) -> Suite:
    write_suite(suite, folder / "suite.yaml")
    return load_suite(folder / "suite.yaml")


def asked(folder: Path, config: str) -> list[Any]:
    """Return what the cases of a config's only prompt ask."""
    (suite,), _ = imported(folder, config)
    ours = loaded(folder, suite)
    return [ours.prompt(case) for case in ours.cases]


def features(report: ImportReport) -> dict[str, list[str]]:
    return {
        feature: [each.place for each in report.omissions if each.feature == feature]
        for feature in report.counts()
    }


def test_plain_variables_become_fields_and_braces_stay(tmp_path: Path) -> None:
    config = f"""
        prompts: ['Say {{{{ q }}}} as {{"a": 1}}, {{{{missing}}}}.']
        tests: {ONE}
        """

    (suite,), _ = imported(tmp_path, config)

    assert suite.document["prompt"] == 'Say {q} as {"a": 1}, {missing}.'
    assert asked(tmp_path, config) == ['Say x as {"a": 1}, .']


@pytest.mark.parametrize(
    ("prompt", "variables", "expected"),
    [
        ("{{ q | upper }}!", {"q": "hi"}, "HI!"),
        ("{% for x in q %}{{ loop.index }}{{ x }} {% endfor %}", {"q": [["a", "b"]]}, "1a 2b "),
        ("{% if q.length > 1 %}long{% else %}short{% endif %}", {"q": "ab"}, "long"),
        ("{{ q | dump }}", {"q": {"a": 1.0}}, '{"a":1}'),
        ("{{ q.a }} and {{ q.items }}", {"q": {"a": 1}}, "1 and "),
        ("{{ q }} {{ n }}", {"q": 2.0, "n": 1.5}, "2 1.5"),
        ("{{ b }} {{ z }}", {"b": True, "z": None}, "true "),
        ("{{ q }} {q}", {"q": "x"}, "x {q}"),
        ("{{ q }}", {"q": "{{ w }} too", "w": "me"}, "me too"),
        ("{{ q }}", {"q": "line\n"}, "line"),
    ],
)
def test_templates_print_what_nunjucks_prints(
    tmp_path: Path, prompt: str, variables: dict[str, Any], expected: str
) -> None:
    assertion = {"type": "contains", "value": "y"}
    tests = [{"vars": variables, "assert": [assertion]}]

    assert asked(tmp_path, json.dumps({"prompts": [prompt], "tests": tests})) == [expected]


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("{{ q | nosuch }}", "No filter named 'nosuch'"),
        ("{% if q === 1 %}{% endif %}", "not a template of ours"),
        ("{{ q.toUpperCase() }}", "toUpperCase"),
        ("{{ env.SECRET }}", "reads the environment"),
        ("{{ q.__class__ }}", "__class__"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "steps"),
        ("{{ l }}", "prints an object"),
    ],
)
def test_templates_that_say_more_are_reported_and_their_cases_left_out(
    tmp_path: Path, prompt: str, reason: str
) -> None:
    tests = [{"vars": {"q": "x", "l": {"a": 1}}, "assert": [{"type": "contains", "value": "y"}]}]
    good = "Say {{q}}"

    suites, report = imported(tmp_path, json.dumps({"prompts": [prompt, good], "tests": tests}))

    assert [len(each.document["cases"]) for each in suites] == [0, 1]
    (omission,) = report.omissions
    assert omission.feature == "prompt as written"
    assert reason in omission.reason


def test_lists_of_variables_make_every_combination(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text(" from a file\n")
    config = """
        prompts: ['{{a}}-{{b}}']
        tests:
          - vars: {a: [x, y], b: ['1', file://long.txt]}
            assert: [{type: contains, value: '{{b}}'}]
          - vars: {a: [p, q], b: '3'}
            options: {disableVarExpansion: true}
            assert: [{type: contains, value: z}]
        """

    (suite,), report = imported(tmp_path, config)
    ours = loaded(tmp_path, ImportedSuite("s", {**suite.document}))

    assert [ours.prompt(case) for case in ours.cases[:4]] == [
        *("x-1", "x-from a file", "y-1", "y-from a file"),
    ]
    assert [case.case_id for case in ours.cases[:4]] == [f"test-1.{i}" for i in (1, 2, 3, 4)]
    assert features(report) == {"prompt as written": ["config.yaml:6"]}


def test_messages_are_a_chat_with_fields_or_filled_in(tmp_path: Path) -> None:
    (tmp_path / "chat.json").write_text(
        json.dumps([{"role": "system", "content": "Be {{q}}"}, {"role": "user", "content": "Hi"}])
    )
    (tmp_path / "loop.yaml").write_text("[{role: user, content: '{{ q | upper }}'}]")

    plain, filled = imported(
        tmp_path, f"{{prompts: [file://chat.json, file://loop.yaml], tests: {ONE}}}"
    )[0]

    ours, theirs = loaded(tmp_path, plain), loaded(tmp_path, filled)
    assert (plain.name, filled.name) == ("config-chat", "config-loop")
    assert ours.prompt(ours.cases[0]) == (Message("system", "Be x"), Message("user", "Hi"))
    assert theirs.prompt(theirs.cases[0]) == (Message("user", "X"),)


def test_a_text_file_of_several_prompts_makes_several_suites(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("One {{q}}\n---\nTwo {{q}}\n")

    suites, _ = imported(tmp_path, f"{{prompts: file://p.txt, tests: {ONE}}}")

    assert [(each.name, each.document["prompt"]) for each in suites] == [
        ("config-p-1", "One {q}"),
        ("config-p-2", "Two {q}"),
    ]


def test_defaults_scenarios_and_templates_come_together(tmp_path: Path) -> None:
    (tmp_path / "default.yaml").write_text(
        "{vars: {tone: kind}, threshold: 0.5, metadata: {team: a}, "
        "assert: [{$ref: '#/assertionTemplates/short', weight: 0.5}]}"
    )
    config = """
        prompts: ['{{tone}} {{lang}} {{q}}']
        defaultTest: file://default.yaml
        assertionTemplates: {short: {type: word-count, value: {max: 3}, metric: brief}}
        scenarios:
          - config: [{vars: {lang: de}}, {vars: {lang: fr}}]
            tests:
              - {vars: {q: hi}, assert: [{type: contains, value: '{{lang}}'}]}
              - {vars: {q: ho, tone: dry}, options: {disableDefaultAsserts: true},
                 metadata: {team: b, kinds: [x, y]}, assert: [{type: contains, value: z}]}
        """

    (suite,), report = imported(tmp_path, config)
    ours = loaded(tmp_path, suite)

    assert report.omissions == []
    assert [ours.prompt(case) for case in ours.cases] == [
        *("kind de hi", "dry de ho", "kind fr hi", "dry fr ho"),
    ]
    assert [case.threshold for case in ours.cases] == [0.5] * 4
    assert [list(case.scorers) for case in ours.cases[:2]] == [
        ["word-count", "contains", "brief"],
        ["contains"],
    ]
    assert ours.cases[1].tags == ("team:b", "kinds:x", "kinds:y")


def test_tests_come_from_files_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    test = '{"vars": {"q": "%s"}, "assert": [{"type": "contains", "value": "y"}]}'
    (tmp_path / "t" / "a.yaml").write_text(f"[{test % 'yaml'}]")
    (tmp_path / "t" / "b.yaml").write_text(f"[{test % 'glob'}]")
    (tmp_path / "c.jsonl").write_text(test % "jsonl" + "\n")
    (tmp_path / "d.json").write_text(f"[{test % 'json'}]")
    (tmp_path / "e.csv").write_text(
        'q,__expected1,__prefix,__suffix,__description,__threshold\n"c, s",contains:y,<,>,named,\n'
    )

    prompts = asked(
        tmp_path,
        "{prompts: ['{{q}}'], tests: [file://t/*.yaml, c.jsonl, file://d.json, file://e.csv]}",
    )

    assert prompts == ["yaml", "glob", "jsonl", "json", "<c, s>"]


def test_a_table_says_assertions_metrics_thresholds_and_metadata(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "q,__expected,__expected2,__metric,__threshold,__metadata:k[],__config:__expected2:threshold"
        ',__odd\n"two\nlines",4,levenshtein:four,Math,0.5,"a, b",2,\n'
        "plain,,,,,,,odd\n"
    )

    (suite,), report = imported(tmp_path, "{prompts: ['{{q}}'], tests: file://t.csv}")
    (case,) = suite.document["cases"]

    assert case["input"] == {"q": "two\nlines"}
    assert case["threshold"] == 0.5
    assert case["tags"] == ["k:a", "k:b"]
    assert [next(iter(each.values()))["metric"] for each in suite.document["scorers"]] == [
        *("Math", "Math"),
    ]
    assert suite.document["scorers"][1]["edit_distance"]["at_most"] == 2
    assert features(report) == {
        "column __odd": ["t.csv:4"],
        "test left without an assertion": ["t.csv:4"],
    }


def test_providers_say_the_model_and_the_generation(tmp_path: Path) -> None:
    config = f"""
        prompts: ['{{{{q}}}}']
        providers:
          - id: openai:chat:gpt-4o-mini
            config: {{temperature: 0.5, max_tokens: 9, stop: [END], tools: []}}
          - anthropic:messages:claude
        evaluateOptions: {{repeat: 3, maxConcurrency: 2, generateSuggestions: true}}
        tests: {ONE}
        """

    (suite,), report = imported(tmp_path, config.replace("  - anthropic:messages:claude", ""))
    _, both = imported(tmp_path, config)

    assert suite.document["generation"] == {
        "temperature": 0.5,
        "max_new_tokens": 9,
        "stop": ["END"],
    }
    assert suite.document["repeats"] == 3
    assert set(features(report)) == {
        "provider config tools",
        "evaluateOptions.generateSuggestions",
    }
    assert any("openai:gpt-4o-mini@https://api.openai.com/v1" in each for each in report.notes)
    assert {"provider anthropic:messages:claude", "provider config"} <= set(features(both))


def test_everything_that_is_not_imported_is_listed_by_name_with_its_line(tmp_path: Path) -> None:
    config = """\
        prompts:
          - 'Say {{q}}'
          - file://make.py:prompt
        sharing: true
        env: {PROMPTFOO_PASS_RATE_THRESHOLD: 80}
        tests:
          - vars: {q: a}
            provider: openai:x
            options: {transform: output.trim()}
            assert: [{type: contains, value: y}]
          - file://make.js
          - vars: {q: file://../secret.txt}
            assert: [{type: contains, value: y}]
          - vars: {q: b}
        """

    (suite,), report = imported(tmp_path, config)

    assert [each["id"] for each in suite.document["cases"]] == ["test-1"]
    assert features(report) == {
        "config key sharing": ["config.yaml:4"],
        "env PROMPTFOO_PASS_RATE_THRESHOLD": ["config.yaml:5"],
        "prompt": ["config.yaml:3"],
        "test left without an assertion": ["config.yaml:14"],
        "test option transform": ["config.yaml:7"],
        "test provider": ["config.yaml:7"],
        "tests made elsewhere": ["config.yaml:11"],
        "variable of a file": ["config.yaml:12"],
    }


@pytest.mark.parametrize("reference", ["file://../out.txt", "file:///etc/hostname", "file://link"])
def test_no_file_outside_the_configs_folder_is_read(tmp_path: Path, reference: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "out.txt").write_text("secret")
    (inside / "link").symlink_to(tmp_path / "out.txt")
    config = f"{{prompts: ['{{{{q}}}}', '{reference}'], tests: {ONE}}}"

    suites, report = imported(inside, config)

    assert len(suites) == 1
    assert "outside" in report.omissions[0].reason


def test_code_allowed_reads_files_elsewhere(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "out.txt").write_text("Say {{q}}")

    suites, report = imported(
        inside, f"{{prompts: [file://../out.txt], tests: {ONE}}}", allow_code=True
    )

    assert suites[0].document["prompt"] == "Say {q}"
    assert report.omissions == []


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("[]", "no mapping"),
        ("{prompts: [", "not YAML"),
        ("{prompts: [file://none.txt], tests: []}", "no prompt"),
        ("{prompts: [x], tests: [{vars: {a: b}}]}", "nothing of"),
        ("{prompts: !!python/name:os.system x}", "is not known here"),
    ],
)
def test_what_holds_nothing_is_an_error(tmp_path: Path, config: str, told: str) -> None:
    with pytest.raises(ImportingError, match=told):
        imported(tmp_path, config)


def test_a_written_suite_reads_back_as_it_was_imported(tmp_path: Path) -> None:
    odd = ["yes", "1e3", "089", " lead", "tail ", "two\n\nlines\n", "tab\there", "# no", "a: b"]
    odd += ["\u2028", "", "null", "~", "-", "2026-11-23", "'", '"', "\\d", "&a", "!t", "é"]
    tests = [
        {"vars": {"q": each}, "assert": [{"type": "contains", "value": each or "x"}]}
        for each in odd
    ]
    (suite,), report = imported(
        tmp_path, json.dumps({"prompts": ["{{q}}"], "description": "yes", "tests": tests})
    )

    assert report.omissions == []
    assert yaml.safe_load(suite_text(suite)) == suite.document
    ours = loaded(tmp_path, suite)
    assert [case.input["q"] for case in ours.cases] == [each.removesuffix("\n") for each in odd]
    assert ours.description == "yes"
