"""LangChain's runs as spans: chains, tools, retrievers, agents, models, each under its parent.

LangChain tells of its runs by callbacks, with the id of each run and of the one around it. A span
that the program opens between two runs stands between them here too. A model's call covers that
of the client library beneath it, until the first piece of its answer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from langchain_core.callbacks.base import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.outputs import LLMResult

from headway.chunks import Chunks
from headway.contexts import CURRENT, Ancestor
from headway.instruments.langchain_messages import (
    document_of,
    message_of,
    plain_value,
    read_result,
)
from headway.instruments.langchain_requests import (
    Told,
    is_agent,
    label,
    name_of,
    read_request,
)
from headway.instruments.messages import text_part
from headway.instruments.model_calls import (
    COVERING,
    ModelCall,
    Operation,
    attempt,
    open_call,
)
from headway.lifecycle import current_client
from headway.records import Kind
from headway.tracing import ActiveSpan, span


class _Run:
    """A run that goes on."""

    def __init__(self, opened: ActiveSpan, around: Ancestor | None, parent: "_Run | None") -> None:
        self.span = opened
        self.around = around
        self.parent = parent
        self.call: ModelCall | None = None
        self.chunks: Chunks | None = None

    def close(self, error: BaseException | None) -> None:
        if self.chunks is not None:
            self.chunks.finish(error)
        elif self.call is not None and error is not None:
            self.call.fail(error)
        else:
            self.span.close(error)


class RunHandler(BaseCallbackHandler):
    """Records runs; to be passed to LangChain, or added to all runs by ``headway.instrument``."""

    run_inline = True
    """In the middle of the run, so that what runs here is known, and not in a thread of a pool."""

    def __init__(self) -> None:
        self._runs: dict[UUID, _Run] = {}

    @property
    def raise_error(self) -> bool:  # type: ignore[override]  # LangChain only reads it
        """Whether what is raised here goes on to the program, which is for tests only."""
        return current_client().guard.is_raising

    def span_of(self, run_id: UUID | None) -> ActiveSpan | None:
        """Return the span of a run that goes on."""
        run = self._runs.get(run_id) if run_id is not None else None
        return run.span if run is not None else None

    def on_chain_start(self, serialized: Any, inputs: Any, **told: Any) -> None:
        """Open the span of a chain."""
        given = Told(serialized, told)
        kind: Kind = "agent" if is_agent(given) else "chain"
        self._open_step(given, kind, lambda: plain_value(inputs))

    def on_chain_end(self, outputs: Any, **told: Any) -> None:
        """Record the span of a chain."""
        self._close(told, lambda: {**_late_input(told), "output": plain_value(outputs)})

    def on_chain_error(self, error: BaseException, **told: Any) -> None:
        """Record the span of a chain that failed."""
        self._close(told, lambda: _late_input(told), error)

    def on_agent_action(self, action: Any, **told: Any) -> None:
        """Know that a chain is an agent."""
        self._mark_agent(told)

    def on_agent_finish(self, finish: Any, **told: Any) -> None:
        """Know that a chain is an agent."""
        self._mark_agent(told)

    def on_tool_start(self, serialized: Any, input_str: str, **told: Any) -> None:
        """Open the span of a tool."""
        given, inputs = Told(serialized, told), told.get("inputs")
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name_of(given),
            "gen_ai.tool.description": given.serialized.get("description"),
            "gen_ai.tool.call.id": told.get("tool_call_id"),
        }
        self._open_step(
            given, "tool", lambda: input_str if inputs is None else plain_value(inputs), attributes
        )

    def on_tool_end(self, output: Any, **told: Any) -> None:
        """Record the span of a tool; one that an agent goes on after may have failed."""

        def fields() -> dict[str, Any]:
            if not isinstance(output, ToolMessage):
                return {"output": plain_value(output)}
            if output.status != "error":
                return {"output": output.content}
            return {"output": output.content, "status": "error", "status_message": output.text}

        self._close(told, fields)

    def on_tool_error(self, error: BaseException, **told: Any) -> None:
        """Record the span of a tool that failed."""
        self._close(told, error=error)

    def on_retriever_start(self, serialized: Any, query: str, **told: Any) -> None:
        """Open the span of a retriever."""
        attributes = {"gen_ai.operation.name": "retrieval"}
        self._open_step(Told(serialized, told), "retriever", lambda: query, attributes)

    def on_retriever_end(self, documents: Sequence[Document], **told: Any) -> None:
        """Record the span of a retriever."""
        self._close(told, lambda: {"output": [document_of(each) for each in documents]})

    def on_retriever_error(self, error: BaseException, **told: Any) -> None:
        """Record the span of a retriever that failed."""
        self._close(told, error=error)

    def on_chat_model_start(
        self, serialized: Any, messages: list[list[BaseMessage]], **told: Any
    ) -> None:
        """Open the span of a chat model's call."""
        given = Told(serialized, told)
        self._open_call(given, "chat", lambda: [message_of(each) for each in messages[0]])

    def on_llm_start(self, serialized: Any, prompts: list[str], **told: Any) -> None:
        """Open the span of a model's call that completes a text."""
        given = Told(serialized, told)
        asked = [{"role": "user", "parts": [text_part(prompt)]} for prompt in prompts[:1]]
        self._open_call(given, "text_completion", lambda: asked)

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **told: Any) -> None:
        """Note when a piece of an answer came."""
        message = getattr(chunk, "message", None)
        calls = getattr(message, "tool_call_chunks", None)
        more = getattr(message, "additional_kwargs", {})
        self._note(told, is_heard=bool(token or calls or more.get("reasoning_content")))

    def on_stream_event(self, event: Any, **told: Any) -> None:
        """Note when a piece of an answer came."""
        is_piece = isinstance(event, Mapping) and event.get("event") == "content-block-delta"
        self._note(told, is_heard=is_piece)

    def on_llm_end(self, response: LLMResult, **told: Any) -> None:
        """Record the span of a model's call."""
        self._close(told, lambda: read_result(response))

    def on_llm_error(self, error: BaseException, **told: Any) -> None:
        """Record the span of a model's call that failed or was left, with what had come."""
        self._close(told, lambda: read_result(told.get("response")), error)

    def _open_step(
        self,
        told: Told,
        kind: Kind,
        read_input: Callable[[], object],
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        def begin() -> None:
            if not current_client().is_recording:
                return
            with self._under(told) as (around, parent):
                opened = span(name_of(told), kind=kind)
            opened.input = attempt("reading a request", read_input)
            opened.attributes.update(
                {name: each for name, each in (attributes or {}).items() if each}
            )
            label(opened, told)
            self._runs[told.run_id] = _Run(opened, around, parent)

        attempt("following a run", begin)

    def _open_call(
        self, told: Told, operation: Operation, read_input: Callable[[], object]
    ) -> None:
        def begin() -> None:
            # Of several prompts at once the calls are told of before the first of them is made.
            COVERING.set(None)
            with self._under(told) as (around, parent):
                call = open_call(operation=operation, read_input=read_input, **read_request(told))
            if call is None:
                return
            label(call.span, told)
            run = self._runs[told.run_id] = _Run(call.span, around, parent)
            run.call = call
            COVERING.set(call.span)

        attempt("following a run", begin)

    def _note(self, told: Mapping[str, Any], *, is_heard: bool) -> None:
        run = self._runs.get(told["run_id"])
        if run is None:
            return
        _uncover(run)
        if is_heard:
            if run.chunks is None:
                run.chunks = Chunks(run.span)
            run.chunks.add("")

    def _close(
        self,
        told: Mapping[str, Any],
        read: Callable[[], Mapping[str, Any]] | None = None,
        error: BaseException | None = None,
    ) -> None:
        run = self._runs.pop(told["run_id"], None)
        if run is None:
            return
        _uncover(run)
        if read is not None:
            attempt("reading an answer", lambda: run.span.set_all(dict(read())))
        attempt("following a run", lambda: run.close(error))

    def _mark_agent(self, told: Mapping[str, Any]) -> None:
        run = self._runs.get(told["run_id"])
        if run is not None:
            run.span.kind = "agent"

    @contextmanager
    def _under(self, told: Told) -> Iterator[tuple[Ancestor | None, _Run | None]]:
        around = CURRENT.get()
        parent = self._runs.get(told.parent_run_id) if told.parent_run_id is not None else None
        token = CURRENT.set(around if parent is None else _parent_of(parent, around))
        try:
            yield around, parent
        finally:
            CURRENT.reset(token)


def _parent_of(parent: _Run, current: Ancestor | None) -> Ancestor:
    # What the program opened inside of the run around is nearer than that run.
    if current is None or current.trace_id != parent.span.trace_id:
        return parent.span
    run: _Run | None = parent
    while run is not None:
        if current is run.span or current is run.around:
            return parent.span
        run = run.parent
    return current


def _late_input(told: Mapping[str, Any]) -> dict[str, Any]:
    # What a stream was given is known only when it ends.
    given = told.get("inputs")
    return {} if given is None or given == {"input": ""} else {"input": plain_value(given)}


def _uncover(run: _Run) -> None:
    if COVERING.get() is run.span:
        COVERING.set(None)
