"""What judges may cost: no call beyond it, whatever the prices."""

from collections.abc import Sequence
from typing import Any

import pytest

from headway_evals.judges.budgets import Budget, Capped, Purse
from headway_evals.models.requests import Completion, Generate, OnProgress, Request


class Priced:
    """A judge whose calls cost what a list says."""

    name = digest = "priced"
    settings: dict[str, Any] = {}  # noqa: RUF012  # as a model's protocol has it

    def __init__(self, prices: Sequence[float | None]) -> None:
        self.prices = list(prices)
        self.calls = 0

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        done = []
        for place in range(len(requests)):
            done.append(Completion("yes", cost_usd=self.prices[self.calls]))
            self.calls += 1
            on_progress(place, done[-1])
        return done


def ask(judge: Priced, budget: Budget, count: int) -> list[Completion]:
    heard: dict[int, Completion] = {}
    requests = [Request(str(i), "", "", Generate(1)) for i in range(count)]

    done = Capped(judge, Purse(budget)).generate(requests, heard.__setitem__)

    assert [heard[place] for place in range(count)] == done
    return done


@pytest.mark.parametrize(
    ("budget", "calls"),
    [
        (Budget(), 50),
        (Budget(max_calls=7), 7),
        (Budget(max_cost_usd=0.1), 10),
        (Budget(max_calls=7, max_cost_usd=0.1), 7),
        (Budget(max_cost_usd=0.001), 4),
    ],
)
def test_calls_end_where_the_budget_does(budget: Budget, calls: int) -> None:
    judge = Priced([0.01] * 50)

    done = ask(judge, budget, 50)

    assert judge.calls == calls
    assert sum(each.is_missing for each in done) == 50 - calls


def test_calls_are_paid_that_were_made_until_somebody_stopped() -> None:
    purse = Purse(Budget(max_calls=7))

    def stop(place: int, completion: Completion) -> None:
        if place == 2:
            raise KeyboardInterrupt

    requests = [Request(str(i), "", "", Generate(1)) for i in range(5)]
    with pytest.raises(KeyboardInterrupt):
        Capped(Priced([0.25] * 5), purse).generate(requests, stop)

    assert (purse.calls, purse.cost_usd) == (3, 0.75)


def test_a_dear_call_leaves_room_for_fewer_like_it() -> None:
    judge = Priced([0.01, 0.01, 0.2, *[0.01] * 47])

    done = ask(judge, Budget(max_cost_usd=0.5), 50)

    assert sum(each.cost_usd or 0 for each in done) <= 0.5
    assert done[-1].is_missing


def test_kept_to_dollars_or_told_why_not() -> None:
    done = ask(Priced([None] * 50), Budget(max_cost_usd=1), 50)

    assert "tells no price" in (done[-1].error or "")
