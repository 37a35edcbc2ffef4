"""``log:`` models: answers that are already logged, read from a collector.

    log:request_model=gpt-4-0613                        every logged call of that model
    log:name=triage,start=-7d,input_field=message       the last week's calls of one function

The keys are the span filters of ``GET /v1/spans``. A case is answered by the latest call whose
input is the case's input, or the prompt made of it. Functions under ``@observe`` log their
arguments as a mapping: ``input_field`` says which of them is compared; a mapping of one field
needs no saying.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from headway.errors import ApiError
from headway_evals.errors import ModelError
from headway_evals.models.requests import Completion, OnProgress, Request

FILTERS = (
    "project",
    "kind",
    "name",
    "status",
    "status_message",
    "error_type",
    "error_stack",
    "finish_reason",
    "request_model",
    "response_model",
    "response_id",
    "provider",
    "user_id",
    "session_id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "prompt_name",
    "prompt_version",
    "environment",
    "release",
    "price_version",
    "tag",
    "start",
    "end",
    "min_duration_ms",
    "is_root",
    "q",
    "match",
    "where",
    "attribute",
)
"""Those of the collector, which refuses others too, but only once the baseline has been run."""

INPUT_FIELD = "input_field"

Query = Mapping[str, str | list[str]]
Fetch = Callable[[Query], Iterable[Mapping[str, Any]]]
"""Return the spans of a query as ``GET /v1/spans`` gives them, in its order."""


class Log:
    """Logged answers as a model.

    Args:
        filters: ``key=value`` pairs with commas between; a key may repeat: any of its values.
        fetch: reads the spans.
        project: the project to read, unless the filters name one.

    Raises:
        ModelError: a key is not a span filter.
    """

    def __init__(self, filters: str, *, fetch: Fetch, project: str | None = None) -> None:
        self._name = f"log:{filters}"
        self._fetch = fetch
        query = _parse(filters)
        self._input_field = query.pop(INPUT_FIELD, [None])[-1]
        if project is not None:
            query.setdefault("project", [project])
        self._query: Query = {**query, "content": "full", "order": "desc"}

    @property
    def name(self) -> str:
        """Return the spec, which says best what it is."""
        return self._name

    @property
    def digest(self) -> str:
        """Return a digest of which calls were read."""
        ids = sorted(str(span["span_id"]) for span in self._spans.values())
        return hashlib.sha256("\n".join([self._name, *ids]).encode()).hexdigest()

    @property
    def settings(self) -> dict[str, Any]:
        """Return what was asked of the collector."""
        return {"query": dict(self._query), INPUT_FIELD: self._input_field}

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        """Look each request up; one without a logged answer is marked missing.

        Raises:
            ModelError: the collector cannot be read, or holds no such calls at all.
        """
        if not self._spans:
            raise ModelError(f"{self._name} matches no logged call: see what there is under Traces")
        completions = [self._find(request) for request in requests]
        for index, completion in enumerate(completions):
            on_progress(index, completion)
        return completions

    @cached_property
    def _spans(self) -> dict[str, Mapping[str, Any]]:
        """The latest span of each input."""
        spans: dict[str, Mapping[str, Any]] = {}
        try:
            for span in self._fetch(self._query):
                spans.setdefault(self._key(span["input"]), span)
        except ApiError as error:
            raise ModelError(f"{self._name}: {error}") from error
        return spans

    def _key(self, value: Any) -> str:
        if isinstance(value, Mapping):
            if self._input_field is not None:
                value = value.get(self._input_field)
            elif len(value) == 1:
                (value,) = value.values()
        return _canonical(value)

    def _find(self, request: Request) -> Completion:
        span = self._spans.get(self._key(request.input))
        if span is None:
            span = self._spans.get(_canonical(_logged(request)))
        if span is None:
            return Completion(None, error="no logged call has this input", is_missing=True)
        output = span["output"]
        return Completion(
            text=output if isinstance(output, str | None) else _canonical(output),
            error=_error(span) if output is None else None,
            input_tokens=span.get("input_tokens"),
            output_tokens=span.get("output_tokens"),
            latency_ms=span.get("duration_ms"),
            span_id=span["span_id"],
            trace_id=span["trace_id"],
        )


def _parse(filters: str) -> dict[str, list[str]]:
    """Return the pairs; a comma inside a value stays, where no ``key=`` follows it."""
    query: dict[str, list[str]] = {}
    for pair in re.split(r",(?=\w+=)", filters):
        key, equals, value = pair.partition("=")
        if not equals or not value:
            raise ModelError(f"log:{filters} has {pair!r}: write log:key=value,key=value")
        if key not in (*FILTERS, INPUT_FIELD):
            known = ", ".join((*FILTERS, INPUT_FIELD))
            raise ModelError(f"log:{filters} has the unknown key {key!r}; known: {known}")
        query.setdefault(key, []).append(value)
    return query


def _logged(request: Request) -> Any:
    """Return the prompt as an instrumented client logs it: text, or a list of messages."""
    if isinstance(request.prompt, str):
        return request.prompt
    return [{"role": each.role, "content": each.content} for each in request.prompt]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _error(span: Mapping[str, Any]) -> str:
    reason = span.get("status_message") or span.get("error_type") or "it has no output"
    return f"the logged call failed: {reason}"
