"""What a chart shows, in one sentence: for those who skim, and for those who cannot see it.

Pure functions over the same points as the charts. A sentence names the figure, the time and the
series, and claims nothing that the points do not hold.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from headway_ui import formats
from headway_ui.buckets import OTHER, Point

_NOTABLE_SHIFT = 0.05


def of_volume(points: Sequence[Point], noun: str) -> str:
    """Say how much there was, who made most of it and when it was busiest."""
    total = sum(point["value"] or 0 for point in points)
    if not total:
        return f"No {noun}s in this window."
    by_series = _sums(points, "series")
    by_time = _sums(points, "when")
    busiest = max(by_time, key=lambda when: by_time[when])
    sentence = f"{formats.plural(total, noun)}"
    if len(by_series) > 1:
        top = max(by_series, key=lambda name: by_series[name])
        sentence += f", {formats.share(by_series[top] / total)} of them {top}"
    return f"{sentence}; busiest at {busiest} with {formats.count(by_time[busiest])}."


def of_spending(points: Sequence[Point], noun: str, read: Callable[[float | None], str]) -> str:
    """Say how much was spent, and on which series the most."""
    by_series = _sums(points, "series")
    total = sum(by_series.values())
    if not total:
        return f"{noun}: nothing was counted in this window."
    top = max(by_series, key=lambda name: by_series[name])
    return f"{noun} {read(total)} in all, {formats.share(by_series[top] / total)} of it by {top}."


def of_mix(points: Sequence[Point]) -> str:
    """Say which part of the mix moved most between the first and the last third of the window."""
    times = sorted({point["time"] for point in points})
    if len(times) < 3:
        return "Too few buckets to say how the mix moved."
    third = max(1, len(times) // 3)
    before = _mix(points, set(times[:third]))
    after = _mix(points, set(times[-third:]))
    names = [name for name in {*before, *after} if name != OTHER]
    moved = max(names, key=lambda name: abs(after.get(name, 0) - before.get(name, 0)), default="")
    shift = after.get(moved, 0) - before.get(moved, 0)
    if abs(shift) < _NOTABLE_SHIFT:
        return "The mix is steady: nothing moved by 5 points from the first third to the last."
    verb = "grew" if shift > 0 else "fell"
    return (
        f"{moved} {verb} from {formats.share(before.get(moved, 0))} in the first third of the "
        f"window to {formats.share(after.get(moved, 0))} in the last."
    )


def of_latency(points: Sequence[Point]) -> str:
    """Say where the 95th percentile lies and when it was worst."""
    slow = [point for point in points if point["series"] == "p95" and point["value"] is not None]
    if not slow:
        return "No call in this window has a duration."
    worst = max(slow, key=lambda point: point["value"] or 0)
    newest = slow[-1]
    return (
        f"95 % of the calls took at most {newest['text']} in the newest bucket; "
        f"the slowest was {worst['when']} with {worst['text']}."
    )


def of_errors(points: Sequence[Point], errors: float, calls: float) -> str:
    """Say what share of the calls failed and when the most did."""
    if not errors:
        return f"None of {formats.plural(calls, 'call')} failed."
    worst = max(points, key=lambda point: point["value"] or 0)
    return (
        f"{formats.plural(errors, 'call')} failed, {formats.share(errors / calls)} of all; "
        f"most of them {worst['when']} with {worst['text']}."
    )


def of_quality(means: Mapping[str, float], read: Callable[[float | None], str]) -> str:
    """Say which series scores lowest over the window, and how far below the best.

    Args:
        means: each series' mean over the whole window, weighted by its scores.
        read: how a mean reads.
    """
    if not means:
        return "Nothing was scored in this window."
    low = min(means, key=lambda name: means[name])
    high = max(means, key=lambda name: means[name])
    if low == high:
        return f"{low} scores {read(means[low])} over this window."
    return f"{low} scores lowest with {read(means[low])}, {high} best with {read(means[high])}."


def _sums(points: Sequence[Point], key: str) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for point in points:
        sums[str(point[key])] += point["value"] or 0  # type: ignore[literal-required]
    return dict(sums)


def _mix(points: Sequence[Point], times: set[str]) -> dict[str, float]:
    sums = _sums([point for point in points if point["time"] in times], "series")
    total = sum(sums.values())
    return {name: value / total for name, value in sums.items()} if total else {}
