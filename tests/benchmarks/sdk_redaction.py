"""What redaction adds to a call with every pattern on, and what hostile text can make of it."""

import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress

import headway
from headway.redaction.choices import PATTERNS
from headway.redaction.texts import TextRedactor
from tests.benchmarks.dummy_server import DummyServer
from tests.benchmarks.prose import piece
from tests.benchmarks.results import table
from tests.benchmarks.sdk_tables import bar

CALLS = 2_000
WARM_CALLS = 200
TEXTS = 200
SIZE = 1024
HOSTILE_SIZE = 1 << 20
HOSTILE_ROUNDS = 3
HOSTILE = (
    "1", "1 ", "1\n", "1a", "4 - ", "4111 ", "4111111111111112 ", "0", "01 ", "(0", "+1", "+1 (",
    "234-567-", "DE89", "DE89 3704 0044 0532 0130 01 ", "a@", "a@b.cc ", "@a.1", '"@a', "1.",
    "1.1.1.1 ", "::1 ", "a:b:", "eyJ", "eyJab.ab.", "sk-", "sk-aaaa ", "xoxa-", "://a:", "Bearer  ",
    "Basic YTpi ", "-----BEGIN PRIVATE KEY-----", "%40", "\\u0034", "\\", "&#", "４", "４a",
    "…[cut 1 of 2 characters]…a",
)  # fmt: skip
"""What each pattern begins with, over and over, and what nearly is what it finds."""


def measure() -> list[str]:
    """Return the tables and the bars, as lines."""
    texts = {"prose": [piece(number, SIZE) for number in range(TEXTS)], "digits": _invoices()}
    with DummyServer() as server:
        plain = {name: _call_us(server.url, given, []) for name, given in texts.items()}
        whole = {name: _call_us(server.url, given, ["all"]) for name, given in texts.items()}
    worst, worst_ms = max(_hostile_ms().items(), key=lambda each: each[1])
    rows = [[name, f"{plain[name]:.0f}", f"{whole[name]:.0f}"] for name in texts]
    return [
        f"{CALLS:,} calls one by one, 1 KB in and 1 KB out, the median; *digits* are lines of "
        f"numbers, amounts and counts. Hostile are {len(HOSTILE)} texts of 1 MB, such as "
        f"`{HOSTILE[5]}` over and over; the worst is of `{worst!r}`, each the best of "
        f"{HOSTILE_ROUNDS} rounds.",
        "",
        *table(["1 KB + 1 KB of", "µs without", "µs with every pattern"], rows),
        "",
        bar("prose, µs", whole["prose"], 150.0),
        bar("digits, µs", whole["digits"], 400.0),
        bar("the worst of 1 MB, ms", worst_ms, 100.0),
    ]


def _call_us(url: str, texts: Sequence[str], redact: Sequence[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        headway.init(project="bench", url=url, journal_dir=folder, redact=redact)

        @headway.observe(kind="llm")
        def answer(question: str) -> str:
            return question[SIZE // 2 :] + question[: SIZE // 2]

        spent_us = []
        for number in range(WARM_CALLS + CALLS):
            text = texts[number % len(texts)]
            begun_ns = time.perf_counter_ns()
            answer(text)
            spent_us.append((time.perf_counter_ns() - begun_ns) / 1e3)
        headway.shutdown()
    return statistics.median(spent_us[WARM_CALLS:])


def _hostile_ms() -> dict[str, float]:
    redactor = TextRedactor(PATTERNS)
    best = {}
    for unit in HOSTILE:
        # As bytes, which is what a capture is limited by.
        text = unit * (HOSTILE_SIZE // len(unit.encode()))
        spent_s = []
        for _ in range(HOSTILE_ROUNDS):
            begun_s = time.perf_counter()
            with suppress(ValueError):  # more disguises than are looked through
                redactor.redact(text)
            spent_s.append(time.perf_counter() - begun_s)
        best[unit] = min(spent_s) * 1e3
    return best


def _invoices() -> list[str]:
    rng = random.Random(1)
    lines = (
        f"{rng.randrange(10**4):04d} {rng.randrange(10**6)}.{rng.randrange(100):02d} "
        f"{rng.randrange(10**8)} qty {rng.randrange(100)}\n"
        for _ in range(TEXTS)
    )
    text = "".join(lines)
    return [text[start : start + SIZE] for start in range(TEXTS)]
