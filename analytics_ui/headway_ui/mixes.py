"""What traffic can be taken apart by: the dimensions that have more than one value in it.

Tags of the form ``kind:refund`` are families: each family is a dimension of its own, whose parts
are ``refund``, ``question`` and so on, because shares of unrelated tags add up to nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FIELDS = (
    "tag",
    "request_model",
    "prompt_version",
    "prompt_name",
    "kind",
    "name",
    "environment",
    "release",
    "provider",
    "user_id",
)
LABELS = {
    "request_model": "model",
    "prompt_version": "prompt version",
    "prompt_name": "prompt",
    "user_id": "user",
}


@dataclass(frozen=True, slots=True)
class Dimension:
    """A way to take traffic apart.

    Args:
        label: what a person calls it.
        field: what the collector's API calls it.
        prefix: of a family of tags, with its colon; else empty.
    """

    label: str
    field: str
    prefix: str = ""

    def parts(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows of this dimension, with the prefix taken off their values."""
        return [
            {**row, self.field: _without(row[self.field], self.prefix)}
            for row in rows
            if not self.prefix or str(row[self.field] or "").startswith(self.prefix)
        ]

    def filters(self, part: str) -> dict[str, list[str]]:
        """Return the span filter that lets this part through."""
        return {self.field: [self.prefix + part]}


def find_dimensions(facets: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Dimension]:
    """Return the dimensions worth drawing by label, families of tags first.

    Args:
        facets: the answer of ``GET /v1/facets`` for ``FIELDS``.
    """
    found = []
    for field in FIELDS:
        values = [str(each["value"]) for each in facets.get(field, ()) if each["value"]]
        if field == "tag":
            found += _families(values)
        if len(set(values)) > 1:
            found.append(Dimension(LABELS.get(field, field), field))
    plain_tags = [each for each in found if each.field == "tag" and not each.prefix]
    ordered = [each for each in found if each not in plain_tags] + plain_tags
    return {each.label: each for each in ordered}


def _families(tags: Iterable[str]) -> list[Dimension]:
    members: dict[str, int] = {}
    for tag in tags:
        family, colon, _ = tag.partition(":")
        if colon:
            members[family] = members.get(family, 0) + 1
    # The family with the most members says the most, and is the one that a page opens with.
    ranked = sorted(members, key=lambda family: -members[family])
    return [
        Dimension(f"tag {family}", "tag", f"{family}:") for family in ranked if members[family] > 1
    ]


def _without(value: Any, prefix: str) -> Any:
    return str(value).removeprefix(prefix) if prefix else value
