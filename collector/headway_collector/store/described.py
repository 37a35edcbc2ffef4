"""What can be asked of described calls: measures and dimensions that no other table is read for.

The rows of ``descriptors`` repeat what calls are mostly narrowed by. A question that names nothing
else is answered from them alone; one that does is refused, since joining them to the spans would
read both tables whole.
"""

from collections.abc import Sequence
from typing import Literal

from headway_collector.errors import InvalidRequestError
from headway_collector.store.filters import SpanFilters
from headway_collector.store.own import OWN, group_own, measure_own

Table = Literal["spans", "descriptors"]

PREFIX = "descriptor:"
"""Before the name of a descriptor, as a measure or as a dimension."""

NUMBERS = (
    "prompt_chars",
    "prompt_words",
    "prompt_lines",
    "prompt_digit_share",
    "answer_chars",
    "answer_words",
    "answer_lines",
    "fence_count",
    "markdown_share",
    "digit_share",
    "punctuation_share",
    "upper_share",
    "non_ascii_share",
    "hedge_count",
    "distinct_2",
    "distinct_3",
    "max_repeat",
    "zlib_ratio",
    "prompt_copy_share",
)
RATES = ("has_prompt_code", "is_refusal", "asks_back", "is_json", "is_json_broken", "is_truncated")
CATEGORIES = (
    "prompt_language",
    "prompt_pii",
    "prompt_hash",
    "answer_hash",
    "template_hash",
    "fence_language",
    "opener",
    "truncation",
    "answer_language",
    "answer_pii",
)

_HASHES = ("prompt_hash", "answer_hash", "template_hash")
_COLUMNS = (
    "project",
    "kind",
    "name",
    "request_model",
    "prompt_name",
    "prompt_version",
    "environment",
    "release",
    "session_id",
    "tag",
)
_MEASURES = ("count", "sessions")
_TIMES = ("start_ns", "end_ns")
# It says how `q` is meant, and nothing where there is none.
_SILENT = ("match",)


def measure_descriptor(name: str) -> str:
    """Return the SQL of a descriptor's mean, or of its rate.

    Raises:
        InvalidRequestError: it is none that has one; the message names those that exist.
    """
    if name.startswith(OWN):
        return measure_own(name.removeprefix(OWN))
    if name in NUMBERS:
        return f"avg(spans.{name})"
    if name in RATES:
        return f"avg(spans.{name}::INTEGER)"
    raise InvalidRequestError(
        f"measure='{PREFIX}{name[:80]}' is unknown; there are {', '.join((*NUMBERS, *RATES))} "
        f"and {OWN}NAME behind {PREFIX}"
    )


def group_descriptor(name: str) -> str:
    """Return the SQL of a descriptor to group by.

    Raises:
        InvalidRequestError: it is none that has groups; the message names those that exist.
    """
    if name.startswith(OWN):
        return group_own(name.removeprefix(OWN))
    if name in _HASHES:
        # As text: 64 bits are more than a browser's numbers hold.
        return f"spans.{name}::VARCHAR"
    if name in CATEGORIES or name in RATES:
        return f"spans.{name}"
    raise InvalidRequestError(
        f"'{PREFIX}{name[:80]}' is not a dimension; there are "
        f"{', '.join((*CATEGORIES, *RATES))} and {OWN}NAME behind {PREFIX}"
    )


def find_table(filters: SpanFilters, measures: Sequence[str], by: Sequence[str]) -> Table:
    """Return the one table that a question is answered from.

    Raises:
        InvalidRequestError: a descriptor is named beside something that its table does not repeat.
    """
    if not any(name.startswith(PREFIX) for name in (*measures, *by)):
        return "spans"
    _refuse("measure", [name for name in measures if name not in _MEASURES], _MEASURES)
    _refuse("dimension", [name for name in by if name not in _COLUMNS], _COLUMNS)
    filled = [
        name
        for name in SpanFilters.__slots__
        if name not in _SILENT and getattr(filters, name) not in ((), None)
    ]
    _refuse("filter", [name for name in filled if name not in (*_COLUMNS, *_TIMES)], _COLUMNS)
    return "descriptors"


def _refuse(what: str, names: Sequence[str], allowed: Sequence[str]) -> None:
    others = [name for name in names if not name.startswith(PREFIX)]
    if others:
        raise InvalidRequestError(
            f"the {what} {others[0][:80]!r} does not go with descriptors: beside {PREFIX}NAME "
            f"there are {', '.join(allowed)}{' and the time' if what == 'filter' else ''}"
        )
