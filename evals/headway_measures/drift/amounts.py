"""Figures, moments and names of a card as people read them, and texts that cannot steer a page.

What tests say in short (``median 346 chars``, ``stop 91 %``) is read back and put side by side:
``median 346 → 48 characters``, ``“stop” 91 % → 60 %``.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite

from headway_measures.descriptors.catalog import METRICS
from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.language_names import language_name
from headway_measures.drift.metrics_found import CALL_METRICS, TEXT_METRICS, lacking_metric
from headway_measures.drift.results import Effect, Evidence
from headway_measures.scores import shortened

_CENTRE = re.compile(r"(median|90th percentile|mean) (-?[\d,]*\.?\d+(?:e[+-]?\d+)?)(?: (\S+))?")
_SHARE = re.compile(r"(.{1,60}?) (\d[\d.e+-]* %)(?:, |$)")
_VALUE = re.compile(r"(-?[\d,]*\.?\d+(?:e[+-]?\d+)?) ?(\S*)")
_CLUSTER = re.compile(r"(\d+ %) (.+)")
_HASH = re.compile(r"-?\d{10,}")
# What tells two texts apart whose beginnings are the same.
_HASH_BEHIND = re.compile(r" ?#-?(\d*…|\d{10,})$")
_NUMBER = re.compile(r"\d+")
# Texts that are the same but for their numbers.
_FOLDED = ("answer_hash", "template_hash")
_MONEY = ("usd", "$", "dollars")
_NOUNS = {"chars": "characters", "character": "characters"}
# Of the words of a test; categories are named in fewer.
_READ = 400
_UNQUOTED = ("other", "empty")
_ONES = ("one of them", "another", "a third")
_EXACT = 100  # differences below it have two digits
_SIGNED = ("risk_difference", "cliffs_delta")
_KNOWN = METRICS | {metric.name: metric for metric in (*CALL_METRICS, *TEXT_METRICS)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FIELDS = {
    "request_model": "model",
    "prompt_name": "prompt",
    "prompt_version": "prompt version",
    "prompt_language": "language of prompts",
}


@dataclass(frozen=True, slots=True)
class Centre:
    """The middle of a number's values: its name, how large it is, and in what."""

    name: str
    value: float
    unit: str


def one_line(text: str, length: int = 200) -> str:
    """Return a text as one short line that cannot steer a terminal or turn its own direction."""
    return shortened(" ".join(printable(text[: length + 1]).split()), length)


def printable(text: str) -> str:
    """Return a text with its lines, what cannot be seen being spelled out."""
    return "".join(
        each if each.isprintable() or each in "\n\t " else repr(each)[1:-1] for each in text
    )


def quoted(text: str, length: int = 60) -> str:
    """Return a text of a call in quotes, so that nobody takes it for ours."""
    line = "".join("↵" if each in "\r\n" else each for each in text[: length + 1])
    return f"“{one_line(line, length)}”"


def digits(value: float) -> str:
    """Return a number with three digits, or all before the point, and never with an exponent."""
    if not isfinite(value):
        return "no number"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return format(Decimal(f"{value:.3g}"), "f")


def amount(value: float, unit: str) -> str:
    """Return a number in its unit: ``1 character``, ``1,840 ms``, ``$0.0042``."""
    if unit.lower() in _MONEY:
        return f"{'-' if value < 0 else ''}${digits(abs(value))}"
    noun = _NOUNS.get(unit, unit)
    if abs(value) == 1 and len(noun) > 2 and noun.endswith("s"):
        noun = noun[:-1]
    return f"{digits(value)} {noun}".strip()


def percent(share: float) -> str:
    """Return a share in per cent, as exact as it is small."""
    return f"{digits(100 * share)} %"


def points(difference: float) -> str:
    """Return a difference of shares as signed percentage points."""
    return f"{_signed(100 * difference)} points"


def change(difference: float, metric: Metric, *, is_share: bool) -> str:
    """Return a difference of means with its sign and unit."""
    if is_share or is_percentage(metric):
        return points(difference)
    size = abs(difference)
    rounded = float(f"{size:.2g}") if size < _EXACT else size
    return ("+" if difference >= 0 else "−") + amount(rounded, metric.unit)


def change_between(lower: float, upper: float, metric: Metric, *, is_share: bool) -> str:
    """Return between which ends a difference of means is."""
    ends = [change(end, metric, is_share=is_share) for end in (lower, upper)]
    return f"likely between {joined(ends[0], 'and', ends[1])}"


def joined(first: str, word: str, second: str) -> str:
    """Return two amounts with their unit once: ``−10 of −200 characters``."""
    number, _, unit = first.partition(" ")
    told = number if unit and second.endswith(f" {unit}") else first
    return f"{told} {word} {second}"


def moment(at_ns: int) -> str:
    """Return a moment to the minute, in UTC."""
    try:
        at = _EPOCH + timedelta(microseconds=at_ns // 1000)
    except OverflowError:
        return "a moment out of the calendar"
    return f"{at:%Y-%m-%d %H:%M} UTC"


def is_percentage(metric: Metric) -> bool:
    """Return whether a number is a share of something."""
    return metric.side in ("prompt", "answer") and metric.label.startswith("share of ")


def field_name(field: str) -> str:
    """Return a column as people call it; ``kind:*`` is a family of tags."""
    if field.endswith(":*"):
        return f"tag {quoted(field[:-2])}"
    return _FIELDS.get(field) or one_line(field.removeprefix("attribute:"), 60)


def group_name(field: str, value: str) -> str:
    """Return the calls that have a value: ``model “gpt-4”``, ``tag “kind:refund”``."""
    if field.endswith(":*"):
        return f"tag {quoted(field[:-1] + value)}"
    language = language_name(field, value)
    if language:
        return f"prompts in {language}"
    return f"{field_name(field)} {quoted(value)}"


def plain_metric(evidence: Evidence) -> Metric:
    """Return what evidence speaks of, as far as its name tells: a card holds names alone."""
    name = evidence.metric
    known = _KNOWN.get(name)
    if known is not None:
        return known
    if name.endswith(":missing"):
        measured = replace(evidence, metric=name.removesuffix(":missing"))
        return lacking_metric(plain_metric(measured))
    label = (
        one_line(name, 80).removeprefix("score:").removeprefix("own:").replace("tag:", "tags ", 1)
    )
    rises, falls = (
        (f"{label} rose", f"{label} fell") if evidence.kind in ("number", "rate") else ("", "")
    )
    return Metric(name, evidence.kind, evidence.side, "", label, rises, falls)


def listed(parts: list[str], most: int = 3) -> str:
    """Return parts in a row, the first of them where they are many."""
    shown = parts[:most]
    if len(parts) > most:
        shown = [*shown, f"{len(parts) - most} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def centre_of(words: str) -> Centre | None:
    """Return the median or mean that words tell, None where they tell something else."""
    found = _CENTRE.fullmatch(words)
    if found is None:
        return None
    return Centre(found[1], float(found[2].replace(",", "")), found[3] or "")


def before_and_after(metric: Metric, evidence: Evidence, most: int = 3) -> str:
    """Return what was and what is, side by side; "" where nothing was counted.

    Args:
        metric: what it is of.
        evidence: with the words of its test.
        most: levels of a category that are told.
    """
    old, new = centre_of(evidence.before), centre_of(evidence.after)
    if old is not None and new is not None and old.name == new.name:
        return f"{old.name} {_moved(old, new, metric)}"
    levels = _levels(evidence, most)
    if levels:
        return levels
    if not (evidence.before or evidence.after):
        return ""
    # A rate of one category of two is told with its name.
    return f"{one_line(evidence.before) or 'nothing'} → {one_line(evidence.after) or 'nothing'}"


def direction_of(evidence: Evidence) -> int:
    """Return 1 for a rise, -1 for a fall, 0 for a change that has no direction."""
    for name in _SIGNED:
        effect = effect_named(evidence, name)
        if effect is not None and (name == "risk_difference" or abs(effect.value) >= effect.floor):
            return (effect.value > 0) - (effect.value < 0)
    return 0


def effect_named(evidence: Evidence, name: str) -> Effect | None:
    """Return an effect by name, None where it was not measured."""
    return next((each for each in evidence.effects if each.name == name), None)


def shares_of(evidence: Evidence) -> list[tuple[str, float, float]]:
    """Return the levels that words tell with both of their shares; none where they tell none."""
    return [
        (name, float(old.removesuffix(" %")) / 100, float(new.removesuffix(" %")) / 100)
        for name, old, new in _told_shares(evidence)
    ]


def spoken_level(metric: str, value: str) -> str:
    """Return a value of a category as people read it; "" of a text that nobody has read.

    Args:
        metric: the category's name.
        value: a word, a language's code, the beginning of a text, or its hash.
    """
    if _HASH.fullmatch(value):
        return ""
    if value in _UNQUOTED:
        return value
    if metric in _FOLDED:
        # Answers count as the same whatever numbers stand in them.
        value = _NUMBER.sub("#", _HASH_BEHIND.sub("", value))
        return quoted(value) if value else ""
    return language_name(metric, value) or quoted(value)


def _moved(old: Centre, new: Centre, metric: Metric) -> str:
    if is_percentage(metric) and not new.unit:
        return f"{percent(old.value)} → {percent(new.value)}"
    if new.unit.lower() in _MONEY:
        return f"{amount(old.value, new.unit)} → {amount(new.value, new.unit)}"
    return f"{digits(old.value)} → {amount(new.value, new.unit)}"


def _levels(evidence: Evidence, most: int) -> str:
    """Return each category with both of its shares, "" where the words tell none."""
    if evidence.kind == "cluster":
        words = evidence.before[:_READ], evidence.after[:_READ]
        found, later = (_CLUSTER.fullmatch(each) for each in words)
        if found and later and found[2] == later[2]:
            return f"{quoted(found[2])} {found[1]} → {later[1]}"
    told = _told_shares(evidence)
    if evidence.kind == "number":
        return ", ".join(
            f"{_value(name)} in {old} → {new} of calls" for name, old, new in told[:most]
        )
    if len(told) > most:  # what has a name says more
        told = sorted(told, key=lambda each: each[0] in _UNQUOTED)[:most]
    named: list[str] = []
    for name, old, new in told:
        level = spoken_level(evidence.metric, name) or _ONES[min(len(named), 2)]
        # Texts can begin alike and end otherwise.
        is_again = any(each.startswith(f"{level} ") for each in named)
        named.append(f"{'another such' if is_again else level} {old} → {new}")
    return ", ".join(named)


def _value(words: str) -> str:
    """Return a number that stands for a level, in its unit."""
    found = _VALUE.fullmatch(words)
    return amount(float(found[1].replace(",", "")), found[2]) if found else one_line(words, 60)


def _told_shares(evidence: Evidence) -> list[tuple[str, str, str]]:
    before, after = (_SHARE.findall(each[:_READ]) for each in (evidence.before, evidence.after))
    if [name for name, _ in before] != [name for name, _ in after]:
        return []
    return [(name, old, new) for (name, old), (_, new) in zip(before, after, strict=True)]


def _signed(number: float) -> str:
    return f"{number:+.1f}".replace("-", "−") if isfinite(number) else "an unknown number of"
