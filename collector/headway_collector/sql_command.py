"""``headway sql``: ask a collector in SQL, and see a table.

    headway sql "SELECT request_model, count(*) FROM spans GROUP BY ALL"

The views, the functions and the bounds are those of docs/sql.md.
"""

import argparse
import csv
import json
import sys
from typing import Any, TextIO

from headway.apis import ApiClient
from headway.commands import Command
from headway.errors import ApiError, CommandError
from headway.records import DEFAULT_URL
from headway.settings import load_sources
from headway_collector.project_hints import explain_projects

_FORMATS = ("table", "csv", "json", "jsonl")
_TIMEOUT_S = 60.0
_CELL_CHARS = 80
_ANY_WIDTH = 1_000_000
# How a spreadsheet tells a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_answer(answer: dict[str, Any], form: str, out: TextIO) -> None:
    """Write the rows of an answer.

    Args:
        answer: as the collector gives it.
        form: ``table``, ``csv``, ``json`` (a list of objects) or ``jsonl`` (one a line).
        out: where to.
    """
    names = [column["name"] for column in answer["columns"]]
    if form == "table":
        _write_table(names, answer["rows"], out)
    elif form == "csv":
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(map(_as_cell, names))
        writer.writerows(map(_as_cell, row) for row in answer["rows"])
    else:
        rows = [dict(zip(names, row, strict=True)) for row in answer["rows"]]
        if form == "json":
            out.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        else:
            out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_table(names: list[str], rows: list[list[Any]], out: TextIO) -> None:
    # Here and not above: `headway --help` must be quick, and work without the collector's extra.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for place, name in enumerate(names):
        is_number = all(isinstance(row[place], int | float | None) for row in rows)
        table.add_column(Text(_as_line(name)), justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(Text(_as_line(_as_text(value))) for value in row))
    console = Console(file=out)
    # As wide as the longest word of each column.
    needed = console.measure(table, options=console.options.update(max_width=_ANY_WIDTH)).minimum
    if needed > console.width and rows:
        _write_records(names, rows, out)
    else:
        console.print(table)


def _write_records(names: list[str], rows: list[list[Any]], out: TextIO) -> None:
    """Write a column a line, with a line between rows."""
    shown = [_as_line(name) for name in names]
    width = max(map(len, shown))
    for number, row in enumerate(rows, start=1):
        out.write(f"--- row {number}\n")
        for name, value in zip(shown, row, strict=True):
            out.write(f"{name:<{width}}  {_as_line(_as_text(value))}".rstrip() + "\n")


def _as_line(text: str) -> str:
    """Return a text in one line, cut, without what a terminal would take for a command."""
    shown = "".join(each if each.isprintable() else " " for each in text[: _CELL_CHARS + 1])
    return shown if len(shown) <= _CELL_CHARS else shown[:_CELL_CHARS] + "…"


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_cell(value: Any) -> str:
    text = _as_text(value)
    is_formula = isinstance(value, str) and text.startswith(_FORMULA)
    return f"'{text}" if is_formula else text


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sql", help="one SELECT, or - to read it from the standard input")
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        default="table",
        help="of the rows (default table, or a column a line where that is too wide)",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="the most rows (default 10000)")
    parser.add_argument(
        "--text-chars", type=int, metavar="N", help="cut longer texts to this (default: an error)"
    )
    parser.add_argument(
        "--project", action="append", default=[], help="only its rows; may repeat (default all)"
    )
    parser.add_argument("--url", help=f"the collector (default {DEFAULT_URL})")


def _run(arguments: argparse.Namespace) -> int:
    sources = load_sources()
    url = sources.get("url", arguments.url, DEFAULT_URL)
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"the collector's URL is {url!r}: give one such as {DEFAULT_URL}")
    client = ApiClient(url, api_key=sources.get("api_key", None, "") or None, timeout_s=_TIMEOUT_S)
    bounds = {"limit": arguments.limit, "text_chars": arguments.text_chars}
    body = {
        "sql": sys.stdin.read() if arguments.sql == "-" else arguments.sql,
        "project": arguments.project,
        **{name: value for name, value in bounds.items() if value is not None},
    }
    try:
        answer = client.post("/v1/sql", body)
    except ApiError as error:
        raise CommandError(str(error)) from error
    write_answer(answer, arguments.format, sys.stdout)
    if answer["is_truncated"]:
        why = "--limit gives more" if answer["truncated_by"] == "limit" else "select less of each"
        sys.stderr.write(f"headway: these are the first {answer['row_count']} rows; {why}\n")
    if not answer["row_count"] and (hint := explain_projects(client, arguments.project)):
        sys.stderr.write(f"headway: {hint}\n")
    return 0


SQL = Command(
    name="sql",
    summary="Ask a collector in SQL.",
    extra="collector",
    configure=_configure,
    run=_run,
)
