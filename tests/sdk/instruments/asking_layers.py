"""The same for LangChain, which asks through the clients of others.

The client beneath is instrumented too, since it is to add no span of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import openai

from tests.sdk.instruments import styles
from tests.sdk.instruments.asking import PIECES, Style
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.styles import TURNS

Place = dict[str, Any]
"""Where LangChain's models ask, and with which client."""


def _langchain_styles(
    name: str,
    said: styles.Said,
    lay_out: Callable[[Provider], None],
    use: Callable[[Place], Any],
    wait: Callable[[Place], Awaitable[Any]],
    pieces: int | None = None,
) -> Iterator[Style]:
    def ask(url: str) -> Any:
        with openai.DefaultHttpxClient(verify=False) as client:
            return use({**_place(url), "http_client": client})

    async def ask_and_wait(url: str) -> Any:
        # LangChain's own is shared, and outlives the loop.
        async with openai.DefaultAsyncHttpxClient(verify=False) as client:
            return await wait({**_place(url), "http_async_client": client})

    libraries = ("openai", "langchain")
    yield Style(f"langchain {name}", libraries, said, lay_out, ask, pieces)
    way: Callable[[str], Any] = lambda url: asyncio.run(ask_and_wait(url))  # noqa: E731
    yield Style(f"async langchain {name}", libraries, said, lay_out, way, pieces)


def _all_of_langchain() -> Iterator[Style]:
    yield from _langchain_styles(
        "chat",
        styles.CHAT,
        styles.lay_chat,
        lambda place: _chat_model(place).invoke(TURNS),
        lambda place: _chat_model(place).ainvoke(TURNS),
    )
    yield from _langchain_styles(
        "chat batch",
        styles.CHAT,
        styles.lay_chat,
        lambda place: _chat_model(place).batch([TURNS]),
        lambda place: _chat_model(place).abatch([TURNS]),
    )
    yield from _langchain_styles(
        "chat stream",
        styles.CHAT,
        styles.lay_chunks,
        lambda place: list(_chat_model(place).stream(TURNS)),
        lambda place: PIECES.waited(_chat_model(place).astream(TURNS)),
        3,
    )
    yield from _langchain_styles(
        "text",
        styles.TEXT,
        styles.lay_text,
        lambda place: _text_model(place).invoke(styles.QUESTION),
        lambda place: _text_model(place).ainvoke(styles.QUESTION),
    )
    yield from _langchain_styles(
        "text batch",
        styles.TEXT,
        styles.lay_text,
        lambda place: _text_model(place).batch([styles.QUESTION]),
        lambda place: _text_model(place).abatch([styles.QUESTION]),
    )
    yield from _langchain_styles(
        "text stream",
        styles.UNCOUNTED_TEXT,
        styles.lay_texts,
        lambda place: list(_text_model(place).stream(styles.QUESTION)),
        lambda place: PIECES.waited(_text_model(place).astream(styles.QUESTION)),
        3,
    )
    yield from _langchain_styles(
        "embeddings",
        styles.VECTORS,
        styles.lay_vectors,
        lambda place: _vectors_model(place).embed_documents(["one", "two"]),
        lambda place: _vectors_model(place).aembed_documents(["one", "two"]),
    )


def _place(url: str) -> Place:
    return {"base_url": f"{url}/v1", "api_key": "k", "max_retries": 0}


def _chat_model(place: Place) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=styles.CHAT.model, temperature=0.2, stream_usage=True, **place)


def _text_model(place: Place) -> Any:
    from langchain_openai import OpenAI

    return OpenAI(model=styles.TEXT.model, temperature=0.2, **place)


def _vectors_model(place: Place) -> Any:
    from langchain_openai import OpenAIEmbeddings

    # As texts and not as tokens, for which it would ask the network.
    return OpenAIEmbeddings(
        model=styles.VECTORS.model,
        dimensions=3,
        check_embedding_ctx_length=False,
        **place,
    )


LAYERED_STYLES = [*_all_of_langchain()]
