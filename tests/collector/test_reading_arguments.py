"""``headway.Client`` with wrong arguments: a HeadwayError, in the words of the client."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import headway
from headway.errors import ApiError, HeadwayError
from headway.queries import in_own_words
from tests.collector.conftest import listening


@pytest.fixture(scope="module")
def client() -> Iterator[headway.Client]:
    with listening() as url:
        yield headway.Client(url)


@pytest.mark.parametrize("limit", ["5", 1.5, True, -1])
@pytest.mark.parametrize("listing", ["spans", "traces", "sessions", "prompts", "scores", "runs"])
def test_a_limit_is_a_whole_number(limit: Any, listing: str) -> None:
    with pytest.raises(HeadwayError, match="the limit is "):
        getattr(headway.Client(), listing)(limit=limit)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("a", "attributes is 'a': give names with values"),
        ({5: 5}, "attributes has the name 5: give texts as names"),
        (["a=b"], "attributes is ['a=b']: give names with values"),
    ],
)
def test_attributes_are_names_with_values(given: Any, said: str) -> None:
    with pytest.raises(HeadwayError) as caught:
        headway.Client().spans(attributes=given)

    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    "make",
    [
        lambda: headway.Client(project=5),  # type: ignore[arg-type]  # what is refused
        lambda: headway.Client(project=["shop", None]),  # type: ignore[list-item]  # likewise
        lambda: headway.Client(timeout_s="soon"),  # type: ignore[arg-type]  # likewise
        lambda: headway.Client(timeout_s=0),
        lambda: headway.Client(timeout_s=float("nan")),
    ],
)
def test_a_client_refuses_what_it_cannot_use(make: Callable[[], headway.Client]) -> None:
    with pytest.raises(HeadwayError, match=r"give a (text|number)"):
        make()


@pytest.mark.parametrize(
    ("filters", "said", "not_said"),
    [
        ({"text": "x" * 5000}, "text has 5000 characters", "match"),
        ({"text": "ab" * 300 + "a" * 600}, "text", "match=exact"),
        ({"since": "24h"}, "since", "start"),
        ({"until": "soon"}, "until", " end"),
        ({"user": "x" * 100_000}, "give shorter or fewer values", "query"),
    ],
)
def test_what_the_collector_refuses_is_told_with_the_names_of_the_client(
    client: headway.Client, filters: Any, said: str, not_said: str
) -> None:
    with pytest.raises(ApiError) as caught:
        list(client.spans(**filters))

    message = str(caught.value)
    assert said in message
    assert not_said not in message
    assert caught.value.status in (400, 422)


def test_names_in_the_middle_of_other_words_and_values_stay() -> None:
    said = "GET /v1/spans: start: 'start' is not a time; my_start: q=1, and request_model has none"

    assert in_own_words(said) == (
        "GET /v1/spans: since: 'start' is not a time; my_start: text=1, and model has none"
    )
