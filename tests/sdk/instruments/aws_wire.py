"""What Bedrock's streams are made of: ``application/vnd.amazon.eventstream`` frames.

    total length, headers' length, CRC of both | headers | payload | CRC of all before it

The payload of a ``chunk`` is JSON whose ``bytes`` hold, in base64, an event as Anthropic sends it.
"""

import base64
import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_TEXT = 7
_PRELUDE = 12
_CRC = 4


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return one frame; its headers are texts."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", _PRELUDE + len(head) + len(payload) + _CRC, len(head))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return body + struct.pack(">I", zlib.crc32(body))


def chunk(event: Mapping[str, Any]) -> bytes:
    """Return the frame around an event of Anthropic's."""
    said = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()})
    headers = {
        ":event-type": "chunk",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return frame(headers, said.encode())


def chunks(events: Iterable[Mapping[str, Any]]) -> bytes:
    """Return a stream of events."""
    return b"".join(map(chunk, events))


def failure(kind: str, message: str) -> bytes:
    """Return the frame that ends a stream in which something went wrong."""
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return frame(headers, json.dumps({"message": message}).encode())


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack(">B", len(key)) + key + struct.pack(">BH", _TEXT, len(text)) + text
