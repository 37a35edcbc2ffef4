"""The pictures of a card, as SVG within HTML, and what of two texts differs, marked.

Nothing is told by colour alone: a drift is a filled dot, a bar of now is the lower one, and marked
words are underlined.
"""

import math
import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from html import escape

from headway_measures.drift.amounts import one_line, percent, plain_metric, printable
from headway_measures.drift.clauses import term_name
from headway_measures.drift.results import Effect, Evidence, Term
from headway_measures.drift.sentences import evidence_sentence, title_of
from headway_measures.scores import shortened

PART_STYLE = """
svg { width: 100%; max-width: 56rem; height: auto; font: 13px system-ui, sans-serif; }
svg text { fill: currentColor; } svg line { stroke: currentColor; }
svg .zero, svg .floor { stroke: var(--fine); } svg .floor { stroke-dasharray: 4 4; }
svg .interval { stroke: var(--bad); stroke-width: 3; stroke-linecap: round; }
svg .drift { fill: var(--bad); stroke: var(--bad); }
svg .none { fill: none; stroke: currentColor; }
svg .was { fill: var(--was); } svg .now { fill: var(--bad); } svg .fine { fill: var(--fine); }
mark { color: inherit; background: var(--mark); text-decoration: underline; }
"""

_WIDTH, _LABEL_WIDTH, _PAD, _ROW = 900, 300, 16, 22
_LABEL_LENGTH = 42
_MOST_DOTS = 60
_MOST_CHARACTERS = 700
_SMALLEST_Q = 1e-12
# Where less is alike, marks would cover the texts and say nothing.
_LEAST_ALIKE = 0.15
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_NAMES = {
    "risk_difference": "difference in points",
    "cliffs_delta": "how much oftener higher than lower",
    "wasserstein_sd": "distance in standard deviations",
    "tvd": "share of calls that moved",
    "auc": "share of pairs told apart",
    "mmd": "share of likeness lost",
}


def said(text: object, length: int = 200) -> str:
    """Return any text on one line, escaped."""
    return escape(one_line(str(text), length))


def whole(text: str) -> str:
    """Return a text with its lines, cut where it is long, escaped."""
    return escape(printable(shortened(text, _MOST_CHARACTERS)))


def marked(before: str, after: str) -> tuple[str, str]:
    """Return both texts, escaped, with the words that differ marked; none where nearly all do."""
    old, new = (
        _WORDS.findall(printable(shortened(text, _MOST_CHARACTERS))) for text in (before, after)
    )
    matcher = SequenceMatcher(None, old, new)
    blocks = matcher.get_matching_blocks()
    alike = sum(_count_words(old[block.a : block.a + block.size]) for block in blocks)
    if alike < _LEAST_ALIKE * max(_count_words(old), _count_words(new)):
        return whole(before), whole(after)
    told: tuple[list[str], list[str]] = [], []
    for kind, *places in matcher.get_opcodes():
        for words, part, start, end in zip(
            (old, new), told, places[::2], places[1::2], strict=True
        ):
            text = escape("".join(words[start:end]))
            part.append(f"<mark>{text}</mark>" if kind != "equal" and text.strip() else text)
    return "".join(told[0]), "".join(told[1])


def effect_picture(effect: Effect) -> str:
    """Return an effect with its interval, nothing's change and what is too small to matter."""
    null = 0.5 if effect.name == "auc" else 0.0
    ends = [end for end in (effect.lower, effect.upper) if end is not None and math.isfinite(end)]
    if not math.isfinite(effect.value):
        return ""
    floors = [effect.floor] if effect.floor >= null else []
    is_signed = effect.name in ("risk_difference", "cliffs_delta")
    floors += [-floor for floor in floors if is_signed]
    places = [null, effect.value, *ends, *floors]
    low, high = min(places), max(places)
    room = (high - low) * 0.1 or 1.0

    def at(value: float) -> str:
        share = (value - low + room) / (high - low + 2 * room)
        return f"{_LABEL_WIDTH + share * (_WIDTH - _LABEL_WIDTH - _PAD):.1f}"

    name = _NAMES.get(effect.name, one_line(effect.name, _LABEL_LENGTH))
    told = f"{name}: {_number(effect.value, effect.name)}"
    if len(ends) == 2:
        told += f", between {_number(ends[0], effect.name)} and {_number(ends[1], effect.name)}"
    lines = [
        f'<line class="zero" x1="{at(null)}" x2="{at(null)}" y1="2" y2="42"/>',
        *(
            f'<line class="floor" x1="{at(floor)}" x2="{at(floor)}" y1="8" y2="36"/>'
            for floor in floors
        ),
    ]
    if len(ends) == 2:
        lines.append(
            f'<line class="interval" x1="{at(ends[0])}" x2="{at(ends[1])}" y1="22" y2="22"/>'
        )
    return _picture(
        58,
        told,
        f'<text x="0" y="26">{escape(name)}</text>',
        *lines,
        f'<circle class="drift" cx="{at(effect.value)}" cy="22" r="5"/>',
        *(
            f'<text class="fine" x="{at(each)}" y="55" text-anchor="middle">'
            f"{_number(each, effect.name)}</text>"
            for each in dict.fromkeys((null, effect.value))
        ),
    )


def evidence_picture(tests: Sequence[Evidence], alpha: float) -> str:
    """Return a line a test, the surest on top: the further right, the less likely by chance."""
    run = [each for each in tests if each.q_value is not None]
    run.sort(key=lambda each: (each.q_value or 0.0, each.metric))
    run = run[:_MOST_DOTS]
    if not run:
        return ""
    reach = max(_surprise(each.q_value) for each in run)
    reach = max(reach, _surprise(alpha)) * 1.05 or 1.0

    def at(q_value: float | None) -> str:
        share = _surprise(q_value) / reach
        return f"{_LABEL_WIDTH + share * (_WIDTH - _LABEL_WIDTH - _PAD):.1f}"

    height = len(run) * _ROW + 2 * _PAD
    rows = [
        _dot(each, at(each.q_value), _PAD + (place + 0.5) * _ROW) for place, each in enumerate(run)
    ]
    limit = f'<line class="floor" x1="{at(alpha)}" x2="{at(alpha)}" y1="0" y2="{height - _PAD}"/>'
    told = f'<text class="fine" x="{at(alpha)}" y="{height - 2}">q = {alpha:g}</text>'
    return _picture(height, "Evidence of every test", limit, told, *rows)


def terms_picture(terms: Sequence[Term]) -> str:
    """Return for each term its share of the texts before, and below it its share now."""
    rows = []
    for place, term in enumerate(terms):
        top = _PAD / 2 + place * 2 * _ROW
        label = escape(one_line(term_name(term), _LABEL_LENGTH))
        rows.append(f'<text x="0" y="{top + 18:.0f}">{label}</text>')
        for kind, share, y in (("was", term.share_ref, top), ("now", term.share_cur, top + 16)):
            usable = min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0
            width = usable * (_WIDTH - _LABEL_WIDTH - 8 * _PAD)
            rows.append(
                f'<rect class="{kind}" x="{_LABEL_WIDTH}" y="{y:.0f}" width="{width:.1f}" '
                f'height="13"/><text class="fine" x="{_LABEL_WIDTH + width + 6:.1f}" '
                f'y="{y + 11:.0f}">{kind} {percent(share)}</text>'
            )
    height = len(terms) * 2 * _ROW + _PAD
    return _picture(height, "Shares of texts before and now", *rows) if rows else ""


def _count_words(words: Sequence[str]) -> int:
    return sum(not word.isspace() for word in words)


def _dot(test: Evidence, x: str, y: float) -> str:
    kind = "drift" if test.state == "drift" else "none"
    return (
        f"<g><title>{said(evidence_sentence(plain_metric(test), test), 400)}</title>"
        f'<text x="0" y="{y + 4:.0f}">{said(title_of(test), _LABEL_LENGTH)}</text>'
        f'<circle class="{kind}" cx="{x}" cy="{y:.0f}" r="5"/></g>'
    )


def _picture(height: float, told: str, *parts: str) -> str:
    head = f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(told)}">'
    return "\n".join([head, *parts, "</svg>"])


def _surprise(q_value: float | None) -> float:
    usable = q_value if q_value is not None and math.isfinite(q_value) else 1.0
    return -math.log10(min(max(usable, _SMALLEST_Q), 1.0))


def _number(value: float, name: str) -> str:
    shown = 100 * value if name == "risk_difference" else value
    return f"{shown:.3g}".replace("-", "−")
