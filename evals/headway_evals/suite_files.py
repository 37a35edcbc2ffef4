r"""Reading a suite from YAML. All faults of a file are told at once, each with its line.

    triage.yaml:41: case 'refund-3' has no input
    triage.yaml:57: case 'refund-9': exact has no option 'ignorecase'; did you mean 'ignore_case'?

A suite, with all that it may hold:

    suite: triage
    description: customer messages to triage records
    prompt: "{input}"                 # or messages: [{role: system, content: …}, …]
    generation: {max_new_tokens: 96, stop: ["\n"]}
    scorers:                          # for every case; `name:` tells two of one kind apart
      - exact: {ignore_case: false}
    gate: {scorer: all, margin: 0.05, alpha: 0.05, min_n: 10, slices: tags}
    cases:                            # or a .jsonl or .yaml file beside it, or several, or a mix
      - {id: r-1, input: "…", expected: "…", tags: [kind:refund], cluster: mail-7, scorers: []}

A hard margin, which alone calls a regression, is written ``margin: {value: 0.05, hard: true}``.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway_evals.documents import Faults, MarkedDict, MarkedList, parse_jsonl, parse_yaml
from headway_evals.errors import SuiteError
from headway_evals.prompts import Prompt, chat, is_chat, render_prompt
from headway_evals.sections import Section
from headway_evals.suite_sections import read_gate, read_generation, read_scorers
from headway_evals.suites import Case, Suite
from headway_measures.scores import Scorer, shown

_SUITE_KEYS = (
    "suite",
    "description",
    "prompt",
    "messages",
    "generation",
    "scorers",
    "gate",
    "cases",
)
_LONGEST_ID = 200
_CASE_KEYS = ("id", "input", "expected", "tags", "cluster", "scorers")


def load_suite(path: Path) -> Suite:
    """Read and check a suite.

    Raises:
        SuiteError: it is not there or has faults; the message lists them with their lines.
    """
    faults = Faults()
    document = parse_yaml(_read(path), str(path), faults)
    if not isinstance(document, MarkedDict):
        if not faults.found:
            faults.add(str(path), 1, "a suite is a mapping with the keys suite and cases")
        raise faults.error()
    suite = _SuiteReader(Section(document, str(path), "the suite", faults)).read()
    if faults.found:
        raise faults.error()
    return suite


@dataclass(slots=True)
class _SuiteReader:
    """Builds a suite out of a document, noting faults as it goes."""

    document: Section
    content: list[MarkedDict] = field(default_factory=list)
    lines: dict[str, str] = field(default_factory=dict)

    def read(self) -> Suite:
        document = self.document
        document.check_keys(_SUITE_KEYS)
        name = document.get("suite", str, "")
        if not name:
            document.fault("suite", "has no name: give it as suite: NAME")
        template = self._template()
        scorers = read_scorers(document)
        cases = [self._case(section, template, scorers) for section in self._case_sections()]
        if not cases:
            document.fault("cases", "has no cases")
        names = {name for case in cases for name in case.scorers}
        return Suite(
            name=name,
            version=self._version(),
            cases=tuple(cases),
            description=document.get("description", str, ""),
            template=template,
            generation=read_generation(document.section("generation", "generation")),
            gate=read_gate(document.section("gate", "gate"), names),
        )

    def _template(self) -> Prompt:
        document = self.document
        messages = document.values.get("messages")
        if messages is None:
            return document.get("prompt", str, "{input}")
        if "prompt" in document.values:
            document.fault("messages", "has both prompt and messages: keep one")
        if not is_chat(messages):
            document.fault("messages", "has messages that are not a list of {role, content}")
            return ()
        return chat(messages)

    def _case_sections(self) -> Iterator[Section]:
        """Yield each case: inline ones, and those of the files that are named."""
        document = self.document
        cases = document.values.get("cases")
        if isinstance(cases, str):
            name, cases = cases, MarkedList()
            cases.append(name)
            cases.lines.append(document.values.line_of("cases"))
        if isinstance(cases, MarkedList):
            yield from self._sections(cases, document.path, may_name_files=True)
        elif cases is not None:
            document.fault("cases", f"has cases {shown(cases)}, which is no list and no file")

    def _sections(self, cases: MarkedList, path: str, *, may_name_files: bool) -> Iterator[Section]:
        faults = self.document.faults
        for place, (line, value) in enumerate(zip(cases.lines, cases, strict=True), start=1):
            if isinstance(value, MarkedDict):
                title = f"case {str(value['id'])!r}" if value.get("id") else f"case {place}"
                yield Section(value, path, title, faults)
            elif isinstance(value, str) and may_name_files:
                file = Path(path).parent / value
                try:
                    inside = _parse_cases(file, faults)
                except SuiteError as error:
                    faults.add(path, line, str(error))
                else:
                    yield from self._sections(inside, str(file), may_name_files=False)
            else:
                faults.add(path, line, f"case {place} is {shown(value)}, not a mapping")

    def _case(self, section: Section, template: Prompt, shared: dict[str, Scorer]) -> Case:
        section.check_keys(_CASE_KEYS)
        values = section.values
        case = Case(
            case_id=self._case_id(section),
            input=values.get("input"),
            expected=values.get("expected"),
            tags=section.texts("tags"),
            cluster=None if values.get("cluster") is None else str(values["cluster"]),
            scorers={**shared, **read_scorers(section)},
        )
        if case.input is None:
            section.fault("input", "has no input")
        elif not (isinstance(case.input, str | MarkedDict) or is_chat(case.input)):
            section.fault(
                "input", f"has input {shown(case.input)}: give text, a mapping or messages"
            )
        else:
            _check_prompt(section, template, case.input)
        if not case.scorers:
            section.fault("scorers", "has no scorer: give one to it or to the suite")
        for name, scorer in case.scorers.items():
            if scorer.needs_expected and case.expected is None:
                section.fault("expected", f"has no expected value, and {name} compares with it")
        self.content.append(values)
        return case

    def _case_id(self, section: Section) -> str:
        case_id = section.values.get("id")
        if isinstance(case_id, bool) or not isinstance(case_id, str | int) or case_id == "":
            section.fault("id", "has no id" if case_id is None else f"has id {shown(case_id)}")
            return ""
        case_id, place = str(case_id), f"{section.path}:{section.values.line_of('id')}"
        if len(case_id) > _LONGEST_ID:
            section.fault("id", f"has an id of more than {_LONGEST_ID} characters")
        if case_id in self.lines:
            section.fault("id", f"stands twice, first at {self.lines[case_id]}")
        self.lines.setdefault(case_id, place)
        return case_id

    def _version(self) -> str:
        """Return a digest of the content: not of layout, order, description or gate."""
        left_out = ("description", "gate", "cases")
        values = self.document.values
        content = {key: value for key, value in values.items() if key not in left_out}
        content["cases"] = sorted(self.content, key=lambda case: str(case.get("id")))
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _check_prompt(section: Section, template: Prompt, value: Any) -> None:
    try:
        render_prompt(template, value)
    except KeyError as error:
        section.fault("input", f"has an input without the prompt's field {error.args[0]!r}")


def _parse_cases(path: Path, faults: Faults) -> MarkedList:
    text = _read(path)
    if path.suffix == ".jsonl":
        return parse_jsonl(text, str(path), faults)
    cases = parse_yaml(text, str(path), faults)
    if isinstance(cases, MarkedList):
        return cases
    raise SuiteError(f"{path} holds no list of cases")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SuiteError(f"there is no file {path}") from error
    except UnicodeDecodeError as error:
        raise SuiteError(f"{path} is not UTF-8 text: {error}") from error
    except OSError as error:
        raise SuiteError(f"{path} cannot be read: {error.strerror}") from error
