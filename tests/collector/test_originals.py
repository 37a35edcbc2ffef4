"""The original of a foreign span comes back from its row to the bit; no text is stored twice."""

import base64
import json
import math
import random
from typing import Any

import msgspec
import pytest

from headway_collector.dialects.mapping import is_pending, map_span
from headway_collector.originals.columns import Columns
from headway_collector.originals.envelopes import unpack
from headway_collector.originals.references import make_sayable, restore, shorten
from headway_collector.originals.texts import MAX_MARKS
from headway_collector.otlp.telemetry import (
    OtelEvent,
    OtelLink,
    OtelLog,
    OtelSpan,
    Resource,
    Scope,
)
from headway_collector.store.batches import Batch
from headway_collector.store.connections import Store
from headway_collector.store.writes import append_batches
from tests.collector.dialects.examples import NAMES, load_example, make_span

LONG = "Where is my parcel? It was supposed to arrive on Tuesday, and I have a meeting."
CONTENT = ("input", "output", "attributes", "otel")


def store_span(store: Store, otel: OtelSpan) -> dict[str, Any]:
    """Map a span, write it, and return its row."""
    mapped = map_span(otel)
    with store.transaction() as connection:
        append_batches(connection, [Batch("p", None, [mapped.span], [mapped.derived])], 1)
    key = f"trace_id = '{otel.trace_id}' AND span_id = '{otel.span_id}'"
    return store.read(f"SELECT * EXCLUDE (start_time) FROM store.spans WHERE {key}")[0]


def tell(otel: OtelSpan) -> str:
    """Return everything a span says, such that 1, 1.0 and True, or 0.0 and -0.0, differ."""
    return repr(otel)


def spell(text: str) -> set[str]:
    """Return how a text reads inside JSON, and inside a JSON text there."""
    once = json.dumps(text, ensure_ascii=False)[1:-1]
    return {once, json.dumps(once, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1]}


def gather_texts(value: Any) -> set[str]:
    """Return the long texts in a value, those inside JSON texts too."""
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except ValueError:
            inner = None
        if isinstance(inner, list | dict | str):
            return gather_texts(inner)
        return {value} if len(value) >= 64 else set()
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*map(gather_texts, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("name", NAMES)
def test_every_fixture_comes_back_from_its_stored_row(store: Store, name: str) -> None:
    for otel in load_example(name).spans:
        if not is_pending(otel):
            assert tell(unpack(store_span(store, otel))) == tell(otel)


@pytest.mark.parametrize("name", NAMES)
def test_every_long_text_of_a_fixture_is_stored_once(store: Store, name: str) -> None:
    for otel in load_example(name).spans:
        if is_pending(otel):
            continue
        row = store_span(store, otel)
        plain = msgspec.to_builtins([otel.attributes, otel.events, otel.logs])
        stored = " ".join([row[column] or "" for column in CONTENT])
        stored += json.dumps([row["error_stack"], row["status_message"]], ensure_ascii=False)
        content = f"{row['input']} {row['output']}"
        for text in gather_texts(plain):
            spellings = spell(text)
            count = sum(stored.count(spelling) for spelling in spellings)

            # A document that is reranked stands in the input and in the output: it is both.
            assert count == max(1, sum(content.count(spelling) for spelling in spellings)), text


AWKWARD: list[Any] = [
    None,
    True,
    1,
    1.0,
    0.0,
    -0.0,
    math.nan,
    math.inf,
    -math.inf,
    1e22,
    5e-324,
    2**63 - 1,
    -(2**63),
    "",
    "null",
    "\0",
    LONG,
    LONG + '\0\x07\u2028"\\\n',
    b"",
    b"\xff\0" * 40,
    [],
    {},
    [None, {}, [b"x", math.nan]],
    {"$ref": "/input"},
    {"$literal": {"$double": "NaN"}, "plain": LONG},
    {"$": 1, "": 2, "a/b~c": [LONG, LONG]},
    "\ud800" * 70,
    {"half": "a\udfff" * 40},
    json.dumps({"$ref": LONG}),
    json.dumps([LONG, 1, 1.0, True]),
    json.dumps([LONG, "ä"]),
    json.dumps([LONG, "ä"], ensure_ascii=False),
    json.dumps([LONG, "ä"], separators=(",", ":")),
    json.dumps([LONG], indent=2),
    f'{{"a": 1, "a": 2, "text": "{LONG}"}}',
    f'[1.10, 1E5, "{LONG}", "\\/"]',
    f'["{LONG}", NaN]',
    json.dumps(LONG),
    json.dumps({"inner": json.dumps([json.dumps([LONG])])}),
    "[" * 900 + f'"{LONG}"' + "]" * 900,
]


@pytest.mark.parametrize("value", AWKWARD, ids=lambda value: repr(value)[:30])
def test_awkward_values_come_back_as_they_were(store: Store, value: Any) -> None:
    otel = make_span(
        {"input.value": value, "gen_ai.completion": [value], "a/b": value, "$ref": value},
        events=[OtelEvent("e", 7, {"x": value})],
        links=[OtelLink("1" * 32, "2" * 16, attributes={"x": value})],
        logs=[OtelLog(body=value, attributes={"x": value}, event_name="gen_ai.choice")],
        resource=Resource({"x": value}),
        scope=Scope("s", "1", {"x": value}),
    )

    assert tell(unpack(store_span(store, otel))) == tell(otel)


def test_a_megabyte_is_stored_once_however_often_it_was_sent(store: Store) -> None:
    text = "".join(random.Random(7).choices('ab\n"ü', k=1_000_000))
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": text}]}])
    otel = make_span({"gen_ai.input.messages": messages, "copy": text, "again": [text]})

    row = store_span(store, otel)

    assert tell(unpack(row)) == tell(otel)
    assert len(row["input"]) > 1_000_000
    assert len(row["attributes"]) + len(row["otel"]) < 500


def test_a_long_text_outside_the_content_is_kept_where_it_came_first(store: Store) -> None:
    otel = make_span({"a/b": LONG, "again": LONG}, events=[OtelEvent("e", 1, {"x": LONG})])

    row = store_span(store, otel)

    assert json.loads(row["attributes"]) == {"a/b": LONG, "again": {"$ref": "/attributes/a~1b"}}
    assert LONG not in row["otel"]
    assert tell(unpack(row)) == tell(otel)


def test_what_otlp_says_beside_the_attributes_comes_back(store: Store) -> None:
    shared: dict[str, Any] = {
        "resource": Resource({"service.name": "s"}, 1, "r"),
        "scope": Scope("s", "1", {}, 2),
    }
    ids: dict[str, Any] = {
        "trace_id": "5b8efff798038103d269b633813fc60c",
        "span_id": "eee19b7ec3c1b001",
    }
    otel = make_span(
        kind=3,
        name="n" * 2000,
        parent_span_id="1" * 16,
        status_code=2,
        status_message=LONG,
        trace_state="a=b",
        flags=257,
        dropped_attributes_count=1,
        dropped_events_count=2,
        dropped_links_count=3,
        events=[OtelEvent("exception", 9, {"exception.stacktrace": LONG * 3}, 4)],
        links=[OtelLink("1" * 32, "2" * 16, "c=d", {"x": 1}, 5, 6)],
        logs=[
            OtelLog(1, 2, 9, "INFO", "e", {"k": 1}, {"x": 1}, 7, 8, **ids, **shared),
            OtelLog(),
        ],
        **shared,
    )

    row = store_span(store, otel)

    assert tell(unpack(row)) == tell(otel)
    assert row["otel"].count("service.name") == 1


def test_a_text_whose_column_was_erased_comes_back_as_none(store: Store) -> None:
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": LONG}]}])
    row = store_span(store, make_span({"gen_ai.input.messages": messages, "copy": LONG, "n": 1}))

    erased = unpack(row | {"input": None})

    assert erased.attributes == {"gen_ai.input.messages": None, "copy": None, "n": 1}


@pytest.mark.parametrize("key", ["gen_ai.input.messages", "input.value", "x", "llm.prompts"])
@pytest.mark.parametrize("item", ["[]", '{"role":"user","parts":[]}'])
def test_a_text_of_too_many_values_stays_a_text(store: Store, key: str, item: str) -> None:
    text = f"[{item}" + f",{item}" * (MAX_MARKS // 2) + "]"
    otel = make_span({key: text})

    row = store_span(store, otel)

    assert json.dumps(text) in (row["attributes"] if key == "x" else row["input"])
    assert tell(unpack(row)) == tell(otel)


@pytest.mark.parametrize("filling", ["a, b [c] " * MAX_MARKS, "x" * MAX_MARKS * 3])
def test_a_long_text_of_few_values_is_read(filling: str) -> None:
    item = {"role": "user", "parts": [{"type": "text", "content": filling[: MAX_MARKS * 3]}]}

    span = map_span(make_span({"gen_ai.input.messages": json.dumps([item])})).span

    assert msgspec.json.decode(span.input) == [item]


SAID = {"input": '[{"role":"system","parts":["' + LONG + '"]},{"b": "' + LONG[::-1] + '"}]'}


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (LONG, {"$ref": "/input/0/parts/0"}),
        (SAID["input"], {"$text": "/input"}),
        (f'["{LONG}"]', {"$text": "/input/0/parts"}),
        ('[{"b": "' + LONG[::-1] + '"}]', {"$text": "/input", "from": 1}),
        (f'[ "{LONG}"]', f'[ "{LONG}"]'),
        ('{"b":"' + LONG[::-1] + '"}', {"$json": {"$ref": "/input/1"}, "style": "compact"}),
        (
            json.dumps({"q": [LONG, 1.0]}),
            {"$json": {"q": [{"$ref": "/input/0/parts/0"}, 1.0]}, "style": "spaced"},
        ),
        (LONG[:63], LONG[:63]),
        (LONG + "?", LONG + "?"),
        (b"x", {"$bytes": base64.b64encode(b"x").decode()}),
    ],
)
def test_a_text_is_replaced_by_where_it_stands(value: Any, short: Any) -> None:
    assert shorten(value, Columns(SAID, {})) == short
    assert restore(short, Columns(SAID, {})) == value


def test_what_has_nothing_to_shorten_is_the_same_object() -> None:
    value = {"a": [1, "b", {"c": None}], "d": "x" * 100}

    assert shorten(value, Columns(SAID, {})) is value


@pytest.mark.parametrize("seed", range(5))
def test_values_put_together_by_chance_come_back(seed: int) -> None:
    chance = random.Random(seed)

    def invent(depth: int = 0) -> Any:
        kind = chance.randrange(6 if depth < 5 else 3)
        if kind < 3:
            return chance.choice(AWKWARD[:-1])
        if kind == 3:
            return [invent(depth + 1) for _ in range(chance.randrange(4))]
        made = {chance.choice(["a", "$ref", "$json", "/", ""]): invent(depth + 1) for _ in "123"}
        try:
            return json.dumps(made) if kind == 4 else made
        except TypeError:
            return made

    for _ in range(200):
        said = {"input": json.dumps(LONG), "output": json.dumps([LONG[::-1], {"a": [1, 1.0]}])}
        value = invent()
        stored = msgspec.json.decode(
            msgspec.json.encode(make_sayable(shorten(value, Columns(said, {}))))
        )

        assert repr(restore(stored, Columns(said, {}))) == repr(value)
