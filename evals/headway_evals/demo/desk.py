"""The product that the demo watches: a support desk that triages its mail with a model.

It is written as a user would write it, with ``@headway.observe`` on each step. Only the model's
answers come from elsewhere: they were produced in batches beforehand, by the shipped models, and
the clock runs through the simulated fortnight.
"""

import hashlib
import json
import re
import time
from dataclasses import dataclass
from typing import Any

import headway
from headway_evals.demo.messages import PROMPT
from headway_evals.demo.traffic import Arrival
from headway_evals.models.requests import Completion


@dataclass(frozen=True, slots=True)
class PromptText:
    """A prompt template under its name; its version follows from its text."""

    name: str
    template: str

    @property
    def version(self) -> str:
        """Return the first twelve hex digits of the template's SHA-256."""
        return hashlib.sha256(self.template.encode()).hexdigest()[:12]


TRIAGE_PROMPT = PromptText("triage", PROMPT)

_WORD = re.compile(r"\w{4,}")


@dataclass(frozen=True, slots=True)
class Article:
    """A page of the desk's handbook."""

    article_id: str
    title: str
    text: str


HANDBOOK = (
    Article("delivery", "Late parcels", "delivery parcel order arrive late tracking courier due"),
    Article("damage", "Broken on arrival", "damaged broken cracked arrived box photo replacement"),
    Article("refund", "Refunds and returns", "refund money back return paid card weeks"),
    Article("cancellation", "Cancelling an order", "cancel order stop before shipping mistake"),
    Article("address", "Changing the address", "address moved street house number change ship"),
    Article("invoice", "Invoices and taxes", "invoice bill receipt company copy accounting"),
    Article("account", "Signing in", "account login password reset email locked sign"),
    Article("product", "About our products", "product size colour stock available question fits"),
)


class SimulatedClock:
    """Nanoseconds of the fortnight: set to an arrival, it then runs on as real time does."""

    def __init__(self) -> None:
        self._base_ns = time.time_ns()
        self._mark_ns = time.perf_counter_ns()

    def __call__(self) -> int:
        """Return the time."""
        return self._base_ns + time.perf_counter_ns() - self._mark_ns

    def move_to(self, time_ns: int) -> None:
        """Continue from ``time_ns``."""
        self._base_ns = time_ns
        self._mark_ns = time.perf_counter_ns()

    def advance(self, duration_ms: float) -> None:
        """Let a duration pass at once."""
        self._base_ns += int(duration_ms * 1e6)


class SupportDesk:
    """Retrieve, ask the model, check its answer."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._model = ""
        self._completion: Completion
        self._triage_span_id = ""

    def receive(self, arrival: Arrival, completion: Completion) -> None:
        """Handle one message at its own time, with the answer that its model gave."""
        self._clock.move_to(arrival.time_ns)
        self._model, self._completion = arrival.model, completion
        with headway.context(
            user=arrival.user_id,
            session=arrival.session_id,
            tags=arrival.message.tags,
            release=arrival.model,
        ):
            self.handle_message(arrival.message.text)

    @headway.observe(kind="chain")
    def handle_message(self, message: str) -> dict[str, Any]:
        """Return the triage record, or send the message to a person."""
        self.search_handbook(message)
        answer = self.triage(message)
        verdict = self.check_format(answer)
        return json.loads(answer) if verdict["is_valid"] else {"queue": "a person reads it"}

    @headway.observe(kind="retriever")
    def search_handbook(self, query: str) -> list[dict[str, Any]]:
        """Return the two pages that share most words with the message."""
        words = set(_WORD.findall(query.lower()))
        hits = [(len(words & set(page.text.split())), page) for page in HANDBOOK]
        best = sorted(hits, key=lambda hit: -hit[0])[:2]
        return [
            {"id": page.article_id, "score": shared, "title": page.title} for shared, page in best
        ]

    @headway.observe(kind="llm", provider="local", prompt=TRIAGE_PROMPT)
    def triage(self, message: str) -> str:
        """Ask the model for the triage record, one line of JSON."""
        completion = self._completion
        span = headway.current_span()
        self._triage_span_id = span.span_id
        span.request_model = self._model
        span.input_tokens = completion.input_tokens
        span.output_tokens = completion.output_tokens
        self._clock.advance(completion.latency_ms or 0.0)
        return completion.text or ""

    @headway.observe(kind="guardrail")
    def check_format(self, answer: str) -> dict[str, Any]:
        """Say whether the answer is the JSON object that the rest of the product needs."""
        try:
            is_valid = set(json.loads(answer)) == {"kind", "urgency", "order", "language"}
        except (ValueError, TypeError):
            is_valid = False
        # The score belongs to the model's call, because that is what it judges.
        headway.score("valid_json", is_valid, span_id=self._triage_span_id)
        return {"is_valid": is_valid}
