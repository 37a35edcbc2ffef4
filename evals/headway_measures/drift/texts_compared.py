"""The texts of one side, compared as wordings, as vectors and as groups.

What each call looks like is kept as a column, so that since when and for whom can be read from
texts as from numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl

from headway_measures.clusters import Floats
from headway_measures.descriptors.metrics import Metric, Side
from headway_measures.drift.clusterings import compare_clusters
from headway_measures.drift.comparisons import PROMPT, UNIT, Comparison
from headway_measures.drift.embeddings import compare_embeddings
from headway_measures.drift.pairing import match_calls
from headway_measures.drift.results import Evidence, Term
from headway_measures.drift.smoothers import connected_groups
from headway_measures.drift.text_tests import compare_texts
from headway_measures.drift.units import Ints, Texts, Units
from headway_measures.representations import HashedText, SparseRows

Guard = Callable[[Metric, Callable[[], Evidence]], Evidence]
"""Runs the test of a metric; where it fails its evidence says so."""


@dataclass(frozen=True, slots=True)
class ComparedTexts:
    """What the texts of one side came to.

    Args:
        tests: of wording, vectors and groups, those that were asked for.
        columns: of both windows, by metric: how much a text looks like the window after, or the
            name of its group; null where no text was drawn.
        terms: what in words differs most.
    """

    tests: tuple[Evidence, ...]
    columns: Mapping[str, tuple[pl.Series, pl.Series]]
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The calls of one window whose text was drawn."""

    places: Ints
    rows: pl.DataFrame
    texts: list[str]

    @property
    def as_texts(self) -> Texts:
        return Texts(self.texts, self.rows[PROMPT].to_numpy(), self.rows[UNIT].to_numpy())

    def only(self, calls: Ints) -> "_Drawn":
        """Return some of these calls."""
        texts = [self.texts[call] for call in calls.tolist()]
        return _Drawn(self.places[calls], self.rows[calls], texts)

    def spread(self, name: str, values: pl.Series, height: int) -> pl.Series:
        """Return a column of all calls of the window, null where there is no value."""
        column = pl.select(pl.repeat(None, height, dtype=values.dtype)).to_series()
        return column.scatter(self.places, values).rename(name)


class _Hashed:
    """Hashes the texts of one side, those that several tests compare once."""

    def __init__(self, seed: int) -> None:
        self._representation = HashedText(seed=seed)
        self._kept: list[tuple[list[str], Floats]] = []

    def rows(self, texts: list[str]) -> SparseRows:
        """Return the weighted grams of texts, of which the vectors alone are kept."""
        rows = self._representation.rows(texts)
        self._kept.append((texts, self._representation.project(rows)))
        return rows

    def vectors(self, texts: list[str]) -> Floats:
        """Return a vector of length 1 for each text."""
        kept = (vectors for known, vectors in self._kept if known == texts)
        vectors = next(kept, None)
        return self._representation.vectors(texts) if vectors is None else vectors


def compare_side(
    comparison: Comparison, side: Side, metrics: Sequence[Metric], guard: Guard
) -> ComparedTexts:
    """Compare the texts of prompts or of answers.

    Args:
        comparison: whose rows hold ``prompt`` and ``answer``.
        side: which of them.
        metrics: those of this side that were asked for.
        guard: runs each test.
    """
    found: list[Evidence] = []
    columns: dict[str, tuple[pl.Series, pl.Series]] = {}
    terms: list[Term] = []
    hashed = _Hashed(comparison.options.seed)
    heights = comparison.ref.rows.height, comparison.cur.rows.height
    drawn = _draw(comparison.ref.rows, side), _draw(comparison.cur.rows, side)

    def keep(name: str, drawn: tuple[_Drawn, _Drawn], values: tuple[pl.Series, pl.Series]) -> None:
        ref, cur = (
            each.spread(name, value, height)
            for each, value, height in zip(drawn, values, heights, strict=True)
        )
        columns[name] = ref, cur

    def by_words(metric: Metric) -> Evidence:
        is_paired = comparison.is_paired(metric)
        texts = drawn[0].as_texts, drawn[1].as_texts
        result = compare_texts(
            *texts, metric, comparison.options, is_paired=is_paired, hash_texts=hashed.rows
        )
        scores = result.ref_scores, result.cur_scores
        values = [pl.Series(each, nan_to_null=True) for each in scores]
        keep(metric.name, drawn, (values[0], values[1]))
        terms.extend(result.terms)
        return result.evidence

    def vectorised() -> Callable[[Metric], Evidence]:
        chosen, units = _exchangeable(comparison, drawn, side)
        ref, cur = chosen[0].texts, chosen[1].texts
        vectors = hashed.vectors([*ref, *cur])
        sides = vectors[: len(ref)], vectors[len(ref) :]

        def compare(metric: Metric) -> Evidence:
            # One session in both windows is compared with itself as well, and is no prompt.
            return replace(exchanged(metric), is_paired=comparison.is_paired(metric))

        def exchanged(metric: Metric) -> Evidence:
            if metric.kind == "embedding":
                return compare_embeddings(*sides, units, metric, comparison.options)
            result = compare_clusters(*sides, (ref, cur), units, metric, comparison.options)
            if result.clusters:
                names = np.asarray([each.name for each in result.clusters])
                values = pl.Series(names[result.ref]), pl.Series(names[result.cur])
                keep(metric.name, chosen, values)
            return result.evidence

        return compare

    by_vectors: Callable[[Metric], Evidence] | None = None
    for metric in metrics:
        if comparison.is_fixed(metric):
            found.append(comparison.fixed(metric))
        elif metric.kind == "text":
            found.append(guard(metric, partial(by_words, metric)))
        else:
            by_vectors = by_vectors or vectorised()
            found.append(guard(metric, partial(by_vectors, metric)))
    return ComparedTexts(tuple(found), columns, tuple(terms))


def with_texts(comparison: Comparison, compared: ComparedTexts) -> Comparison:
    """Return the comparison with what its texts look like as columns."""
    for ref, cur in compared.columns.values():
        comparison = comparison.with_columns(ref, cur)
    return comparison


def _draw(rows: pl.DataFrame, side: Side) -> _Drawn:
    if side not in rows.columns:
        rows = rows.with_columns(pl.lit(None, pl.String).alias(side))
    places = rows[side].is_not_null().arg_true().to_numpy().astype(np.int64)
    chosen = rows[places]
    return _Drawn(places, chosen.select(PROMPT, UNIT, "span_id"), chosen[side].to_list())


def _exchangeable(
    comparison: Comparison, drawn: tuple[_Drawn, _Drawn], side: Side
) -> tuple[tuple[_Drawn, _Drawn], Units]:
    """Return the calls that vectors are compared of, and what changes places between windows.

    Answers to the same prompts change places prompt by prompt, as many calls of each.
    """
    if comparison.design == "unpaired" or side == "prompt":
        return drawn, Units(drawn[0].rows[UNIT].to_numpy(), drawn[1].rows[UNIT].to_numpy())
    prompts = drawn[0].rows[PROMPT].to_numpy(), drawn[1].rows[PROMPT].to_numpy()
    there = tuple(np.ones(len(each.texts), np.bool_) for each in drawn)
    names = drawn[0].rows["span_id"].to_list(), drawn[1].rows["span_id"].to_list()
    matched = match_calls(prompts, (there[0], there[1]), names, comparison.options)
    calls = matched.calls if matched else (np.empty(0, np.int64), np.empty(0, np.int64))
    chosen = drawn[0].only(calls[0]), drawn[1].only(calls[1])
    both = pl.concat([each.rows for each in chosen])
    groups = both[PROMPT].to_numpy()
    if comparison.is_repeated:
        groups = connected_groups(groups, both[UNIT].to_numpy())
    split = len(chosen[0].texts)
    return chosen, Units(groups[:split], groups[split:])
