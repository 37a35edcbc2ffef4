"""What the versions of prompts say: kept once, however many processes send it.

Which version was used how often is found out of the spans (``prompts``); here stand the templates,
also of those that no span has used yet.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from headway.records import PromptVersion
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions

Identity = tuple[str, str, str]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

MOST_VERSIONS = 100
"""Of one prompt that are read at once."""

_IDENTITY = "project, name, version"


def save_prompts(
    connection: duckdb.DuckDBPyConnection, prompts: Sequence[PromptVersion], projects: Sequence[str]
) -> Mask:
    """Write the templates that are new, and return which of them are not."""
    identities = [
        (project, prompt.name, prompt.version)
        for project, prompt in zip(projects, prompts, strict=True)
    ]
    known = _find_stored(connection, identities)
    is_known = np.zeros(len(prompts), dtype=np.bool_)
    rows = []
    for position, (prompt, identity) in enumerate(zip(prompts, identities, strict=True)):
        is_known[position] = identity in known
        if identity not in known:
            known.add(identity)
            rows.append((*identity, prompt.time_ns, bytes(prompt.template).decode()))
    if rows:
        columns = ("project", "name", "version", "registered_ns", "template")
        incoming = pa.table(dict(zip(columns, zip(*rows, strict=True), strict=True)))
        connection.register("incoming_prompts", incoming)
        connection.execute("INSERT INTO store.prompts BY NAME SELECT * FROM incoming_prompts")
        connection.unregister("incoming_prompts")
    return is_known


def read_templates(
    store: Store, identities: Iterable[Identity], most_bytes: int
) -> dict[Identity, str]:
    """Return the templates of prompt versions, as JSON, but for those that are larger."""
    wanted = [list(each) for each in identities]
    if not wanted:
        return {}
    projects, names, versions = zip(*wanted, strict=True)
    rows = store.read(
        f"SELECT {_IDENTITY}, template FROM store.prompts "
        "WHERE strlen(template) <= $4 AND (project, name, version) IN "
        "(SELECT (unnest($1::VARCHAR[]), unnest($2::VARCHAR[]), unnest($3::VARCHAR[])))",
        [list(projects), list(names), list(versions), most_bytes],
    )
    return {(row["project"], row["name"], row["version"]): row["template"] for row in rows}


def read_registered(store: Store, name: str, projects: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the versions of a prompt that have a template, the latest first."""
    conditions = Conditions()
    conditions.add("name = ?", name)
    conditions.add_any_of("project", projects)
    return store.read(
        f"SELECT project, version, registered_ns, template FROM store.prompts {conditions.where} "
        "ORDER BY registered_ns DESC, project, version LIMIT ?",
        [*conditions.values, MOST_VERSIONS],
    )


def _find_stored(
    connection: duckdb.DuckDBPyConnection, identities: Sequence[Identity]
) -> set[Identity]:
    names = list({name for _, name, _ in identities})
    return set(
        connection.execute(
            f"SELECT {_IDENTITY} FROM store.prompts WHERE name IN (SELECT unnest($1::VARCHAR[]))",
            [names],
        ).fetchall()
    )
