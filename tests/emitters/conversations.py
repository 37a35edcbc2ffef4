"""The three calls that every instrumentation is to see: a plain one, one to a tool, a stream."""

from typing import Any

from openai import OpenAI

from tests.emitters.fake_openai import QUESTION, SYSTEM

_TOOL: Any = {
    "type": "function",
    "function": {
        "name": "find_parcel",
        "description": "Where a parcel is.",
        "parameters": {"type": "object", "properties": {"number": {"type": "string"}}},
    },
}


def talk(client: OpenAI) -> None:
    """Make the calls, and read each answer to its end."""
    asked: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": QUESTION},
        ],
        "temperature": 0.5,
    }
    client.chat.completions.create(**asked)
    client.chat.completions.create(**asked, tools=[_TOOL])
    stream = client.chat.completions.create(
        **asked, stream=True, stream_options={"include_usage": True}
    )
    for _ in stream:
        pass
