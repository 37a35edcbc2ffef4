"""The demo's fortnight, planned: who writes when, about what, and which model answers.

Two things happen in it, on different days, so that the dashboard has something to show:

* on the seventh day parcels get stuck: delivery complaints grow from a fifth of the mail to almost
  half, and more customers want their money back. The input shifts, and no model is to blame;
* on the eleventh day a worse model version goes live: the input stays, the answers get worse.
"""

import dataclasses
import datetime
import random
from collections.abc import Sequence
from dataclasses import dataclass

from headway_evals.demo.messages import EVERYDAY, Message, Mix, make_message

DAYS = 14
SHIFT_DAY = 6
RELEASE_DAY = 10
BEFORE_RELEASE = "triage-base"
AFTER_RELEASE = "triage-v3"

STUCK_PARCELS: Mix = dataclasses.replace(
    EVERYDAY, kinds={**EVERYDAY.kinds, "delivery": 90, "refund": 30}
)

_USERS = 80
_HOUR_WEIGHTS = (1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 20, 19, 16, 17, 18, 17, 15, 13, 12, 11, 9, 6, 3, 2)
_WEEKEND_WEIGHT = 0.55
_HOUR_S = 3_600
_DAY_S = 24 * _HOUR_S
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message that comes in: a call that will be logged."""

    time_ns: int
    user_id: str
    session_id: str
    message: Message
    model: str


def plan_fortnight(rng: random.Random, calls: int, end_ns: int) -> list[Arrival]:
    """Return ``calls`` arrivals in order of time, in the fourteen days before ``end_ns``."""
    start_s = end_ns // _NS - DAYS * _DAY_S
    weights = _weigh_hours(start_s)
    arrivals: list[Arrival] = []
    while len(arrivals) < calls:
        length = min(rng.choices((1, 2, 3, 4), weights=(55, 27, 12, 6))[0], calls - len(arrivals))
        hour = rng.choices(range(len(weights)), weights=weights)[0]
        first_s = (hour + rng.random()) * _HOUR_S
        arrivals.extend(_plan_session(rng, len(arrivals), length, start_s, first_s))
    return sorted(arrivals, key=lambda arrival: arrival.time_ns)


def find_day_starts(end_ns: int, days: Sequence[int]) -> list[datetime.datetime]:
    """Return when the given days of the fortnight began, in UTC."""
    start_s = end_ns // _NS - DAYS * _DAY_S
    return [
        datetime.datetime.fromtimestamp(start_s + day * _DAY_S, tz=datetime.UTC) for day in days
    ]


def _plan_session(
    rng: random.Random, number: int, length: int, start_s: int, first_s: float
) -> list[Arrival]:
    # A few users write often, most seldom.
    user = f"user-{min(int(rng.expovariate(1 / 18)), _USERS - 1) + 1:02d}"
    planned = []
    offset_s = first_s
    for _ in range(length):
        # The last answer has to end before the demo begins.
        offset_s = min(offset_s, DAYS * _DAY_S - 60 * (1 + rng.random()))
        day = int(offset_s // _DAY_S)
        planned.append(
            Arrival(
                time_ns=int((start_s + offset_s) * _NS),
                user_id=user,
                session_id=f"session-{number:05d}",
                message=make_message(rng, mix=STUCK_PARCELS if day >= SHIFT_DAY else EVERYDAY),
                model=AFTER_RELEASE if day >= RELEASE_DAY else BEFORE_RELEASE,
            )
        )
        offset_s += rng.uniform(40, 600)
    return planned


def _weigh_hours(start_s: int) -> list[float]:
    """Return how much mail each hour of the fortnight gets: days have a course, weekends a lull."""
    weights = []
    for hour in range(DAYS * 24):
        at = datetime.datetime.fromtimestamp(start_s + hour * _HOUR_S, tz=datetime.UTC)
        is_weekend = at.weekday() >= 5
        weights.append(_HOUR_WEIGHTS[at.hour] * (_WEEKEND_WEIGHT if is_weekend else 1.0))
    return weights
