"""The rows of a suite: mappings that stand in it, or in files beside it.

    cases: [more.jsonl, {id: r-1, input: "…"}]     # files and mappings, in any mix
    fields: {input: question, expected: answer}    # our key: the files' own column

With ``fields`` a file may be anyone's: its other columns are passed over, a row without an id is
named after its file and line, and several columns make one input: ``input: [passage, question]``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway_evals.documents import MarkedDict, MarkedList, parse_jsonl, parse_yaml
from headway_evals.errors import SuiteError
from headway_evals.sections import Section
from headway_measures.scores import shown

CASE_KEYS = (
    *("id", "input", "expected", "choices", "tags", "cluster", "scorers", "threshold"),
    "must_pass",
    "quarantine",
)

Columns = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowReader:
    """Finds rows.

    Args:
        fields: the column, or columns, of the files that are each of our keys.
        noun: what a row is called in a fault.
    """

    fields: Mapping[str, Columns] = field(default_factory=dict)
    noun: str = "case"

    def read(self, section: Section, key: str = "cases") -> Iterator[Section]:
        """Yield each row under a key: those that stand there, and those of the files named."""
        rows = section.values.get(key)
        if isinstance(rows, str):
            name, rows = rows, MarkedList()
            rows.append(name)
            rows.lines.append(section.values.line_of(key))
        if isinstance(rows, MarkedList):
            yield from self._rows(section, rows)
        elif rows is not None:
            section.fault(key, f"has {key} {shown(rows)}, which is no list and no file")

    def read_lines(self, section: Section, rows: MarkedList) -> Iterator[Section]:
        """Yield each row of a file that was read."""
        faults, path = section.faults, section.path
        for place, (line, value) in enumerate(zip(rows.lines, rows, strict=True), start=1):
            if isinstance(value, MarkedDict):
                yield self._renamed(self._section(value, section, place), line)
            else:
                faults.add(path, line, f"{self.noun} {place} is {shown(value)}, not a mapping")

    def _rows(self, section: Section, rows: MarkedList) -> Iterator[Section]:
        faults, path = section.faults, section.path
        for place, (line, value) in enumerate(zip(rows.lines, rows, strict=True), start=1):
            if isinstance(value, MarkedDict):
                yield self._section(value, section, place)
            elif isinstance(value, str):
                file = Path(path).parent / value
                try:
                    inside = _parse_rows(file, section)
                except SuiteError as error:
                    faults.add(path, line, str(error))
                else:
                    of_file = Section(section.values, str(file), section.title, faults)
                    yield from self.read_lines(of_file, inside)
            else:
                faults.add(path, line, f"{self.noun} {place} is {shown(value)}, not a mapping")

    def _renamed(self, row: Section, line: int) -> Section:
        """Return a row of a file under our keys."""
        if not self.fields:
            return row
        taken = {column for each in self.fields.values() for column in _as_tuple(each)}
        renamed = MarkedDict(row.values.line)
        for key in CASE_KEYS:
            columns = self.fields.get(key)
            if columns is None:
                if key in row.values and key not in taken:
                    _copy(row.values, key, renamed, key)
            elif missing := [each for each in _as_tuple(columns) if each not in row.values]:
                row.fault(key, f"has no column {missing[0]!r}, which fields names as {key}")
            elif isinstance(columns, str):
                _copy(row.values, columns, renamed, key)
            else:
                together = MarkedDict(row.values.line)
                for column in columns:
                    _copy(row.values, column, together, column)
                renamed[key] = together
        if "id" not in self.fields and renamed.get("id") is None:
            renamed["id"] = f"{Path(row.path).stem}-{line}"
        return Section(renamed, row.path, self._title(renamed, row.title), row.faults)

    def _section(self, values: MarkedDict, section: Section, place: int) -> Section:
        title = self._title(values, f"{self.noun} {place}")
        return Section(values, section.path, title, section.faults)

    def _title(self, values: Mapping[str, Any], default: str) -> str:
        return f"{self.noun} {str(values['id'])!r}" if values.get("id") else default


def read_fields(section: Section) -> dict[str, Columns]:
    """Return which columns of the files are which of our keys."""
    section.check_keys(CASE_KEYS)
    fields: dict[str, Columns] = {}
    for key in section.values:
        columns = section.texts(key)
        if columns:
            fields[key] = columns[0] if isinstance(section.values[key], str) else columns
        elif key in CASE_KEYS:
            section.fault(key, f"names no column for {key}")
    return fields


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        SuiteError: it is not there, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise SuiteError(f"there is no file {path}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SuiteError(f"{path}:{line}: not UTF-8 text: {error.reason}") from error
    except OSError as error:
        raise SuiteError(f"{path} cannot be read: {error.strerror}") from error


def _parse_rows(path: Path, section: Section) -> MarkedList:
    text = read_text(path)
    if path.suffix == ".jsonl":
        return parse_jsonl(text, str(path), section.faults)
    rows = parse_yaml(text, str(path), section.faults)
    if isinstance(rows, MarkedList):
        return rows
    raise SuiteError(f"{path} holds no list of cases")


def _copy(source: MarkedDict, column: str, target: MarkedDict, key: str) -> None:
    target[key] = source[column]
    target.lines[key] = source.line_of(column)


def _as_tuple(columns: Columns) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else columns
