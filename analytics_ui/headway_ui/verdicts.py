"""What a verdict says: its icon, word and colour, and the sentence that a person quotes. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from headway_ui import formats
from headway_ui.kinds import Look

Estimate = Mapping[str, Any]

VERDICTS = {
    "passed": Look("check_circle", "passed", "green"),
    "improved": Look("trending_up", "improved", "blue"),
    "regressed": Look("trending_down", "regressed", "red"),
    "inconclusive": Look("help", "inconclusive", "gray"),
}


def look(verdict: str) -> Look:
    """Return how a verdict looks."""
    return VERDICTS.get(verdict, Look("help", verdict, "gray"))


def badge(verdict: str) -> str:
    """Return a verdict as Markdown: a coloured badge with an icon and its word."""
    one = look(verdict)
    return f":{one.colour}-badge[{one.markdown_icon} {one.word}]"


def title(comparison: Mapping[str, Any]) -> str:
    """Return who was judged against whom."""
    candidate, baseline = comparison["candidate_model"], comparison["baseline_model"]
    return f"{candidate or 'a candidate'} against {baseline or 'a baseline'}"


def sentence(comparison: Mapping[str, Any]) -> str:
    """Return the verdict of a comparison in one or two sentences."""
    candidate = comparison["candidate_model"] or "the candidate"
    baseline = comparison["baseline_model"] or "the baseline"
    overall = comparison["overall"]
    regressed = [each["slice"] for each in comparison["slices"] if each["verdict"] == "regressed"]
    if overall["verdict"] == "regressed":
        return f"{candidate} is worse than {baseline}: {estimate(overall)}."
    if regressed:
        slices = _listed(regressed)
        return (
            f"{candidate} got worse on {slices}, although it {_is(overall['verdict'])} overall: "
            f"{estimate(overall)}."
        )
    if overall["verdict"] == "inconclusive":
        return f"It cannot be told whether {candidate} is worse than {baseline}: " + (
            f"{estimate(overall)}.{_needed(overall)}"
        )
    if overall["verdict"] == "improved":
        return f"{candidate} is better than {baseline}: {estimate(overall)}."
    margin = formats.points(comparison["margin"], signed=False)
    return f"{candidate} is not worse than {baseline} by more than {margin}: {estimate(overall)}."


def estimate(one: Estimate) -> str:
    """Return a difference with its interval: what it was, what it is, and how sure that is."""
    return (
        f"{formats.share(one['baseline'])} → {formats.share(one['candidate'])}, "
        f"{formats.points(one['difference'])} ({interval(one)}) on "
        f"{formats.plural(one['n'], 'case')}"
    )


def interval(one: Estimate) -> str:
    """Return the interval of a difference: ``−0.5 to +2.7``."""
    if one["lower"] is None or one["upper"] is None:
        return "no interval"
    ends = (f"{one[end] * 100:+.1f}".replace("-", "−") for end in ("lower", "upper"))
    return " to ".join(ends)


def exit_code_meaning(code: int | None) -> str:
    """Return what the gate's exit code tells a build."""
    meanings = {0: "the build passes", 1: "the build fails", 2: "the tool failed"}
    return meanings.get(code if code is not None else -1, "the build decides what to do")


def _is(verdict: str) -> str:
    return {"passed": "passed", "improved": "improved"}.get(verdict, f"is {verdict}")


def _needed(overall: Estimate) -> str:
    needs = overall.get("needs_n")
    return f" About {formats.count(needs)} cases would tell." if needs else ""


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) < 4 else f"{len(names)} slices"
