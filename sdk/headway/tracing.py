"""Spans as the program sees them: opened, written on while they run, recorded when they end.

    with headway.span("search", kind="retriever", input=question) as span:
        span.output = index.search(question)

What is set is checked and encoded at once. Nothing here raises into the program: a value that
cannot be used is counted as a fault and left out, and a span that nobody records (Headway is
disabled, or there is none around) takes everything and keeps nothing.
"""

import functools
from collections.abc import Callable
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from headway.calls import Call, Place, begin, place, template_of
from headway.contexts import CURRENT, NO_LABELS, Ancestor, restore
from headway.entries import begin_entry, keep_for_others, take_entry
from headway.failures import describe
from headway.fields import (
    CapturedField,
    CutError,
    Field,
    as_amount,
    as_count,
    as_flag,
    as_instant,
    as_kind,
    as_name,
    as_status,
    as_text,
    as_word,
    as_words,
    checked,
)
from headway.lasting import encode_lasting
from headway.lifecycle import current_client
from headway.limits import Limits
from headway.otel_parents import OTEL, active_id, modules
from headway.prompts import prompt_fields
from headway.records import EMPTY, Kind, Span
from headway.scoring import ScoreValue, score
from headway.values import capture

if TYPE_CHECKING:
    from headway.clients import Client
    from headway.sampling import Verdict


class ActiveSpan:
    """A span that runs. Use it as a context manager; set what becomes known on it.

    ``input``, ``output``, ``params`` and ``prompt_variables`` take any object. ``attributes`` and
    ``scores`` are dicts that are read when the span ends.

    What ``span`` made may be entered again, also while it is open: each entry is a span of its own,
    with what ``span`` was given but for ``input`` and ``output``, and ``with S as span`` gives it.
    What is set on ``S`` itself goes to its first entry until that ends, then to the latest.
    """

    end_ns: int | None = None
    """Set for calls of the past."""
    attributes: dict[str, Any]
    scores: dict[str, ScoreValue]
    otel_id = 0
    verdict: "Verdict | None" = None
    """What holds for its trace, where traces are sampled."""
    has_handed_prompt_down = False
    """Whether its prompt is that of a call of a model inside."""
    _shift_ns = 0
    _token: Token[Ancestor | None] | None = None
    # Of other entries: what they are made of, of which span this is one, which are open.
    _recipe: tuple[Any, ...] | None = None
    _made_at: Place = None, NO_LABELS
    _origin: "ActiveSpan | None" = None
    _entries: "list[ActiveSpan] | None" = None

    name = Field(as_name)
    kind = Field(as_kind)
    status = Field(as_status)
    status_message = Field(as_text)
    input = CapturedField()
    output = CapturedField()
    provider = Field(as_word)
    request_model = Field(as_word)
    response_model = Field(as_word)
    response_id = Field(as_word)
    finish_reasons = Field(as_words)
    params = CapturedField()
    input_tokens = Field(as_count)
    output_tokens = Field(as_count)
    cache_read_tokens = Field(as_count)
    cache_write_tokens = Field(as_count)
    reasoning_tokens = Field(as_count)
    audio_input_tokens = Field(as_count)
    audio_output_tokens = Field(as_count)
    cost_usd = Field(as_amount)
    ttft_ms = Field(as_amount)
    chunk_count = Field(as_count)
    chunk_p50_ms = Field(as_amount)
    chunk_p95_ms = Field(as_amount)
    is_abandoned = Field(as_flag)
    user_id = Field(as_word)
    session_id = Field(as_word)
    tags = Field(as_words)
    environment = Field(as_word)
    release = Field(as_word)
    prompt_name = Field(as_word)
    prompt_version = Field(as_word)
    prompt_variables = CapturedField()

    def __init__(
        self, client: "Client", record: Span, *, shift_ns: int = 0, is_recorded: bool = True
    ) -> None:
        self._client, self._shift_ns = client, shift_ns
        self._is_open = is_recorded and client.is_recording
        self.trace_id, self.span_id = record.trace_id, record.span_id
        self.record = record

    def __getattr__(self, name: str) -> Any:
        # Most spans need neither of the two.
        if name not in ("attributes", "scores"):
            raise AttributeError(f"a span has no {name!r}")
        self.__dict__[name] = {}
        return self.__dict__[name]

    def __enter__(self) -> "ActiveSpan":
        if self._recipe is not None:
            # Of two threads one is the first.
            if self.__dict__.setdefault("_entry", mine := object()) is not mine:
                return self._enter_again()
            if self._is_open:
                begin_entry(self, current_client())
        previous = CURRENT.get()
        if OTEL in modules:
            self.otel_id = active_id()
        try:
            self._token = CURRENT.set(self)
        except BaseException:
            # A signal handler's: nobody will leave a block that was not entered.
            CURRENT.set(previous)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        left = self if self._entries is None else take_entry(self, self._entries)
        if left._token is not None:
            restore(CURRENT, left._token)
            left._token = None
        left.close(error)

    @property
    def limits(self) -> Limits:
        """How much of a value is kept."""
        return self._client.limits

    @property
    def has_output(self) -> bool:
        """Whether an output was set."""
        return self.record.output is not EMPTY

    @property
    def now_ns(self) -> int:
        """The time on this span's clock, which a backfill sets back."""
        return self._client.clock_ns() + self._shift_ns

    def close(self, error: BaseException | None = None) -> None:
        """Record the span, once.

        Args:
            error: what ended it, where it did not end well.
        """
        if not self._is_open:
            return
        self._is_open = False
        record = self.record
        try:
            if not self.__dict__.keys() <= _OWN:
                for field in self.__dict__.keys() - _OWN:
                    self._miss(field)
            end_ns = checked(self._client.guard, "end_ns", as_instant, self.end_ns) or self.now_ns
            if end_ns > record.start_ns:
                record.end_ns = end_ns
            if error is not None:
                describe(error, record)
            elif record.status == "unset":
                record.status = "ok"
            if "attributes" in self.__dict__:
                self.assign("attributes", lambda given: self.capture(dict(given)), self.attributes)
        except Exception as failure:
            self._client.guard.catch("closing", failure, of=f"the span {record.name}")
        if self.verdict is not None and not self.verdict.admits(record):
            record.input = record.output = EMPTY
            return
        if self.has_handed_prompt_down:
            record.prompt_name = record.prompt_version = None
            record.prompt_variables = EMPTY
        self._client.record(record)
        if "scores" in self.__dict__:
            for name, value in (
                checked(self._client.guard, "scores", dict, self.scores) or {}
            ).items():
                score(name, value, span_id=self.span_id, trace_id=self.trace_id)
        # A task that was started inside may keep this span alive for days.
        record.input = record.output = EMPTY

    def decide_sampling(self) -> None:
        """Settle whether its trace is recorded, where traces are sampled; its name is known now."""
        if self._client.sampler is not None:
            self.verdict = self._client.sampler.verdict_on(self.record)

    def take_over_prompt(self) -> None:
        """Have the prompt of the span around it, and leave that without, unless it is an llm too.

        So a prompt that is formatted in a function stands at the call of the model, once.
        """
        current = CURRENT.get()
        parent = span_of(current, self._client) if isinstance(current, Call) else current
        if isinstance(parent, ActiveSpan) and parent.record.kind != "llm":
            given, record = parent.record, self.record
            if given.prompt_name is not None and record.prompt_name is None:
                for field in _PROMPT_FIELDS:
                    setattr(record, field, getattr(given, field))
                # Not before it ends: it may ask the model again.
                parent.has_handed_prompt_down = True

    def set_all(self, fields: dict[str, Any]) -> None:
        """Set several fields by name."""
        for field, value in fields.items():
            if value is None:
                continue
            if field in _SETTABLE:
                setattr(self, field, value)
            else:
                self._miss(field)

    def assign(self, field: str, convert: Callable[[Any], object], value: object) -> None:
        """Set a field of the record, or count a fault."""
        try:
            value = convert(value)
        except Exception as error:
            self._client.guard.catch(f"setting {field}", error, of=f"the span {self.record.name}")
            if not isinstance(error, CutError):
                return
            value = error.kept
        setattr(self.record, field, value)

    def capture(self, value: object) -> msgspec.Raw:
        """Encode any object, within the client's limits."""
        return capture(value, self.limits)

    def _enter_again(self) -> "ActiveSpan":
        name, kind, model, prompt, fields = self._recipe or ()
        again = span(name, kind=kind, model=model, prompt=prompt, **fields)
        again._origin = self
        self.__dict__.setdefault("_entries", []).append(again)
        if not self._is_open:
            self.record = again.record
            self.attributes, self.scores = again.attributes, again.scores
        return again.__enter__()

    def _miss(self, field: str) -> None:
        self._client.guard.fault("span", f"a span has no field {field!r}, it was left out")


# One for all spans of a place, since ``begin`` only copies it.
_template = functools.lru_cache(template_of)

# A __setattr__ would cost every span; what is misspelled is found when the span ends.
_OWN = frozenset(
    {"_client", "_is_open", "_shift_ns", "_token", "trace_id", "span_id", "record", "end_ns"}
    | {"otel_id", "attributes", "scores", "verdict", "has_handed_prompt_down"}
    | {"_recipe", "_made_at", "_origin", "_entries", "_entry"}
)
_PROMPT_FIELDS = ("prompt_name", "prompt_version", "prompt_variables")
_SETTABLE = {"attributes", "scores"} | {
    name for name, each in vars(ActiveSpan).items() if isinstance(each, (Field, CapturedField))
}


def span(
    name: str,
    *,
    kind: Kind = "span",
    model: str | None = None,
    prompt: object = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    **fields: Any,
) -> ActiveSpan:
    """Open a span under the current one; use it in a ``with`` statement.

    Args:
        name: what happens in it, for example ``search``.
        kind: what sort of step it is.
        model: the model that is asked.
        prompt: a ``Prompt``, its name, or an object with a ``name`` and a ``version``.
        start_ns: when it began, for calls of the past.
        end_ns: when it ended, for calls of the past.
        fields: anything else that can be set on a span, for example ``input``.
    """
    client = current_client()
    begun_ns = checked(client.guard, "start_ns", as_instant, start_ns)
    now_ns = client.clock_ns()
    record = begin(client, _template_of(client), now_ns if begun_ns is None else begun_ns)
    opened = ActiveSpan(client, record, shift_ns=record.start_ns - now_ns)
    opened.end_ns = checked(client.guard, "end_ns", as_instant, end_ns)
    known = {"name": name, "kind": kind, "request_model": model}
    opened.set_all({**known, **prompt_fields(client, prompt), **fields})
    opened.decide_sampling()
    opened._recipe = name, kind, model, prompt, keep_for_others(fields)
    opened._made_at = place()
    return opened


def current_span() -> ActiveSpan:
    """Return the innermost span that is open here; outside of any, one that nobody records."""
    current, client = CURRENT.get(), current_client()
    if isinstance(current, ActiveSpan):
        return current
    if isinstance(current, Call):
        return span_of(current, client)
    record = begin(client, _template_of(client), client.clock_ns())
    return ActiveSpan(client, record, is_recorded=False)


def span_of(call: Call, client: "Client") -> ActiveSpan:
    """Return the span of a call, the same one each time; what waits in its record is encoded."""
    if call.span is None:
        encode_lasting(call.record, client.limits)
        call.span = ActiveSpan(client, call.record)
        if call.otel_id:
            call.span.otel_id = call.otel_id
        if call.verdict is not None:
            call.span.verdict = call.verdict
    span: ActiveSpan = call.span
    return span


def _template_of(client: "Client") -> Span:
    settings = client.settings
    return _template(settings.environment, settings.release)
