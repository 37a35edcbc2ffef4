"""Finding text in any language and spelling, page by page."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from headway_collector.store.connections import Store
from headway_collector.store.filters import SpanFilters
from headway_collector.store.foldings import fold
from headway_collector.store.paging import Page
from headway_collector.store.searches import BUDGET_S
from headway_collector.store.spans import list_spans
from headway_collector.store.texts import MAX_EXACT_CHARS, MAX_FOLDED_CHARS

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]

HOUR_NS = 3600 * 10**9


def names(client: TestClient, **params: Any) -> list[str]:
    response = client.get("/v1/spans", params={"order": "asc", **params})
    assert response.status_code == 200, response.text
    return [span["name"] for span in response.json()["spans"]]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("cafe", "Café"),
        ("CAFÉ", "cafe"),
        ("café", "cafe\u0301"),
        ("cafe\u0301", "CAFÉ"),
        ("strasse", "die Straße"),
        ("STRASSE", "straße"),
        ("straße", "Strasse"),
        ("office", "o\ufb03ce"),
        ("istanbul", "İstanbul"),
        ("όσος", "ΌΣΟΣ"),
        ("ежик", "Ёжик"),
        ("Ёжик", "ЕЖИК"),
        ("東京", "私は東京に住む"),
        ("ガス", "カ\u3099ス"),
        ("カ\u3099ス", "ガス"),
        ("ガス", "ｶﾞｽ"),
        ("hello", "Ｈｅｌｌｏ"),
        ("한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
        ("كتب", "كَتَبَ"),
        ("hôtel", "HOTEL"),
        ("a\nb", "A\nB"),
        ('say "é"', 'SAY "E"'),
        ("c:\\temp/x", "C:\\TEMP/X"),
        ("🙂", "well 🙂"),
        (".*", "all.*of"),
    ],
)
@pytest.mark.parametrize("writes_ascii", [False, True])
def test_text_is_found_however_it_is_spelled(
    client: TestClient,
    ingest: Ingest,
    span_line: Lines,
    query: str,
    text: str,
    writes_ascii: bool,
) -> None:
    encode = json.dumps if writes_ascii else lambda value: msgspec.json.encode(value).decode()
    line = json.loads(span_line(name="in"))
    raw = json.dumps(line)[:-1] + f', "input": {encode({"text": text})}}}'
    ingest(raw.encode(), span_line(name=text), span_line(name="other", input="nothing of it"))

    assert names(client, q=query) == ["in", text]


@pytest.mark.parametrize(
    ("query", "text"), [("が", "か"), ("東", "东"), ("हिन्दी", "हनद"), ("aus", "äuß"), (".", "x")]
)
def test_another_letter_is_not_another_spelling(
    client: TestClient, ingest: Ingest, span_line: Lines, query: str, text: str
) -> None:
    ingest(span_line(name=text, output=text))

    assert names(client, q=query) == []


def test_an_exact_search_minds_case_and_accents(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(
        span_line(name="a", input="Café"),
        span_line(name="b", output="cafe"),
        span_line(name="café"),
        span_line(name="d", input='a "quoted"\nline'),
    )

    assert names(client, q="Café", match="exact") == ["a"]
    assert names(client, q="cafe", match="exact") == ["b"]
    assert names(client, q='"quoted"\nl', match="exact") == ["d"]
    assert names(client, q="afé", match="exact") == ["a", "café"]


def test_an_exact_search_finds_letters_that_were_stored_escaped(
    client: TestClient, ingest: Ingest, span_line: Lines, store: Store
) -> None:
    ingest(span_line(name="a"), span_line(name="b"))
    store.read("UPDATE store.spans SET output = $1 WHERE name = 'a'", [json.dumps("Café")])

    assert names(client, q="Café", match="exact") == ["a"]


def test_a_query_of_marks_alone_is_taken_as_it_is(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(span_line(name="cafe\u0301"), span_line(name="cafe"))

    assert names(client, q="\u0301") == ["cafe\u0301"]


def test_a_query_too_long_to_fold_is_refused_with_the_way_out(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    text = "Dé" + "".join(f" {number}" for number in range(MAX_FOLDED_CHARS))
    text = text[: MAX_FOLDED_CHARS + 1]
    ingest(span_line(input=text))

    refused = client.get("/v1/spans", params={"q": text})

    assert refused.status_code == 422
    assert "match=exact" in refused.json()["message"]
    assert names(client, q=text, match="exact") == ["triage"]
    assert names(client, q=text[:MAX_FOLDED_CHARS]) == ["triage"]


def test_a_query_too_long_to_find_at_all_is_refused(client: TestClient) -> None:
    query = {"q": "x" * (MAX_EXACT_CHARS + 1), "match": "exact"}

    assert client.get("/v1/spans", params=query).status_code == 422
    assert "1000 are the most" in client.get("/v1/metrics", params=query).json()["message"]


def test_a_query_that_repeats_itself_too_often_to_fold_is_refused_with_the_way_out(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(span_line(input="é" * 1000))

    refused = client.get("/v1/spans", params={"q": "e" * 100})

    assert refused.status_code == 422
    assert "repeats itself too often" in refused.json()["message"]
    assert names(client, q="é" * 100, match="exact") == ["triage"]
    assert names(client, q="e" * 80) == ["triage"]


def test_folding_is_folding_whatever_is_folded_first() -> None:
    for text in ("Straße", "ﬃ", "ǅ", "ΐ", "İ", "ｶﾞ", "한"):
        assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_pages_of_a_search_are_complete_over_sparse_time(
    client: TestClient, ingest: Ingest, span_line: Lines, now_ns: int, order: str
) -> None:
    hours = [0, 1, 2, 30, 31, 900, 901, 5000]
    ingest(*[span_line(name=f"hit {h}", start_ns=now_ns - h * HOUR_NS) for h in hours])
    ingest(*[span_line(name=f"miss {h}", start_ns=now_ns - h * HOUR_NS) for h in hours])
    seen, params = [], {"q": "HIT", "limit": "3", "order": order}
    while True:
        page = client.get("/v1/spans", params=params).json()
        seen += [span["name"] for span in page["spans"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]

    expected = [f"hit {h}" for h in hours]
    assert seen == (expected if order == "desc" else expected[::-1])


@pytest.mark.parametrize("is_descending", [True, False])
def test_a_search_that_takes_too_long_says_how_far_it_came_and_goes_on_from_there(
    store: Store, ingest: Ingest, span_line: Lines, now_ns: int, is_descending: bool
) -> None:
    ingest(*[span_line(name=f"hit {h}", start_ns=now_ns - h * 50 * HOUR_NS) for h in range(6)])
    ticks = itertools.count(0, BUDGET_S)
    filters, seen, partial, cursor = SpanFilters(q="hit"), [], 0, None
    while True:
        page = Page(50, cursor, is_descending)
        answer = list_spans(store, filters, page, clock_s=lambda: float(next(ticks)))
        seen += [span["name"] for span in answer["spans"]]
        partial += answer["is_partial"]
        assert answer["is_partial"] == (answer["searched_until"] is not None)
        cursor = answer["next_cursor"]
        if cursor is None:
            break

    assert partial >= 2
    assert seen == sorted(seen, reverse=not is_descending)
    assert len(seen) == 6
