"""Plain CSV and JSONL as suites: which column is what, is guessed and shown, or said by ``--map``.

A guess goes by the names that people give to columns. Every other column becomes tags where it has
few values, as slices are; what is left is reported.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headway_evals.errors import ImportingError
from headway_evals.importing.reports import ImportedSuite, ImportOptions, ImportReport
from headway_evals.importing.table_files import Row, Table, read_table
from headway_evals.prompts import is_chat

_NAMES: Mapping[str, tuple[str, ...]] = {
    "input": ("input", "prompt", "question", "query", "instruction", "text", "message", "messages"),
    "expected": (
        *("expected", "answer", "target", "ideal", "label", "output", "completion", "response"),
        *("reference", "gold", "expected_output", "ground_truth", "correct_answer"),
    ),
    "id": ("id", "case_id", "uid", "uuid", "qid", "question_id", "key"),
    "choices": ("choices", "options"),
    "tags": ("tags", "tag", "category", "topic", "subject", "kind", "type", "split", "language"),
    "cluster": ("cluster", "group", "document_id", "conversation_id"),
}
_KEYS = (*_NAMES, "must_pass")


def import_csv(path: Path, options: ImportOptions, report: ImportReport) -> list[ImportedSuite]:
    """Return the suite of a CSV or TSV file, whose cells are text.

    Raises:
        ImportingError: it is no table, or has no column of inputs.
    """
    kind = "tsv" if path.suffix.lower() == ".tsv" else "csv"
    return [_suite(read_table(path, report, kind=kind), options, report)]


def import_jsonl(path: Path, options: ImportOptions, report: ImportReport) -> list[ImportedSuite]:
    """Return the suite of a JSONL file, or of a JSON list; values keep their types.

    Raises:
        ImportingError: it is no table, or has no column of inputs.
    """
    kind = "json" if path.suffix.lower() == ".json" else "jsonl"
    return [_suite(read_table(path, report, kind=kind), options, report)]


def _suite(table: Table, options: ImportOptions, report: ImportReport) -> ImportedSuite:
    path, columns = table.path, _columns(table, options)
    guess = ", ".join(f"{key}={'+'.join(names)}" for key, names in columns.items())
    report.note(f"{path.name}: read as {guess}; --map KEY=COLUMN says it otherwise")
    taken: set[str] = set()
    cases = []
    for row in table.rows:
        case = _case(row, columns, path, report)
        if case is None:
            continue
        if case["id"] in taken:
            report.omit(
                "row of an id that stands twice", "ids tell cases apart", path.name, row.line
            )
            continue
        taken.add(case["id"])
        cases.append(case)
    if not cases:
        raise ImportingError(f"{path} has no row with an input")
    used = {name for names in columns.values() for name in names}
    for name in table.columns:
        count = sum(row.values.get(name) not in (None, "") for row in table.rows)
        if name not in used and count:
            told = f"it is none of ours; --map tags={name} makes slices of it"
            report.omit(f"column {name}", told, path.name)
    document: dict[str, Any] = {"suite": path.stem}
    has_choices = all("choices" in case for case in cases)
    if has_choices:
        document["ask"] = "choice"
    document["scorers"] = ["choice" if has_choices else "exact"]
    if not any("expected" in case for case in cases):
        report.note(f"{path.name}: no column of expected answers; name scorers that need none")
    elif not has_choices:
        report.note(
            f"{path.name}: scored by `exact`; put another scorer there if that is too strict"
        )
    return ImportedSuite(path.stem, {**document, "cases": cases})


def _columns(table: Table, options: ImportOptions) -> dict[str, list[str]]:
    """Return which columns are which of our keys: those that were said, and guesses.

    Raises:
        ImportingError: a column is not there, or none is an input.
    """
    found: dict[str, list[str]] = {}
    for key, named in options.fields.items():
        names = [each.strip() for each in named.split(",")]
        missing = [each for each in names if each not in table.columns]
        if key not in _KEYS or missing:
            told = (
                f"has no column {missing[0]!r}, only" if missing else f"no key {key!r} is known, of"
            )
            raise ImportingError(f"{table.path} {told} {', '.join(table.columns or _KEYS)}")
        found[key] = names
    said = {name for names in found.values() for name in names}
    by_lower = {name.strip().lower().replace(" ", "_"): name for name in reversed(table.columns)}
    for key, likely in _NAMES.items():
        if key in found:
            continue
        names = [by_lower[name] for name in likely if by_lower.get(name) not in (None, *said)]
        if names:
            found[key] = names if key == "tags" else names[:1]
            said.update(found[key])
    if "input" not in found:
        known = ", ".join(table.columns) or "none"
        raise ImportingError(f"{table.path} has the columns {known}: say --map input=COLUMN")
    return {key: found[key] for key in _KEYS if key in found}


def _case(
    row: Row, columns: Mapping[str, Sequence[str]], path: Path, report: ImportReport
) -> dict[str, Any] | None:
    values = row.values
    asked = _asked(values, columns["input"])
    if asked in (None, "", {}):
        report.omit("row without an input", "nothing is asked", path.name, row.line)
        return None
    place = row.line or len(report.omissions)
    case: dict[str, Any] = {"id": f"{path.stem}-{place}", "input": asked}
    for key in ("id", "expected", "choices", "cluster", "must_pass"):
        value = values.get(columns[key][0]) if key in columns else None
        if value in (None, ""):
            continue
        if key in ("id", "cluster"):
            case[key] = str(value)
        elif key == "must_pass":
            case[key] = value is True or str(value).lower() in ("true", "1", "yes")
        elif key == "choices":
            choices = _listed(value)
            if choices is None:
                report.omit("row's choices", "they are no list of texts", path.name, row.line)
            else:
                case[key] = choices
        else:
            case[key] = value
    tags = [tag for name in columns.get("tags", ()) for tag in _tags(name, values.get(name))]
    return {**case, "tags": tags} if tags else case


def _asked(values: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return an input: a text, messages, or a mapping of several columns."""
    if len(names) > 1:
        return {name: values.get(name) for name in names}
    value = values.get(names[0])
    if isinstance(value, str | Mapping | None) or is_chat(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _listed(value: Any) -> list[str] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return [str(each) for each in value] if isinstance(value, list) else None


def _tags(name: str, value: Any) -> list[str]:
    """Return a cell's tags: a list's own, of one value ``column:value``."""
    if isinstance(value, str) and value[:1] == "[":
        value = _listed(value) or value
    if isinstance(value, list):
        return [str(each) for each in value]
    if value in (None, "") or isinstance(value, Mapping):
        return []
    return [str(value)] if name.lower() in ("tag", "tags") else [f"{name}:{value}"]
