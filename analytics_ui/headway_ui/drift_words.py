"""What a comparison of windows says, in words: states, effects, windows, moments. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from headway_ui import formats
from headway_ui.kinds import Look

Json = Mapping[str, Any]
Windowed = Mapping[str, Sequence[str]]

STATES = {
    "drift": Look("change_circle", "drift", "red"),
    "no_drift": Look("check_circle", "no drift", "green"),
    "not_enough_data": Look("help", "not enough data", "gray"),
    "identical": Look("drag_handle", "identical", "gray"),
    "failed": Look("error", "failed", "orange"),
}
_EFFECTS = {
    "risk_difference": "difference",
    "wasserstein_sd": "distance in standard deviations",
    "cliffs_delta": "Cliff's δ",
    "tvd": "share that moved",
    "auc": "told apart (AUC)",
    "mmd": "MMD",
}
_SIGNED = frozenset({"risk_difference", "cliffs_delta"})
_METHODS = {
    "ks": "Kolmogorov–Smirnov",
    "ks_permutation": "Kolmogorov–Smirnov, shuffled",
    "homogeneity": "χ²",
    "homogeneity_permutation": "χ², shuffled",
    "homogeneity_paired": "windows swapped",
    "two_proportions": "two proportions",
    "storer_kim": "two proportions, exact",
    "fisher": "Fisher's exact",
    "mcnemar": "McNemar",
    "signed_rank": "signed ranks",
    "text_auc": "classifier",
    "mmd": "mean discrepancy",
    "none": "none",
}
_FIELDS = {
    "request_model": "model",
    "prompt_name": "prompt",
    "prompt_version": "prompt version",
    "prompt_language": "language of prompts",
    "user_id": "user",
    "session_id": "session",
}
_ENDS = ("start", "end")
_MISSING = ":missing"
_BETWEEN = "between the windows"  # as the date of a card says where windows have a gap
_IN_POINTS = frozenset({"risk_difference", "tvd"})


def look(state: str) -> Look:
    """Return how a state looks."""
    return STATES.get(state, Look("help", state.replace("_", " "), "gray"))


def badge(state: str) -> str:
    """Return a state as Markdown: a coloured badge with an icon and its words."""
    one = look(state)
    return f":{one.colour}-badge[{one.markdown_icon} {formats.plain(one.word)}]"


def label(name: str, labels: Mapping[str, str]) -> str:
    """Return what people call a metric: ``length of answers``.

    Args:
        name: the metric's.
        labels: as ``GET /v1/drift/metrics`` has them; a score, a family of tags and somebody's own
            descriptor go by their names.
    """
    if name.startswith("own:"):
        return name.removeprefix("own:")
    if name.startswith("score:"):
        return name.replace(":", " ", 1)
    if name in labels:
        return labels[name]
    if name.endswith(_MISSING):
        return f"calls without {label(name.removesuffix(_MISSING), labels)}"
    if name.startswith("tag:"):
        return f"tags {name.removeprefix('tag:')}"
    return name


def heading(name: str, labels: Mapping[str, str]) -> str:
    """Return the same where a line begins."""
    told = label(name, labels)
    # A name that is not ours keeps its own first letter.
    is_ours = told != name and not name.startswith("own:")
    return told[:1].upper() + told[1:] if is_ours else told


def listed(words: Sequence[str], most: int = 4) -> str:
    """Return words in a row: ``length of answers, refusals and 3 more``."""
    shown = list(words) if len(words) <= most else [*words[: most - 1]]
    if len(shown) < len(words):
        shown.append(f"{len(words) - len(shown)} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def windows(reference: Windowed, current: Windowed) -> tuple[str, str]:
    """Return two windows in words, without what goes for every comparison of a project."""
    told = []
    for one in (reference, current):
        hidden = {"project"} if reference.get("project") == current.get("project") else set()
        hidden |= {"kind"} if list(one.get("kind", ())) == ["llm"] else set()
        told.append(window({name: each for name, each in one.items() if name not in hidden}))
    return told[0], told[1]


def group(field: str, value: str = "") -> str:
    """Return the calls that have a value in words: ``model v3``, ``tag kind:refund``."""
    if field.endswith(":*"):
        return f"tag {field[:-1]}{value}" if value else f"tag {field[:-2]}"
    return f"{_FIELDS.get(field, field)} {value}".rstrip()


def effect(evidence: Json) -> str:
    """Return the effect that decides, with its interval: ``difference +10.0 (+5.2 to +14.9)``.

    A distance has no direction, so only differences have a sign.
    """
    effects = evidence["effects"]
    if not effects:
        return formats.MISSING
    one = effects[0]
    is_share = one["name"] in _IN_POINTS

    def size(number: float | None) -> str:
        told = signed(number, is_share)
        return told if one["name"] in _SIGNED else told.removeprefix("+")

    value, ends = size(one["value"]), [one["lower"], one["upper"]]
    told = f"{_EFFECTS.get(one['name'], one['name'])} {value}{' points' if is_share else ''}"
    if None in ends:
        return told
    return f"{told} ({' to '.join(size(end) for end in ends)})"


def method(evidence: Json) -> str:
    """Return what test was made: ``McNemar, paired``."""
    told = _METHODS.get(evidence["method"], evidence["method"].replace("_", " "))
    return f"{told}, paired" if evidence["is_paired"] else told


def p_value(value: float | None) -> str:
    """Return a p- or q-value in two digits."""
    if value is None:
        return formats.MISSING
    return f"{value:.2g}" if value >= 1e-4 or value == 0 else f"{value:.0e}"


def at(nanoseconds: int) -> str:
    """Return nanoseconds since 1970 as RFC 3339, to the second."""
    moment = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def since(change: Json) -> str:
    """Return since when, and how sure that is."""
    start, lower, upper = (
        formats.to_minute(at(change[name])) for name in ("start_ns", "lower_ns", "upper_ns")
    )
    if change["note"] == _BETWEEN:
        return f"most likely {_BETWEEN}, after {lower} and before {upper}"
    sure = f"{change['confidence'] * 100:.0f} %"
    note = f"; {change['note']}" if change["note"] else ""
    return f"since about {start} ({sure} between {lower} and {upper}){note}"


def window(filters: Windowed) -> str:
    """Return a window in words."""
    told = [group(name, ", ".join(values)) for name, values in filters.items() if name not in _ENDS]
    for name, word in (("start", "from"), ("end", "until")):
        told += [f"{word} {_moment(text)}" for text in filters.get(name, ())[:1]]
    return ", ".join(told) or "every call"


def window_text(filters: Windowed) -> str:
    """Return a window as it stands in a URL and after ``--ref``: ``start=-14d&end=-7d``."""
    pairs = [(name, value) for name, values in filters.items() for value in values if value]
    return urlencode(pairs, safe=":")


def read_window(text: str) -> dict[str, list[str]]:
    """Read ``start=-14d&end=-7d&request_model=m``; what is no filter is left out."""
    filters: dict[str, list[str]] = {}
    for name, value in parse_qsl(text):
        filters.setdefault(name, []).append(value)
    return filters


def query_window(one: Json) -> dict[str, list[str]]:
    """Return the window that a card was made from, as filters."""
    filters = {name: list(values) for name, values in dict(one["filters"]).items()}
    for name in ("start", "end"):
        if one[f"{name}_ns"] is not None:
            filters[name] = [at(one[f"{name}_ns"])]
    return filters


def _moment(text: str) -> str:
    try:
        is_whole = formats.moment(text).second == 0
    except ValueError:
        return text
    return formats.to_minute(text) if is_whole else formats.when(text)


def rows_filters(finding: Json, current: Json) -> dict[str, Any]:
    """Return the filters of Traces that lead to the calls a finding speaks of.

    Traces knows a period as ``from`` and ``until``, and only with both of its ends.
    """
    wanted: dict[str, Any] = {name: list(values) for name, values in dict(finding["rows"]).items()}
    period = query_window(current)
    ends = []
    for name in ("start", "end"):
        moments = wanted.pop(f"{name}_ns", None)
        told = [at(int(each)) for each in moments] if moments else period.get(name, [])
        ends += told[:1]
    if len(ends) == 2:
        wanted |= {"from": ends[0], "until": ends[1]}
    return wanted


def replayed(result: Json) -> str:
    """Return what came of a card that was computed again."""
    if result["is_same"]:
        return "Computed again, it is the same card, byte for byte."
    told = listed([_DIFFERS.get(each, each) for each in result["differs"]])
    return f"Computed again, it is not the same card: {told}."


def own_title(own: Sequence[Json]) -> str:
    """Return how somebody's own descriptors do, in one line."""
    failing = [each for each in own if each["faults"]]
    if not failing:
        return "Your own descriptors"
    verb = "fails" if len(failing) == 1 else "fail"
    return f"Your own descriptors: {len(failing)} of {len(own)} {verb}"


def own_row(one: Json) -> dict[str, str]:
    """Return how one of them does, as a row of a table."""
    return {
        "Name": formats.plain(one["name"]),
        "Calls asked about": formats.count(one["calls"]),
        "Failed": formats.count(one["faults"]),
        "Left out": formats.count(one["left_out"]),
        "Last failure": formats.plain(formats.shorten(one["last_fault"] or "", 200)),
    }


_DIFFERS = {
    "data": "other calls are in its windows",
    "versions": "Headway or what it computes with has another version",
    "result": "the same calls and versions came to something else",
    "card": "the kept card is gone",
}
TERMS = {
    "word": "word",
    "chars": "signs",
    "opener": "opening",
    "answer": "whole answer",
    "format": "format",
}


def signed(value: float | None, is_share: bool = False) -> str:
    """Return a difference with its sign, of shares in percentage points."""
    if value is None:
        return formats.MISSING
    if value == 0:
        return "0"
    told = f"{value * 100:+.1f}" if is_share else f"{value:+.3g}"
    return told.replace("-", "−")
