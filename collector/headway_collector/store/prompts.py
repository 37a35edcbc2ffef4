"""Every version of every prompt, the latest used first: how often, how well, how fast, how dear.

What is known of a version comes from the spans that name it; what it says, where its client told
it, from ``prompt_texts``.
"""

from typing import Any

import msgspec

from headway_collector.errors import NotFoundError
from headway_collector.store.connections import Store
from headway_collector.store.deadlines import Deadline
from headway_collector.store.expressions import DURATION_MS
from headway_collector.store.filters import Conditions, SpanFilters, select_spans
from headway_collector.store.paging import Keyset, Page
from headway_collector.store.prompt_texts import MOST_VERSIONS, read_registered, read_templates
from headway_collector.times import format_time

_KEYSET = Keyset("prompts", "last_ns", ("prompt_name", "version", "project"))
_LISTED_BYTES = 16 * 1024
"""A template that is larger is read prompt by prompt."""
_UNUSED = {
    "count": 0,
    "error_rate": None,
    "latency_p50_ms": None,
    "latency_p95_ms": None,
    "input_tokens": None,
    "output_tokens": None,
    "cost_usd": None,
    "first_time": None,
    "last_time": None,
}


def list_prompts(
    store: Store, filters: SpanFilters, page: Page, *, deadline: Deadline | None = None
) -> dict[str, Any]:
    """Return one page of the prompt versions of the spans that pass the filters.

    Raises:
        TooBroadError: the deadline is over.
    """
    rows = _read_used(store, filters, page, deadline or Deadline())
    identities = [_identity_of(row) for row in rows if row["prompt_version"] is not None]
    templates = read_templates(store, identities, _LISTED_BYTES)
    prompts = [
        _shape(row) | {"template": _as_json(templates.get(_identity_of(row)))} for row in rows
    ]
    return {"prompts": prompts, "next_cursor": _KEYSET.end(rows, page)}


def read_prompt(store: Store, name: str, projects: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the latest versions of one prompt with what they say, used or not.

    Raises:
        NotFoundError: no span has used it, and no client has told it.
        TooBroadError: it takes too long.
    """
    filters = SpanFilters(prompt_name=(name,), project=projects)
    used = _read_used(store, filters, Page(MOST_VERSIONS), Deadline())
    versions = {
        (row["project"], row["prompt_version"]): _shape(row)
        | {"template": None, "registered_time": None}
        for row in used
    }
    for told in read_registered(store, name, projects):
        fields = {"project": told["project"], "prompt_name": name}
        unused = fields | {"prompt_version": told["version"], **_UNUSED}
        version = versions.setdefault((told["project"], told["version"]), unused)
        version["template"] = _as_json(told["template"])
        version["registered_time"] = format_time(told["registered_ns"])
    if not versions:
        where = f" in project {', '.join(projects)}" if projects else ""
        raise NotFoundError(f"there is no prompt {name[:80]!r}{where}")
    latest = sorted(versions.values(), key=_latest_time, reverse=True)
    return {"prompt_name": name, "versions": latest[:MOST_VERSIONS]}


def _read_used(
    store: Store, filters: SpanFilters, page: Page, deadline: Deadline
) -> list[dict[str, Any]]:
    conditions = select_spans(filters)
    conditions.add("spans.prompt_name IS NOT NULL")
    after = Conditions()
    _KEYSET.begin(after, page)
    return deadline.read(
        store,
        "SELECT * FROM (SELECT project, prompt_name, prompt_version, "
        # A key of a listing is never null, and a version may be an empty text.
        "coalesce('=' || prompt_version, '') AS version, count(*) AS count, "
        "avg(CASE WHEN status = 'error' THEN 1.0 ELSE 0.0 END) AS error_rate, "
        f"quantile_cont({DURATION_MS}, 0.50) AS latency_p50_ms, "
        f"quantile_cont({DURATION_MS}, 0.95) AS latency_p95_ms, "
        "sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, "
        "sum(cost_usd) AS cost_usd, min(start_ns) AS first_ns, max(start_ns) AS last_ns "
        f"FROM store.spans AS spans {conditions.where} "
        "GROUP BY project, prompt_name, prompt_version"
        f") {after.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, *after.values, page.limit],
    )


def _identity_of(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["project"], row["prompt_name"], row["prompt_version"]


def _as_json(template: str | None) -> msgspec.Raw | None:
    return None if template is None else msgspec.Raw(template)


def _latest_time(version: dict[str, Any]) -> str:
    return max(version["last_time"] or "", version["registered_time"] or "")


def _shape(row: dict[str, Any]) -> dict[str, Any]:
    hidden = ("version", "first_ns", "last_ns")
    shaped = {name: value for name, value in row.items() if name not in hidden}
    shaped["first_time"] = format_time(row["first_ns"])
    shaped["last_time"] = format_time(row["last_ns"])
    return shaped
