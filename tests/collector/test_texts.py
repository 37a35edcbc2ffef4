"""A search finds what people wrote in the JSON of a call, and nothing that JSON wrote itself."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.store.connections import Store
from headway_collector.store.texts import Match, find_text

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]

MATCHES: tuple[Match, ...] = ("folded", "exact")

MESSAGES = [
    {"role": "user", "parts": [{"type": "text", "content": "first line\nothing\u0001 é done"}]},
    {
        "role": "assistant",
        "parts": [
            {"type": "tool_call", "id": "call_7", "name": "book", "arguments": {"gate": 12345}}
        ],
        "finish_reason": "tool_call",
        "is_cut": True,
        "error": None,
    },
]


def find(client: TestClient, q: str, match: Match) -> list[str]:
    response = client.get("/v1/spans", params={"order": "asc", "q": q, "match": match})
    assert response.status_code == 200, response.text
    found = [span["name"] for span in response.json()["spans"]]
    measured = client.get("/v1/metrics", params={"q": q, "match": match}).json()
    facets = client.get("/v1/facets", params={"q": q, "match": match, "field": "project"}).json()
    assert measured["totals"]["count"] == len(found)
    assert sum(each["count"] for each in facets["facets"]["project"]) == len(found)
    return found


@pytest.mark.parametrize("match", MATCHES)
@pytest.mark.parametrize(
    "q",
    [
        *("role", "parts", "content", "type", "arguments", "gate", "finish_reason", "is_cut"),
        *("user", "assistant", "text", "tool_call", "true", "null"),
        *("nothing", "u0001", "ne0", "0001", '":"', "}, {", "[", ","),
    ],
)
def test_the_words_of_json_itself_are_not_found(
    client: TestClient, ingest: Ingest, span_line: Lines, q: str, match: Match
) -> None:
    ingest(span_line(name="x", input=MESSAGES, output=MESSAGES))

    assert find(client, q, match) == []


@pytest.mark.parametrize("match", MATCHES)
@pytest.mark.parametrize(
    "q", ["othing", "line\nothing", "call_7", "book", "12345", "234", "é done", "first line"]
)
def test_whatever_else_the_messages_hold_is_found(
    client: TestClient, ingest: Ingest, span_line: Lines, q: str, match: Match
) -> None:
    ingest(span_line(name="in", input=MESSAGES), span_line(name="out", output=MESSAGES))

    assert find(client, q, match) == ["in", "out"]


@pytest.mark.parametrize("match", MATCHES)
@pytest.mark.parametrize(
    ("q", "value"),
    [
        ("role", {"role": "a role"}),
        ("user", [{"role": "user", "parts": [{"type": "text", "content": "the user said"}]}]),
        ("plumber", {"role": "plumber", "type": "request"}),
        ("request", {"role": "plumber", "type": "request"}),
        ("text", "context"),
        ("true", ["true"]),
        ("nothing", "\nnothing"),
        ("city", {"arguments": '{"city": "Oslo"}'}),
        ('"city": "', {"arguments": '{"city": "Oslo"}'}),
        ("\\n", "C:\\new"),
        ("a:b,c}", {"k": "a:b,c}"}),
        ("-0.5", {"k": [1, -0.5]}),
    ],
)
def test_the_same_words_are_found_where_somebody_wrote_them(
    client: TestClient, ingest: Ingest, span_line: Lines, q: str, value: Any, match: Match
) -> None:
    ingest(span_line(name="x", output=value))

    assert find(client, q, match) == ["x"]


@pytest.mark.parametrize("match", MATCHES)
def test_a_long_text_is_found_whole(
    client: TestClient, ingest: Ingest, span_line: Lines, match: Match
) -> None:
    text = "The parcel that I sent in March to my sister in Tromsø has not come, what's up with it?"
    ingest(span_line(name="whole", input={"message": text}))
    ingest(span_line(name="other", input={"message": text.replace("up", "on")}))

    assert find(client, text, match) == ["whole"]


@pytest.mark.parametrize("match", MATCHES)
@pytest.mark.parametrize("writes_ascii", [False, True])
@pytest.mark.parametrize("indent", [None, 1])
def test_it_finds_what_reading_all_the_json_would_find(
    store: Store, match: Match, writes_ascii: bool, indent: int | None
) -> None:
    chance = random.Random(7)
    values = [_invent(chance, 3) for _ in range(300)]
    texts = [json.dumps(value, ensure_ascii=writes_ascii, indent=indent) for value in values]
    store.read(
        "INSERT INTO store.spans (start_ns, name, output) "
        "SELECT generate_subscripts($1, 1) - 1, '', unnest($1::VARCHAR[])",
        [texts],
    )
    for q in ("".join(chance.choices(_LETTERS, k=chance.randrange(1, 4))) for _ in range(80)):
        found = find_text(q, match)
        rows = store.read(f"SELECT start_ns FROM store.spans WHERE {found.sql}", found.values)

        expected = [n for n, value in enumerate(values) if any(q in each for each in _read(value))]
        assert sorted(row["start_ns"] for row in rows) == expected, (q, texts)


_LETTERS = ',:"\\}[n\nuk '


def _invent(chance: random.Random, depth: int) -> Any:
    """Return JSON that is hard to tell from its own text."""
    kind = chance.randrange(4 if depth else 2)
    text = "".join(chance.choices(_LETTERS, k=chance.randrange(6)))
    if kind < 2:
        return text if kind else chance.choice((None, True, text))
    items = [_invent(chance, depth - 1) for _ in range(chance.randrange(4))]
    keys = ("".join(chance.choices(_LETTERS, k=2)) for _ in items)
    return items if kind == 2 else dict(zip(keys, items, strict=True))


def _read(value: Any) -> Iterator[str]:
    """Yield the strings of the value, without keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _read(each)
