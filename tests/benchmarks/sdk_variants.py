"""The same two functions under each SDK: what ``sdk_worker.py`` measures.

Every SDK runs with its defaults, beside the address and the keys it cannot do without. This is
imported in the peers' environments, which have nothing of ours: only the standard library, and
the SDK under test.
"""

import asyncio
import os
import pydoc_data.topics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

SIZE = 1024
_TEXT = "".join(pydoc_data.topics.topics.values())


@dataclass(frozen=True, slots=True)
class Variant:
    """A function that logs its calls, its asynchronous twin, and how to send what is logged."""

    call: Callable[[str], str]
    acall: Callable[[str], Awaitable[str]]
    flush: Callable[[], object]


def piece(number: int) -> str:
    """Return 1 KB of real prose, another for each number."""
    start = number * 617 % (len(_TEXT) - SIZE)
    return _TEXT[start : start + SIZE]


def bare(question: str) -> str:
    """Stand for the model: 1 KB of text, another for each question, at no cost to speak of."""
    return question[SIZE // 2 :] + question[: SIZE // 2]


async def abare(question: str) -> str:
    """Stand for the model, and let the other tasks run before answering."""
    await asyncio.sleep(0)
    return question[SIZE // 2 :] + question[: SIZE // 2]


def headway(name: str, url: str, folder: str) -> Variant:
    """Return the functions under Headway's decorator."""
    import headway

    headway.init(project="bench", url=url, journal_dir=folder)
    observe = headway.observe(kind="llm", name=name)
    return Variant(observe(bare), observe(abare), headway.flush)


def opentelemetry(name: str, url: str, folder: str) -> Variant:
    """Return the functions in a span of the bare SDK with their texts as attributes."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
    )

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    tracer = provider.get_tracer("bench")

    def call(question: str) -> str:
        with tracer.start_as_current_span(name) as span:
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.input.messages", question)
            answer = bare(question)
            span.set_attribute("gen_ai.output.messages", answer)
            return answer

    async def acall(question: str) -> str:
        with tracer.start_as_current_span(name) as span:
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.input.messages", question)
            answer = await abare(question)
            span.set_attribute("gen_ai.output.messages", answer)
            return answer

    return Variant(call, acall, provider.force_flush)


def langfuse(name: str, url: str, folder: str) -> Variant:
    """Return the functions under Langfuse's decorator."""
    os.environ["LANGFUSE_PUBLIC_KEY"] = "pk-lf-dummy"
    os.environ["LANGFUSE_SECRET_KEY"] = "sk-lf-dummy"
    os.environ["LANGFUSE_BASE_URL"] = url
    from langfuse import get_client, observe

    observed = observe(name=name, as_type="generation")
    return Variant(observed(bare), observed(abare), get_client().flush)


def floor(name: str, url: str, folder: str) -> Variant:
    """Return the functions as cheap as a journal can have them; nothing is sent."""
    from tests.benchmarks.sdk_floor import Floor  # needs msgspec

    lowest = Floor(name, folder)
    return Variant(lowest.observe(bare), lowest.aobserve(abare), lambda: None)


VARIANTS = {each.__name__: each for each in (headway, opentelemetry, langfuse, floor)}
"""By name: given a name for the calls, the server's address and an empty folder."""
