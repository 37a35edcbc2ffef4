from headway_evals.packing import pack


def test_batches_hold_what_the_budget_allows_and_the_longest_come_first() -> None:
    lengths = [3, 10, 4, 9, 1]

    batches = pack(lengths, budget_tokens=20)

    assert batches == [[1, 3], [2, 0, 4]]
    assert pack([50, 60], budget_tokens=20) == [[1], [0]]
    assert pack([], budget_tokens=20) == []
