"""Whether texts of two windows can be told apart, by a classifier that never saw them.

A ridge on hashed words, byte n-grams and formats is fitted to all folds but one and ranks that
one; the statistic is how often it ranks a current text above one of the reference (Lopez-Paz and
Oquab 2017, ICLR). Folds keep together what shares a prompt or a unit. The p-value is the share of
permuted labels, refitted each time, that do as well: the normal approximation of an AUC is too
sure, since folds share the labels they are fitted to (Bengio and Grandvalet 2004, JMLR 5).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
from numpy.random import Generator
from scipy import stats

from headway_measures.clusters import Floats
from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.results import Effect, Evidence, Term
from headway_measures.drift.smoothers import (
    LARGEST_GROUP,
    Ints,
    Smoother,
    connected_groups,
    draw_folds,
    fit_smoother,
    fold_aucs,
    measure_auc,
)
from headway_measures.drift.terms import find_terms
from headway_measures.drift.units import Texts
from headway_measures.drift.windows import Options
from headway_measures.representations import HashedText, SparseRows, has_formats, measure_formats

FEWEST_UNITS = 50
"""With fewer units a side nothing is tested."""

AUC_FLOOR = 0.52
"""What tells windows apart less often than this is too small to matter."""

_MANY_ROWS = 2_000  # above it fewer permutations, so that a test takes seconds
_COLUMNS = 1_024
_FEWEST_HOLDERS = 3
_FEWER_PERMUTATIONS = 499
_BATCH = 100
_EXCEEDANCES = 10
_POWER = 0.8
_TEXT_TESTS = 2  # prompts and answers share the rate of false alarms
_WIDER = 1.5  # the permuted spread over the formula's, where there was no permutation


@dataclass(frozen=True, slots=True)
class TextResult:
    """What a comparison of texts came to.

    Args:
        evidence: of the test.
        ref_scores: how much each text of the reference is like the current window, by a fit that
            did not see it: about -1 for the reference, 1 for the current window; NaN where a text
            took no part.
        cur_scores: the same of the current window.
        terms: what differs most, the commoner now first; none where the windows are alike.
    """

    evidence: Evidence
    ref_scores: Floats
    cur_scores: Floats
    terms: tuple[Term, ...] = ()


def compare_texts(
    ref: Texts,
    cur: Texts,
    metric: Metric,
    options: Options,
    *,
    is_paired: bool = False,
    hash_texts: Callable[[list[str]], SparseRows] | None = None,
) -> TextResult:
    """Tell the texts of two windows apart, with a p-value that is honest at any size.

    Args:
        ref: of the reference.
        cur: of the current window.
        metric: what the texts are.
        options: how they are compared.
        is_paired: whether both windows answer the same prompts; then answers are compared
            prompt by prompt, those to other prompts are left out, and prompts themselves are
            ``identical`` by design.
        hash_texts: makes the weighted grams, where they are wanted for more than this test.
    """
    rng = np.random.default_rng([options.seed, crc32(metric.name.encode())])
    sample = _draw_sample(ref, cur, options.text_rows, is_paired, rng)
    scores = np.full(len(ref.texts) + len(cur.texts), np.nan)
    empty = TextResult(
        _count(sample, metric, is_paired), scores[: len(ref.texts)], scores[len(ref.texts) :]
    )
    if is_paired and metric.side == "prompt":
        note = "the windows are compared prompt by prompt, so that prompts are the same"
        return replace(empty, evidence=replace(empty.evidence, state="identical", note=note))
    if min(empty.evidence.units_ref, empty.evidence.units_cur) < FEWEST_UNITS:
        return _without(empty, options, "too few independent texts to compare")
    if len(set(sample.texts)) == 1:
        note = "all texts are the same"
        return replace(empty, evidence=replace(empty.evidence, state="identical", note=note))
    # Sessions that link nearly all prompts leave no pairs to exchange, but may be exchanged.
    scheme = _scheme(sample, is_paired, rng) or _scheme(sample, False, rng)
    if scheme is None:
        return _without(empty, options, "too few sessions could have been in the other window")
    features = _features(sample.texts, (hash_texts or HashedText().rows)(sample.texts))
    smoother = fit_smoother(features.rows, scheme.folds)
    own = smoother.scores(sample.labels[:, None])
    scores[sample.places] = own[:, 0]
    permuted = _permute(own, sample.labels, scheme, smoother, options.permutations, rng)
    return TextResult(
        _conclude(empty.evidence, sample, own[:, 0], permuted, scheme, options),
        scores[: len(ref.texts)],
        scores[len(ref.texts) :],
        # What alike windows differ in is chance, and takes as long to find.
        find_terms(sample.texts, sample.labels > 0, sample.units, features.hashed)
        if permuted.p_value <= options.alpha
        else (),
    )


@dataclass(frozen=True, slots=True)
class _Sample:
    """The texts that take part, of both windows.

    Args:
        texts: of the reference, then of the current window.
        labels: -1 and 1.
        places: where they stood among all texts given.
    """

    texts: list[str]
    labels: Floats
    prompts: Ints
    units: Ints
    places: Ints


@dataclass(frozen=True, slots=True)
class _Scheme:
    """What may be permuted, if nothing changed.

    Args:
        items: of each row, those that keep a label together.
        labels: of each item.
        strata: of each item; labels are permuted within one.
        folds: of each row.
        is_paired: whether strata are prompts.
        note: what had to be done otherwise.
    """

    items: Ints
    labels: Floats
    strata: Ints
    folds: Ints
    is_paired: bool
    note: str

    def draw(self, count: int, rng: Generator) -> Floats:
        """Return permuted labels; (rows, count)."""
        keys = rng.random((self.strata.size, count)) + self.strata[:, None]
        order = np.argsort(keys, axis=0)
        drawn = np.empty_like(keys)
        sorted_labels = self.labels[np.argsort(self.strata, kind="stable")]
        np.put_along_axis(drawn, order, sorted_labels[:, None], axis=0)
        return drawn[self.items]


@dataclass(frozen=True, slots=True)
class _Permuted:
    p_value: float
    spread: float | None


def _draw_sample(ref: Texts, cur: Texts, most: int, is_paired: bool, rng: Generator) -> _Sample:
    """Take at most so many texts a side, units or prompts whole; if paired, of shared prompts."""
    sides = (ref.prompts, cur.prompts) if is_paired else (ref.units, cur.units)
    keys, group = np.unique(np.concatenate(sides), return_inverse=True)
    order = rng.permutation(keys.size)[group]
    split = len(ref.texts)
    places = [np.arange(split), np.arange(split, group.size)]
    if is_paired:
        shared = np.intersect1d(group[:split], group[split:])
        places = [each[np.isin(group[each], shared)] for each in places]
    places = [np.sort(each[np.argsort(order[each], kind="stable")[:most]]) for each in places]
    taken = np.concatenate(places)
    texts = ref.texts + cur.texts
    return _Sample(
        [texts[place] for place in taken.tolist()],
        np.repeat([-1.0, 1.0], [each.size for each in places]),
        np.concatenate([ref.prompts, cur.prompts])[taken],
        np.concatenate([ref.units, cur.units])[taken],
        taken,
    )


def _scheme(sample: _Sample, is_paired: bool, rng: Generator) -> _Scheme | None:
    """Return what is exchangeable and how rows are folded; None where too little is."""
    groups = connected_groups(sample.prompts, sample.units)
    folded, note = groups, ""
    if np.bincount(groups).max() > LARGEST_GROUP * groups.size:
        folded, note = sample.units, "prompts link most calls: folds keep sessions together only"
    strata = groups if is_paired else np.zeros_like(groups)
    items = _items(sample, strata if is_paired else None)
    _, first, item = np.unique(items, return_index=True, return_inverse=True, axis=0)
    item = item.reshape(-1)
    strata, labels = strata[first], sample.labels[first]
    if not is_paired:
        # A unit in both windows has its own stratum: its calls change places among themselves.
        strata = np.where(items[first, 1] >= 0, items[first, 0] + 1, 0)
    mixed = np.intersect1d(strata[labels < 0], strata[labels > 0])
    can_move = np.isin(strata, mixed)
    movers = mixed.size if is_paired else min((can_move & (labels == s)).sum() for s in (-1, 1))
    if movers < FEWEST_UNITS:
        return None
    _, strata = np.unique(strata, return_inverse=True)
    return _Scheme(item, labels, strata, draw_folds(folded, rng), is_paired, note)


def _items(sample: _Sample, groups: Ints | None) -> Ints:
    """Return what names each row's item: a row of numbers."""
    sides = (sample.labels > 0).astype(np.int64)
    if groups is None:
        in_both = np.isin(
            sample.units, np.intersect1d(sample.units[sides == 0], sample.units[sides == 1])
        )
        _, unit = np.unique(sample.units, return_inverse=True)
        return np.column_stack([unit, np.where(in_both, np.arange(unit.size), -1)])
    # Where sessions link prompts, all their answers change windows together, else one by one.
    _, prompt = np.unique(sample.prompts, return_inverse=True)
    pairs = np.unique(np.column_stack([groups, prompt]), axis=0)[:, 0]
    is_linked = (np.bincount(pairs, minlength=groups.max() + 1) > 1)[groups]
    _, unit = np.unique(sample.units, return_inverse=True)
    alone = np.where(is_linked, -1, unit)
    return np.column_stack([groups, alone, sides])


@dataclass(frozen=True, slots=True)
class _Features:
    """Hashed texts, and rows of their columns that vary most, then of formats; label-free."""

    hashed: SparseRows
    rows: Floats


def _features(texts: list[str], hashed: SparseRows) -> _Features:
    variances = np.where(hashed.holders() >= _FEWEST_HOLDERS, hashed.variances(), 0.0)
    best = np.argsort(-variances, kind="stable")[:_COLUMNS]
    columns = np.sort(best[variances[best] > 0])
    return _Features(hashed, np.hstack([hashed.dense(columns), _format_block(texts)]))


def _permute(
    own: Floats, labels: Floats, scheme: _Scheme, smoother: Smoother, most: int, rng: Generator
) -> _Permuted:
    """Refit permuted labels until the p-value is clear (Besag and Clifford 1991, Biometrika 78)."""
    most = min(most, _FEWER_PERMUTATIONS) if labels.size > _MANY_ROWS else most
    observed = fold_aucs(own, labels[:, None], scheme.folds)[0]
    drawn = np.empty(0)
    while drawn.size < most and (drawn >= observed).sum() < _EXCEEDANCES:
        permuted = scheme.draw(min(_BATCH, most - drawn.size), rng)
        drawn = np.r_[drawn, fold_aucs(smoother.scores(permuted), permuted, scheme.folds)]
    reached = np.flatnonzero(drawn >= observed)
    if reached.size >= _EXCEEDANCES:
        p_value = _EXCEEDANCES / (int(reached[_EXCEEDANCES - 1]) + 1)
    else:
        p_value = (1 + reached.size) / (drawn.size + 1)
    return _Permuted(p_value, float(drawn.std()) if drawn.size >= _EXCEEDANCES else None)


def _format_block(texts: list[str]) -> Floats:
    """Return standardised formats that weigh half of what the words of a text do."""
    values = np.hstack([measure_formats(texts), has_formats(texts).astype(np.float64)])
    spreads = values.std(axis=0)
    values = (values - values.mean(axis=0))[:, spreads > 1e-9] / spreads[spreads > 1e-9]
    block: Floats = np.clip(values, -5, 5) / math.sqrt(4 * max(1, values.shape[1]))
    return block


def _count(sample: _Sample, metric: Metric, is_paired: bool) -> Evidence:
    is_cur = sample.labels > 0
    return Evidence(
        metric.name,
        metric.kind,
        metric.side,
        "text_auc",
        "not_enough_data",
        int((~is_cur).sum()),
        int(is_cur.sum()),
        int(np.unique(sample.units[~is_cur]).size),
        int(np.unique(sample.units[is_cur]).size),
        is_paired,
    )


def _without(result: TextResult, options: Options, note: str) -> TextResult:
    """Say how many units it would take, by the spread of an AUC under no drift."""
    step = _steps(options) * _WIDER / (AUC_FLOOR - 0.5)
    evidence = replace(result.evidence, needs_n=math.ceil(step**2 / 6), note=note)
    return replace(result, evidence=evidence)


def _steps(options: Options) -> float:
    """Return how many standard deviations are found with the usual power, one-sided."""
    return float(stats.norm.isf(options.alpha / _TEXT_TESTS) + stats.norm.ppf(_POWER))


def _conclude(
    counted: Evidence,
    sample: _Sample,
    scores: Floats,
    found: _Permuted,
    scheme: _Scheme,
    options: Options,
) -> Evidence:
    auc, error = measure_auc(scores, sample.labels, sample.units, scheme.folds)
    half = float(stats.norm.isf(options.alpha / 2)) * error
    units = counted.units_ref, counted.units_cur
    spread = found.spread or _WIDER * math.sqrt((sum(units) + 1) / (12 * math.prod(units)))
    reach = _steps(options) * spread
    alike = 2 * math.prod(units) / sum(units)
    return replace(
        counted,
        state="no_drift",
        is_paired=scheme.is_paired,
        p_value=found.p_value,
        effects=(Effect("auc", auc, max(0.0, auc - half), min(1.0, auc + half), AUC_FLOOR),),
        before="told apart in 50 % of pairs if nothing changed",
        after=f"told apart in {100 * auc:.0f} % of pairs",
        needs_n=math.ceil(alike * (reach / (AUC_FLOOR - 0.5)) ** 2),
        detectable=min(1.0, 0.5 + reach),
        note=scheme.note,
    )
