"""Since when: the moment from which calls are different, with an interval.

Values are ranked, calls stand in the order of time, and the likeliest moment is where the sums of
ranks before and after it differ most for their error (Pettitt 1979, JRSS C 28, in the standardised
form of Csörgő and Horváth 1997, *Limit Theorems in Change-Point Analysis*). How sure that is, is
seen by drawing both parts again (Hušková and Kirch 2008, J. Time Series Analysis 29): the larger
the change, the nearer to each other are the moments found.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from zlib import crc32

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats

from headway_measures.clusters import Floats
from headway_measures.drift.results import ChangeTime
from headway_measures.drift.units import Ints, Units, draw_one_a_unit

CONFIDENCE = 0.95

BETWEEN = "between the windows"
"""The note of a change that came while neither window has calls."""

_FEWEST_MOMENTS = 30
_MOST_BINS = 512
_EDGE_SHARE = 0.05
_DRAWS = 199
# The search for the largest difference finds one of about this many errors where nothing changed;
# its square is taken off that of what is found. With it intervals hold the change at their rate,
# from differences of three errors on (simulated).
_FOUND_IN_NOISE = 1.5
# What lies on one side of the change needs as many bins before a second one is looked for in it;
# over both sides one in a hundred is found in noise.
_FEWEST_BINS = 40
_SECOND_CHANGE_LEVEL = 0.995
_SECOND_EDGE_SHARE = 0.1
# An interval over so many of the calls of a window dates nothing.
_ANYWHERE = 0.8
# What is a gap between windows and what lies beside it, in lengths of the shorter one.
_GAP = 0.1
_BESIDE_GAP = 0.03


@dataclass(frozen=True, slots=True)
class _Bins:
    """Calls in the order of time, in bins of equal count."""

    means: Floats
    first_ns: Ints
    last_ns: Ints


def date_change(start_ns: Ints, values: Floats, units: Ints, seed: int) -> ChangeTime | None:
    """Return since when values are different; None where there are too few moments or values.

    A change is looked for, never tested: ask only where a test has found one. The first and last
    twentieth of the calls are no candidates.

    Args:
        start_ns: of each call of both windows, in any order.
        values: of each call: a number, 0 or 1, or how much it looks like the later window; those
            that are not finite are left out.
        units: what each call belongs to; one call of each counts.
        seed: of the draws.
    """
    usable = np.isfinite(values)
    times, usable_values, usable_units = start_ns[usable], values[usable], units[usable]
    kept = _thinned(times, usable_units, seed)
    rng = np.random.default_rng([seed, crc32(b"date_change")])
    order = kept[_order(times[kept], usable_values[kept], rng)]
    times, ordered = times[order], usable_values[order]
    if np.unique(times).size < _FEWEST_MOMENTS or np.ptp(ordered) == 0:
        return None
    bins = _binned(times, stats.rankdata(ordered))
    place = int(_likeliest(bins.means[None, :])[0])
    lower, upper = _interval(bins.means, place, rng)
    return ChangeTime(
        start_ns=int(bins.first_ns[place]),
        lower_ns=int(bins.last_ns[max(lower - 2, 0)]),
        upper_ns=int(bins.first_ns[min(upper + 1, bins.means.size - 1)]),
        confidence=CONFIDENCE,
        note=_second_change(bins, lower, upper, rng),
    )


def settle_date(found: ChangeTime, ref_ns: Ints, cur_ns: Ints) -> ChangeTime | None:
    """Return a date as two windows leave it; None where it may be anywhere in one of them.

    Where there is a gap between the windows, of a tenth of the shorter at least, a change that
    lies at it came between them: calls of a few hours on its edge say nothing else.

    Args:
        found: the date.
        ref_ns: when the calls of the window before came.
        cur_ns: the same of the window after, which is later.
    """
    for times in (ref_ns, cur_ns):
        inside = (times >= found.lower_ns) & (times <= found.upper_ns)
        if inside.mean() >= _ANYWHERE:
            return None
    last, first = int(ref_ns.max()), int(cur_ns.min())
    shorter = min(int(np.ptp(ref_ns)), int(np.ptp(cur_ns)))
    edge = int(_BESIDE_GAP * shorter)
    is_at_gap = found.lower_ns - edge <= first and found.upper_ns + edge >= last
    if first - last < _GAP * shorter or not is_at_gap:
        return found
    return ChangeTime(first, last, first, found.confidence, BETWEEN)


def is_between(since: ChangeTime) -> bool:
    """Return whether a change came while neither window has calls."""
    return since.note == BETWEEN


def _thinned(times: Ints, units: Ints, seed: int) -> NDArray[np.intp]:
    """Return the places of the calls that count."""
    if not Units(units, units[:0]).is_repeated:
        return np.arange(times.size)
    return draw_one_a_unit(units, [str(time) for time in times.tolist()], seed).astype(np.intp)


def _order(times: Ints, values: Floats, rng: Generator) -> NDArray[np.intp]:
    """Return the order of time; calls of one moment by chance, whatever order they came in."""
    by_value = np.lexsort((values, times))
    by_chance = np.lexsort((rng.random(times.size), times[by_value]))
    order: NDArray[np.intp] = by_value[by_chance]
    return order


def _binned(times: Ints, ranks: Floats) -> _Bins:
    count = times.size // -(-times.size // _MOST_BINS)
    edges = np.linspace(0, times.size, count + 1).astype(np.int64)
    sums = np.add.reduceat(ranks, edges[:-1])
    return _Bins(sums / np.diff(edges), times[edges[:-1]], times[edges[1:] - 1])


def _differences(means: Floats, edge_share: float = _EDGE_SHARE) -> Floats:
    """Return (draws, bins - 1): |S_k| / sqrt(k(n-k)/n · σ²), 0 where no change is looked for."""
    count = means.shape[1]
    k = np.arange(1, count)
    sums = np.cumsum(means - means.mean(axis=1, keepdims=True), axis=1)[:, :-1]
    spread = means.std(axis=1, keepdims=True)
    edge = max(1, int(edge_share * count))
    differences: Floats = np.abs(sums) / np.sqrt(k * (count - k) / count)
    differences[:, (k < edge) | (k > count - edge)] = 0.0
    return differences / np.where(spread > 0, spread, 1.0)


def _likeliest(means: Floats) -> NDArray[np.intp]:
    """Return for each draw the first bin after the change."""
    places: NDArray[np.intp] = np.argmax(_differences(means), axis=1) + 1
    return places


def _interval(means: Floats, place: int, rng: Generator) -> tuple[int, int]:
    """Return the first bins after the earliest and the latest change that is credible.

    The change drawn again is as much smaller than the one found as the search alone makes it
    large, so that noise is not dated as if it were a change.
    """
    before, after = means[:place], means[place:]
    drawn = np.concatenate(
        [
            _resampled(before - before.mean(), before.size, rng),
            _resampled(after - after.mean(), after.size, rng),
        ],
        axis=1,
    )
    found = _standardised(before, after)
    real_share = max(0.0, 1 - (_FOUND_IN_NOISE / found) ** 2) if found else 0.0
    drawn[:, place:] += real_share * (after.mean() - before.mean())
    ends = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    lower, upper = np.quantile(_likeliest(drawn), ends)
    return int(np.floor(lower)), int(np.ceil(upper))


def _standardised(before: Floats, after: Floats) -> float:
    """Return the difference of the parts' means over its error, the spread within parts."""
    count = before.size + after.size
    variance = (before.var() * before.size + after.var() * after.size) / count
    if variance == 0:
        return float("inf")
    error = np.sqrt(variance * count / (before.size * after.size))
    return float(abs(after.mean() - before.mean()) / error)


def _resampled(values: Floats, count: int, rng: Generator) -> Floats:
    """Return (draws, count) drawn with replacement."""
    drawn: Floats = values[rng.integers(0, values.size, (_DRAWS, count))]
    return drawn


def _second_change(bins: _Bins, lower: int, upper: int, rng: Generator) -> str:
    """Return in words where else a change may be: before or after the interval of the first."""
    moments = [
        int(bins.first_ns[start + place])
        for start, part in ((0, bins.means[: max(lower - 1, 0)]), (upper, bins.means[upper:]))
        if part.size >= _FEWEST_BINS and (place := _change_within(part, rng))
    ]
    if not moments:
        return ""
    return "and perhaps again at " + " and ".join(_in_words(moment) for moment in moments)


def _change_within(part: Floats, rng: Generator) -> int:
    """Return where a part changes in itself, by permutation; 0 where it does not show.

    What lies next to the interval, at an edge of the part, is the first change and no second.
    """
    permuted = rng.permuted(np.broadcast_to(part, (_DRAWS, part.size)), axis=1)
    limit = np.quantile(_differences(permuted, 0).max(axis=1), _SECOND_CHANGE_LEVEL)
    own = _differences(part[None, :], 0)
    place, edge = int(own.argmax()) + 1, _SECOND_EDGE_SHARE * part.size
    return place if own.max() > limit and edge < place < part.size - edge else 0


def _in_words(moment_ns: int) -> str:
    return datetime.fromtimestamp(moment_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
