"""A word from our commands to who names a project in which nothing was logged: mostly a slip."""

from collections.abc import Sequence
from typing import Any

from headway.apis import ApiClient
from headway.errors import HeadwayError

_SHOWN = 10


def explain_projects(client: ApiClient, names: Sequence[str]) -> str | None:
    """Return which of the projects hold no call, and those that do; None where all do.

    A key that may not read is told nothing.
    """
    try:
        found: list[dict[str, Any]] = client.get("/v1/projects")["projects"]
    except HeadwayError:
        return None
    known = [each["project"] for each in found]
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if not unknown:
        return None
    more = "" if len(known) <= _SHOWN else f" and {len(known) - _SHOWN} more"
    there = f"there are {', '.join(known[:_SHOWN])}{more}" if known else "there are none yet"
    return f"no call was logged in project {', '.join(unknown)} ({there})"
