"""What reports say of judges: what they were asked, what that cost, and how far to trust them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headway_evals.judges.scoring import JUDGES, NOT_JUDGED
from headway_evals.runs import MISSING, RunRecord
from headway_measures.scores import counted

MOST_NONSENSE = 0.1
"""A verdict warns where a larger share of a judge's answers cannot be read."""


def judge_lines(record: RunRecord) -> list[str]:
    """Return a line for each judge that was asked in a run, and one about what was not judged."""
    told = record.run.settings.get(JUDGES, {})
    lines = [
        judge_line(spec, model)
        for spec, model in told.get("models", {}).items()
        if _is_asked(model)
    ]
    unjudged = [e.error for e in record.results if e.error and e.error.startswith(_MARK)]
    if unjudged:
        cases = counted(len(unjudged), "case")
        lines.append(f"not judged, and not counted: {cases}; {unjudged[0].removeprefix(_MARK)}")
    return lines


def judge_warnings(records: Sequence[RunRecord]) -> Iterator[str]:
    """Yield what a verdict should not be trusted with, for the judge's sake."""
    models = {record.run.model for record in records}
    said = set()
    for record in records:
        for spec, told in record.run.settings.get(JUDGES, {}).get("models", {}).items():
            answers, nonsense = told.get("answers", 0), told.get("nonsense", 0)
            if answers and nonsense / answers > MOST_NONSENSE:
                yield (
                    f"{nonsense / answers * 100:.1f} % of the answers of the judge {spec} about "
                    f"{record.run.model} are nonsense and count as the worst score: give a judge "
                    "that keeps to the form"
                )
            if told.get("name") in models and spec not in said:
                said.add(spec)
                yield (
                    f"the judge {spec} is one of the two models that it judges, and models prefer "
                    "answers of their own: give another judge, or labels"
                )


_MARK = f"{MISSING}{NOT_JUDGED}"


def is_unjudged(error: str | None) -> bool:
    """Return whether a result's error says that no judge had a say."""
    return error is not None and error.startswith(_MARK)


def _is_asked(told: Mapping[str, Any]) -> bool:
    """Return whether a judge was asked: one of pairs is not in the run itself."""
    return bool(told.get("answers") or told.get("unanswered"))


def judge_line(spec: str, told: Mapping[str, Any]) -> str:
    """Return what a judge was asked and what that cost, by its tally."""
    answers, nonsense = told.get("answers") or 0, told.get("nonsense") or 0
    parts = [f"judge {spec}: {answers:,.0f} answers, {told.get('kept') or 0:,.0f} of them kept"]
    if nonsense:
        parts.append(f"{nonsense:,.0f} nonsense ({nonsense / answers * 100:.1f} %)")
    if told.get("unanswered"):
        parts.append(f"{told['unanswered']:,.0f} questions without an answer")
    tokens = (told.get("input_tokens") or 0) + (told.get("output_tokens") or 0)
    if tokens:
        parts.append(f"{tokens:,.0f} tokens")
    cost = told.get("cost_usd")
    if cost is not None:
        parts.append(f"{cost:.4f} dollars")
    return ", ".join(parts)
