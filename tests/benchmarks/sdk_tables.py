"""What rounds come to: medians, ratios, the cells of a table and the lines about the bars.

The bars are those of DESIGN.md's table and of nobody else.
"""

import statistics
from collections.abc import Mapping, Sequence

from tests.benchmarks.peers import FLOOR, HEADWAY, OPENTELEMETRY
from tests.benchmarks.sdk_rounds import Round

Rounds = Mapping[str, Sequence[Round]]
"""The rounds of one scenario, by SDK."""


def median(measured: Rounds, sdk: str, figure: str) -> float:
    """Return the median of the rounds."""
    return statistics.median(each.figures[figure] for each in measured[sdk])


def ratio(measured: Rounds, figure: str, sdk: str = OPENTELEMETRY.sdk) -> float:
    """Return ours by theirs."""
    return median(measured, HEADWAY.sdk, figure) / median(measured, sdk, figure)


def worst_ms(measured: Rounds, sdk: str = HEADWAY.sdk) -> float:
    """Return the worst single call of all rounds."""
    return max(each.figures["worst_us"] for each in measured[sdk]) / 1e3


def walls(measured: Rounds, sdk: str) -> list[str]:
    """Return the cells of the time that is added."""
    costs = [each.figures["wall_us"] for each in measured[sdk]]
    ours = "" if sdk == HEADWAY.sdk else f"{ratio(measured, 'wall_us', sdk):.2f}"
    return [sdk, f"{statistics.median(costs):.1f}", f"{min(costs):.1f} to {max(costs):.1f}", ours]


def singles(measured: Rounds, sdk: str) -> list[str]:
    """Return the cells of calls timed alone."""
    return [
        f"{median(measured, sdk, 'p50_us'):.1f}",
        f"{median(measured, sdk, 'p99_us'):.0f}",
        f"{worst_ms(measured, sdk):.1f}",
    ]


def stored(measured: Rounds, sdk: str) -> str:
    """Return the worst round's share of stored calls."""
    if sdk == FLOOR.sdk:
        return "-"
    return f"{min(each.stored for each in measured[sdk]):.1%}"


def bars(measured: Rounds, figure: str, *, limit: float, of_opentelemetry: float) -> list[str]:
    """Return the bars in microseconds and beside OpenTelemetry."""
    return [
        bar("added, µs", median(measured, HEADWAY.sdk, figure), limit),
        bar("added, of OpenTelemetry's", ratio(measured, figure), of_opentelemetry),
    ]


def bar(what: str, figure: float, limit: float) -> str:
    """Return whether a figure holds its bar, as a line."""
    verdict = "met" if figure <= limit else "MISSED"
    return f"- {what}: {figure:.3g}, bar at most {limit:.3g}: {verdict}"


def stored_bar(measured: Rounds) -> str:
    """Return whether enough was stored in every round."""
    share = min(each.stored for each in measured[HEADWAY.sdk])
    return f"- stored: {share:.2%}, bar at least 99 %: {'met' if share >= 0.99 else 'MISSED'}"


def idleness(measured: Rounds) -> str:
    """Return how busy the machine was with other things."""
    shares = [each.idle for rounds in measured.values() for each in rounds]
    return f"- The machine was {min(shares):.0%} to {max(shares):.0%} idle before the rounds."
