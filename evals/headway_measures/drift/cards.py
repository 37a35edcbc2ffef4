"""The card: two windows compared by everything there is, the drifts explained.

It depends on the rows, the options and the versions alone: no clock, host or number of threads
enters it, and every test draws by the seed and its metric's name.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

from threadpoolctl import threadpool_limits

from headway_measures.descriptors.metrics import Metric, Side
from headway_measures.drift.card_json import card_id_of, fingerprint_of
from headway_measures.drift.changes_in_time import is_between
from headway_measures.drift.coincidences import find_chosen
from headway_measures.drift.comparisons import Comparison, prepare
from headway_measures.drift.decisions import decide, levels_of, verdict_of
from headway_measures.drift.echoes import group_drifts
from headway_measures.drift.explainers import Explainer, Words
from headway_measures.drift.headlines import headline
from headway_measures.drift.metrics_found import (
    TEXT_METRICS,
    choose_metrics,
    find_absent,
    find_metrics,
    find_unknown,
    labels_of,
    lacking_metric,
)
from headway_measures.drift.questions import tell_apart, unknown_note
from headway_measures.drift.results import Card, ChangeTime, Coincidence, Evidence, Finding, Term
from headway_measures.drift.sentences import finding_sentence
from headway_measures.drift.texts_compared import ComparedTexts, compare_side, with_texts
from headway_measures.drift.windows import Options, Window

Progress = Callable[[str, int, int], None]
"""Is told the stage, how much of it is done, and of how much."""

_THREADS = 2
"""Tests do not know of each other: prompts and answers are compared at once, and so are columns."""

__all__ = ["Progress", "compare_windows", "find_metrics"]


def _ignore(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


def compare_windows(
    ref: Window,
    cur: Window,
    options: Options,
    *,
    versions: Sequence[tuple[str, str]] = (),
    project: str = "",
    progress: Progress = _ignore,
) -> Card:
    """Compare two windows of calls, and explain each drift.

    Args:
        ref: the window before.
        cur: the window after.
        options: how they are compared.
        versions: of all that figures depend on, by name.
        project: whose calls they are, for the card's id.
        progress: told of the stages ``columns``, ``texts`` and ``explaining``.

    Raises:
        WindowsError: both windows hold the same calls, or there is no metric as it was asked for.
    """
    # The order in which threads add up floats would show in the last digits; and matrices as small
    # as these are quicker on one.
    with threadpool_limits(limits=1):
        return _compare(ref, cur, options, versions, project, progress)


def _compare(
    ref: Window,
    cur: Window,
    options: Options,
    versions: Sequence[tuple[str, str]],
    project: str,
    progress: Progress,
) -> Card:
    ref, cur, notes = tell_apart(ref, cur)
    columns = find_metrics(ref.rows, cur.rows, options)
    texts = choose_metrics(TEXT_METRICS, options)
    absent = find_absent([*columns, *texts], options)
    missing = [lacking_metric(each) for each in columns]
    metrics = labels_of([*columns, *missing, *texts, *absent])
    # Whether scores are missing is not asked.
    tested = [*columns, *(each for each in missing if each.side != "score"), *texts]
    levels = levels_of(tested, options.alpha)
    comparison = prepare(ref, cur, options, levels)
    tests = _compare_columns(comparison, columns, progress)
    tests += [_unknown(comparison, each) for each in absent]
    explainer, of_texts = _compare_texts(comparison, texts, progress)
    decided = decide([*tests, *of_texts], options.alpha)
    findings = _explain(explainer, decided, metrics, progress)
    verdict = verdict_of(decided)
    return Card(
        card_id=card_id_of(project, ref.query, cur.query, options, versions),
        verdict=verdict,
        headline=headline(verdict, findings, decided, metrics, find_chosen(ref.query, cur.query)),
        reference=ref.query,
        current=cur.query,
        n_ref=ref.row_count,
        n_cur=cur.row_count,
        options=options,
        versions=tuple(versions),
        fingerprint=fingerprint_of(ref.rows, cur.rows),
        findings=findings,
        tests=tuple(decided),
        quality=tuple(each for each in decided if each.side == "score"),
        notes=(
            *notes,
            *unknown_note(find_unknown([*columns, *texts], options)),
            *_notes(comparison, decided, metrics),
        ),
    )


def _compare_columns(
    comparison: Comparison, metrics: Sequence[Metric], progress: Progress
) -> list[Evidence]:
    """Compare every column; that calls have no value is told once for all columns that lack it."""
    found: list[Evidence] = []
    told: set[tuple[object, ...]] = set()
    progress("columns", 0, len(metrics))
    with ThreadPoolExecutor(_THREADS) as pool:
        measured = pool.map(partial(_measured, comparison), metrics)
        for done, (metric, tests) in enumerate(zip(metrics, measured, strict=True), 1):
            progress("columns", done, len(metrics))
            for each in tests:
                sizes = each.n_ref, each.p_value, each.effects
                missing = (each.side, each.before, each.after, *sizes)
                if each.metric != metric.name:
                    if missing in told:
                        continue
                    told.add(missing)
                found.append(each)
    return found


def _measured(comparison: Comparison, metric: Metric) -> tuple[Evidence, ...]:
    try:
        return comparison.measure(metric)
    except Exception as error:  # a column of strange values costs itself only
        return (_failed(comparison, metric, error),)


def _compare_texts(
    comparison: Comparison, metrics: Sequence[Metric], progress: Progress
) -> tuple[Explainer, list[Evidence]]:
    """Compare the texts of both sides."""
    sides: tuple[Side, ...] = "prompt", "answer"
    guard = _Guard(comparison, len(metrics), progress)
    progress("texts", 0, len(metrics))

    def compare(side: Side) -> ComparedTexts:
        return compare_side(
            comparison, side, [each for each in metrics if each.side == side], guard
        )

    with ThreadPoolExecutor(_THREADS) as pool:
        of_sides = dict(zip(sides, pool.map(compare, sides), strict=True))
    compared = comparison
    for each in of_sides.values():
        compared = with_texts(compared, each)
    terms: dict[str, tuple[Term, ...]] = {side: each.terms for side, each in of_sides.items()}
    return Explainer(compared, terms), [test for each in of_sides.values() for test in each.tests]


@dataclass(slots=True)
class _Guard:
    """Runs tests of texts, of which one that fails costs itself only; one is told at a time."""

    comparison: Comparison
    total: int
    progress: Progress
    done: int = 0
    lock: Lock = field(default_factory=Lock)

    def __call__(self, metric: Metric, compare: Callable[[], Evidence]) -> Evidence:
        try:
            return compare()
        except Exception as error:  # whatever a text or a representation may bring
            return _failed(self.comparison, metric, error)
        finally:
            with self.lock:
                self.done += 1
                self.progress("texts", self.done, self.total)


def _explain(
    explainer: Explainer,
    tests: Sequence[Evidence],
    metrics: Mapping[str, Metric],
    progress: Progress,
) -> tuple[Finding, ...]:
    """Explain the strongest of each group of drifts that say the same."""
    drifted = {each.metric for each in tests if each.state == "drift"}
    told = {side: terms for side, terms in explainer.terms.items() if f"{side}_text" in drifted}
    explainer = replace(explainer, terms=told)
    groups = group_drifts(tests)
    comparison = explainer.comparison
    chosen = find_chosen(comparison.ref.query, comparison.cur.query)
    found: list[Finding] = []
    for done, group in enumerate(groups):
        progress("explaining", done, len(groups))
        metric = metrics[group.head.metric]
        evidence = replace(group.head, note=group.note(metrics))
        # Words explain what drifted of texts, and what is told first; they are not told again.
        words: Words = "all" if group.is_of_words else "none" if found else "few"
        finding = explainer.explain(evidence, metric, words)
        new = replace(
            finding, coincidences=_not_told(finding, found), since=_date_told(finding, found)
        )
        found.append(replace(finding, sentence=finding_sentence(metric, new, chosen)))
    progress("explaining", len(groups), len(groups))
    return tuple(found)


def _not_told(finding: Finding, found: Sequence[Finding]) -> tuple[Coincidence, ...]:
    """Return what came with a change, where that was not told of the first one already."""
    if found and _news(found[0]) == _news(finding):
        return ()
    return finding.coincidences


def _date_told(finding: Finding, found: Sequence[Finding]) -> ChangeTime | None:
    """Return since when, but for "between the windows" where that was told before."""
    since = finding.since
    is_known = since is not None and is_between(since)
    return None if is_known and any(each.since == since for each in found) else since


def _news(finding: Finding) -> list[tuple[str, str]]:
    return [(each.field, each.value) for each in finding.coincidences]


def _failed(comparison: Comparison, metric: Metric, error: Exception) -> Evidence:
    return Evidence(
        metric.name,
        metric.kind,
        metric.side,
        "none",
        "failed",
        comparison.ref.rows.height,
        comparison.cur.rows.height,
        0,
        0,
        note=f"{type(error).__name__}: {error}",
    )


def _unknown(comparison: Comparison, metric: Metric) -> Evidence:
    sizes = comparison.ref.rows.height, comparison.cur.rows.height
    return Evidence(
        metric.name,
        metric.kind,
        metric.side,
        "none",
        "not_enough_data",
        *sizes,
        0,
        0,
        note="no call of either window has it",
    )


def _notes(
    comparison: Comparison, tests: Sequence[Evidence], metrics: Mapping[str, Metric]
) -> tuple[str, ...]:
    notes = []
    for name, window in (("reference", comparison.ref), ("current window", comparison.cur)):
        if window.rows.height < window.row_count:
            notes.append(
                f"of the {name}'s {window.row_count:,} calls {window.rows.height:,} were drawn"
            )
    if comparison.design != "unpaired":
        notes.append("both windows ask the same prompts: answers are compared prompt by prompt")
    if comparison.is_repeated:
        notes.append(f"p-values count one call a {comparison.options.unit}")
    failed = [metrics[each.metric].label for each in tests if each.state == "failed"]
    if failed:
        notes.append(f"not compared, since the test failed: {', '.join(failed)}")
    return tuple(notes)
