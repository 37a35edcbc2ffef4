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
    regressed = regressions(comparison)
    if overall["verdict"] == "regressed":
        return f"{candidate} is worse than {baseline}: {estimate(overall)}."
    if regressed:
        return (
            f"{candidate} got worse on {_listed(regressed)}, although it "
            f"{_is(overall['verdict'])} overall: {estimate(overall)}."
        )
    if overall["verdict"] == "inconclusive":
        return f"It cannot be told whether {candidate} is worse than {baseline}: " + (
            f"{estimate(overall)}.{_needed(overall)}"
        )
    if comparison["verdict"] == "inconclusive":
        unsure = [f"gate {each['gate']}" for each in _gates(overall, "inconclusive")]
        return (
            f"It cannot be told by {_listed(unsure)} whether {candidate} is worse than {baseline}, "
            f"although it {_is(overall['verdict'])} by the first: {estimate(overall)}."
        )
    if overall["verdict"] == "improved":
        return f"{candidate} is better than {baseline}: {estimate(overall)}."
    return (
        f"{candidate} is not worse than {baseline} by more than {margin(comparison)}: "
        f"{estimate(overall)}."
    )


def estimate(one: Estimate) -> str:
    """Return a difference with its interval: what it was, what it is, and how sure that is."""
    return (
        f"{score(one, 'baseline')} → {score(one, 'candidate')}, {gain(one)} ({interval(one)}) on "
        f"{formats.plural(one['n'], 'case')}"
    )


def interval(one: Estimate) -> str:
    """Return the interval of a difference: ``−0.5 to +2.7``."""
    if one["lower"] is None or one["upper"] is None:
        return "no interval"
    ends = [one["lower"], one["upper"]]
    if is_share(one):
        told = [f"{end * 100:+.1f}" for end in ends]
    else:
        told = [f"{end:+,.4g}" for end in ends]
    return " to ".join(told).replace("-", "−")


def score(one: Estimate, side: str) -> str:
    """Return the mean score of a side: a share, or a number of the scorer's own scale."""
    value = one[side]
    return formats.share(value) if value is None or is_share(one) else f"{value:,.4g}"


def gain(one: Estimate) -> str:
    """Return how much better the candidate is, and that less is better where it is."""
    value = one["difference"]
    if value is None or is_share(one):
        told = formats.points(value)
    else:
        told = f"{value:+,.4g}".replace("-", "−")
    return f"{told} gained" if one.get("direction") == "down" else told


def margin(comparison: Mapping[str, Any]) -> str:
    """Return the margin of a comparison's first gate."""
    value = comparison["margin"]
    if value is None or is_share(comparison["overall"]):
        return formats.points(value, signed=False)
    return f"{value:,.4g}"


def is_share(one: Estimate) -> bool:
    """Return whether scores are shares, as all were before their scale was told."""
    return bool(one.get("scale", 1.0) == 1.0)


def exit_code_meaning(code: int | None) -> str:
    """Return what the gate's exit code tells a build."""
    meanings = {0: "the build passes", 1: "the build fails", 2: "the tool failed"}
    return meanings.get(code if code is not None else -1, "the build decides what to do")


def regressions(comparison: Mapping[str, Any]) -> list[str]:
    """Return all that regressed besides the first gate."""
    overall = comparison["overall"]
    return [
        *(each["slice"] for each in comparison["slices"] if each["verdict"] == "regressed"),
        *(
            f"{each['slice']} by gate {gate['gate']}"
            for gate in overall.get("gates", [])
            for each in gate.get("slices", [])
            if each["verdict"] == "regressed"
        ),
        *(f"gate {each['gate']}" for each in _gates(overall, "regressed")),
        *(f"case {each}" for each in overall.get("must_pass", [])),
    ]


def _gates(overall: Estimate, verdict: str) -> list[Mapping[str, Any]]:
    """The gates besides the first that say this."""
    return [each for each in overall.get("gates", [])[1:] if each["verdict"] == verdict]


def _is(verdict: str) -> str:
    return {"passed": "passed", "improved": "improved"}.get(verdict, f"is {verdict}")


def _needed(overall: Estimate) -> str:
    needs = overall.get("needs_n")
    return f" About {formats.count(needs)} cases would tell." if needs else ""


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) < 4 else f"{len(names)} parts"
