"""What the Evals pages say of runs, rates, gates and pairs of runs. Pure."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from headway_ui import formats, verdicts

Run = Mapping[str, Any]
Rate = Mapping[str, Any]

TO_FAIL, TO_PASS = "Passed before, fails now", "Failed before, passes now"
_DIRECTIONS = {"to_fail": TO_FAIL, "to_pass": TO_PASS}


def direction(flip: Mapping[str, Any]) -> str:
    """Return what a flip's direction means; a word of its own for each of the two."""
    return _DIRECTIONS.get(flip["direction"], str(flip["direction"]))


def ordered(flips: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return flips with those that fail now first, else as they came."""
    return sorted(flips, key=lambda flip: flip["direction"] != "to_fail")


def headline(comparison: Mapping[str, Any]) -> str:
    """Return the verdict and its numbers in a sentence, in the words of the command line."""
    overall = comparison["overall"]
    named = verdicts.regressions(comparison)
    said = str(overall["verdict"]).upper()
    if named:
        said = f"REGRESSED in {_few(named)}, although {overall['verdict']} overall"
        if overall["verdict"] == "regressed":
            said = f"REGRESSED overall and in {_few(named)}"
    elif comparison["verdict"] != overall["verdict"]:
        gates = overall.get("gates") or []
        unsure = [each["gate"] for each in gates if each["verdict"] == comparison["verdict"]]
        said = str(comparison["verdict"]).upper() + (f" by gate {_few(unsure)}" if unsure else "")
    alpha = comparison["alpha"]
    confidence = "" if alpha is None else f"{(1 - alpha) * 100:.0f} % "
    return (
        f"{said}: {comparison['candidate_model'] or 'the candidate'} scores "
        f"{verdicts.score(overall, 'candidate')} on {formats.plural(overall['n'], 'case')}, "
        f"{comparison['baseline_model'] or 'the baseline'} {verdicts.score(overall, 'baseline')}: "
        f"{verdicts.gain(overall)}, {confidence}interval {verdicts.interval(overall)}, "
        f"margin {_margin({**overall, 'margin': comparison['margin']})}{_needs(overall)}"
        f"{_power(overall)}{_note(overall)}."
    )


def rate(one: Rate) -> str:
    """Return a pass rate: ``87.5 % (73.9 % to 94.5 %), 35 of 40 cases``."""
    passed, n = formats.count(one["passed"]), formats.count(one["n"])
    cases = f"{passed} of {n} " + ("case" if one["n"] == 1 else "cases")
    if one["cases"] != one["n"]:
        cases = f"{passed} of {n} answers to {formats.plural(one['cases'], 'case')}"
    ends = f"{formats.share(one['lower'])} to {formats.share(one['upper'])}"
    return f"{formats.share(one['rate'])} ({ends}), {cases}"


def took(run: Run) -> str:
    """Return how long a run took, a dash where that is not known."""
    if not run["ended_at"]:
        return formats.MISSING
    length = formats.moment(run["ended_at"]) - formats.moment(run["started_at"])
    return formats.duration(length.total_seconds() * 1000)


def unjudged(outcomes: Mapping[str, int]) -> str:
    """Return which results are in no rate and why; nothing where all are."""
    told = {
        "not_asked": "not asked, for the verdict was certain before",
        "missing": "without an answer",
    }
    parts = [
        f"{formats.plural(outcomes[name], 'case')} {words}"
        for name, words in told.items()
        if outcomes[name]
    ]
    said = f"In no rate: {' and '.join(parts)}. " if parts else ""
    if outcomes["errors"]:
        said += f"{formats.plural(outcomes['errors'], 'case')} ended with an error and failed."
    return said.strip()


def notes(run: Run) -> list[str]:
    """Return what the settings of a run say that its figures do not."""
    settings = run["settings"]
    said = []
    stop = settings.get("early_stop")
    if isinstance(stop, Mapping):
        said.append(_stopped(stop))
    repeats = settings.get("repeats")
    if isinstance(repeats, int) and repeats > 1:
        said.append(f"Each case was asked {repeats} times; a case counts as one piece of evidence.")
    quarantine = settings.get("quarantine")
    if isinstance(quarantine, Mapping) and quarantine:
        count = formats.plural(len(quarantine), "case")
        said.append(f"{count} in quarantine, out of the gates: {_few(list(quarantine))}.")
    return said


def gate(one: Mapping[str, Any]) -> str:
    """Return what one of several gates says."""
    said = f"{verdicts.estimate(one)}, margin {_margin(one)}"
    if one.get("q_value") is not None:
        said += f", p after Holm {one['q_value']:.2g}"
    return f"{said}{_needs(one)}{_power(one)}{_note(one)}"


def compare_command(baseline: str, candidate: str, url: str) -> str:
    """Return the command that compares two runs and publishes the verdict."""
    runs = f"{shlex.quote(baseline)} {shlex.quote(candidate)}"
    return f"headway eval compare {runs} \\\n    --publish --url {shlex.quote(url)}"


def counts(flips: Mapping[str, int]) -> str:
    """Return how many cases flipped between two runs, both ways."""
    both = formats.plural(flips["n"], "case")
    return (
        f"{formats.count(flips['flips_to_fail'])} of {both} that both runs judged fail now, "
        f"{formats.count(flips['flips_to_pass'])} pass now."
    )


def of_history(runs: Sequence[Run], name: str) -> str:
    """Say in a sentence where the rate of a suite stands, and how it moved since the last run.

    Args:
        runs: of a suite, the oldest first, with their rates.
        name: of the scorer; nothing for all of them.
    """
    rated = [(run, found) for run in runs if (found := rate_of(run, name))]
    if not rated:
        return "No run was judged by this scorer."
    (run, last), before = rated[-1], rated[-2] if len(rated) > 1 else None
    said = f"The latest run, {run['model']}, passed {rate(last)}"
    if before is None:
        return f"{said}."
    # A verdict takes a comparison, case by case; overlapping bands say less.
    moved = formats.points(last["rate"] - before[1]["rate"])
    return f"{said}: {moved} to the run before it, {before[0]['model']}."


def rate_of(run: Run, name: str) -> Rate | None:
    """Return the pass rate of a run by a scorer, or in all where it has no name."""
    part = "scorer" if name else "all"
    found = (one for one in run["rates"] if (one["part"], one["name"]) == (part, name))
    return next(found, None)


def _stopped(stop: Mapping[str, Any]) -> str:
    if not stop.get("is_stopped"):
        return "It was looked at as it went; verdicts on it hold at all times."
    done, total = stop.get("case_count"), stop.get("total")
    return (
        f"Stopped after {formats.count(done)} of {formats.plural(total or 0, 'case')}, where the "
        "verdict was certain."
    )


def _needs(overall: Mapping[str, Any]) -> str:
    needed, missing = overall.get("needs_n"), overall.get("missing_n")
    if not needed:
        return ""
    more = f", {formats.count(missing)} more" if missing else ""
    return f"; about {formats.plural(needed, 'case')} would tell{more}"


def _power(one: Mapping[str, Any]) -> str:
    effect = one.get("minimum_detectable_effect")
    if effect is None:
        return ""
    size = formats.points(effect, signed=False) if verdicts.is_share(one) else f"{effect:,.4g}"
    return f"; so many cases find a change of {size} four times in five"


def _note(one: Mapping[str, Any]) -> str:
    return f" ({one['note']})" if one.get("note") else ""


def _margin(one: Mapping[str, Any]) -> str:
    value = one.get("margin")
    if value is None or verdicts.is_share(one):
        told = formats.points(value, signed=False)
    else:
        told = f"{value:,.4g}"
    share = one.get("margin_share")
    return told if share is None else f"{told}, {share * 100:g} % of the baseline's"


def _few(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
