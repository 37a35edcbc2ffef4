"""Samples of Inspect, as JSONL, JSON or CSV, as suites.

    {"input": "text" or [{"role": …, "content": …}], "target": "text" or ["texts"], "id": 1,
     "choices": ["…"], "metadata": {…}, "sandbox": …, "files": …, "setup": …}

With choices the target is a capital letter. How answers are scored stands in Inspect's Python and
not in the samples: here it is its scorer ``includes``, or for choices the likeliest.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headway_evals.errors import ImportingError
from headway_evals.importing.reports import ImportedSuite, ImportOptions, ImportReport
from headway_evals.importing.table_files import Row, read_table
from headway_evals.prompts import is_chat
from headway_measures.scores import shown

_KEYS = ("input", "target", "choices", "id", "metadata", "sandbox", "files", "setup")
_WHY_NOT = {
    "sandbox": "a suite asks a model and runs nothing",
    "files": "a suite asks a model and runs nothing",
    "setup": "a suite asks a model and runs nothing",
    "description": "a case has no words of its own",
    "checkpoint": "a suite asks a model and runs nothing",
}
_ROLES = frozenset(["system", "user", "assistant"])


def import_inspect(path: Path, options: ImportOptions, report: ImportReport) -> list[ImportedSuite]:
    """Return the suite of a file of samples; a second one for those with choices.

    Raises:
        ImportingError: not one sample can be imported.
    """
    unknown = [key for key in options.fields if key not in _KEYS]
    if unknown:
        raise ImportingError(f"--map names {unknown[0]!r}; a sample has {', '.join(_KEYS)}")
    table = read_table(path, report)
    columns = {key: options.fields.get(key, key) for key in _KEYS}
    plain: list[dict[str, Any]] = []
    chosen: list[dict[str, Any]] = []
    taken: set[str] = set()
    # As Inspect's FieldSpec: with a mapping of its own, only what it names is metadata.
    metadata = options.fields.get("metadata")
    for number, row in enumerate(table.rows, start=1):
        case = _case(row, columns, metadata, path.name, report)
        if case is None:
            continue
        case_id = str(_given(row.values.get(columns["id"]), number))
        if case_id in taken:
            report.omit(
                "sample of an id that stands twice", "ids tell cases apart", path.name, row.line
            )
            continue
        taken.add(case_id)
        (chosen if "choices" in case else plain).append({"id": case_id, **case})
    suites = []
    if plain:
        document: dict[str, Any] = {"suite": path.stem}
        if any("expected" in case for case in plain):
            document["scorers"] = [{"includes": {"mode": "any", "ignore_case": True}}]
            report.note(
                f"{path.stem}: scored by `includes` as Inspect's scorer of that name: any target "
                "within the answer, case aside; put another one there if its task names another"
            )
        suites.append(ImportedSuite(path.stem, {**document, "cases": plain}))
    if chosen:
        name = f"{path.stem}-choices" if plain else path.stem
        document = {"suite": name, "ask": "choice", "scorers": ["choice"], "cases": chosen}
        report.note(
            f"{name}: the answer is the likeliest choice, where Inspect asks for its letter"
        )
        suites.append(ImportedSuite(name, document))
    if not suites:
        raise ImportingError(f"{path} holds no sample with an input and a target")
    return suites


def _case(
    row: Row,
    columns: Mapping[str, str],
    metadata: str | None,
    path: str,
    report: ImportReport,
) -> dict[str, Any] | None:
    """Return a sample as a case without its id, None where it cannot be one."""
    values = row.values
    asked = _given(values.get(columns["input"]), None)
    asked = _messages(asked) if isinstance(asked, list) else asked
    if not asked or (not isinstance(asked, str) and not is_chat(asked)):
        told = "an input is a text, or messages of text by system, user and assistant"
        report.omit("sample's input", told, path, row.line)
        return None
    case: dict[str, Any] = {"input": asked}
    target = _given(values.get(columns["target"]), "")
    wanted = [str(each) for each in target] if isinstance(target, list) else str(target)
    choices = _choices(values.get(columns["choices"]))
    if choices is not None:
        place = _place(wanted, choices)
        if place is None:
            told = f"its target is {shown(target)}, which is not one letter of its choices"
            report.omit("sample's choices", told, path, row.line)
            return None
        case |= {"choices": choices, "expected": place}
    elif not wanted:
        report.omit("sample without a target", "nothing tells a good answer", path, row.line)
        return None
    else:
        case["expected"] = wanted
    if tags := _tags(values, columns, metadata, path, row, report):
        case["tags"] = tags
    for key, value in values.items():
        if (key in columns.values() and key not in _WHY_NOT) or value in (None, "", [], {}):
            continue
        if metadata is None or key in _WHY_NOT:
            told = _WHY_NOT.get(key, "a sample has no such key; --map metadata=… makes it a tag")
            report.omit(f"sample's {key}", told, path, row.line)
    return case


def _tags(
    values: Mapping[str, Any],
    columns: Mapping[str, str],
    metadata: str | None,
    path: str,
    row: Row,
    report: ImportReport,
) -> list[str]:
    """Return what is known of a sample as tags, ``key:value``."""
    given = _given(values.get(columns["metadata"]), None)
    if isinstance(given, str) and metadata is None:
        try:
            given = json.loads(given)
        except ValueError:
            report.omit("sample's metadata", "it is no JSON object", path, row.line)
            return []
    if metadata is not None:
        names = [each.strip() for each in metadata.split(",")]
        given = {name: values[name] for name in names if name in values}
    tags = []
    for key, value in (given or {}).items() if isinstance(given, Mapping | None) else ():
        if isinstance(value, str | int | float) and str(value):
            tags.append(f"{key}:{str(value).lower() if isinstance(value, bool) else value}")
        elif value is not None:
            report.omit(f"metadata {key}", "a tag is one value", path, row.line)
    return tags


def _messages(messages: Sequence[Any]) -> Any:
    """Return messages of text as ours, None where one is of another kind."""
    found = []
    for message in messages:
        given = message if isinstance(message, Mapping) else {}
        content = given.get("content")
        if isinstance(content, list) and all(
            isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in content
        ):
            content = "".join(part["text"] for part in content)
        has_calls = any(given.get(key) for key in ("tool_calls", "tool_call_id", "function"))
        if given.get("role") not in _ROLES or not isinstance(content, str) or has_calls:
            return None
        found.append({"role": given["role"], "content": content})
    return found


def _choices(value: Any) -> list[str] | None:
    """Return choices as Inspect reads them: a list, or a text with commas or blanks."""
    value = _given(value, None)
    if value is None:
        return None
    if isinstance(value, str):
        parts = value.split(",")
        value = parts if len(parts) > 1 else value.split()
        return [each.strip() for each in value if each.strip()]
    return [str(each) for each in value if str(each).strip()] if isinstance(value, list) else None


def _place(wanted: str | list[str], choices: Sequence[str]) -> int | None:
    """Return the place that a letter names; None where there is not one such."""
    letters = wanted if isinstance(wanted, list) else [wanted]
    texts = [each.strip() for each in choices]
    if len(letters) != 1 or len(letters[0].strip()) != 1 or len(set(texts)) < max(len(texts), 2):
        return None
    place = ord(letters[0].strip().upper()) - ord("A")
    return place if 0 <= place < len(choices) else None


def _given(value: Any, default: Any) -> Any:
    """Return a value, or the default where it is missing: none, or an empty cell."""
    is_missing = value is None or value == "" or (isinstance(value, float) and value != value)
    return default if is_missing else value
