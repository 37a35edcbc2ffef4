"""promptfoo's tests, from the config or from YAML, JSON, JSONL and CSV files beside it."""

import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway_evals.documents import Faults, MarkedDict, MarkedList, parse_jsonl
from headway_evals.errors import ImportingError
from headway_evals.importing.promptfoo_assertions import KNOWN_TYPES
from headway_evals.importing.promptfoo_templates import Nunjucks, fill, has_template, printed
from headway_evals.importing.reports import ImportReport
from headway_evals.importing.sources import SCHEME, SourceFiles, parsed

_MOST_TESTS = 100_000
_CODE = (".py", ".js", ".ts", ".mjs", ".cjs")
_CELL = re.compile(r"(?s)(not-)?([a-z][a-z-]*)(?:\((\d+(?:\.\d+)?)\))?(?::(.*))?")
_LISTS = ("contains-all", "contains-any", "icontains-all", "icontains-any")
_CELL_THRESHOLD = 0.75
_WITH_THRESHOLD = ("cost", "latency", "levenshtein", "rouge-n", "perplexity", "perplexity-score")
_CONFIG = re.compile(r"__config:(__expected\d*):(\w+)")
_METADATA = re.compile(r"__metadata:([^\[]+)(\[\])?")


@dataclass(frozen=True, slots=True)
class FoundTest:
    """A test as someone wrote it, and where."""

    values: Mapping[str, Any]
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class FileTests:
    """Reads tests.

    Args:
        files: those that the config may name.
        report: what could not be done.
        environment: fills templates in.
    """

    files: SourceFiles
    report: ImportReport
    environment: Nunjucks

    def read(self, given: Any, path: str, line: int) -> Iterator[FoundTest]:
        """Yield the tests of a value of ``tests``: a list, a file, a pattern of files, or a mix."""
        if given is None:
            return
        for place, each in _items(given, line):
            if isinstance(each, str):
                yield from self._files(each, path, place)
            elif isinstance(each, Mapping) and "path" in each and "vars" not in each:
                self.report.omit("tests made by code", "write them as a file", path, place)
            elif isinstance(each, Mapping):
                yield FoundTest(each, path, place)
            else:
                self.report.omit("test that is no mapping", "has no vars", path, place)

    def variables(self, test: FoundTest, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the variables of each case of a test: every combination of those that are lists."""
        names, choices = [], []
        is_expanded = not (test.values.get("options") or {}).get("disableVarExpansion")
        for name, value in given.items():
            values = value if isinstance(value, list) and is_expanded else [value]
            names.append(name)
            choices.append([inner for each in values for inner in self._variable(each, test)])
        count = 1
        for each in choices:
            count *= len(each)
        if count > _MOST_TESTS:
            raise ImportingError(
                f"{test.path}:{test.line}: the lists of vars make {count:,} cases, more than "
                f"{_MOST_TESTS:,}"
            )
        for chosen in itertools.product(*choices):
            yield self._resolved(dict(zip(names, chosen, strict=True)))

    def _variable(self, value: Any, test: FoundTest) -> list[Any]:
        if not (isinstance(value, str) and value.startswith(SCHEME)):
            # A line's end at the end is taken off, as promptfoo does.
            return [value.removesuffix("\n") if isinstance(value, str) else value]
        try:
            found = []
            for path in self.files.find_all(value):
                if path.suffix in (*_CODE, ".pdf", ".png", ".jpg", ".jpeg", ".mp4", ".wav"):
                    raise ImportingError(f"{value} is no text")
                text = self.files.read_text(path)
                is_yaml = path.suffix in (".yaml", ".yml")
                if is_yaml:
                    text = self.environment.filters["dump"](parsed(text, self.files.shown(path)))
                found.append(text.strip())
            return found
        except ImportingError as error:
            self.report.omit("variable of a file", str(error), test.path, test.line)
            return []

    def _resolved(self, variables: dict[str, Any]) -> dict[str, Any]:
        """Return variables, those filled in that are templates of others."""
        return {
            name: fill(self.environment, value, variables) if _is_template(value) else value
            for name, value in variables.items()
        }

    def _files(self, reference: str, path: str, line: int) -> Iterator[FoundTest]:
        plain = reference.removeprefix(SCHEME)
        if "://" in plain or re.search(r"\.(py|js|ts|mjs|cjs|xlsx|xls)(:|#|$)", plain):
            why = "is made by code, stands on the net or is a table of Excel: write it as a file"
            self.report.omit("tests made elsewhere", f"{why} of CSV, YAML or JSONL", path, line)
            return
        try:
            for found in self.files.find_all(plain):
                yield from self._file(found)
        except ImportingError as error:
            self.report.omit("tests of a file", str(error), path, line)

    def _file(self, path: Path) -> Iterator[FoundTest]:
        shown, text = self.files.shown(path), self.files.read_text(path)
        if path.suffix == ".csv":
            yield from self._csv(text, shown)
        elif path.suffix == ".jsonl":
            faults = Faults()
            rows = parse_jsonl(text, shown, faults)
            if faults.found:
                raise ImportingError(str(faults.error()))
            yield from self.read(rows, shown, 1)
        elif path.suffix in (".yaml", ".yml", ".json"):
            yield from self.read(merged(parsed(text, shown)), shown, 1)
        else:
            raise ImportingError(f"{shown} is neither CSV nor YAML, JSON or JSONL")

    def _csv(self, text: str, path: str) -> Iterator[FoundTest]:
        csv.field_size_limit(2**31 - 1)
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            header = next(reader, [])
            line = reader.line_num + 1
            for cells in reader:
                if any(cells):
                    row = dict(itertools.zip_longest(header, cells[: len(header)], fillvalue=""))
                    if len(cells) > len(header):
                        self.report.omit("cells beyond the header", "have no name", path, line)
                    yield FoundTest(self._of_row(row, path, line), path, line)
                line = reader.line_num + 1
        except csv.Error as error:
            raise ImportingError(f"{path}:{reader.line_num}: not CSV: {error}") from error

    def _of_row(self, row: Mapping[str, str], path: str, line: int) -> MarkedDict:
        """Return a row as the test that it stands for."""
        test, variables, options = MarkedDict(line), MarkedDict(line), MarkedDict(line)
        metadata, assertions = MarkedDict(line), MarkedDict(line)
        for key, cell in row.items():
            if re.fullmatch(r"__expected\d*", key):
                if cell.strip():
                    assertions[key] = of_cell(cell, line)
            elif key in ("__prefix", "__suffix"):
                options[key[2:]] = cell
            elif key == "__description":
                test["description"] = cell
            elif key == "__threshold":
                if cell.strip():
                    test["threshold"] = _number(cell)
            elif match := _METADATA.fullmatch(key):
                parts = [each.strip() for each in cell.split(",") if each.strip()]
                if cell.strip():
                    metadata[match[1]] = parts if match[2] else cell
            elif key.startswith("__") and key != "__metric" and not _CONFIG.fullmatch(key):
                if cell.strip():
                    self.report.omit(f"column {key}", "is not known here", path, line)
            elif not key.startswith("__"):
                variables[key] = cell
        for key, cell in row.items():
            if (match := _CONFIG.fullmatch(key)) and cell.strip():
                # __expected and __expected1 are one.
                name = match[1] if match[1] in assertions else "__expected"
                if name in assertions and match[2] == "threshold":
                    assertions[name]["threshold"] = _number(cell)
                else:
                    self.report.omit(f"column {key}", "says nothing here", path, line)
            elif key == "__metric" and cell.strip():
                for each in assertions.values():
                    each["metric"] = cell
        test["vars"], test["assert"] = variables, list(assertions.values())
        test.update({"options": options} if options else {})
        test.update({"metadata": metadata} if metadata else {})
        return test


def of_cell(cell: str, line: int) -> MarkedDict:
    """Return the assertion of a cell such as ``not-contains-any:a, b`` or ``levenshtein(3):text``.

    Text that names no type is what the output is to equal.
    """
    assertion = MarkedDict(line)
    for prefix, kind in (
        *(("javascript:", "javascript"), ("fn:", "javascript"), ("eval:", "javascript")),
        *(("grade:", "llm-rubric"), ("llm-rubric:", "llm-rubric"), ("python:", "python")),
    ):
        if cell.startswith(prefix):
            assertion.update(type=kind, value=cell[len(prefix) :].strip())
            return assertion
    if cell.startswith(SCHEME) and (code := re.search(r"\.(py|js|ts|mjs|cjs)(:|$)", cell)):
        assertion.update(type="python" if code[1] == "py" else "javascript", value=cell)
        return assertion
    match = _CELL.fullmatch(cell)
    if match is None or match[2] not in KNOWN_TYPES:
        assertion.update(type="equals", value=cell)
        return assertion
    negation, kind, threshold, value = match.groups()
    assertion["type"] = f"{negation or ''}{kind}"
    if value is not None:
        parts = [each.strip() for each in value.split(",")]
        assertion["value"] = parts if kind in _LISTS else value
    if threshold is not None:
        assertion["threshold"] = _number(threshold)
    elif kind in _WITH_THRESHOLD:
        assertion["threshold"] = _CELL_THRESHOLD
    return assertion


def merged(value: Any) -> Any:
    """Return YAML with its merge keys (``<<: *defaults``) carried out."""
    if isinstance(value, MarkedList):
        items = MarkedList()
        items.extend(merged(each) for each in value)
        items.lines = list(value.lines)
        return items
    if not isinstance(value, MarkedDict):
        return value
    found = MarkedDict(value.line)
    found.lines = dict(value.lines)
    given = value.get("<<")
    for each in reversed(given if isinstance(given, list) else [given]):
        if isinstance(each, Mapping):
            found.update(merged(each))
    found.update({key: merged(each) for key, each in value.items() if key != "<<"})
    return found


def _items(given: Any, line: int) -> Iterator[tuple[int, Any]]:
    if isinstance(given, MarkedList):
        yield from zip(given.lines, given, strict=True)
    else:
        yield line, given


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and has_template(value)


def _number(cell: str) -> float | str:
    """Return a number; what is none is told where it is used."""
    try:
        value = float(cell)
    except ValueError:
        return cell
    return int(printed(value)) if value.is_integer() else value
