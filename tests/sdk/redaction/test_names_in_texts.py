"""Values go by their names in texts within texts, and in JSON that a strict reader refuses."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

import headway
from headway.redaction.choices import Choices
from headway.redaction.values import ValueRedactor
from headway.testing import capture

SECRET = "Qx7secret"
SECRETS = [SECRET, 'Qx7"x', "Qx7\\", 'Qx7\\"Qx7', "Qx7\nx", "Qx7'}", 'Qx7",{"x":"Qx7', "Qx7é\u200b"]
GIVEN = {"a": 1, "password": SECRET, "z": [1]}
PLAIN = json.dumps(GIVEN)
VALUES = ValueRedactor(Choices(names=("password", "*_token")))


def kept(text: Any) -> Any:
    return VALUES.value("input", text)


def nested(value: Any, depth: int) -> str:
    for _ in range(depth):
        value = json.dumps({"result": json.dumps(value), "b": 1})
    return str(value)


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
def test_json_within_json_loses_them_and_stays_what_it_is(depth: int) -> None:
    within = json.loads(kept(nested(PLAIN, depth)))
    for _ in range(depth - 1):
        assert within["b"] == 1
        within = json.loads(json.loads(within["result"]))
    assert json.loads(json.loads(within["result"])) == GIVEN | {"password": "[dropped]"}


def test_the_texts_of_a_tool_lose_them() -> None:
    answer = {"content": [{"type": "text", "text": nested(GIVEN, 1)}]}

    assert SECRET not in str(kept(answer))


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("depth", range(5))
@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "\ufeff" + text,
        lambda text: text + "\n" + text,
        lambda text: f"Here it is:\n```json\n{text}\n```\nand more",
        lambda text: text[:-3],
        lambda text: text.replace('"a": 1', '"a": NaN'),
        lambda text: text.replace('\\"', "\\u0022") + " x",
        repr,
        lambda text: str({"text": text}),
        lambda text: text[: text.rindex("Qx7") + 5],
    ],
    ids=["bom", "lines", "fence", "cut", "nan", "u0022", "repr", "python", "half"],
)
def test_what_no_strict_reader_takes_loses_them_all_the_same(
    spoil: Callable[[str], str], depth: int, secret: str
) -> None:
    text = json.dumps(GIVEN | {"password": secret})

    assert "Qx7" not in kept(spoil(nested(json.loads(text), depth) if depth else text))


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('{"loss": NaN, "password": "x"}', '{"loss": NaN, "password": "[dropped]"}'),
        ('{"n": -Infinity, "password": 5, "b": 1}', None),
        ('{"password": {"a": "}", "b": [1, "]"]}, "c": NaN}', None),
        ('{"password": ["x", {}] , "c": NaN}', None),
        ('{"t": "\\ud83d", "password": "x"}', None),
        ('{"pass\\u0077ord": "x", "c": NaN}', None),
        ('{"password": hunter2}', '{"password": "[dropped]"}'),
        ('{"password": "hunter2', '{"password": "[dropped]"'),
        ('{"password": {"a": "x", "b"', '{"password": "[dropped]"'),
        ('{"password": open("x").read()}', '{"password": "[dropped]"'),
        ('{"password": "hun"ter2"}', '{"password": "[dropped]"}'),
        ("{'password': 'x', 'k': None}", "{'password': '[dropped]', 'k': None}"),
        ("{b'password': b'x', 'k': 1}", "{b'password': '[dropped]', 'k': 1}"),
        ('{"a": {"password": "x"}, "a": 1}', '{"a": {"password": "[dropped]"}, "a": 1}'),
        ('{"PassWord"' + " " * 99 + ":\n" + " " * 99 + '"hunter2"}', None),
        ('{"n": ' + "9" * 5000 + ', "password": "hunter2"}', None),
        ('{"API_Token" : "x", z}', '{"API_Token" : "[dropped]", z}'),
    ],
)
def test_the_value_goes_and_what_is_around_it_stays(text: str, after: str | None) -> None:
    said = kept(text)

    assert '"[dropped]"' in said or "'[dropped]'" in said
    assert '"x"' not in said
    assert "hunter2" not in said
    assert after is None or said == after
    assert ('"c": NaN}' in said) == ('"c": NaN}' in text)


@pytest.mark.parametrize(
    "text",
    [
        '{"user": "ada", "passwords": "x", "t": NaN}',
        'She said "the password": it was long gone.',
        '{"text": "a password: x", "c": {"d": [1, null]}}',
        "don't: it's 'quoted': 5",
    ],
)
def test_other_names_keep_their_values(text: str) -> None:
    assert kept(text) is text


@pytest.mark.parametrize(
    "key", ["ｐａｓｓword", "pass\u200bword", "PASS\u00adWORD ", "pass\u0000word", "pass\\u0077ord"]
)
def test_a_name_in_any_spelling_is_the_same_name(key: str) -> None:
    assert kept({key: SECRET, "b": 1}) == {key: "[dropped]", "b": 1}
    assert SECRET not in kept(json.dumps({key: SECRET}))
    assert SECRET not in kept(json.dumps({key: SECRET, "b": float("nan")}, ensure_ascii=False))


def test_what_stands_under_a_key_of_bytes_goes_since_its_name_is_not_known() -> None:
    with capture() as captured:
        headway.init(redact_names=["password"])
        with headway.span("asked", input={b"password": SECRET, "kept": "x"}):
            pass

    (value, other) = captured.calls[0].input.values()
    assert (value, other) == ("[dropped]", "x")


@pytest.mark.parametrize(
    "unit",
    [
        *(
            '"password":{"a":"',
            '"password":[',
            '"password":"',
            '"password":"x\\\\"y',
            '"password": ',
        ),
        *('{"a":"', '"', "'", '\\"', "\\", '"a" ', '"\\n', '"password":\\n', '\\"password\\":\\"x'),
    ],
)
def test_four_times_the_text_takes_no_more_than_about_four_times_the_time(unit: str) -> None:
    whole = unit * (1 + 60_000 // len(unit))
    short_s = min(seconds(whole[: len(whole) // 4]) for _ in range(3))
    long_s = min(seconds(whole) for _ in range(2))

    # A quadratic pattern would take sixteen times.
    assert long_s < 0.02 + 9 * short_s


def seconds(text: str) -> float:
    begun_s = time.thread_time()
    kept("{" + text)
    return time.thread_time() - begun_s


@pytest.mark.parametrize("is_by_id", [False, True])
@pytest.mark.parametrize("way", ["by name", "function", "function's span"])
def test_a_score_given_in_a_silent_span_is_as_silent(way: str, is_by_id: bool) -> None:
    def rate() -> None:
        span_id = headway.current_span().span_id if is_by_id else None
        headway.score("note", "secret 5", comment="secret", is_text=True, span_id=span_id)
        headway.score("helpful", 4)

    @headway.observe(capture_content=False)
    def asked() -> None:
        if way == "function's span":
            headway.current_span().output = "secret"
        rate()

    with capture() as captured:
        headway.init(silent_spans=["payroll*"])
        if way == "by name":
            with headway.span("payroll.run"):
                rate()
        else:
            asked()

    note, helpful = captured.scores
    assert (note.value, note.comment) == ("[not kept: 10 bytes]", "[not kept: 8 bytes]")
    assert helpful.value == 4


def test_a_score_given_elsewhere_keeps_its_text() -> None:
    with capture() as captured:
        headway.init(silent_spans=["payroll"])
        with headway.span("payroll"), headway.span("other"):
            headway.score("note", "fine", comment="why", is_text=True)

    assert (captured.scores[0].value, captured.scores[0].comment) == ("fine", "why")
