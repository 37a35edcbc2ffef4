"""Scorers as a suite file has them, under way from another tool's cases."""

from collections.abc import Sequence
from typing import Any

Entry = dict[str, Any]
"""A scorer as a suite file has it: one kind, with its options."""


def named(entries: Sequence[Entry]) -> list[Entry]:
    """Return scorers each with a name of its own: the second ``contains`` is ``contains 2``."""
    taken: set[str] = set()
    found = []
    for entry in entries:
        ((kind, options),) = entry.items()
        name, number = str(options.get("name", kind)), 1
        metric_or_name = name
        while metric_or_name in taken:
            number += 1
            metric_or_name = f"{name} {number}"
        taken.add(metric_or_name)
        found.append({kind: {**options, "name": metric_or_name}})
    return found


def take_shared(cases: Sequence[dict[str, Any]]) -> list[Entry]:
    """Take off the scorers that every case has, and return them."""
    if not cases:
        return []
    shared = [each for each in cases[0]["scorers"] if all(each in c["scorers"] for c in cases)]
    for case in cases:
        case["scorers"] = [each for each in case["scorers"] if each not in shared]
        if not case["scorers"]:
            del case["scorers"]
    return shared
