"""Registries of OpenAI's evals as suites: ``evals/NAME.yaml`` with ``data/…/samples.jsonl``.

    NAME: {id: NAME.split.v0, metrics: [accuracy]}
    NAME.split.v0: {class: "evals.elsuite.basic.match:Match", args: {samples_jsonl: …}}

A sample is ``{"input": [messages] or "text", "ideal": "text" or ["texts"]}``. The classes keep
their meaning: Match, Includes, FuzzyMatch, JsonMatch and MultipleChoice, of which the last reads a
dataset that is given by ``--data``; ModelBasedClassify is asked of the model of ``--judge``.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway_evals.documents import Faults, MarkedDict, parse_yaml
from headway_evals.errors import ImportingError
from headway_evals.importing.case_scorers import take_shared
from headway_evals.importing.openai_evals_judges import GradedSpec, read_spec
from headway_evals.importing.reports import ImportedSuite, ImportOptions, ImportReport
from headway_evals.importing.sources import SourceFiles, SourceRefused
from headway_evals.importing.table_files import Row, read_table
from headway_evals.prompts import is_chat
from headway_measures.scores import shown

_SHUFFLED_BY = 7
"""The seed that orders the letters of MultipleChoice; theirs goes by the sample's index."""

_JUDGED = "ModelBasedClassify"

_SCORERS: Mapping[str, list[Any]] = {
    "Match": ["starts_with"],
    "Includes": [{"includes": {"mode": "any"}}],
    "FuzzyMatch": ["fuzzy_match", "f1"],
    "JsonMatch": ["json_match"],
    "MultipleChoice": ["starts_with"],
    _JUDGED: ["classify"],
}
_LENGTHS = {"Match": 500, "FuzzyMatch": 100, "JsonMatch": 512, "MultipleChoice": 1, _JUDGED: 1024}
_ARGUMENTS: Mapping[str, frozenset[str]] = {
    "Match": frozenset(["samples_jsonl", "max_tokens", "num_few_shot", "few_shot_jsonl"]),
    "Includes": frozenset(["samples_jsonl", "ignore_case"]),
    "FuzzyMatch": frozenset(["samples_jsonl", "max_tokens"]),
    "JsonMatch": frozenset(["samples_jsonl", "max_tokens"]),
    "MultipleChoice": frozenset(["dataset", "instructions"]),
    _JUDGED: frozenset(
        [
            *("samples_jsonl", "modelgraded_spec", "modelgraded_spec_args", "eval_type"),
            *("max_tokens", "samples_renamings", "multicomp_n", "metaeval"),
        ]
    ),
}
_KNOWN_DATA = {
    "hellaswag": ("ctx", "endings", "label"),
    "hendrycks_test": ("question", "choices", "answer"),
}


def import_openai_evals(
    path: Path, options: ImportOptions, report: ImportReport
) -> list[ImportedSuite]:
    """Return a suite for each eval of a registry's file.

    Raises:
        ImportingError: not one of them can be imported.
    """
    # evals/NAME.yaml stands beside data/, where its samples lie.
    root = path.parent.parent if path.parent.name == "evals" else path.parent
    files = SourceFiles(root, options.allow_code)
    registry = _registry(path, files)
    suites: list[ImportedSuite] = []
    failures: list[str] = []
    for key, entry in registry.items():
        if not isinstance(entry, MarkedDict) or "class" not in entry:
            _check_name(key, entry, registry, path, report)
            continue
        importer = _EvalImport(key, entry, path, files, options, report)
        try:
            suites.append(importer.suite(_name_of(key, registry)))
        except ImportingError as error:
            failures.append(str(error))
            report.omit(importer.feature, str(error), path.name, registry.line_of(key))
    if not suites:
        raise ImportingError("; ".join(failures) or f"{path} has no eval: an entry with a class")
    return suites


def _registry(path: Path, files: SourceFiles) -> MarkedDict:
    faults = Faults()
    registry = parse_yaml(files.read_text(path), str(path), faults)
    if faults.found or not isinstance(registry, MarkedDict):
        told = str(faults.error()) if faults.found else f"{path} is no mapping of evals"
        raise ImportingError(told)
    return registry


def _check_name(
    key: str, entry: Any, registry: Mapping[str, Any], path: Path, report: ImportReport
) -> None:
    """Report what an entry that only names an eval says besides."""
    line = getattr(registry, "lines", {}).get(key, 0)
    given = entry if isinstance(entry, Mapping) else {}
    if given.get("id") not in registry:
        told = f"{key} names {shown(given.get('id'))}, which is not in this file"
        report.omit("eval of another file", told, path.name, line)
    for name in given:
        if name not in ("id", "metrics", "description"):
            report.omit(f"key {name}", "a suite has no such thing", path.name, line)


def _name_of(key: str, registry: Mapping[str, Any]) -> str:
    """Return the name that stands for an eval: the one that its registry gives, or its id."""
    named = (name for name, each in registry.items() if isinstance(each, Mapping))
    return next((name for name in named if registry[name].get("id") == key), key)


@dataclass(slots=True)
class _EvalImport:
    """Makes one eval into a suite."""

    key: str
    entry: Mapping[str, Any]
    path: Path
    files: SourceFiles
    options: ImportOptions
    report: ImportReport

    @property
    def kind(self) -> str:
        return str(self.entry["class"]).rpartition(":")[2]

    @property
    def feature(self) -> str:
        is_plain = self.kind in _SCORERS and self.kind != _JUDGED
        return f"eval {self.key}" if is_plain else f"class {self.kind}"

    def suite(self, name: str) -> ImportedSuite:
        kind, arguments = self.kind, self.entry.get("args")
        given: Mapping[str, Any] = arguments if isinstance(arguments, Mapping) else {}
        if kind not in _SCORERS:
            raise ImportingError(f"{self.key} is of class {kind}; known: {', '.join(_SCORERS)}")
        for each in (*given, *(key for key in self.entry if key not in ("class", "args"))):
            if each not in _ARGUMENTS[kind] and each not in ("description", "metrics"):
                line = getattr(self.entry, "lines", {}).get(each, 0)
                self.report.omit(f"argument {each}", f"{kind} has no such", self.path.name, line)
        spec = None
        if kind == _JUDGED:
            spec = read_spec(self.files, given, self.key, self.options.judge)
        rows = self._rows(given)
        if spec is not None:
            cases = self._judged(rows, spec, given.get("samples_renamings") or {})
        elif kind == "MultipleChoice":
            cases = self._choices(rows, str(given.get("instructions") or ""))
        else:
            cases = self._cases(rows, self._shots(given))
        if not cases:
            raise ImportingError(f"{self.key} has no sample that can be a case")
        scorers = take_shared(cases) if spec is not None else _SCORERS[kind]
        if kind == "Includes" and given.get("ignore_case"):
            scorers = [{"includes": {"mode": "any", "ignore_case": True}}]
        if kind == "FuzzyMatch":
            self.report.note(f"{name}: accuracy is `fuzzy_match`, f1_score is `f1`")
        document: dict[str, Any] = {"suite": name, "description": f"OpenAI evals' {self.key}"}
        if kind in _LENGTHS:
            length = given.get("max_tokens", _LENGTHS[kind])
            document["generation"] = {"max_new_tokens": int(length)}
        if kind == "Match":
            self.report.note(f"{name}: Match sends no max_tokens; here answers end at {length}")
        document |= {"scorers": scorers, "cases": cases} if scorers else {"cases": cases}
        if kind in ("FuzzyMatch", _JUDGED):
            document["gate"] = {"scorer": "classify" if kind == _JUDGED else "fuzzy_match"}
        return ImportedSuite(name, document)

    def _rows(self, given: Mapping[str, Any]) -> Sequence[Row]:
        if self.options.data is not None:
            return read_table(self.options.data, self.report).rows
        if self.kind == "MultipleChoice":
            raise ImportingError(
                f"{self.key} reads {given.get('dataset')} from a hub, which is not fetched here: "
                "save it as a file and give --data FILE"
            )
        return read_table(self._found(given.get("samples_jsonl")), self.report, kind="jsonl").rows

    def _found(self, name: Any) -> Path:
        if not isinstance(name, str):
            raise ImportingError(f"{self.key} has {shown(name)} where a file of samples belongs")
        for reference in (f"data/{name}", name):
            try:
                return self.files.find(reference)
            except SourceRefused as error:
                refused = error
        raise ImportingError(f"{self.key}: {refused}")

    def _shots(self, given: Mapping[str, Any]) -> list[Any]:
        count = given.get("num_few_shot") or 0
        if not count:
            return []
        rows = read_table(self._found(given.get("few_shot_jsonl")), self.report, kind="jsonl").rows
        return [row.values.get("sample") for row in rows[: int(count)]]

    def _cases(self, rows: Sequence[Row], shots: Sequence[Any]) -> list[dict[str, Any]]:
        cases = []
        turns = [turn for shot in shots for turn in (shot if isinstance(shot, list) else [])]
        for number, row in enumerate(rows):
            asked, ideal = row.values.get("input"), row.values.get("ideal")
            if shots and isinstance(asked, list):
                asked = [*asked[:-1], *turns, *asked[-1:]]
            asked = self._asked("input", asked, row)
            if asked is None:
                continue
            texts = ideal if isinstance(ideal, list) else [ideal]
            if not texts or not all(isinstance(each, str) for each in texts):
                told = f"ideal is {shown(ideal)}, neither text nor a list of texts"
                self.report.omit("sample's ideal", told, self.path.name, row.line)
                continue
            for key in row.values:
                if key not in ("input", "ideal"):
                    told = "a case has input and expected"
                    self.report.omit(f"sample's {key}", told, self.path.name, row.line)
            cases.append({"id": str(number), "input": asked, "expected": ideal})
        return cases

    def _asked(self, column: str, given: Any, row: Row) -> Any:
        """Return a sample's input as a case's; None where it is none."""
        if isinstance(given, list) and any(
            isinstance(each, Mapping) and "name" in each for each in given
        ):
            told = "a message has a role and a content; its text is the same without the name"
            self.report.omit("message's name", told, self.path.name, row.line)
        asked = _plain_chat(given)
        if isinstance(asked, str) or is_chat(asked):
            return asked
        told = "an input is a text, or a list of messages with role and content"
        self.report.omit(f"sample's {column}", told, self.path.name, row.line)
        return None

    def _judged(
        self, rows: Sequence[Row], spec: GradedSpec, renamings: Any
    ) -> list[dict[str, Any]]:
        spec.check()
        column, _ = spec.columns
        names = renamings if isinstance(renamings, Mapping) else {}
        cases: list[dict[str, Any]] = []
        for number, row in enumerate(rows):
            sample = {str(names.get(key, key)): value for key, value in row.values.items()}
            asked = self._asked(column, sample.get(column), row)
            if asked is None:
                continue
            try:
                scorer = spec.entry(sample)
            except ImportingError as error:
                self.report.omit("sample without a judge", str(error), self.path.name, row.line)
                continue
            shown_too = spec.shown_columns(sample)
            for key in sample:
                if key not in (column, "ideal", *shown_too):
                    told = "the judge is not shown it, and a case has input and expected"
                    self.report.omit(f"sample's {key}", told, self.path.name, row.line)
            case = {"id": str(number), "input": asked, "scorers": [scorer]}
            if sample.get("ideal") is not None:
                case["expected"] = sample["ideal"]
            cases.append(case)
        for feature, reason in spec.omissions if cases else ():
            line = getattr(self.entry, "line", 0)
            self.report.omit(feature, reason, self.path.name, line)
        return cases

    def _choices(self, rows: Sequence[Row], instructions: str) -> list[dict[str, Any]]:
        cases = []
        for number, row in enumerate(rows):
            found = _question(row.values)
            if found is None:
                told = "a row has question, answers (or choices) and label (or answer), its place"
                self.report.omit("row without a question", told, self.path.name, row.line)
                continue
            question, answers, label = found
            order = list(range(len(answers)))
            random.Random(f"{_SHUFFLED_BY}:{number}").shuffle(order)
            letters = [f"{chr(65 + i)}) {answers[place]}" for i, place in enumerate(order)]
            asked = (
                f"{instructions}\nPlease answer with the letter of the correct answer.\n\n"
                f"{question}\n" + "\n".join(letters)
            )
            right = chr(65 + order.index(label))
            cases.append({"id": str(number), "input": asked, "expected": right})
        self.report.note(
            f"{self.key}: letters are in an order of their own, not that of a run there"
        )
        return cases


def _question(values: Mapping[str, Any]) -> tuple[str, list[str], int] | None:
    for names in (("question", "answers", "label"), *_KNOWN_DATA.values()):
        if all(name in values for name in names):
            question, answers, label = (values[name] for name in names)
            try:
                place = int(label)
            except (TypeError, ValueError):
                return None
            if isinstance(answers, list) and 0 <= place < len(answers) <= 26:
                return str(question), [str(each) for each in answers], place
    return None


def _plain_chat(asked: Any) -> Any:
    """Return messages with the role that their name stands for, as of examples in a chat."""
    if not isinstance(asked, list):
        return asked
    return [
        {key: value for key, value in each.items() if key != "name"}
        if isinstance(each, Mapping)
        else each
        for each in asked
    ]
