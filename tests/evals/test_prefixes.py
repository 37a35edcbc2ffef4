import random
from collections.abc import Sequence

import numpy as np
import pytest

from headway_evals.engine.prefixes import Limits, PrefixTree, Span, lay_out

_LIMITS = Limits(bush_tokens=20, stem_tokens=1_000, forward_tokens=10)


def _tree(rows: Sequence[Sequence[int]]) -> PrefixTree:
    return PrefixTree([np.asarray(row, np.int32) for row in rows])


def _random_rows(seed: int) -> list[list[int]]:
    draw = random.Random(seed)
    rows = [[draw.randrange(3) for _ in range(draw.randint(1, 9))] for _ in range(30)]
    return [*rows, rows[0], [300, 2], [2, 300], [70_000]]


def _beginnings(rows: Sequence[Sequence[int]]) -> set[tuple[int, ...]]:
    return {tuple(row[:end]) for row in rows for end in range(1, len(row) + 1)}


@pytest.mark.parametrize("seed", range(5))
def test_a_token_that_rows_share_counts_once(seed: int) -> None:
    rows = _random_rows(seed)

    tree = _tree(rows)

    assert tree.token_count(tree.root) == len(_beginnings(rows))


@pytest.mark.parametrize("seed", range(5))
def test_every_given_row_is_found_where_the_tree_says(seed: int) -> None:
    rows = _random_rows(seed)

    tree = _tree(rows)

    for row, place in zip(rows, tree.places, strict=True):
        assert tree.rows[place][: len(row)].tolist() == row


@pytest.mark.parametrize("seed", range(5))
def test_a_token_sees_its_beginning_and_nothing_else(seed: int) -> None:
    rows = _random_rows(seed)
    tree = _tree(rows)

    bush = lay_out(tree, tree.root)

    seen = [
        [bush.ids[key] for key in range(query + 1) if query < bush.ends[key]]
        for query in range(len(bush.ids))
    ]
    assert {tuple(map(int, each)) for each in seen} == _beginnings(rows)
    assert [len(each) - 1 for each in seen] == bush.depths.tolist()
    for row, places in zip(tree.rows, bush.places, strict=True):
        assert bush.ids[places].tolist() == row.tolist()
        assert seen[places[-1]] == row.tolist()


def test_a_bush_above_a_trunk_holds_what_is_above_it() -> None:
    tree = _tree([[1, 2, 3, 4], [1, 2, 3, 5, 6]])

    bush = lay_out(tree, Span(0, 2, 2))

    assert bush.ids.tolist() == [3, 4, 5, 6]
    assert bush.depths.tolist() == [2, 3, 3, 4]
    assert bush.ends.tolist() == [4, 2, 4, 4]
    assert not bush.is_chain


def test_a_row_by_itself_is_a_chain() -> None:
    tree = _tree([[1, 2], [1, 2, 3], [1, 2, 3]])

    bush = lay_out(tree, tree.root)

    assert bush.is_chain
    assert bush.ids.tolist() == [1, 2, 3]


def test_what_many_share_is_a_trunk_and_what_stands_on_it_is_not() -> None:
    shared = list(range(50))
    rows = [[*shared, 100 + case, *range(10), 200 + way] for case in range(8) for way in range(3)]
    tree = _tree(rows)

    below = tree.divide([tree.root], _LIMITS)
    above = tree.divide(tree.parts(tree.root, 50, 50), _LIMITS)

    assert below.trunks == [(tree.root, 50)]
    assert not below.bushes
    assert not above.trunks
    assert sorted(tree.token_count(bush) for bush in above.bushes) == [14] * 8


def test_what_saves_little_is_no_trunk() -> None:
    tree = _tree([[1, 2, *range(100 * case, 100 * case + 90)] for case in range(1, 30)])

    division = tree.divide([tree.root], _LIMITS)

    assert not division.trunks
    assert all(bush.depth == 0 for bush in division.bushes)
    assert sorted(bush.first for bush in division.bushes) == list(range(29))


def test_a_stem_above_the_limit_is_cut_up() -> None:
    tree = _tree([range(25)])
    limits = Limits(bush_tokens=20, stem_tokens=10, forward_tokens=10)

    first = tree.divide([tree.root], limits)
    second = tree.divide(tree.parts(tree.root, 10, 10), limits)
    third = tree.divide(tree.parts(tree.root, 20, 20), limits)

    assert first.trunks == [(Span(0, 1, 0), 10)]
    assert second.trunks == [(Span(0, 1, 10), 20)]
    assert third.bushes == [Span(0, 1, 20)]


def test_a_trunk_must_save_more_than_another_call_of_the_model_costs() -> None:
    tree = _tree([[*range(30), *range(start, start + 25)] for start in (100, 200)])

    cheap = tree.divide([tree.root], Limits(20, 1_000, forward_tokens=29))
    dear = tree.divide([tree.root], Limits(20, 1_000, forward_tokens=30))

    assert cheap.trunks == [(tree.root, 30)]
    assert dear.trunks == []
