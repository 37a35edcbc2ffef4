"""How far a judge and people agree on a run's answers, in sentences."""

from collections.abc import Sequence

from headway_evals.judges.answers import Grade
from headway_evals.judges.labels import HumanLabel, Labelled, labelled
from headway_evals.runs import Result, RunRecord
from headway_evals.wordings import one_line, percent, spread
from headway_measures.agreement import Agreement, measure_agreement
from headway_measures.errors import MeasureError
from headway_measures.intervals import mean_interval
from headway_measures.prediction_powered import corrected_mean
from headway_measures.reliability import Level, Reliability, krippendorff_alpha
from headway_measures.scores import counted


def agreement_lines(
    record: RunRecord,
    labels: Sequence[HumanLabel],
    scorer: str | None = None,
    others: Sequence[RunRecord] = (),
) -> list[str]:
    """Return how a judge and people agree, and the judge's mean as people correct it.

    Raises:
        RunError: no judge scored the run, or a label is none that it could give.
    """
    found = labelled(record, labels, scorer, others)
    title = f"{one_line(record.run.model)}, {one_line(found.scorer)}"
    judged = [each for each in record.results if _is_judged(each, found.scorer)]
    known = [each for each in judged if each.case_id in found.human]
    if not known:
        return [f"{title}: people labelled none of {counted(len(judged), 'judged answer')}"]
    machine = [each.scores[found.scorer].value for each in known]
    human = [found.human[each.case_id].value for each in known]
    clusters = [each.cluster or (each.case_id,) for each in known]
    lines = [f"{title}: {_sentence(measure_agreement(machine, human, clusters))}"]
    lines += _raters(title, found, known)
    rest = [each for each in judged if each.case_id not in found.human]
    others_said = [each.scores[found.scorer].value for each in rest]
    has_clusters = any(each.cluster is not None for each in judged)
    try:
        corrected = corrected_mean(
            human,
            machine,
            others_said,
            clusters=clusters if has_clusters else None,
            other_clusters=[each.cluster or (each.case_id,) for each in rest]
            if has_clusters
            else None,
        )
    except MeasureError as error:
        return [*lines, f"{title}: not corrected: {error}"]
    alone = mean_interval([*machine, *others_said], scale=1.0)
    people = mean_interval(human, scale=1.0)
    return [
        *lines,
        f"{title}: mean {spread(corrected.interval())} corrected by people (prediction-powered), "
        f"{spread(alone)} by the judge alone, {spread(people)} by the labels alone",
    ]


def _is_judged(result: Result, scorer: str) -> bool:
    score = result.scores.get(scorer)
    return score is not None and score.error is None and not result.is_missing


def _sentence(found: Agreement) -> str:
    share = "" if found.agreement is None else percent(found.agreement)
    told = f"judge and people say the same of {share} of {counted(found.n, 'answer')}"
    if found.kappa is None:
        return f"{told}; of one value alone there is no kappa"
    kappa = f"{found.kappa:.2f}"
    if found.kappa_lower is not None and found.kappa_upper is not None:
        kappa += f" ({found.kappa_lower:.2f} to {found.kappa_upper:.2f})"
    told += f"; kappa {kappa}"
    if found.mean_difference is not None:
        gap = f"{-found.mean_difference * 100:+.1f} points".replace("-", "−")
        told += f"; the judge gives {gap} compared with people"
    return told


def _raters(title: str, found: Labelled, known: Sequence[Result]) -> list[str]:
    """Return how far people agree among themselves, where several rated the same answers."""
    raters = sorted({rater for said in found.said.values() for rater in said})
    if len(raters) < 2:
        return []
    ratings = [[found.said[each.case_id].get(rater) for each in known] for rater in raters]
    level: Level = "interval" if isinstance(found.judge.form, Grade) else "nominal"
    alpha = krippendorff_alpha(ratings, level)
    return [f"{title}: {len(raters)} people: {_alpha(alpha)}"]


def _alpha(found: Reliability) -> str:
    if found.alpha is None:
        return f"no Krippendorff's alpha of {counted(found.units, 'answer')} that several rated"
    told = f"Krippendorff's alpha {found.alpha:.2f}"
    if found.lower is not None and found.upper is not None:
        told += f" ({found.lower:.2f} to {found.upper:.2f})"
    return f"{told} on {counted(found.units, 'answer')} that several rated"
