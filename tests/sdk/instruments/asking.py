"""Every way in which programs call the client libraries, each for one answer of ``styles``.

A way gives what the program gets: the answer, or the list of all its pieces.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from inspect import isawaitable
from operator import attrgetter
from typing import Any, NamedTuple

import anthropic
import openai
import pydantic

from tests.sdk.instruments import styles
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.styles import AS_CHAT, AS_MESSAGE, AS_RESPONSE, AS_TEXT, AS_VECTORS

_ENDS = ("get_final_completion", "get_final_response", "get_final_message")


class Style(NamedTuple):
    """One way to call one library."""

    name: str
    libraries: tuple[str, ...]
    """Those that are instrumented."""
    said: styles.Said
    lay_out: Callable[[Provider], None]
    ask: Callable[[str], Any]
    """Gets the address of the server."""
    pieces: int | None
    """Of a stream, how many of them say something."""


class Reading(NamedTuple):
    """How a program reads what a method gives, where it waits for it and where not."""

    plain: Callable[[Any], Any]
    waited: Callable[[Any], Awaitable[Any]]


class Place(pydantic.BaseModel):
    """What answers are parsed as."""

    city: str


async def _waited(answer: Awaitable[Any]) -> Any:
    return await answer


async def _waited_pieces(stream: Any) -> list[Any]:
    pieces: AsyncIterator[Any] = stream if hasattr(stream, "__aiter__") else await stream
    return [piece async for piece in pieces]


def _with_helper(helper: Any) -> list[Any]:
    with helper as stream:
        return [*stream, _end_of(stream)()]


async def _waited_with_helper(helper: Any) -> list[Any]:
    async with helper as stream:
        return [*[piece async for piece in stream], await _end_of(stream)()]


def _end_of(stream: Any) -> Any:
    return next(getattr(stream, name) for name in _ENDS if hasattr(stream, name))


async def _waited_raw(response: Awaitable[Any]) -> Any:
    parsed = (await response).parse()
    # Anthropic's is waited for, OpenAI's is not.
    return await parsed if isawaitable(parsed) else parsed


def _read_later(manager: Any) -> Any:
    with manager as response:
        return response.parse()


async def _waited_read_later(manager: Any) -> Any:
    async with manager as response:
        return await response.parse()


WHOLE = Reading(lambda answer: answer, _waited)
PIECES = Reading(list, _waited_pieces)
HELPER = Reading(_with_helper, _waited_with_helper)
RAW = Reading(lambda response: response.parse(), _waited_raw)
LATER = Reading(_read_later, _waited_read_later)


def _client_styles(
    name: str,
    said: styles.Said,
    lay_out: Callable[[Provider], None],
    reading: Reading,
    use: Callable[[Any], Any],
    pieces: int | None = None,
) -> Iterator[Style]:
    library, path = (anthropic, "") if said.provider == "anthropic" else (openai, "/v1")
    plain_class = getattr(library, "Anthropic" if library is anthropic else "OpenAI")
    waited_class = getattr(library, f"Async{plain_class.__name__}")

    def ask(url: str) -> Any:
        # Without TLS, whose certificates take a while to read.
        http_client = library.DefaultHttpxClient(verify=False)
        place = {"base_url": url + path, "api_key": "k", "http_client": http_client}
        with plain_class(**place, max_retries=0) as client:
            return reading.plain(use(client))

    async def ask_and_wait(url: str) -> Any:
        http_client = library.DefaultAsyncHttpxClient(verify=False)
        place = {"base_url": url + path, "api_key": "k", "http_client": http_client}
        async with waited_class(**place, max_retries=0) as client:
            return await reading.waited(use(client))

    for prefix, way in (("", ask), ("async ", lambda url: asyncio.run(ask_and_wait(url)))):
        full_name = f"{prefix}{library.__name__} {name}"
        yield Style(full_name, (library.__name__,), said, lay_out, way, pieces)


def _openai_styles() -> Iterator[Style]:
    chat, create = attrgetter("chat.completions"), attrgetter("chat.completions.create")
    whole, in_pieces = (styles.CHAT, styles.lay_chat), (styles.CHAT, styles.lay_chunks)
    yield from _client_styles("chat", *whole, WHOLE, lambda c: create(c)(**AS_CHAT))
    yield from _client_styles(
        "chat stream", *in_pieces, PIECES, lambda c: create(c)(**AS_CHAT, stream=True), 3
    )
    yield from _client_styles(
        "chat parse", *whole, WHOLE, lambda c: chat(c).parse(**AS_CHAT, response_format=Place)
    )
    yield from _client_styles(
        "chat helper", *in_pieces, HELPER, lambda c: chat(c).stream(**AS_CHAT), 3
    )
    yield from _client_styles(
        "chat raw", *whole, RAW, lambda c: chat(c).with_raw_response.create(**AS_CHAT)
    )
    yield from _client_styles(
        "chat later", *whole, LATER, lambda c: chat(c).with_streaming_response.create(**AS_CHAT)
    )
    whole, in_pieces = (styles.RESPONSE, styles.lay_response), (styles.RESPONSE, styles.lay_events)
    yield from _client_styles(
        "response", *whole, WHOLE, lambda c: c.responses.create(**AS_RESPONSE)
    )
    yield from _client_styles(
        "response stream",
        *in_pieces,
        PIECES,
        lambda c: c.responses.create(**AS_RESPONSE, stream=True),
        3,
    )
    yield from _client_styles(
        "response parse",
        *whole,
        WHOLE,
        lambda c: c.responses.parse(**AS_RESPONSE, text_format=Place),
    )
    yield from _client_styles(
        "response helper", *in_pieces, HELPER, lambda c: c.responses.stream(**AS_RESPONSE), 3
    )
    yield from _client_styles(
        "text", styles.TEXT, styles.lay_text, WHOLE, lambda c: c.completions.create(**AS_TEXT)
    )
    yield from _client_styles(
        "text stream",
        styles.TEXT,
        styles.lay_texts,
        PIECES,
        lambda c: c.completions.create(**AS_TEXT, stream=True),
        3,
    )
    yield from _client_styles(
        "embeddings",
        styles.VECTORS,
        styles.lay_vectors,
        WHOLE,
        lambda c: c.embeddings.create(**AS_VECTORS),
    )


def _anthropic_styles(name: str, messages: Callable[[Any], Any]) -> Iterator[Style]:
    whole = styles.MESSAGE, styles.lay_message
    in_pieces = styles.MESSAGE, styles.lay_message_events
    yield from _client_styles(name, *whole, WHOLE, lambda c: messages(c).create(**AS_MESSAGE))
    yield from _client_styles(
        f"{name} stream",
        *in_pieces,
        PIECES,
        lambda c: messages(c).create(**AS_MESSAGE, stream=True),
        2,
    )
    yield from _client_styles(
        f"{name} parse",
        *whole,
        WHOLE,
        lambda c: messages(c).parse(**AS_MESSAGE, output_format=Place),
    )
    yield from _client_styles(
        f"{name} helper", *in_pieces, HELPER, lambda c: messages(c).stream(**AS_MESSAGE), 2
    )
    yield from _client_styles(
        f"{name} raw", *whole, RAW, lambda c: messages(c).with_raw_response.create(**AS_MESSAGE)
    )


def _tool_runner_styles() -> Iterator[Style]:
    yield from _client_styles(
        "tool runner",
        styles.MESSAGE,
        styles.lay_message,
        WHOLE,
        lambda c: c.beta.messages.tool_runner(**AS_MESSAGE, tools=[]).until_done(),
    )


CLIENT_STYLES = [
    *_openai_styles(),
    *_anthropic_styles("message", attrgetter("messages")),
    *_anthropic_styles("beta message", attrgetter("beta.messages")),
    *_tool_runner_styles(),
]
