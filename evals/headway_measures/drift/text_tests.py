"""Whether texts of two windows can be told apart, by classifiers that never saw them.

A ridge on hashed words, byte n-grams and formats is fitted to all folds but one and ranks that
one, and so do marks, words that are plainly commoner; the statistic is how often the better of the
two ranks a current text above one of the reference (Lopez-Paz and Oquab 2017, ICLR). Folds keep
together what shares a prompt or a unit. The p-value is the share of permuted labels, refitted each
time, that do as well: the normal approximation of an AUC is too sure, since folds share the labels
they are fitted to (Bengio and Grandvalet 2004, JMLR 5).
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
from headway_measures.drift.exchanges import (
    FEWEST_UNITS,
    DrawnTexts,
    Exchange,
    draw_texts,
    find_exchange,
)
from headway_measures.drift.marks import fit_marks
from headway_measures.drift.results import Effect, Evidence, Term
from headway_measures.drift.smoothers import (
    Ints,
    Smoother,
    fit_smoother,
    fold_aucs,
    measure_auc,
)
from headway_measures.drift.terms import find_terms
from headway_measures.drift.units import Texts
from headway_measures.drift.windows import Options
from headway_measures.representations import HashedText, SparseRows
from headway_measures.text_formats import has_formats, measure_formats

AUC_FLOOR = 0.52
"""What tells windows apart less often than this is too small to matter."""

MARKS_FLOOR = 0.51
"""The same of marks: two points more of the texts have one, as of any rate."""

_MANY_ROWS = 2_000  # above it fewer permutations, so that a test takes seconds
_COLUMNS = 1_024
_FEWEST_HOLDERS = 3
_FEWER_PERMUTATIONS = 499
_BATCH = 100
_EXCEEDANCES = 10
_POWER = 0.8
_TEXT_TESTS = 2  # prompts and answers share the rate of false alarms
_MARKS_COUNT = 2.0  # times what they are over one half, as by chance they hardly ever are
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
    drawn = draw_texts(ref, cur, options.text_rows, is_paired, rng)
    scores = np.full(len(ref.texts) + len(cur.texts), np.nan)
    empty = TextResult(
        _count(drawn, metric, is_paired), scores[: len(ref.texts)], scores[len(ref.texts) :]
    )
    if is_paired and metric.side == "prompt":
        note = "the windows are compared prompt by prompt, so that prompts are the same"
        return replace(empty, evidence=replace(empty.evidence, state="identical", note=note))
    if min(empty.evidence.units_ref, empty.evidence.units_cur) < FEWEST_UNITS:
        return _without(empty, options, "too few independent texts to compare")
    if len(set(drawn.texts)) == 1:
        note = "all texts are the same"
        return replace(empty, evidence=replace(empty.evidence, state="identical", note=note))
    # Sessions that link nearly all prompts leave no pairs to exchange, but may be exchanged.
    exchange = find_exchange(drawn, is_paired, rng) or find_exchange(drawn, False, rng)
    if exchange is None:
        return _without(empty, options, "too few sessions could have been in the other window")
    features = _features(drawn.texts, (hash_texts or HashedText().rows)(drawn.texts))
    judges = _Judges(
        fit_smoother(features.rows, exchange.folds),
        fit_marks(features.hashed, exchange.folds, _ratio(drawn.labels)),
        exchange.folds,
    )
    own = judges.scores(drawn.labels[:, None])[:, :, 0]
    scores[drawn.places] = own.sum(axis=0)
    aucs = judges.aucs_of(own[:, :, None], drawn.labels[:, None])
    permuted = _permute(aucs, exchange, judges, options, rng)
    return TextResult(
        _conclude(empty.evidence, drawn, own, permuted, exchange, options),
        scores[: len(ref.texts)],
        scores[len(ref.texts) :],
        # What alike windows differ in is chance, and takes as long to find.
        find_terms(drawn.texts, drawn.labels > 0, drawn.units, features.hashed)
        if permuted.p_value <= options.alpha
        else (),
    )


@dataclass(frozen=True, slots=True)
class _Judges:
    """A ridge for what many words say a little of, and marks for what a few say plainly."""

    ridge: Smoother
    marks: Smoother
    folds: Ints

    def scores(self, labels: Floats) -> Floats:
        """Return what each says of each text; (2, rows, sets)."""
        return np.stack([each.scores(labels) for each in (self.ridge, self.marks)])

    def aucs(self, labels: Floats) -> Floats:
        """Return how well each tells the windows apart; (2, sets)."""
        return self.aucs_of(self.scores(labels), labels)

    def aucs_of(self, scores: Floats, labels: Floats) -> Floats:
        """Return the same of scores that are known."""
        return np.stack([fold_aucs(each, labels, self.folds) for each in scores])


@dataclass(frozen=True, slots=True)
class _Permuted:
    """What came of permuted labels.

    Args:
        p_value: of the better judge.
        best: which that is.
        spread: of the ridge's AUC; None where too few were drawn.
    """

    p_value: float
    best: int
    spread: float | None


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
    observed: Floats, exchange: Exchange, judges: _Judges, options: Options, rng: Generator
) -> _Permuted:
    """Refit permuted labels until the p-value is clear (Besag and Clifford 1991, Biometrika 78)."""
    most = options.permutations
    if exchange.folds.size > _MANY_ROWS:
        most = min(most, _FEWER_PERMUTATIONS)
    own = _weigh(observed)
    aucs = np.empty((2, 0))
    reached = np.empty(0, np.int64)
    while aucs.shape[1] < most and reached.size < _EXCEEDANCES:
        permuted = exchange.draw(min(_BATCH, most - aucs.shape[1]), rng)
        aucs = np.hstack([aucs, judges.aucs(permuted)])
        reached = np.flatnonzero(_weigh(aucs).max(axis=0) >= own.max())
    if reached.size >= _EXCEEDANCES:
        p_value = _EXCEEDANCES / (int(reached[_EXCEEDANCES - 1]) + 1)
    else:
        p_value = (1 + reached.size) / (aucs.shape[1] + 1)
    spread = float(aucs[0].std()) if aucs.shape[1] >= _EXCEEDANCES else None
    return _Permuted(p_value, int(own.argmax()), spread)


def _weigh(aucs: Floats) -> Floats:
    """Return what each judge's AUC counts; marks that do not tell windows apart have no say."""
    ridge, marks = aucs - 0.5
    return np.stack([ridge, np.where(marks > 0, _MARKS_COUNT * marks, -1.0)])


def _ratio(labels: Floats) -> float:
    """Return how many texts the larger window has for one of the smaller."""
    cur = int((labels > 0).sum())
    return max(cur, labels.size - cur) / min(cur, labels.size - cur)


def _format_block(texts: list[str]) -> Floats:
    """Return standardised formats that weigh half of what the words of a text do."""
    values = np.hstack([measure_formats(texts), has_formats(texts).astype(np.float64)])
    spreads = values.std(axis=0)
    values = (values - values.mean(axis=0))[:, spreads > 1e-9] / spreads[spreads > 1e-9]
    block: Floats = np.clip(values, -5, 5) / math.sqrt(4 * max(1, values.shape[1]))
    return block


def _count(drawn: DrawnTexts, metric: Metric, is_paired: bool) -> Evidence:
    is_cur = drawn.labels > 0
    return Evidence(
        metric.name,
        metric.kind,
        metric.side,
        "text_auc",
        "not_enough_data",
        int((~is_cur).sum()),
        int(is_cur.sum()),
        int(np.unique(drawn.units[~is_cur]).size),
        int(np.unique(drawn.units[is_cur]).size),
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
    drawn: DrawnTexts,
    own: Floats,
    found: _Permuted,
    exchange: Exchange,
    options: Options,
) -> Evidence:
    auc, error = measure_auc(own[found.best], drawn.labels, drawn.units, exchange.folds)
    half = float(stats.norm.isf(options.alpha / 2)) * error
    floor, by = ((AUC_FLOOR, ""), (MARKS_FLOOR, ", by a few words"))[found.best]
    units = counted.units_ref, counted.units_cur
    spread = found.spread or _WIDER * math.sqrt((sum(units) + 1) / (12 * math.prod(units)))
    reach = _steps(options) * spread
    alike = 2 * math.prod(units) / sum(units)
    return replace(
        counted,
        state="no_drift",
        is_paired=exchange.is_paired,
        p_value=found.p_value,
        effects=(Effect("auc", auc, max(0.0, auc - half), min(1.0, auc + half), floor),),
        before="told apart in 50 % of pairs if nothing changed",
        after=f"told apart in {100 * auc:.0f} % of pairs{by}",
        needs_n=math.ceil(alike * (reach / (AUC_FLOOR - 0.5)) ** 2),
        detectable=min(1.0, 0.5 + reach),
        note=exchange.note,
    )
