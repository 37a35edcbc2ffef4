r"""Reading a suite from YAML or JSONL. All faults of a file are told at once, each with its line.

    triage.yaml:41: case 'refund-3' has no input
    triage.yaml:57: case 'refund-9': exact has no option 'ignorecase'; did you mean 'ignore_case'?

A suite; ``docs/suites.md`` tells all that it may hold:

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
In JSONL each line is a case; the first may be the suite without its cases: ``{"suite": "triage"}``.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from headway_evals.documents import Faults, MarkedDict, MarkedList, parse_jsonl, parse_yaml
from headway_evals.examples import FewShot, Framing, Style, has_system
from headway_evals.prompts import Prompt, chat, is_chat
from headway_evals.quarantines import read_quarantines
from headway_evals.sections import Section
from headway_evals.suite_cases import CaseReader
from headway_evals.suite_rows import RowReader, read_fields, read_text
from headway_evals.suite_scorers import ScorerReader
from headway_evals.suite_sections import (
    read_budget,
    read_few_shot,
    read_gates,
    read_generation,
    read_style,
)
from headway_evals.suites import DEFAULT_FRAMING, Asking, Case, Generation, Suite

_SUITE_KEYS = (
    *("suite", "description", "ask", "prompt", "messages", "system", "chat", "few_shot"),
    *("delimiter", "generation", "repeats", "scorers", "gate", "gates", "fields", "cases"),
    *("quarantine", "judges", "labels"),
)
_MOST_REPEATS = 1_000
_FEW_SHOT_KEYS = ("cases", "count", "seed", "as", "separator")
# What the version leaves out: words, how results are judged, and where content was found, which is
# in it under our own keys.
_NOT_CONTENT = (
    *("description", "gate", "gates", "quarantine", "judges", "labels"),
    *("cases", "fields", "few_shot"),
)


def load_suite(path: Path) -> Suite:
    """Read and check a suite.

    Raises:
        SuiteError: it is not there or has faults; the message lists them with their lines.
    """
    faults = Faults()
    text, lines = read_text(path), None
    if path.suffix == ".jsonl":
        document, lines = _head_and_lines(parse_jsonl(text, str(path), faults), path)
    else:
        document = parse_yaml(text, str(path), faults)
    if not isinstance(document, MarkedDict):
        if not faults.found:
            faults.add(str(path), 1, "a suite is a mapping with the keys suite and cases")
        raise faults.error()
    section = Section(document, str(path), "the suite", faults)
    suite = _SuiteReader(section, ScorerReader(path.parent), lines).read()
    if faults.found:
        raise faults.error()
    return suite


def _head_and_lines(lines: MarkedList, path: Path) -> tuple[MarkedDict, MarkedList]:
    """Part a JSONL suite: its first line may be the suite without its cases."""
    rest = MarkedList()
    rest.extend(lines)
    rest.lines.extend(lines.lines)
    if rest and isinstance(rest[0], MarkedDict) and "suite" in rest[0]:
        rest.lines.pop(0)
        return rest.pop(0), rest
    head = MarkedDict(1)
    head["suite"] = path.stem
    return head, rest


@dataclass(slots=True)
class _SuiteReader:
    """Builds a suite out of a document, noting faults as it goes.

    Args:
        document: the suite.
        scorers: reads its scorers.
        lines: the cases of a suite that is JSONL; None for any other.
    """

    document: Section
    scorers: ScorerReader
    lines: MarkedList | None

    def read(self) -> Suite:
        document = self.document
        document.check_keys(_SUITE_KEYS)
        name = document.get("suite", str, "")
        if not name:
            document.fault("suite", "has no name: give it as suite: NAME")
        generation = read_generation(document.section("generation", "generation"))
        framing = self._framing()
        has_shots = "few_shot" in document.values
        shots = document.section("few_shot", "few_shot")
        style = read_style(shots, "turns" if _leads_to_chats(framing) else "text")
        reader = CaseReader(
            ask=self._ask(),
            framing=framing,
            gives_text=has_shots and style == "text",
            scorers=self.scorers.read(document),
            scorer_reader=self.scorers,
            repeats=self._repeats(generation),
        )
        rows = RowReader(read_fields(document.section("fields", "fields")))
        cases = [case for row in self._rows(rows) for case in reader.read(row)]
        if not cases:
            document.fault("cases", "has no cases")
        if has_shots:
            few_shot = self._few_shot(shots, rows, reader, style)
            is_chat = framing.is_chat or style == "turns"
            framing = dataclasses.replace(framing, few_shot=few_shot, is_chat=is_chat)
        return Suite(
            name=name,
            version=self._version(reader, framing.few_shot),
            cases=self._quarantined(cases),
            description=document.get("description", str, ""),
            framing=framing,
            generation=generation,
            gates=read_gates(
                document,
                {name: each for case in cases for name, each in case.scorers.items()},
                reader.repeats,
            ),
            ask=reader.ask,
            judging=read_budget(document.section("judges", "judges")),
            labels=self._labels(),
        )

    def _labels(self) -> Path | None:
        name = self.document.get("labels", str, "")
        return Path(self.document.path).parent / name if name else None

    def _quarantined(self, cases: list[Case]) -> tuple[Case, ...]:
        """Return the cases, each in the quarantine that stands at it or at the suite."""
        section = self.document.section("quarantine", "quarantine")
        # The answers to one question share its fate.
        named = read_quarantines(section, [case.case_id for case in cases if not case.sample])
        return tuple(
            dataclasses.replace(case, quarantine=named.get(_asked_as(case), case.quarantine))
            for case in cases
        )

    def _rows(self, rows: RowReader) -> Iterator[Section]:
        if self.lines is None:
            return rows.read(self.document)
        if "cases" in self.document.values:
            self.document.fault("cases", "has cases, which are the lines that follow")
        return rows.read_lines(self.document, self.lines)

    def _ask(self) -> Asking:
        ask = self.document.get("ask", str, "generate")
        for known in get_args(Asking):
            if ask == known:
                return cast(Asking, known)
        self.document.fault("ask", f"has ask {ask!r}; known: {', '.join(get_args(Asking))}")
        return "generate"

    def _framing(self) -> Framing:
        document = self.document
        system = document.get("system", str, "")
        is_chat = document.get("chat", bool, bool(system))
        if system and not is_chat:
            document.fault("chat", "has chat: false, and system is a message of a chat")
        template = self._template()
        if system and has_system(template):
            document.fault("system", "has a system message beside that of messages: keep one")
        delimiter = document.get("delimiter", str, DEFAULT_FRAMING.delimiter)
        return Framing(template, system, None, is_chat, delimiter)

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

    def _repeats(self, generation: Generation) -> int:
        repeats = self.document.get("repeats", int, 1)
        if not 1 <= repeats <= _MOST_REPEATS:
            self.document.fault(
                "repeats", f"has repeats {repeats}, which must be from 1 to {_MOST_REPEATS:,}"
            )
            return 1
        if repeats > 1 and generation.temperature == 0:
            self.document.fault(
                "repeats", f"has repeats {repeats} of one answer: give generation a temperature"
            )
        return repeats

    def _few_shot(
        self, shots: Section, rows: RowReader, reader: CaseReader, style: Style
    ) -> FewShot:
        shots.check_keys(_FEW_SHOT_KEYS)
        if reader.ask == "perplexity":
            shots.fault("cases", "stands before texts whose own perplexity is asked for")
        is_own = "cases" not in shots.values
        if is_own:
            # By id, so that the order of a suite's cases does not matter.
            examples = [reader.examples[case_id] for case_id in sorted(reader.examples)]
        else:
            found = dataclasses.replace(rows, noun="example").read(shots)
            examples = [reader.read_example(row) for row in found]
        return read_few_shot(shots, examples, style, is_own=is_own)

    def _version(self, reader: CaseReader, few_shot: FewShot | None) -> str:
        """Return a digest of the content: not of layout, order, description or gate."""
        values = self.document.values
        content = {key: value for key, value in values.items() if key not in _NOT_CONTENT}
        content["cases"] = sorted(reader.content, key=lambda case: str(case.get("id")))
        if few_shot is not None:
            examples = [(each.input, each.answer) for each in few_shot.examples]
            how = (few_shot.count, few_shot.style, few_shot.separator)
            content["few_shot"] = [*how, examples]
        if self.scorers.sources:
            content["functions"] = self.scorers.sources
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _asked_as(case: Case) -> str:
    """Return the id of the case that this is an answer to."""
    return case.case_id.removesuffix(f"#{case.sample + 1}") if case.sample else case.case_id


def _leads_to_chats(framing: Framing) -> bool:
    """Return whether a case of text is asked as a chat."""
    return framing.is_chat or not isinstance(framing.template, str)
