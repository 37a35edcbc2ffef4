import weakref

import pytest
import torch

from headway_evals.engine.budgets import Budget, OutOfMemory, within_memory


def test_a_halved_budget_stays_halved() -> None:
    budget = Budget(100)

    budget.halve()
    budget.halve()

    assert (budget.tokens, budget.halvings) == (25, 2)


def test_a_budget_is_not_halved_below_its_least() -> None:
    budget = Budget(100, least=30)
    budget.halve()

    with pytest.raises(OutOfMemory, match="50 tokens does not fit"):
        budget.halve()

    assert budget.tokens == 50


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="budget of 0 tokens"):
        Budget(0)


def test_the_allocator_of_the_cpu_runs_out_like_a_gpu() -> None:
    with pytest.raises(OutOfMemory, match="can't allocate memory"):
        within_memory(lambda: torch.empty(2**60))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_every_way_to_run_out_is_one(error: Exception) -> None:
    def work() -> None:
        raise error

    with pytest.raises(OutOfMemory):
        within_memory(work)


def test_what_did_not_fit_is_free_when_that_is_known() -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def work() -> None:
        tensor = torch.ones(1)
        held.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("CUDA out of memory")

    try:
        within_memory(work)
    except OutOfMemory:
        is_free = held[0]() is None

    assert is_free


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="must match"):
        within_memory(lambda: torch.ones(2) + torch.ones(3))
