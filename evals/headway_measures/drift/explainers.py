"""A drift explained: since when, for whom, with what it came, and what it looks like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headway_measures.clusters import Floats
from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.changes_in_time import date_change, is_between, settle_date
from headway_measures.drift.coincidences import find_coincidences
from headway_measures.drift.columns import MISSING
from headway_measures.drift.comparisons import RANK, UNIT, Comparison
from headway_measures.drift.decompositions import decompose
from headway_measures.drift.echoes import is_of_text
from headway_measures.drift.examples import pick_examples
from headway_measures.drift.metrics_found import TAG
from headway_measures.drift.results import ChangeTime, Evidence, Finding, Mix, Segment, Term
from headway_measures.drift.segments import (
    field_values,
    find_segments,
    metric_numbers,
)
from headway_measures.drift.units import Ints, Units
from headway_measures.drift.wordings import share

Words = Literal["all", "few", "none"]
"""How many terms explain a drift: a few beside one that is not of texts."""

_FEWEST_IN_STRATUM = 10
_TERMS_BESIDE = 3  # a side, of the texts, where something else than the texts drifted
_LEVEL_PRIOR = 0.5
_SAME_MIX = 1e-9
# Columns by whose names spans are filtered.
_FILTERS = ("request_model", "prompt_name", "prompt_version", "release", "environment")


@dataclass(frozen=True, slots=True)
class Explainer:
    """What drifts are explained by.

    Args:
        comparison: with what the texts look like as columns.
        terms: by side, of texts that drifted.
    """

    comparison: Comparison
    terms: Mapping[str, tuple[Term, ...]]

    def explain(self, evidence: Evidence, metric: Metric, words: Words = "all") -> Finding:
        """Return a drift explained, but for its sentence.

        Args:
            evidence: of the drift.
            metric: what drifted.
            words: how many of the terms in the texts explain it.
        """
        terms = self._terms(metric, words)
        shown = self._shown(metric)
        if shown is None:
            return Finding(evidence, "", terms, rows=self._rows(()))
        of = self._with_metric(shown)
        since = _since(of, shown)
        segments = _segments(of, shown)
        return Finding(
            evidence,
            "",
            terms=terms,
            since=since,
            segments=segments,
            mixes=() if is_of_text(metric) else _mixes(of, shown),
            coincidences=find_coincidences(
                of.ref, of.cur, shown, None if since is None or is_between(since) else since
            ),
            examples=pick_examples(
                of.ref, of.cur, shown, None, of.options.examples, of.options.seed
            ),
            rows=self._rows(segments),
        )

    def _shown(self, metric: Metric) -> Metric | None:
        """Return the metric as the column that shows it; None where there is none.

        Whole texts and their vectors are shown by how much each text looks like the window after.
        """
        columns = self.comparison.ref.rows.columns
        if metric.kind in ("text", "embedding"):
            name = f"{metric.side}_text"
            scored = replace(metric, name=name, kind="number", label="likeness to the window after")
            return scored if name in columns else None
        if metric.kind == "cluster":
            return replace(metric, kind="category") if metric.name in columns else None
        return metric

    def _with_metric(self, metric: Metric) -> Comparison:
        """Return the comparison with the metric as a column of its rows."""
        base = metric.name.removesuffix(MISSING)
        both = self.comparison.ref.rows, self.comparison.cur.rows
        if base != metric.name:
            ref, cur = (rows[base].is_null() for rows in both)
        elif metric.name.startswith(TAG):
            field = f"{metric.name.removeprefix(TAG)}:*"
            ref, cur = (field_values(rows, field) for rows in both)
        else:
            return self.comparison
        return self.comparison.with_columns(ref.rename(metric.name), cur.rename(metric.name))

    def _terms(self, metric: Metric, words: Words) -> tuple[Term, ...]:
        """Return what differs in the words of the texts; a few of them beside other drifts.

        What can be read comes first, before runs of signs.
        """
        terms = self.terms.get("prompt" if metric.side == "prompt" else "answer", ())
        if words == "none" or metric.side == "call":
            return ()
        readable = tuple(sorted(terms, key=lambda term: term.kind == "chars"))
        if words == "all":
            return readable
        rarer = [term for term in readable if term.share_cur < term.share_ref]
        commoner = [term for term in readable if term.share_cur >= term.share_ref]
        return (*commoner[:_TERMS_BESIDE], *rarer[:_TERMS_BESIDE])

    def _rows(self, segments: Sequence[Segment]) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the filters of the window after, and of the segment that changed most."""
        query = self.comparison.cur.query
        filters = dict(query.filters)
        for name, moment in (("start_ns", query.start_ns), ("end_ns", query.end_ns)):
            if moment is not None:
                filters[name] = (str(moment),)
        for segment in segments[:1]:
            if segment.field in _FILTERS:
                filters[segment.field] = (segment.value,)
            elif segment.field.endswith(":*"):
                tag = f"{segment.field[:-1]}{segment.value}"
                filters["tag"] = (*filters.get("tag", ()), tag)
        return tuple(sorted(filters.items()))


def _since(comparison: Comparison, metric: Metric) -> ChangeTime | None:
    """Return since when, where the windows follow each other in time."""
    if not comparison.follows:
        return None
    rows = comparison.ref.rows, comparison.cur.rows
    values = _readings(*rows, metric)
    both = pl.concat([each.select("start_ns", UNIT, RANK) for each in rows])
    known = np.flatnonzero(np.isfinite(values))
    if comparison.is_repeated:
        known = known[_one_a_unit(both[UNIT].to_numpy()[known], both[RANK].to_numpy()[known])]
    times = both["start_ns"].to_numpy().astype(np.int64)[known]
    found = date_change(times, values[known], np.arange(known.size), comparison.options.seed)
    border = rows[1]["start_ns"].min()
    is_after = times >= int(str(border))
    if found is None or is_after.all() or not is_after.any():
        return None
    return settle_date(found, times[~is_after], times[is_after])


def _one_a_unit(units: Ints, ranks: Ints) -> NDArray[np.intp]:
    """Return the places of the calls that count, the first of each unit by rank."""
    order = np.lexsort((ranks, units))
    _, firsts = np.unique(units[order], return_index=True)
    return np.sort(order[firsts])


def _readings(ref: pl.DataFrame, cur: pl.DataFrame, metric: Metric) -> Floats:
    """Return a number of each call of both windows; of a category how much it tells the later."""
    numbers = metric_numbers(ref, metric), metric_numbers(cur, metric)
    if numbers[0] is not None and numbers[1] is not None:
        both = pl.concat([numbers[0], numbers[1]])
        return np.asarray(both.fill_null(np.nan).to_numpy(), np.float64)
    levels = pl.concat([field_values(rows, metric.name).rename("level") for rows in (ref, cur)])
    codes: Ints = levels.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    size = int(codes.max(initial=0)) + 1
    counts = [
        np.bincount(part, minlength=size) + _LEVEL_PRIOR
        for part in (codes[: ref.height], codes[ref.height :])
    ]
    odds: Floats = np.log(counts[1] / counts[1].sum()) - np.log(counts[0] / counts[0].sum())
    odds[0] = np.nan
    return odds[codes]


def _segments(comparison: Comparison, metric: Metric) -> tuple[Segment, ...]:
    fields = _fields(comparison, metric)

    def compare(ref: pl.DataFrame, cur: pl.DataFrame) -> Evidence | None:
        found = comparison.measure_rows(ref, cur, metric)[0]
        return _as_likeness(found, ref, cur, metric, middle) if is_scored else found

    # Half-way between both windows, where a text is as much like the one as like the other.
    is_scored = is_of_text(metric) and metric.kind == "number"
    middle = 0.0
    if is_scored:
        windows = comparison.ref.rows, comparison.cur.rows
        middle = sum(float(_scores(rows, metric).to_numpy().mean()) for rows in windows) / 2

    return find_segments(
        comparison.ref, comparison.cur, metric, fields, comparison.options, compare
    )


def _as_likeness(
    found: Evidence, ref: pl.DataFrame, cur: pl.DataFrame, metric: Metric, middle: float
) -> Evidence:
    """Tell scores of texts, which mean nothing to people, by how many are above the middle."""
    before, after = (
        share(float((_scores(rows, metric) > middle).to_numpy().mean())) for rows in (ref, cur)
    )
    return replace(found, before=before, after=f"{after} look like the current window")


def _scores(rows: pl.DataFrame, metric: Metric) -> pl.Series:
    return rows[metric.name].cast(pl.Float64).drop_nulls().drop_nans()


def _mixes(comparison: Comparison, metric: Metric) -> tuple[Mix, ...]:
    """Return the change parted by each column whose values both windows have in common.

    Where their shares are the same there is no mix to speak of.
    """
    ref, cur = comparison.ref.rows, comparison.cur.rows
    if metric.kind not in ("number", "rate"):
        return ()
    units = Units(ref[UNIT].to_numpy(), cur[UNIT].to_numpy())
    found = [
        decompose(ref, cur, metric, field, comparison.options.seed, units)
        for field in _fields(comparison, metric)
        if _has_strata(field_values(ref, field), field_values(cur, field))
    ]
    return tuple(
        mix for mix in found if mix is not None and abs(mix.mix) + abs(mix.new_or_gone) > _SAME_MIX
    )


def _has_strata(ref: pl.Series, cur: pl.Series) -> bool:
    """Return whether both windows have a value in common, and some call has another."""
    common = [
        each.drop_nulls()
        .rename("value")
        .value_counts(name="count")
        .filter(pl.col("count") >= _FEWEST_IN_STRATUM)["value"]
        for each in (ref, cur)
    ]
    is_shared = bool(common[0].is_in(common[1].to_list()).any())
    return is_shared and pl.concat([ref.rename("value"), cur.rename("value")]).n_unique() > 1


def _fields(comparison: Comparison, metric: Metric) -> tuple[str, ...]:
    """Return the columns to look in, but for the metric's own."""
    own = {metric.name, f"{metric.name.removeprefix(TAG)}:*"}
    return tuple(field for field in comparison.fields if field not in own)
