"""Runs and comparisons by their ids: those of whoever publishes, so projects may share one."""

from collections.abc import Sequence
from typing import Any, Literal

from headway_collector.errors import AmbiguousError, NotFoundError
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions

_SHOWN_CHARS = 80
_SHOWN_PROJECTS = 10


def read_only_one(
    store: Store, what: Literal["run", "comparison"], its_id: str, projects: Sequence[str]
) -> dict[str, Any]:
    """Return the row of that id in one of the projects; none means in any.

    Raises:
        NotFoundError: there is none.
        AmbiguousError: several of the projects have one; they are named.
    """
    conditions = Conditions()
    conditions.add(f"{what}_id = ?", its_id)
    conditions.add_any_of("project", projects)
    rows = store.read(
        f"SELECT * FROM store.{what}s {conditions.where} ORDER BY project LIMIT ?",
        [*conditions.values, _SHOWN_PROJECTS + 1],
    )
    shown = f"{what} {its_id[:_SHOWN_CHARS]!r}"
    if not rows:
        raise NotFoundError(f"there is no {shown}: GET /v1/{what}s lists them")
    if len(rows) > 1:
        names = [repr(row["project"]) for row in rows[:_SHOWN_PROJECTS]]
        if len(rows) > _SHOWN_PROJECTS:
            names.append("others")
        raise AmbiguousError(
            f"several projects have a {shown}: {', '.join(names)}; say which with project="
        )
    return rows[0]
