"""The picture of a verdict, as SVG within HTML: gains with their intervals, and the margin."""

import math
from collections.abc import Sequence
from html import escape

from headway_evals.outcomes import Outcome
from headway_evals.wordings import bounds, change, one_line

CHART_STYLE = """
svg { width: 100%; max-width: 60rem; height: auto; font: 13px system-ui, sans-serif; }
svg text { fill: currentColor; } svg line { stroke: currentColor; }
svg .zero { stroke: var(--fine); } svg .margin { stroke: var(--bad); stroke-dasharray: 4 4; }
svg .interval { stroke-width: 3; stroke-linecap: round; } svg circle { fill: currentColor; }
"""

_WIDTH, _LABEL_WIDTH, _ROW_HEIGHT, _PAD = 900, 260, 26, 16
_LABEL_LENGTH = 34


def forest(rows: Sequence[tuple[str, Outcome]]) -> str:
    """Return the gains, a line each: left of the dashed margin something is lost that matters."""
    height = len(rows) * _ROW_HEIGHT + 2 * _PAD
    ends = [end for _, each in rows for end in (each.lower, each.upper) if math.isfinite(end)]
    margins = [each.margin * 1.5 for _, each in rows]
    reach = max([*margins, *map(abs, ends)]) * 1.05 or 1.0
    zero = _place(0.0, reach)
    return "\n".join(
        [
            f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" '
            'aria-label="Gains with their intervals">',
            f'<line class="zero" x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{height}"/>',
            *(_row(name, each, index, reach) for index, (name, each) in enumerate(rows)),
            "</svg>",
        ]
    )


def _row(name: str, outcome: Outcome, index: int, reach: float) -> str:
    y = _PAD + (index + 0.5) * _ROW_HEIGHT
    top, end = y - _ROW_HEIGHT / 2, y + _ROW_HEIGHT / 2
    left, middle, right = (
        _place(at, reach) for at in (outcome.lower, outcome.difference, outcome.upper)
    )
    edge = _place(-outcome.margin, reach)
    label = escape(one_line(name, _LABEL_LENGTH))
    told = escape(f"{one_line(name)}: {change(outcome)}, {bounds(outcome)}, {outcome.verdict}")
    return (
        f'<g class="{outcome.verdict}"><title>{told}</title>'
        f'<text x="0" y="{y + 4:.1f}">{label}</text>'
        f'<line class="margin" x1="{edge:.1f}" x2="{edge:.1f}" y1="{top:.1f}" y2="{end:.1f}"/>'
        f'<line class="interval" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<circle cx="{middle:.1f}" cy="{y:.1f}" r="5"/></g>'
    )


def _place(at: float, reach: float) -> float:
    """Return how far right a gain stands; what is out of reach stands at the edge."""
    share = (min(max(at, -reach), reach) + reach) / (2 * reach)
    return _LABEL_WIDTH + share * (_WIDTH - _LABEL_WIDTH - _PAD)
