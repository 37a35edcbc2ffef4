"""Made-up customer messages and the triage record that is right for each.

Three readers share this room, so that they agree on the task: the training of the shipped model,
the suite file, and the demo's live traffic. A message is put together from the phrases beside
this file, and everything about it is drawn from the ``random.Random`` that the caller passes in:

    Where is my order A48213? It was due yesterday.
    No rush at all.

    {"kind": "delivery", "urgency": "low", "order": "A48213", "language": "en"}
"""

import json
import random
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

KINDS = (
    "delivery",
    "damage",
    "refund",
    "cancellation",
    "address",
    "invoice",
    "account",
    "product",
)
URGENCIES = ("low", "normal", "high")
LANGUAGES = ("en", "de", "es")
CHANNELS = ("email", "form", "chat")
TONES = ("polite", "plain", "angry", "hasty")
ORDER_PATTERN = "^[A-H][0-9]{5}$"
"""The letter is the warehouse."""

PROMPT = "Message:\n{input}\n\nTriage:\n"
"""What the model sees: the template of the suite, ending where the model must go on."""

Triage = dict[str, str | None]
"""The record: ``kind``, ``urgency``, ``order`` and ``language``, in this order."""


@dataclass(frozen=True, slots=True)
class Message:
    """A customer's message with what is true of it."""

    text: str
    record: Triage
    kind: str
    language: str
    channel: str
    tone: str

    @property
    def tags(self) -> list[str]:
        """Return the tags of the suite's case and of the logged call, such as ``kind:refund``."""
        return [
            f"kind:{self.kind}",
            f"language:{self.language}",
            f"channel:{self.channel}",
            f"tone:{self.tone}",
        ]


@dataclass(frozen=True, slots=True)
class Mix:
    """What traffic is made of: a weight for each kind, language, channel and tone."""

    kinds: Mapping[str, float]
    languages: Mapping[str, float]
    channels: Mapping[str, float]
    tones: Mapping[str, float]


EVERYDAY = Mix(
    kinds={
        "delivery": 21,
        "damage": 15,
        "refund": 5,
        "cancellation": 12,
        "address": 11,
        "invoice": 12,
        "account": 12,
        "product": 12,
    },
    languages={"en": 70, "de": 18, "es": 12},
    channels={"email": 40, "form": 25, "chat": 35},
    tones={"polite": 30, "plain": 35, "angry": 12, "hasty": 23},
)

# What a kind is worth when nothing in the message presses or relaxes.
_USUAL_URGENCY = dict.fromkeys(KINDS, "normal") | {"invoice": "low", "product": "low"}
# How often a customer of that kind gives an order number.
_ORDER_SHARE = dict.fromkeys(KINDS, 0.85) | {"account": 0.2, "product": 0.2, "damage": 0.75}
# How often a sentence that adds colour and decides nothing is there.
_COLOUR_SHARE = {"email": 0.6, "form": 0.45, "chat": 0.2}

# Stand-ins for the order numbers, so that haste cannot touch them before they are written.
_ORDER, _OTHER = "\x00", "\x01"
_SLOT = re.compile(r"\{(\w+)\}")


def make_message(
    rng: random.Random,
    kind: str | None = None,
    *,
    language: str | None = None,
    channel: str | None = None,
    tone: str | None = None,
    mix: Mix = EVERYDAY,
) -> Message:
    """Draw one message; what is not given is drawn by the weights of ``mix``."""
    kind = kind or _draw(rng, mix.kinds)
    language = language or _draw(rng, mix.languages)
    channel = channel or _draw(rng, mix.channels)
    tone = tone or _draw(rng, mix.tones)
    stated_urgency = _draw(rng, {"high": 30, "low": 20, "": 50})
    urgency = stated_urgency or _USUAL_URGENCY[kind]
    order = make_order(rng) if rng.random() < _ORDER_SHARE[kind] else None

    writer = _Writer(rng, language, channel, tone, has_order=order is not None)
    text = writer.write(kind, stated_urgency)
    if order is not None:
        text = text.replace(_ORDER, _spell_order(rng, order, tone))
        text = text.replace(_OTHER, make_order(rng))
    record: Triage = {"kind": kind, "urgency": urgency, "order": order, "language": language}
    return Message(text, record, kind, language, channel, tone)


def expected_json(message: Message) -> str:
    """Return the one line that a perfect model answers."""
    return json.dumps(message.record)


def prompt_for(text: str) -> str:
    """Return the exact text that the model sees for a message."""
    return PROMPT.replace("{input}", text)


class _Writer:
    """Writes one message: chooses the sentences, then the spelling that the tone asks for."""

    def __init__(
        self, rng: random.Random, language: str, channel: str, tone: str, *, has_order: bool
    ) -> None:
        self.rng = rng
        self.channel = channel
        self.tone = tone
        self.has_order = has_order
        self.phrases = _load_phrases(language)
        self.values: dict[str, str] = {}  # a slot means the same thing throughout a message

    def write(self, kind: str, stated_urgency: str) -> str:
        """Return the message with the stand-ins still in it."""
        header = self._header(kind) if self.channel == "form" else ""
        sentences = self._sentences(kind, stated_urgency, is_numbered=_ORDER in header)
        if self.tone == "angry":
            sentences = [self._raise_voice(sentence) for sentence in sentences]
        gap = "\n" if self.channel == "chat" and self._chance(0.3) else " "
        parts = [gap.join(sentences)]
        if self._chance({"email": 0.9, "form": 0.3, "chat": 0.35}[self.channel]):
            parts.insert(0, self._say("greetings", self.tone))
        if self._chance({"email": 0.9, "form": 0.4, "chat": 0.05}[self.channel]):
            parts.append(self._say("closings", self.tone))
        text = ("\n\n" if self.channel == "email" else "\n").join(parts)
        if self.tone == "hasty":
            text = self._hurry(text)
        return header + text

    def _header(self, kind: str) -> str:
        subject = _capitalise(self._say("kinds", kind, "subjects"))
        header = f"{self._say('form', 'subject')}: {subject}\n"
        if self._chance(0.35):
            header += f"{self._say('form', 'order')}: {_ORDER if self.has_order else '-'}\n"
        return header

    def _sentences(self, kind: str, stated_urgency: str, *, is_numbered: bool) -> list[str]:
        matter = self.rng.choice(self.phrases["kinds"][kind]["matters"])
        has_place = "{my_order}" in matter
        names_order = self.has_order and not is_numbered and has_place and self._chance(0.6)
        self.values["my_order"] = self._say("my_order", "numbered" if names_order else "bare")
        colour = _COLOUR_SHARE[self.channel]

        opening = [self._say("asides", self.tone)] if self._chance(colour / 2) else []
        rest = []
        if self._chance(colour):
            rest.append(self._say("kinds", kind, "details"))
        if self._chance(colour):
            rest.append(self._say("requests", self.tone))
        if stated_urgency == "high" and self._chance(0.5):
            rest.append(self._say("kinds", kind, "urgent"))
        elif stated_urgency:
            rest.append(self._say("pressure", stated_urgency))
        if self.has_order and self._chance(0.06):
            rest.append(self._say("orders", "other"))
        if not self.has_order and self._chance(0.15):
            rest.append(self._say("orders", "unknown"))
        if self.has_order and not is_numbered and not names_order:
            number = self._say("orders", "known")
            (opening if self._chance(0.25) else rest).append(number)
        self.rng.shuffle(rest)
        return [_capitalise(each) for each in [*opening, self._fill(matter), *rest]]

    def _raise_voice(self, sentence: str) -> str:
        if self._chance(0.15):
            return sentence.upper()
        if self._chance(0.3):
            return re.sub(r"\.$", self.rng.choice(["!", "!!"]), sentence)
        return sentence

    def _hurry(self, text: str) -> str:
        text = text.lower()
        for full, short in self.phrases["abbreviations"].items():
            if self._chance(0.6):
                text = re.sub(rf"\b{full.lower()}\b", short, text)
        if self._chance(0.6):
            text = re.sub(r"[.,;:¡¿](?!\d)", "", text)
        return re.sub(r"[^\W\d_]{4,}", lambda found: self._mistype(found[0]), text)

    def _mistype(self, word: str) -> str:
        if not self._chance(0.07):
            return word
        at = self.rng.randrange(1, len(word) - 1)
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        dropped = word[:at] + word[at + 1 :]
        doubled = word[:at] + word[at] + word[at:]
        return self.rng.choice([swapped, dropped, doubled])

    def _say(self, *path: str) -> str:
        node: Any = self.phrases
        for key in path:
            node = node[key]
        return self._fill(self.rng.choice(node))

    def _fill(self, phrase: str) -> str:
        text = _SLOT.sub(lambda slot: self._value(slot[1]), phrase)
        return re.sub("#", lambda _: str(self.rng.randrange(10)), text)

    def _value(self, slot: str) -> str:
        if slot in ("order", "other"):
            return _ORDER if slot == "order" else _OTHER
        if slot not in self.values:
            self.values[slot] = self._say("slots", slot)
        return self.values[slot]

    def _chance(self, share: float) -> bool:
        return self.rng.random() < share


def make_order(rng: random.Random) -> str:
    """Draw an order number such as A48213."""
    return rng.choice("ABCDEFGH") + "".join(str(rng.randrange(10)) for _ in range(5))


def _spell_order(rng: random.Random, order: str, tone: str) -> str:
    # The record wants A48213 however the customer spells it.
    letter, digits = order[0], order[1:]
    variants = {
        order: 82,
        f"#{order}": 8,
        f"{letter}-{digits}": 6,
        f"{letter} {digits}": 4,
        order.lower(): 50 if tone == "hasty" else 0,
    }
    return _draw(rng, variants)


def _capitalise(text: str) -> str:
    # A slot such as {my_order} may stand at the start of any sentence.
    return re.sub(r"(?:^|(?<=[.?!] ))[^\W\d_]", lambda found: found[0].upper(), text)


def _draw(rng: random.Random, weights: Mapping[str, float]) -> str:
    return rng.choices(list(weights), weights=list(weights.values()))[0]


@cache
def _load_phrases(language: str) -> Mapping[str, Any]:
    path = Path(__file__).with_name("phrases") / f"{language}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))
