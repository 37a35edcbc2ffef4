"""promptfoo's config as our suites: one a prompt.

What a suite of ours cannot say is reported: providers that we have no model for, what runs code,
and every key that is not known here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway_evals.documents import MarkedDict, MarkedList
from headway_evals.errors import ImportingError
from headway_evals.importing.case_scorers import Entry, named, take_shared
from headway_evals.importing.promptfoo_assertions import AssertionReader
from headway_evals.importing.promptfoo_judges import JUDGE_OPTIONS
from headway_evals.importing.promptfoo_prompts import FoundPrompt, questions_of, read_prompts
from headway_evals.importing.promptfoo_providers import read_providers
from headway_evals.importing.promptfoo_templates import Nunjucks
from headway_evals.importing.promptfoo_tests import FileTests, FoundTest, merged
from headway_evals.importing.reports import ImportedSuite, ImportOptions, ImportReport
from headway_evals.importing.sources import SCHEME, SourceFiles, parsed
from headway_evals.importing.writing import plain

_LONGEST_ID = 190
_CONFIG_KEYS = (
    *("description", "prompts", "providers", "targets", "defaultTest", "tests", "scenarios"),
    *("assertionTemplates", "evaluateOptions", "env", "$schema"),
)
_TEST_KEYS = ("description", "vars", "assert", "threshold", "metadata", "options")
_OPTION_KEYS = ("prefix", "suffix", "disableVarExpansion", "disableDefaultAsserts")
_SILENT_OPTIONS = ("maxConcurrency", "showProgressBar", "cache", "delay", "timeoutMs")


def import_promptfoo(
    path: Path, options: ImportOptions, report: ImportReport
) -> list[ImportedSuite]:
    """Return a suite for each prompt of a promptfoo config.

    Raises:
        ImportingError: the file is no config, or has no prompt.
    """
    files = SourceFiles(path.parent, options.allow_code)
    if path.suffix not in (".yaml", ".yml", ".json"):
        raise ImportingError(f"{path} is neither YAML nor JSON, which are read without running it")
    config = merged(parsed(files.read_text(path), path.name))
    if not isinstance(config, MarkedDict):
        raise ImportingError(f"{path} is no mapping with prompts and tests")
    return _Config(config, path, files, report, options.judge).suites()


@dataclass(frozen=True, slots=True)
class _Asked:
    """One case before its prompt: its variables, and the test that it is of."""

    case_id: str
    test: FoundTest
    variables: dict[str, Any]
    scorers: list[Entry]


class _Config:
    """A config under way to suites."""

    def __init__(
        self,
        values: MarkedDict,
        path: Path,
        files: SourceFiles,
        report: ImportReport,
        judge: str | None,
    ) -> None:
        self._values, self._path, self._files, self._report = values, path, files, report
        self._environment = Nunjucks()
        self._tests = FileTests(files, report, self._environment)
        templates = values.get("assertionTemplates")
        templates = templates if isinstance(templates, Mapping) else {}
        self._assertions = AssertionReader(files, report, templates, self._environment, judge)
        self._judge_options: list[tuple[str, FoundTest]] = []

    def suites(self) -> list[ImportedSuite]:
        """Return the suites."""
        values, name = self._values, self._path.name
        for key in values:
            if key not in _CONFIG_KEYS:
                self._omit(f"config key {key}", "has no place in a suite", values.line_of(key))
        environment = values.get("env") or {}
        for key in environment if isinstance(environment, Mapping) else ():
            why = "sets the environment of promptfoo"
            if key == "PROMPTFOO_PASS_RATE_THRESHOLD":
                why = "asks for a share of tests that pass; a gate of ours asks for no regression"
            self._omit(f"env {key}", why, values.line_of("env"))
        line = values.line_of("prompts")
        prompts = list(
            read_prompts(values.get("prompts") or [], self._files, self._report, name, line)
        )
        if not prompts:
            raise ImportingError(f"{self._path} has no prompt that can be imported")
        head = self._head()
        asked = list(self._asked())
        if not self._assertions.has_judged:
            for key, test in self._judge_options:
                why = "says how to judge, and nothing is judged"
                self._omit(f"test option {key}", why, test.line, test.path)
        return [
            self._suite(prompt, number, len(prompts), head, asked)
            for number, prompt in enumerate(prompts, start=1)
        ]

    def _omit(self, feature: str, reason: str, line: int, path: str = "") -> None:
        self._report.omit(feature, reason, path or self._path.name, line)

    def _head(self) -> dict[str, Any]:
        """Return what all suites say of generation."""
        values = self._values
        key = "providers" if "providers" in values else "targets"
        generation = read_providers(
            values.get(key), self._report, self._path.name, values.line_of(key)
        )
        head: dict[str, Any] = {"generation": generation} if generation else {}
        options = values.get("evaluateOptions") or MarkedDict(values.line)
        line = values.line_of("evaluateOptions")
        if not isinstance(options, Mapping):
            self._omit("evaluateOptions", "is no mapping", line)
            return head
        repeat = options.get("repeat")
        if isinstance(repeat, int) and repeat > 1:
            if generation.get("temperature"):
                head["repeats"] = repeat
            else:
                why = "asks the same at temperature 0, which gives the same here"
                self._omit("evaluateOptions.repeat", why, line)
        for each in options:
            if each != "repeat" and each not in _SILENT_OPTIONS:
                self._omit(f"evaluateOptions.{each}", "has no place in a suite", line)
        said = [each for each in options if each in _SILENT_OPTIONS]
        if said:
            self._report.note(f"How to run is said by flags here: {', '.join(said)} are left out.")
        return head

    def _asked(self) -> Iterator[_Asked]:
        default = self._default_test()
        taken: set[str] = set()
        for number, test in enumerate(self._all_tests(), start=1):
            values = _with_defaults(default, self._sound(test))
            self._check(values, test)
            found = FoundTest(values, test.path, test.line)
            try:
                variables = list(self._tests.variables(found, values.get("vars") or {}))
            except ImportingError as error:
                self._omit("vars as written", str(error), test.line, test.path)
                continue
            if len(variables) > 1:
                names = [f"{_title(values, number)}.{each + 1}" for each in range(len(variables))]
            else:
                names = [_title(values, number)]
            for name, each in zip(names, variables, strict=False):
                case_id = name if name not in taken else f"{name[: _LONGEST_ID - 8]} #{number}"
                taken.add(case_id)
                scorers = [
                    entry
                    for assertion in values.get("assert") or []
                    for entry in self._assertions.read(
                        assertion, each, test.path, test.line, values.get("options")
                    )
                ]
                if not scorers:
                    why = "passes always there; a case of ours needs a scorer"
                    self._omit("test left without an assertion", why, test.line, test.path)
                    continue
                yield _Asked(case_id, found, each, named(scorers))

    def _all_tests(self) -> Iterator[FoundTest]:
        values, name = self._values, self._path.name
        tests = values.get("tests")
        scenarios = values.get("scenarios")
        yield from self._tests.read(tests, name, values.line_of("tests"))
        if not isinstance(scenarios, MarkedList):
            if scenarios is not None:
                self._omit("scenarios", "are no list", values.line_of("scenarios"))
            return
        for line, scenario in zip(scenarios.lines, scenarios, strict=True):
            if not isinstance(scenario, Mapping):
                self._omit("scenario of a file", "write it into the config", line)
                continue
            for key in scenario:
                if key not in ("config", "tests", "description"):
                    self._omit(f"scenario {key}", "has no place in a suite", line)
            inner = list(self._tests.read(scenario.get("tests"), name, line))
            for each in self._tests.read(scenario.get("config"), name, line):
                for test in inner or [FoundTest({}, name, line)]:
                    both = _with_defaults(self._sound(each), self._sound(test))
                    yield FoundTest(both, test.path, test.line)

    def _default_test(self) -> Mapping[str, Any]:
        default = self._values.get("defaultTest")
        line = self._values.line_of("defaultTest")
        try:
            if isinstance(default, str) and default.startswith(SCHEME):
                path = self._files.find(default)
                default = merged(parsed(self._files.read_text(path), self._files.shown(path)))
        except ImportingError as error:
            self._omit("defaultTest of a file", str(error), line)
            return {}
        if default is not None and not isinstance(default, Mapping):
            self._omit("defaultTest", "is no mapping", line)
        if not isinstance(default, Mapping):
            return {}
        return self._sound(FoundTest(default, self._path.name, line))

    def _sound(self, test: FoundTest) -> dict[str, Any]:
        """Return a test's values, without those that are of another kind than they should be."""
        values = dict(test.values)
        for key in ("vars", "options", "metadata", "assert"):
            given = values.get(key)
            if key == "vars" and isinstance(given, str) and given.startswith(SCHEME):
                given = values[key] = self._variables_of(given, test)
            kind: type = list if key == "assert" else Mapping
            if given is not None and not isinstance(given, kind):
                why = f"is no {'list' if kind is list else 'mapping'}"
                self._omit(f"test {key} as written", why, test.line, test.path)
                del values[key]
        return values

    def _variables_of(self, reference: str, test: FoundTest) -> Any:
        try:
            path = self._files.find(reference)
            return merged(parsed(self._files.read_text(path), self._files.shown(path)))
        except ImportingError as error:
            self._omit("vars of a file", str(error), test.line, test.path)
            return {}

    def _check(self, values: Mapping[str, Any], test: FoundTest) -> None:
        for key in values:
            if key not in _TEST_KEYS:
                self._omit(f"test {key}", "has no place in a case", test.line, test.path)
        for key in values.get("options") or {}:
            if key in JUDGE_OPTIONS:
                self._judge_options.append((key, test))
            elif key not in _OPTION_KEYS:
                why = "changes prompts or answers, which are taken as they are"
                self._omit(f"test option {key}", why, test.line, test.path)

    def _suite(
        self,
        prompt: FoundPrompt,
        number: int,
        count: int,
        head: Mapping[str, Any],
        asked: Sequence[_Asked],
    ) -> ImportedSuite:
        name = self._path.stem
        if name == "promptfooconfig" and self._path.parent.name:
            name = self._path.resolve().parent.name
        if count > 1:
            name = f"{name}-{prompt.label or f'prompt-{number}'}"
        affixes = [_affixes(each.test.values) for each in asked]
        questions = questions_of(
            prompt,
            [each.variables for each in asked],
            self._environment,
            has_affixes=any(map(any, affixes)),
        )
        cases = []
        for each, (prefix, suffix) in zip(asked, affixes, strict=True):
            try:
                given = questions.input(each.variables, prefix, suffix)
            except ImportingError as error:
                self._omit("prompt as written", str(error), each.test.line, each.test.path)
                continue
            cases.append(self._case(each, given))
        document: dict[str, Any] = {"suite": name}
        if self._values.get("description"):
            document["description"] = str(self._values["description"])
        document.update(questions.head)
        document.update(head)
        shared = take_shared(cases)
        if shared:
            document["scorers"] = shared
        document["cases"] = cases
        if questions.has_messages:
            self._report.note(
                "The messages were filled in; a case's variables stand in them alone."
            )
        return ImportedSuite(name, plain(document), tuple(self._assertions.modules))

    def _case(self, asked: _Asked, given: Any) -> dict[str, Any]:
        case: dict[str, Any] = {"id": asked.case_id, "input": given}
        values = asked.test.values
        tags = list(self._tags(values.get("metadata") or {}, asked.test))
        if tags:
            case["tags"] = tags
        case["scorers"] = asked.scorers
        threshold = values.get("threshold")
        if isinstance(threshold, int | float) and not isinstance(threshold, bool):
            if any(_weight(each) for each in asked.scorers) and 0 <= threshold <= 1:
                case["threshold"] = threshold
            else:
                why = f"is {threshold}, which no weighted mean from 0 to 1 is held to"
                self._omit("test threshold", why, asked.test.line, asked.test.path)
        elif threshold is not None:
            why = f"is {threshold!r}, no number"
            self._omit("test threshold", why, asked.test.line, asked.test.path)
        return case

    def _tags(self, metadata: Mapping[str, Any], test: FoundTest) -> Iterator[str]:
        for key, value in metadata.items():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, Mapping | list):
                    why = "is no text, and a tag is"
                    self._omit(f"metadata {key}", why, test.line, test.path)
                elif each is not None:
                    yield f"{key}:{str(each).lower() if isinstance(each, bool) else each}"


def _with_defaults(default: Mapping[str, Any], test: Mapping[str, Any]) -> dict[str, Any]:
    """Return a test with what it does not say itself; assertions are the default's and its own."""
    found = {**default, **test}
    for key in ("vars", "options", "metadata"):
        both = {**(default.get(key) or {}), **(test.get(key) or {})}
        if both:
            found[key] = both
    given = (
        [] if (test.get("options") or {}).get("disableDefaultAsserts") else default.get("assert")
    )
    assertions = [*(given or []), *(test.get("assert") or [])]
    if assertions:
        found["assert"] = assertions
    else:
        found.pop("assert", None)
    return found


def _title(values: Mapping[str, Any], number: int) -> str:
    description = str(values.get("description") or "").strip()
    return description[:_LONGEST_ID] or f"test-{number}"


def _affixes(values: Mapping[str, Any]) -> tuple[str, str]:
    options = values.get("options") or {}
    return str(options.get("prefix") or ""), str(options.get("suffix") or "")


def _weight(entry: Entry) -> float:
    (options,) = entry.values()
    weight = options.get("weight", 1)
    return weight if isinstance(weight, int | float) else 1.0
