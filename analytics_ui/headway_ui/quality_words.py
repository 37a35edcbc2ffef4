"""Quality in sentences: the course of a score, the difference of two cohorts, two scores' accord.

Pure functions over what the collector answers. A difference that does not show is never called
none: the sentence says how large it may be, and how many scores would tell.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headway_ui import formats
from headway_ui.quality_charts import BandPoint, describe_level

_MOST_TOLD = 3


def of_course(
    points: Sequence[BandPoint],
    series: Sequence[str],
    totals: Mapping[str, Mapping[str, Any]],
    *,
    is_rate: bool,
) -> str:
    """Say which series lie apart from the largest, and which left the band that they began in.

    Args:
        points: of the series, in order of time.
        series: the largest first.
        totals: each one's mean over the whole window, with the ends of its band.
        is_rate: whether means are shares.
    """
    if not points:
        return "Nothing was scored in this window."
    read = formats.share if is_rate else formats.score
    said = []
    for name in series[:_MOST_TOLD]:
        who = name if len(series) > 1 else "The mean"
        said.append(_course_of([each for each in points if each["series"] == name], who, read))
    first, *others = series[:_MOST_TOLD]
    for name in others:
        mine, its = totals.get(name), totals.get(first)
        if mine and its and _are_apart(its, mine):
            verb = "below" if mine["mean"] < its["mean"] else "above"
            level = f"{read(mine['mean'])} against {read(its['mean'])}"
            said.insert(0, f"{name} lies {verb} {first}: {level}")
    return f"{'; '.join(filter(None, said))}."


def _course_of(mine: Sequence[BandPoint], who: str, read: Callable[[float | None], str]) -> str:
    if not mine:
        return ""
    first, last = mine[0], mine[-1]
    if len(mine) == 1:
        return f"{who} has one bucket: {first['text']}"
    apart = [each for each in mine[1:] if _are_apart(first, each)]
    if not apart:
        return f"{who} ends at {read(last['value'])}, in reach of where it began"
    farthest = max(apart, key=lambda each: abs((each["value"] or 0) - (first["value"] or 0)))
    if _are_apart(first, last):
        verb = "fell" if (last["value"] or 0) < (first["value"] or 0) else "rose"
        return f"{who} {verb} from {read(first['value'])} to {read(last['value'])}"
    verb = "fell" if (farthest["value"] or 0) < (first["value"] or 0) else "rose"
    return (
        f"{who} {verb} from {read(first['value'])} to {read(farthest['value'])} "
        f"({farthest['when']}), and ends at {read(last['value'])}"
    )


def of_change(change: Mapping[str, Any], names: tuple[str, str]) -> str:
    """Say whether the current cohort differs from the reference, by how much, how sure.

    Args:
        change: the answer of ``POST /v1/quality/cohorts``.
        names: of the reference and of the current cohort.
    """
    reference, current = names
    empty = [name for side, name in _sides(names) if not change[side]["n"]]
    if empty:
        return f"Nothing was scored in {' and in '.join(empty)}."
    how = (
        f"over {formats.plural(change['pairs'], 'prompt')} that both were asked"
        if change["is_paired"]
        else "of different prompts"
    )
    if change["overlap"]:
        both = formats.plural(change["overlap"], "score")
        how += f"; {both} in both cohorts hide a part of the difference"
    gain = of_gain(change)
    if change["lower"] is None or change["upper"] is None:
        return f"{gain} {how}: too few sessions to say whether {current} differs."
    certainty = f"{gain} ({_bounds(change)}), p {_p_value(change['p_value'])}, {how}."
    if not change["lower"] <= 0 <= change["upper"]:
        verb = "below" if change["difference"] < 0 else "above"
        return f"{current} scores {verb} {reference}: {certainty}"
    sentence = f"No difference shows between {reference} and {current}: {certainty}"
    if change["needs_n"]:
        noun = "prompts" if change["is_paired"] else "scores a side"
        sentence += (
            f" About {formats.count(change['needs_n'])} {noun} would show one as small as this."
        )
    return sentence


def of_gain(change: Mapping[str, Any]) -> str:
    """Return the difference with its sign, in points where the score is a share."""
    return _signed(change["difference"], is_rate=change["is_rate"])


def name_of(found: Mapping[str, Any], which: str) -> str:
    """Return what the ``first`` or ``second`` score is called, with its source if only that."""
    source = found[f"{which}_source"]
    return f"{found[which]} ({source})" if source else str(found[which])


def of_agreement(found: Mapping[str, Any]) -> str:
    """Say how often two scores say the same, and how much of that is not chance."""
    first, second = (name_of(found, which) for which in ("first", "second"))
    if not found["n"]:
        return f"No answer has both {first} and {second}."
    answers = formats.plural(found["n"], "answer")
    if found["kind"] == "number":
        sentence = f"Of {answers} with both scores, "
        lies = found["mean_difference"]
        if lies:
            side = "above" if lies > 0 else "below"
            sentence += f"{second} lies {formats.score(abs(lies))} {side} {first} on average"
        else:
            sentence += f"{second} lies where {first} does on average"
    else:
        sentence = f"{first} and {second} say the same of {formats.share(found['agreement'])}"
        sentence += f" of {answers}"
    if found["kappa"] is None:
        return f"{sentence}; one value is all there is, so chance would agree as well."
    return f"{sentence}; beyond chance, κ = {kappa_of(found)}."


def kappa_of(found: Mapping[str, Any]) -> str:
    """Return kappa with its interval: ``0.75 (0.52 to 0.93)``."""
    if found["kappa"] is None:
        return formats.MISSING
    kappa = f"{found['kappa']:.2f}".replace("-", "−")
    if found["kappa_lower"] is None or found["kappa_upper"] is None:
        return kappa
    return f"{kappa} ({found['kappa_lower']:.2f} to {found['kappa_upper']:.2f})".replace("-", "−")


def of_table(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return how often the first score (down) and the second (across) say what."""
    corner = f"{name_of(found, 'first')} ↓  {name_of(found, 'second')} →"
    columns = [f"{label} " for label in found["labels"]]  # never the name of the corner
    return [
        {corner: label, **dict(zip(columns, map(formats.count, row), strict=True))}
        for label, row in zip(found["labels"], found["table"], strict=True)
    ]


def of_levels(change: Mapping[str, Any], names: tuple[str, str]) -> list[dict[str, str]]:
    """Return both cohorts' means as rows of a table."""
    return [
        {
            "Cohort": f"{side}: {name}",
            "Mean": describe_level(change[side], is_rate=change["is_rate"]),
        }
        for side, name in _sides(names)
    ]


def _sides(names: tuple[str, str]) -> list[tuple[str, str]]:
    return [("reference", names[0]), ("current", names[1])]


def _bounds(change: Mapping[str, Any]) -> str:
    lower, upper = (
        _signed(change[end], is_rate=change["is_rate"]).removesuffix(" points")
        for end in ("lower", "upper")
    )
    return f"{lower} to {upper}"


def _signed(value: float, *, is_rate: bool) -> str:
    return formats.points(value) if is_rate else f"{value:+.3g}".replace("-", "−")


def _p_value(p_value: float) -> str:
    return "< 0.0001" if p_value < 1e-4 else f"= {p_value:.2g}"


def _are_apart(first: Mapping[str, Any], last: Mapping[str, Any]) -> bool:
    if None in (first["lower"], first["upper"], last["lower"], last["upper"]):
        return False
    return (first["upper"] or 0) < (last["lower"] or 0) or (last["upper"] or 0) < (
        first["lower"] or 0
    )
