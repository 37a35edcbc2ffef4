"""Which column becomes which field: what ``--map`` says, checked against the file."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from headway.errors import CommandError
from headway.records import Kind, Span

SCORE_PREFIX = "score:"
JSON_FIELDS = ("input", "output", "params", "prompt_variables", "attributes")
TIME_FIELDS = ("start_ns", "end_ns", "timestamp", "end_timestamp")
FIELDS = (*Span.__struct_fields__, "timestamp", "end_timestamp", "latency_s", "latency_ms")
"""What a column can become, besides ``score:NAME``."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How rows are read.

    Args:
        columns: field to column; a score's field is ``score:NAME``.
        name: the spans' name where no column gives it.
        kind: the spans' kind where no column gives it.
        time_format: how texts of time are read, as for ``strptime``; None means ISO 8601.
        parsed: the fields whose text is JSON.
        time_ns: when the calls were, where no column says.
    """

    columns: dict[str, str]
    name: str
    kind: Kind = "llm"
    time_format: str | None = None
    parsed: tuple[str, ...] = ()
    time_ns: int | None = None


def parse_columns(pairs: Sequence[str]) -> dict[str, str]:
    """Read ``field=column`` pairs.

    Raises:
        CommandError: a field is unknown or given twice, or not of this form.
    """
    columns: dict[str, str] = {}
    for pair in pairs:
        name, _, column = pair.partition("=")
        if not name or not column:
            raise CommandError(f"--map {pair} is not of the form field=column")
        _check_field(name)
        if name in columns:
            raise CommandError(f"--map gives {name} twice: {columns[name]!r} and {column!r}")
        columns[name] = column
    return columns


def check_plan(plan: Plan, columns: Sequence[str]) -> None:
    """Do nothing for a plan that fits the columns of a file.

    Raises:
        CommandError: it names a column that is not there, a field that cannot be JSON, or no time.
    """
    if plan.time_ns is None and not plan.columns.keys() & set(TIME_FIELDS):
        raise CommandError(
            "nothing says when the calls were: give --map timestamp=COLUMN, or --time for a file "
            "without times"
        )
    for column in plan.columns.values():
        if column not in columns:
            raise CommandError(f"there is no column {column!r}; there are {', '.join(columns)}")
    for name in plan.parsed:
        if name not in JSON_FIELDS or name not in plan.columns:
            raise CommandError(
                f"--json {name} needs a --map of that field; it can be {', '.join(JSON_FIELDS)}"
            )


def check_time_format(form: str | None) -> None:
    """Do nothing for a format that ``strptime`` can read times with.

    Raises:
        CommandError: it has a directive that there is not, or one twice.
    """
    try:
        datetime.strptime("", form or "")
    except (ValueError, re.error) as error:
        if "does not match format" not in str(error):
            raise CommandError(f"--time-format {form!r} cannot be used: {error}") from error


def _check_field(name: str) -> None:
    if name in FIELDS or (name.startswith(SCORE_PREFIX) and name != SCORE_PREFIX):
        return
    nearest = difflib.get_close_matches(name, FIELDS, n=1)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    raise CommandError(
        f"--map {name}=… has no such field: {hint}There are {', '.join(FIELDS)} "
        f"and {SCORE_PREFIX}NAME"
    )
