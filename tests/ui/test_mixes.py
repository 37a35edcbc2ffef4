"""What traffic can be taken apart by."""

from headway_ui.mixes import find_dimensions


def facet(*values: str) -> list[dict[str, object]]:
    return [{"value": value, "count": 1} for value in values]


def test_a_family_of_tags_is_a_dimension_of_its_own_and_the_largest_comes_first() -> None:
    tags = facet("channel:mail", "kind:a", "kind:b", "channel:chat", "kind:c", "beta")

    dimensions = find_dimensions({"tag": tags, "request_model": facet("m1", "m2")})

    assert list(dimensions) == ["tag kind", "tag channel", "model", "tag"]


def test_a_dimension_with_one_value_has_nothing_to_show() -> None:
    assert find_dimensions({"request_model": facet("only"), "tag": facet("kind:a")}) == {}


def test_parts_of_a_family_lose_their_prefix_and_find_it_again_as_a_filter() -> None:
    kind = find_dimensions({"tag": facet("kind:a", "kind:b")})["tag kind"]

    parts = kind.parts([{"tag": "kind:a", "count": 1}, {"tag": "beta", "count": 9}, {"tag": None}])

    assert parts == [{"tag": "a", "count": 1}]
    assert kind.filters("a") == {"tag": ["kind:a"]}
