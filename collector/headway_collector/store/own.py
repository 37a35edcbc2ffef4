"""What the user's own functions said of calls: one JSON object a row, by the functions' names.

A name is never an identifier of SQL: it stands in a path, and is of letters that paths know.
"""

import re
from collections.abc import Mapping

import duckdb

from headway_collector.errors import InvalidRequestError

OWN = "own:"
"""Before the name of a function, where a descriptor is named."""

MOST_NAME_CHARS = 60

_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{MOST_NAME_CHARS - 1}}}")


def measure_own(name: str) -> str:
    """Return the SQL of the mean of a function's numbers, or of how often it said yes.

    Raises:
        InvalidRequestError: no function can have that name.
    """
    path = _find_path(name)
    said = f"json_extract_string(spans.own, {path})"
    return (
        f"avg(CASE json_type(spans.own, {path}) WHEN 'VARCHAR' THEN NULL "
        f"WHEN 'BOOLEAN' THEN ({said} = 'true')::INTEGER ELSE {said}::DOUBLE END)"
    )


def group_own(name: str) -> str:
    """Return the SQL of what a function said, as text, to group by.

    Raises:
        InvalidRequestError: no function can have that name.
    """
    return f"json_extract_string(spans.own, {_find_path(name)})"


def raise_versions(connection: duckdb.DuckDBPyConnection, versions: Mapping[str, int]) -> bool:
    """Note each function's version, and all described calls as due where one was raised.

    Returns:
        whether one was; a function that is new is asked about what arrives from now on.
    """
    rows = connection.execute("SELECT name, version FROM store.own_versions").fetchall()
    known = dict(rows)
    fresh = {name: version for name, version in versions.items() if known.get(name) != version}
    for name, version in fresh.items():
        connection.execute("DELETE FROM store.own_versions WHERE name = $1", [name])
        connection.execute("INSERT INTO store.own_versions VALUES ($1, $2)", [name, version])
    is_raised = any(version > known.get(name, version) for name, version in fresh.items())
    if is_raised:
        connection.execute(
            "INSERT INTO store.due_descriptors "
            "SELECT project, span_key, start_ns FROM store.descriptors"
        )
    return is_raised


def _find_path(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(
            f"'{OWN}{name[:80]}' names no function: a name has at most {MOST_NAME_CHARS} of "
            "a-z, 0-9 and _"
        )
    return f"'$.{name}'"
