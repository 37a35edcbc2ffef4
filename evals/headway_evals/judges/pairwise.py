"""Two runs' answers before one judge, in both orders.

    judge_pairs(baseline, candidate, bench) -> Paired       # both runs with pairwise scores

A judge that names one answer in both orders has chosen. One that names the first both times, or
the second, prefers a place: that is a tie, and counted as its position bias. The candidate's score
is 1, ½ or 0 and the baseline's the rest, so that their difference is wins less losses.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import Any

import msgspec

from headway_evals.errors import RunError
from headway_evals.judges.notes import is_unjudged, judge_line
from headway_evals.judges.scorers import Heard, Pairwise, make_judge
from headway_evals.judges.scoring import JUDGES, NOT_JUDGED, Bench, JudgeTally
from headway_evals.runs import Result, RunRecord, ScoreSummary
from headway_measures.scores import Answered, ScoreValue

_OWN = ("kind", "prompt_version")


@dataclass(slots=True)
class PairTally:
    """What a judge said of pairs.

    Args:
        pairs: the pairs that it judged; two equal answers are a tie that nobody asks for.
        wins: how often it chose the candidate, in both orders.
        losses: how often the baseline.
        first: how often it named the first answer in both orders.
        second: how often the second.
        unread: how many pairs have an answer that could not be read.
        unjudged: how many were not judged.
    """

    pairs: int = 0
    wins: int = 0
    losses: int = 0
    first: int = 0
    second: int = 0
    unread: int = 0
    unjudged: int = 0

    def told(self, name: str) -> str:
        """Return it in a sentence."""
        ties = self.pairs - self.wins - self.losses
        parts = [
            f"{name}: of {self.pairs:,} pairs the candidate wins {self.wins:,}, the baseline "
            f"{self.losses:,}, {ties:,} are ties"
        ]
        if self.first or self.second:
            parts.append(
                f"position bias: the judge names the first answer in both orders {self.first:,} "
                f"times, the second {self.second:,} times, which counts as ties"
            )
        if self.unread:
            parts.append(f"{self.unread:,} with nonsense for an answer")
        if self.unjudged:
            parts.append(f"{self.unjudged:,} not judged")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Paired:
    """Two runs with the scores of pairwise judges, and what these said in all.

    Args:
        baseline: the trusted model's run.
        candidate: the judged model's run.
        tallies: what came of the pairs, by scorer.
        asked: what each judge was asked for them, by its spec.
    """

    baseline: RunRecord
    candidate: RunRecord
    tallies: Mapping[str, PairTally] = field(default_factory=dict)
    asked: Mapping[str, JudgeTally] = field(default_factory=dict)

    @property
    def told(self) -> list[str]:
        """Return a line for each scorer, and what each judge was asked."""
        lines = [tally.told(name) for name, tally in self.tallies.items()]
        return [*lines, *(judge_line(spec, asdict(each)) for spec, each in self.asked.items())]

    @property
    def unjudged_count(self) -> int:
        """Return how many cases a judge did not judge that was to."""
        olds = {each.case_id for each in self.baseline.results if each.output is not None}
        return sum(
            is_unjudged(each.error)
            or (
                each.output is not None
                and each.case_id in olds
                and not each.scores.keys() >= self.tallies.keys()
            )
            for each in self.candidate.results
        )


def pairwise_scorers(record: RunRecord) -> dict[str, Pairwise]:
    """Return the judges of comparisons that a run was made for, by name.

    Raises:
        RunError: the run's options are none.
    """
    found: dict[str, Pairwise] = {}
    told = record.run.settings.get(JUDGES, {}).get("scorers", {})
    for name, options in told.items():
        if options.get("kind") == "pairwise":
            given = {key: value for key, value in options.items() if key not in _OWN}
            scorer = make_judge("pairwise", given)
            if not isinstance(scorer, Pairwise):
                raise RunError(f"{record.folder} holds no usable judge {name!r}")
            found[name] = scorer
    return found


def judge_pairs(baseline: RunRecord, candidate: RunRecord, bench: Bench) -> Paired:
    """Ask the candidate's pairwise judges about each case that both runs answered.

    Raises:
        ModelError: a judge as a whole cannot answer.
        RunError: the run's judges cannot be read.
    """
    tallies: dict[str, PairTally] = {}
    olds = {each.case_id: each for each in baseline.results}
    pairs = [
        (olds[new.case_id], new)
        for new in candidate.results
        if new.case_id in olds and None not in (new.output, olds[new.case_id].output)
    ]
    for name, judge in pairwise_scorers(candidate).items():
        asked = {new.case_id: _orders(judge, old, new) for old, new in pairs}
        bench.hear(
            question
            for old, new in pairs
            if old.output != new.output
            for question in asked[new.case_id]
        )
        tally, scores = tallies.setdefault(name, PairTally()), {}
        for old, new in pairs:
            if old.output == new.output:
                tally.pairs += 1
                scores[new.case_id] = ScoreValue(0.5, None, "equal answers")
                continue
            score = _verdict([bench.answer(each) for each in asked[new.case_id]], tally)
            if score is not None:
                scores[new.case_id] = score
        baseline = _with_scores(baseline, name, {k: _turned(v) for k, v in scores.items()})
        candidate = _with_scores(candidate, name, scores)
    return Paired(baseline, candidate, tallies, bench.tallies)


def _orders(judge: Pairwise, old: Result, new: Result) -> list[Any]:
    answered = Answered("", expected=new.expected, input=new.input)
    before, after = old.output or "", new.output or ""
    return [judge.asked(answered, before, after), judge.asked(answered, after, before)]


def _verdict(heard: list[Heard], tally: PairTally) -> ScoreValue | None:
    """Return the candidate's score by what was said with it second, then first."""
    errors = [each.error for each in heard if each.error is not None]
    if any(error.startswith(NOT_JUDGED) for error in errors):
        tally.unjudged += 1
        return None
    tally.pairs += 1
    if errors:
        tally.unread += 1
        return ScoreValue(0.5, None, "nonsense in one of two orders counts as a tie")
    said = (heard[0].reading, heard[1].reading)
    if said == ("B", "A"):
        tally.wins += 1
        return ScoreValue(1.0, None, "better in both orders")
    if said == ("A", "B"):
        tally.losses += 1
        return ScoreValue(0.0, None, "worse in both orders")
    tally.first += said == ("A", "A")
    tally.second += said == ("B", "B")
    return ScoreValue(0.5, None, f"a tie: {said[0]}, then {said[1]}")


def _turned(score: ScoreValue) -> ScoreValue:
    return replace(score, value=1 - score.value)


def _with_scores(record: RunRecord, name: str, scores: Mapping[str, ScoreValue]) -> RunRecord:
    results = tuple(
        msgspec.structs.replace(each, scores={**each.scores, name: scores[each.case_id]})
        if each.case_id in scores
        else each
        for each in record.results
    )
    if not scores:
        return record
    mean = fmean(each.value for each in scores.values())
    summaries = {**record.run.scores, name: ScoreSummary(mean, len(scores))}
    run = msgspec.structs.replace(record.run, scores=summaries)
    return RunRecord(run, results, record.folder)
