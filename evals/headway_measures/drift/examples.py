"""Examples before and after, side by side: the calls that show a change best.

They are drawn from the values that became commoner (for the window after) or rarer (before), by
a digest of their span: which value is telling comes from the data, which call shows it does not,
so that examples are not the longest or the latest ones. Answers to the same prompt come first.
"""

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from math import inf

import numpy as np
import polars as pl

from headway_measures.clusters import Floats
from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.amounts import amount, is_percentage, percent, spoken_level
from headway_measures.drift.results import Example, ExamplePair
from headway_measures.drift.segments import field_values, metric_numbers
from headway_measures.drift.units import Ints
from headway_measures.drift.windows import Window

MOST_CHARS = 600

# A number is looked at by eighths of all calls: coarse enough to hold no outlier alone.
_NUMBER_PARTS = 8
# Scores of texts by twentieths, since few of the texts may be the ones that are new.
_SCORE_PARTS = 20
# How many of the most telling calls are looked through for one with a like prompt.
_LOOKED_THROUGH = 50
_NAMES = ("prompt_name", "prompt_language")
_MOST_NAMES = 20
_LEAST_TELLING = 0.25
_AS_TELLING = 0.8
_CUT = " …"
_ENDS = ("\n\n", "\n", ". ", " ")
_LEAST_KEPT = 0.6


@dataclass(frozen=True, slots=True)
class _Match:
    """A prompt that both windows have, with the place of its answer in either."""

    prompt: str
    old: int
    new: int
    telling: float


@dataclass(frozen=True, slots=True)
class _Side:
    """The calls of one window whose texts are known.

    Args:
        rows: of the window.
        telling: how much each shows the change; above 0 where its value tells this window.
        places: of the rows, the most telling first, chance deciding among equals.
        metric: what changed.
        is_scored: whether a score of the text says what is telling, and no column.
        likeness: descriptors of the prompts, as ranks of both windows.
    """

    rows: pl.DataFrame
    telling: Floats
    places: list[int]
    metric: Metric
    is_scored: bool
    likeness: Floats

    def most_telling(self, shown: Set[str], least: float) -> list[int]:
        """Return the places of those that tell this window, one a prompt, but for those shown."""
        prompts = self.rows["prompt"].to_list()
        seen, found = set(shown), []
        for place in self.places:
            prompt = prompts[place]
            if self.telling[place] > 0 and self.telling[place] >= least and prompt not in seen:
                found.append(place)
                seen |= set() if prompt is None else {prompt}
        return found[:_LOOKED_THROUGH]

    def example(self, place: int) -> Example:
        row = self.rows.row(place, named=True)
        return Example(
            span_id=str(row["span_id"]),
            trace_id=str(row["trace_id"] or ""),
            start_ns=int(row["start_ns"]),
            prompt=cut_text(row["prompt"] or ""),
            answer=cut_text(row["answer"] or ""),
            why=self._why(place),
        )

    def _why(self, place: int) -> str:
        if self.is_scored:
            return "typical of this window" if self.telling[place] > 0 else ""
        row = self.rows[place]
        numbers = metric_numbers(row, self.metric)
        value = field_values(row, self.metric.name)[0] if numbers is None else numbers[0]
        if value is None:
            return f"{self.metric.label}: none"
        if numbers is None:
            # What nobody has read is given once or a few times.
            told = spoken_level(self.metric.name, str(value)).strip("“”")
            return f"{self.metric.label}: {told}" if told else ""
        number = float(value)
        if self.metric.kind == "rate":
            return f"{self.metric.label}: {'yes' if number else 'no'}"
        told = percent(number) if is_percentage(self.metric) else amount(number, self.metric.unit)
        return f"{self.metric.label}: {told}"


def pick_examples(
    ref: Window,
    cur: Window,
    metric: Metric,
    row_scores: Mapping[str, float] | None,
    count: int,
    seed: int = 0,
) -> tuple[ExamplePair, ...]:
    """Return at most ``count`` pairs of calls that show a change.

    First those to the same prompt, the most telling first; then calls of the window after beside
    the call before whose prompt is the most like theirs, by its descriptors.

    Args:
        ref: the window before.
        cur: the window after.
        metric: what changed.
        row_scores: how much a call looks like the window after, by span id, for whole texts;
            otherwise the metric's column says what a call shows.
        count: of pairs.
        seed: of the draw.
    """
    before, after = _sides(ref.rows, cur.rows, metric, row_scores, seed)
    least = _least_telling(before, after)
    matches = _same_prompts(before, after, least)[:count]
    pairs = [
        ExamplePair(before.example(match.old), after.example(match.new), is_same_prompt=True)
        for match in matches
    ]
    shown = {match.prompt for match in matches}
    free = before.most_telling(shown, least[0]), after.most_telling(shown, least[1])
    return (*pairs, *_likest_prompts(before, after, free[0], free[1], count - len(pairs)))


def cut_text(text: str) -> str:
    """Return the beginning of a text, cut where a paragraph, line, sentence or word ends."""
    if len(text) <= MOST_CHARS:
        return text
    room = text[: MOST_CHARS - len(_CUT)]
    least = int(_LEAST_KEPT * len(room))
    ends = (
        room.rfind(end, least) + len(end.rstrip()) for end in _ENDS if room.find(end, least) > 0
    )
    return room[: next(ends, len(room))].rstrip() + _CUT


def _sides(
    ref: pl.DataFrame,
    cur: pl.DataFrame,
    metric: Metric,
    row_scores: Mapping[str, float] | None,
    seed: int,
) -> tuple[_Side, _Side]:
    has_text = pl.col("prompt").is_not_null() | pl.col("answer").is_not_null()
    kinds = _kinds(ref, cur, metric, row_scores)
    gains = _gains(kinds[0], kinds[1])
    shown = [rows.select(has_text).to_series() for rows in (ref, cur)]
    frames = [rows.filter(keep) for rows, keep in zip((ref, cur), shown, strict=True)]
    likeness = _likeness(frames[0], frames[1])
    sides = []
    for place, (rows, like, sign) in enumerate(zip(frames, likeness, (-1, 1), strict=True)):
        telling = sign * gains[kinds[place][shown[place].to_numpy()]]
        digests = [_digest(name, seed) for name in rows["span_id"].cast(pl.String)]
        order = sorted(range(rows.height), key=lambda at: (-telling[at], digests[at]))
        sides.append(_Side(rows, telling, order, metric, row_scores is not None, like))
    return sides[0], sides[1]


def _digest(name: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest()


def _kinds(
    ref: pl.DataFrame, cur: pl.DataFrame, metric: Metric, row_scores: Mapping[str, float] | None
) -> tuple[Ints, Ints]:
    """Return which of the metric's values each call has, as a number: a level or a part."""
    if row_scores is not None:
        scores = [
            np.array([row_scores.get(name, np.nan) for name in rows["span_id"]], np.float64)
            for rows in (ref, cur)
        ]
        return _parts(scores[0], scores[1], _SCORE_PARTS)
    numbers = metric_numbers(ref, metric), metric_numbers(cur, metric)
    if numbers[0] is not None and numbers[1] is not None:
        return _parts(numbers[0].to_numpy(), numbers[1].to_numpy(), _NUMBER_PARTS)
    levels = pl.concat([field_values(ref, metric.name), field_values(cur, metric.name)])
    places = levels.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    return places[: ref.height], places[ref.height :]


def _parts(ref: Floats, cur: Floats, count: int) -> tuple[Ints, Ints]:
    """Return 0 for no number, and else from 1 which part of both windows' numbers it is in."""
    pooled = np.concatenate([ref, cur])
    known = np.isfinite(pooled)
    parts = np.zeros(pooled.size, np.int64)
    if known.any():
        edges = np.unique(np.quantile(pooled[known], np.arange(1, count) / count))
        parts[known] = 1 + np.searchsorted(edges, pooled[known], side="right")
        at_edge = np.isin(pooled, edges)
        # What many calls have in common stands alone, not with what lies above it.
        parts[at_edge] = count + 2 + np.searchsorted(edges, pooled[at_edge])
    return parts[: ref.size], parts[ref.size :]


def _gains(ref: Ints, cur: Ints) -> Floats:
    """Return by how much each value's share grew; nothing for what is missing."""
    size = int(max(ref.max(initial=0), cur.max(initial=0))) + 1
    shares = [np.bincount(each, minlength=size) / max(each.size, 1) for each in (ref, cur)]
    gains: Floats = shares[1] - shares[0]
    gains[0] = 0.0
    return gains


def _likeness(ref: pl.DataFrame, cur: pl.DataFrame) -> tuple[Floats, Floats]:
    """Return coordinates of the prompts: ranks of their numbers, and a half for each name."""
    names = [name for name in ref.columns if name in cur.columns]
    numbers = [
        name
        for name in names
        if name.startswith("prompt_") and name != "prompt_hash" and ref[name].dtype.is_numeric()
    ]
    both = pl.concat([rows.select(numbers).cast(pl.Float64) for rows in (ref, cur)])
    points = [
        (both[name].rank() / max(both.height, 1)).fill_null(0.5).to_numpy() for name in numbers
    ]
    for name in (name for name in _NAMES if name in names):
        levels = pl.concat([field_values(ref, name), field_values(cur, name)])
        points += [
            (levels == level).fill_null(value=False).to_numpy() / 2
            for level in levels.drop_nulls().unique().sort().head(_MOST_NAMES)
        ]
    tags = pl.concat([_tags_of(rows) for rows in (ref, cur)])
    commonest = tags.explode().drop_nulls().value_counts(name="count")
    for tag in commonest.sort(["count", "tags"], descending=[True, False])["tags"][:_MOST_NAMES]:
        points.append(tags.list.contains(tag).fill_null(value=False).to_numpy() / 2)
    stacked = np.stack([np.zeros(ref.height + cur.height), *points], axis=1)
    return stacked[: ref.height], stacked[ref.height :]


def _tags_of(rows: pl.DataFrame) -> pl.Series:
    if "tags" not in rows.columns:
        return pl.Series("tags", [None] * rows.height, pl.List(pl.String))
    return rows["tags"].cast(pl.List(pl.String))


def _least_telling(before: _Side, after: _Side) -> tuple[float, float]:
    """Return how telling a call of either window has to be.

    What is rare beside the change itself shows something else; where one value came and all others
    made room for it, any of those may have been before it.
    """
    most = [float(side.telling.max(initial=0)) for side in (before, after)]
    old, new = (_LEAST_TELLING * each if each >= _AS_TELLING * max(most) else -inf for each in most)
    return old, new


def _same_prompts(before: _Side, after: _Side, least: tuple[float, float]) -> list[_Match]:
    """Return the answers to the same prompt that together tell the change, the best first."""
    firsts = _first_by_prompt(before)
    matches = []
    for prompt, new in _first_by_prompt(after).items():
        old = firsts.get(prompt)
        if old is None or before.rows["answer"][old] == after.rows["answer"][new]:
            continue
        told = float(before.telling[old]), float(after.telling[new])
        telling = sum(told)
        if telling > 0 and told[0] >= least[0] and told[1] >= least[1]:
            matches.append(_Match(prompt, old, new, telling))
    return sorted(matches, key=lambda match: -match.telling)


def _first_by_prompt(side: _Side) -> dict[str, int]:
    """Return for each prompt its most telling call, in the order of telling."""
    prompts = side.rows["prompt"].to_list()
    first: dict[str, int] = {}
    for place in side.places:
        if prompts[place] is not None:
            first.setdefault(prompts[place], place)
    return first


def _likest_prompts(
    before: _Side, after: _Side, old: Sequence[int], new: Sequence[int], count: int
) -> list[ExamplePair]:
    """Return calls of both windows side by side, those whose prompts are nearest to each other.

    The most telling come first where prompts are equally near, and alone where none is left.
    """
    gaps = before.likeness[list(old)][:, None] - after.likeness[list(new)]
    distances = (gaps**2).sum(axis=2).round(6)
    pairs: list[tuple[int, int]] = []
    while len(pairs) < min(count, len(old), len(new)):
        # By the call after first, then by the call before, of those that are as near.
        at_new, at_old = np.unravel_index(int(distances.T.argmin()), distances.T.shape)
        distances[at_old], distances[:, at_new] = np.inf, np.inf
        pairs.append((int(at_old), int(at_new)))
    examples = [
        ExamplePair(before.example(old[at_old]), after.example(new[at_new]), is_same_prompt=False)
        for at_old, at_new in pairs
    ]
    used_old, used_new = ({pair[side] for pair in pairs} for side in (0, 1))
    lone = [
        ExamplePair(None, after.example(place), is_same_prompt=False)
        for at, place in enumerate(new)
        if at not in used_new
    ] + [
        ExamplePair(before.example(place), None, is_same_prompt=False)
        for at, place in enumerate(old)
        if at not in used_old
    ]
    return [*examples, *lone[: max(count - len(examples), 0)]]
