"""The made-up messages: right records, real variety, and phrases that fit together."""

import json
import random
import re
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from headway_evals.demo import messages
from headway_evals.demo.messages import (
    CHANNELS,
    EVERYDAY,
    KINDS,
    LANGUAGES,
    ORDER_PATTERN,
    PROMPT,
    TONES,
    URGENCIES,
    expected_json,
    make_message,
    prompt_for,
)

FOLDER = Path(messages.__file__).parent


def draw(count: int, seed: int = 5, **wishes: Any) -> list[messages.Message]:
    rng = random.Random(seed)
    return [make_message(rng, **wishes) for _ in range(count)]


def test_the_same_seed_writes_the_same_messages() -> None:
    assert draw(50) == draw(50)
    assert draw(50) != draw(50, seed=6)


def test_messages_hardly_ever_repeat() -> None:
    texts = {message.text for message in draw(3000)}

    assert len(texts) > 2950


def test_a_message_is_finished_text() -> None:
    for message in draw(2000):
        assert not re.search(r"[{}\x00\x01]|#(?![A-Za-z])", message.text)
        assert message.text.strip() == message.text


def test_an_order_in_the_record_stands_in_the_message_in_some_spelling() -> None:
    with_order = [each for each in draw(1000) if each.record["order"] is not None]

    assert len(with_order) > 500
    for message in with_order:
        order = str(message.record["order"])
        assert re.fullmatch(ORDER_PATTERN, order)
        assert re.search(rf"{order[0]}[- ]?{order[1:]}", message.text, re.IGNORECASE)


def test_a_message_without_an_order_in_the_record_names_none() -> None:
    without = [each for each in draw(2000) if each.record["order"] is None]

    assert len(without) > 400
    assert not any(re.search(r"(?<![\w-])[A-Z]\d{5}(?!\d)", each.text) for each in without)


def test_urgency_follows_from_what_is_said() -> None:
    said = Counter(str(each.record["urgency"]) for each in draw(2000, kind="delivery"))
    calm = draw(500, kind="delivery", language="en", tone="plain")

    assert set(said) == set(URGENCIES)
    assert all(each.record["urgency"] == "low" for each in calm if "no hurry" in each.text)
    assert all(each.record["urgency"] == "high" for each in calm if "really urgent" in each.text)


@pytest.mark.parametrize(
    ("wish", "values"),
    [("kind", KINDS), ("language", LANGUAGES), ("channel", CHANNELS), ("tone", TONES)],
)
def test_what_is_asked_for_is_drawn_and_tagged(wish: str, values: tuple[str, ...]) -> None:
    for value in values:
        wishes: dict[str, Any] = {wish: value}

        assert f"{wish}:{value}" in draw(1, **wishes)[0].tags


def test_a_mix_shifts_the_traffic() -> None:
    only_stuck_parcels = replace(EVERYDAY, kinds={"delivery": 3, "refund": 1})

    kinds = Counter(message.kind for message in draw(400, mix=only_stuck_parcels))

    assert set(kinds) == {"delivery", "refund"}
    assert 240 < kinds["delivery"] < 360


def test_the_answer_is_one_line_of_the_record() -> None:
    message = draw(1)[0]

    assert "\n" not in expected_json(message)
    assert json.loads(expected_json(message)) == message.record
    assert list(message.record) == ["kind", "urgency", "order", "language"]


def test_a_message_with_braces_does_not_disturb_the_prompt() -> None:
    assert prompt_for("where is {order}?") == "Message:\nwhere is {order}?\n\nTriage:\n"


def test_the_suite_asks_as_the_model_was_trained() -> None:
    suite = yaml.safe_load((FOLDER / "suites" / "triage.yaml").read_text())
    fields = suite["scorers"][0]["json_schema"]["schema"]["properties"]

    assert suite["prompt"] == PROMPT
    assert fields["kind"]["enum"] == list(KINDS)
    assert fields["urgency"]["enum"] == list(URGENCIES)
    assert fields["language"]["enum"] == list(LANGUAGES)
    assert fields["order"]["anyOf"][1]["pattern"] == ORDER_PATTERN


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_phrase_and_every_slot_is_known(language: str) -> None:
    phrases = tomllib.loads((FOLDER / "phrases" / f"{language}.toml").read_text(encoding="utf-8"))

    assert set(phrases["kinds"]) == set(KINDS)
    for table in ("greetings", "closings", "asides", "requests"):
        assert set(phrases[table]) == set(TONES)
    for kind in phrases["kinds"].values():
        assert set(kind) == {"subjects", "matters", "details", "urgent"}
    used = set(re.findall(r"\{(\w+)\}", json.dumps(phrases)))
    assert used == {*phrases["slots"], "order", "other", "my_order"}
