"""What people say of answers: labels, from a file or from the collector.

    {"id": "refund-1", "label": 4, "rater": "ann", "output": "…"}

``id`` is the case; ``label`` what the judge could have said: a grade, yes or no, one of the labels.
A case's answer differs from model to model, so a line says whose it means by ``output`` (the text),
``run`` or ``model``; one that says nothing of it counts where both runs answer alike, or where
there is one run only. ``scorer`` names the judge's scorer where a suite has several.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from headway_evals.documents import Faults, MarkedDict, parse_jsonl
from headway_evals.errors import RunError
from headway_evals.judges.answers import Grade
from headway_evals.judges.scorers import Single, make_judge
from headway_evals.judges.scoring import JUDGES
from headway_evals.runs import Result, RunRecord
from headway_evals.suite_rows import read_text
from headway_measures.scores import ScoreValue, shown

_KEYS = ("id", "label", "rater", "output", "run", "model", "scorer")
_OWN = ("kind", "prompt_version")


@dataclass(frozen=True, slots=True)
class HumanLabel:
    """What one person says of one answer, and where it is written."""

    case_id: str
    label: Any
    place: str
    rater: str = ""
    output: str | None = None
    run: str | None = None
    model: str | None = None
    scorer: str | None = None
    span_id: str | None = None

    @property
    def is_of_any(self) -> bool:
        """Return whether it does not say whose answer it means."""
        return (self.output, self.run, self.model, self.span_id) == (None, None, None, None)

    def fits(self, record: RunRecord, result: Result) -> bool:
        """Return whether it may be of this answer."""
        if self.span_id is not None:
            return self.span_id == result.span_id
        return (
            self.case_id == result.case_id
            and self.output in (None, result.output)
            and self.run in (None, record.run.run_id)
            and self.model in (None, record.run.model)
        )


def read_labels(path: Path) -> list[HumanLabel]:
    """Read labels from a file, JSON a line.

    Raises:
        SuiteError: it cannot be read, or has faults; all are listed with their lines.
    """
    faults, labels = Faults(), []
    rows = parse_jsonl(read_text(path), str(path), faults)
    for line, row in zip(rows.lines, rows, strict=True):
        if not isinstance(row, MarkedDict):
            faults.add(str(path), line, f'{shown(row)} is no label: write {{"id": …, "label": …}}')
            continue
        for key in row:
            if key not in _KEYS:
                faults.add(
                    str(path), line, f"has an unknown key {key!r}; known: {', '.join(_KEYS)}"
                )
        if row.get("id") is None or row.get("label") is None:
            faults.add(str(path), line, "has no id, or no label")
            continue
        told = {key: row.get(key) for key in _KEYS[3:]}
        texts = {key: None if value is None else str(value) for key, value in told.items()}
        place, rater = f"{path}:{line}", str(row.get("rater") or "")
        labels.append(HumanLabel(str(row["id"]), row["label"], place, rater, **texts))
    if faults.found:
        raise faults.error()
    return labels


def labels_of_scores(rows: Iterable[Mapping[str, Any]]) -> list[HumanLabel]:
    """Return scores of people on spans as labels; a run's results name the spans they come from."""
    labels = []
    for row in rows:
        span, value = row.get("span_id"), row.get("value")
        label = value if value is not None else row.get("label")
        if span is None or label is None:
            continue
        rater = str(row.get("user_id") or row.get("author") or "")
        labels.append(HumanLabel("", label, f"score of span {span}", rater, span_id=str(span)))
    return labels


@dataclass(frozen=True, slots=True)
class Labelled:
    """One run's answers as people see them, by one judge's scorer.

    Args:
        scorer: the judge's scorer.
        judge: how it reads a label.
        human: by case what people say in the mean, as the judge's scores are.
        said: by case and rater what they said.
        unclear: how many labels could be of either run's answer.
    """

    scorer: str
    judge: Single
    human: Mapping[str, ScoreValue]
    said: Mapping[str, Mapping[str, float | str]]
    unclear: int


def judge_scorers(record: RunRecord) -> dict[str, Single]:
    """Return the judges of single answers that a run was judged by."""
    found: dict[str, Single] = {}
    for name, options in record.run.settings.get(JUDGES, {}).get("scorers", {}).items():
        if options.get("kind") in ("rubric", "classify"):
            given = {key: value for key, value in options.items() if key not in _OWN}
            found[name] = make_judge(options["kind"], given)  # type: ignore[assignment]
    return found


def labelled(
    record: RunRecord,
    labels: Sequence[HumanLabel],
    scorer: str | None = None,
    others: Sequence[RunRecord] = (),
) -> Labelled:
    """Return what people say of a run's answers.

    Args:
        record: the run.
        labels: all labels.
        scorer: the judge's; None takes the run's first.
        others: further runs, of whose answers labels may be.

    Raises:
        RunError: no judge scored the run, or a label is none that the judge could give.
    """
    judges = judge_scorers(record)
    if not judges or (scorer is not None and scorer not in judges):
        known = ", ".join(judges) or "none"
        raise RunError(
            f"{record.run.run_id} was not judged by {scorer or 'a model'}: its judges are {known}; "
            "`headway eval judge` judges a run afterwards"
        )
    name = scorer or next(iter(judges))
    judge, answers = judges[name], [{e.case_id: e.output for e in o.results} for o in others]
    by_case: dict[str, list[HumanLabel]] = defaultdict(list)
    for label in labels:
        if label.scorer in (None, name):
            by_case[label.span_id or label.case_id].append(label)
    said: dict[str, dict[str, float | str]] = {}
    unclear = 0
    for result in record.results:
        if result.output is None:
            continue
        is_alike = all(
            other.get(result.case_id, result.output) == result.output for other in answers
        )
        for label in (*by_case[result.case_id], *by_case.get(result.span_id or "", ())):
            if not label.fits(record, result):
                continue
            if label.is_of_any and not is_alike:
                unclear += 1
                continue
            said.setdefault(result.case_id, {})[label.rater] = _reading(judge, label)
    human = {case_id: _together(judge, list(each.values())) for case_id, each in said.items()}
    return Labelled(name, judge, human, said, unclear)


def _reading(judge: Single, label: HumanLabel) -> float | str:
    form, told = judge.form, label.label
    if isinstance(told, bool):
        told = "yes" if told else "no"
    elif isinstance(told, float) and told == int(told):
        told = int(told)
    if not isinstance(form, Grade) and "yes" in form.labels and told in (0, 1):
        told = "yes" if told else "no"
    reading = form.read(str(told))
    if reading is None:
        wanted = f"{form.low} to {form.high}" if isinstance(form, Grade) else ", ".join(form.labels)
        raise RunError(f"{label.place}: the label {shown(label.label)} is not one of {wanted}")
    return reading


def _together(judge: Single, readings: Sequence[float | str]) -> ScoreValue:
    """Return what several people say: the mean of grades, the commonest label."""
    scores = [judge.worth(each) for each in readings]
    if isinstance(judge.form, Grade):
        mean = fmean(float(each) for each in readings)
        return judge.worth(mean)
    (commonest, count), *rest = Counter(readings).most_common()
    if rest and rest[0][1] == count:  # as many say another: half of it
        value = fmean(each.value for each in scores)
        return ScoreValue(value, value > 0.5, "people do not agree")
    return judge.worth(commonest)
