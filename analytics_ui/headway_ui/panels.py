"""The charts of the overview: each asks for its rows, draws its card and links to what is behind.

A panel takes the scope, and ``only``: the filter that says what counts as one call.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from headway_ui import buckets, cards, charts, formats, links, queries, takeaways
from headway_ui.mixes import Dimension
from headway_ui.scopes import Scope

MODEL = "request_model"
LATENCIES = {"latency_p50_ms": "p50", "latency_p95_ms": "p95"}

Filters = Mapping[str, Any]


def volume(scope: Scope, only: Filters, noun: str) -> None:
    """Show how many calls there were, by model."""
    rows = queries.metrics({**scope.filters, **only}, ["count"], by=[MODEL], bucket=scope.bucket)
    folded = buckets.fold(rows, MODEL, "count")
    points = buckets.to_points(folded, "count", scope.bucket, formats.count, by=MODEL)
    cards.chart(
        f"{noun.capitalize()}s per {scope.bucket}, by model",
        takeaways.of_volume(points, noun),
        lambda: charts.stacked_bars(points, buckets.largest(folded, MODEL, "count")),
        points,
        "volume",
        value_name=f"{noun.capitalize()}s",
        on_pick=lambda mark: _behind(scope, only, mark, Dimension("model", MODEL)),
    )


def mix(scope: Scope, only: Filters, dimension: Dimension) -> None:
    """Show the shares of what came in, so that a shift shows at a glance."""
    rows = queries.metrics(
        {**scope.filters, **only}, ["count"], by=[dimension.field], bucket=scope.bucket
    )
    folded = buckets.fold(dimension.parts(rows), dimension.field, "count")
    points = buckets.to_points(folded, "count", scope.bucket, formats.count, by=dimension.field)
    cards.chart(
        f"Traffic mix by {dimension.label}",
        takeaways.of_mix(points),
        lambda: charts.shares(points, buckets.largest(folded, dimension.field, "count")),
        points,
        "mix",
        value_name="Count",
        on_pick=lambda mark: _behind(scope, only, mark, dimension),
    )


def quality(scope: Scope, only: Filters, name: str, by_model: Sequence[Mapping[str, Any]]) -> None:
    """Show the mean of a score over time, a line a model.

    Args:
        scope: what is looked at.
        only: what counts as one call.
        name: of the score.
        by_model: each model's mean over the whole window, for the sentence.
    """
    measure, n = f"score:{name}", f"score_count:{name}"
    rows = queries.metrics({**scope.filters, **only}, [measure, n], by=[MODEL], bucket=scope.bucket)
    means = {buckets.name_of(row, MODEL): row[measure] for row in by_model if row[n]}
    is_rate = all(0 <= mean <= 1 for mean in means.values())
    read = formats.share if is_rate else formats.score
    scored = [row for row in rows if row[n]]
    points = buckets.to_points(scored, measure, scope.bucket, read, by=MODEL, n=n)
    filled = buckets.with_gaps(points, scope.bucket)
    series = [name for name in buckets.largest(by_model, MODEL, "count") if name in means]
    cards.chart(
        f"Quality: mean of {name}, by model",
        takeaways.of_quality(means, read),
        lambda: charts.lines(
            filled,
            series,
            labels=charts.PERCENT if is_rate else charts.NUMBER,
            limits=(0, 1) if is_rate else None,
        ),
        points,
        f"quality_{name}",
        value_name=f"Mean {name}",
        on_pick=lambda mark: _behind(scope, only, mark, Dimension("model", MODEL)),
        more=(links.to_quality(scope, name), "How sure that is, and cohorts compared"),
    )


def latency(scope: Scope, only: Filters, trend: Sequence[Mapping[str, Any]]) -> None:
    """Show the median and the 95th percentile of the duration over time."""
    points = [
        point
        for measure, series in LATENCIES.items()
        for point in buckets.to_points(
            trend, measure, scope.bucket, formats.duration, series=series
        )
    ]
    cards.chart(
        "How long calls take",
        takeaways.of_latency(points),
        lambda: charts.lines(
            buckets.with_gaps(points, scope.bucket), ["p50", "p95"], labels=charts.DURATION
        ),
        points,
        "latency",
        value_name="Duration",
        on_pick=lambda mark: _behind(scope, only, mark, None),
    )


def spending(scope: Scope, only: Filters, totals: Mapping[str, Any]) -> None:
    """Show what the calls cost, by model; where no price is known, the tokens they took."""
    has_cost = bool(totals["cost_usd"])
    measure = "cost_usd" if has_cost else "total_tokens"
    noun, read = ("Cost", formats.money) if has_cost else ("Tokens", formats.count)
    rows = queries.metrics({**scope.filters, **only}, [measure], by=[MODEL], bucket=scope.bucket)
    folded = buckets.fold(rows, MODEL, measure)
    spent = folded if totals[measure] else []
    points = buckets.to_points(spent, measure, scope.bucket, read, by=MODEL)
    cards.chart(
        f"{noun} per {scope.bucket}, by model",
        takeaways.of_spending(points, noun, read),
        lambda: charts.stacked_bars(
            points,
            buckets.largest(folded, MODEL, measure),
            labels=charts.MONEY if has_cost else charts.COUNT,
        ),
        points,
        "spending",
        value_name=noun,
        on_pick=lambda mark: _behind(scope, only, mark, Dimension("model", MODEL)),
    )


def errors(
    scope: Scope, only: Filters, totals: Mapping[str, Any], trend: Sequence[Mapping[str, Any]]
) -> None:
    """Show what failed and when, by the type of the error.

    Args:
        scope: what is looked at.
        only: what counts as one call.
        totals: the errors and calls of the whole window.
        trend: those of each bucket, so that one without an error shows as such.
    """
    rows = queries.metrics(
        {**scope.filters, **only, "status": ["error"]},
        ["count"],
        by=["error_type"],
        bucket=scope.bucket,
    )
    folded = buckets.fold(rows, "error_type", "count")
    points = buckets.to_points(folded, "count", scope.bucket, formats.count, by="error_type")
    types = buckets.largest(folded, "error_type", "count")
    quiet = [row for row in trend if not row["errors"]]
    for first in types[:1]:
        points += buckets.to_points(quiet, "errors", scope.bucket, formats.count, series=first)
    cards.chart(
        f"Errors per {scope.bucket}, by type",
        takeaways.of_errors(points, totals["errors"] or 0, totals["count"]),
        lambda: charts.stacked_bars(points, types),
        points,
        "errors",
        value_name="Errors",
        on_pick=lambda mark: _behind(scope, {**only, "status": ["error"]}, mark, None),
    )


def _behind(
    scope: Scope, only: Filters, mark: Mapping[str, Any], dimension: Dimension | None
) -> links.Link:
    # "other" and "(none)" are no values that the collector could filter by.
    part = mark["series"]
    has_filter = dimension is not None and part not in (buckets.OTHER, buckets.UNKNOWN)
    filters = {**only, **(dimension.filters(part) if dimension and has_filter else {})}
    span = {"from": _as_text(mark["time"]), "until": _as_text(mark["end"])}
    return links.to_traces(scope, {**filters, **span})


def _as_text(time: str | float) -> str:
    return time if isinstance(time, str) else formats.from_milliseconds(time)
