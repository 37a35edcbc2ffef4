"""Images, sounds and documents in messages, as parts in the form of the GenAI conventions.

    {"type": "uri", "modality": "image", "uri": "https://example.org/a.png"}
    {"type": "blob", "modality": "image", "mime_type": "image/png",
     "content": {"type": "bytes", "size": 48122, "sha256": "9f86d0…"}}

What stands in a message itself, in base64, is bytes for the log: described, and kept only where
the program asked for that. Half of an image is of no use, and each turn of a chat sends it again.
"""

import binascii
from typing import Any

Part = dict[str, Any]

_BASE64 = ";base64"
_DECODED = 32 << 20
"""Of longer texts only the size is told, since to decode them takes tens of milliseconds."""


def media_part(
    modality: str,
    *,
    uri: Any = None,
    file_id: Any = None,
    content: Any = None,
    mime_type: Any = None,
) -> Part | None:
    """Return a part for what is said of a medium; None where that is nothing known.

    Args:
        modality: image, audio, video or document.
        uri: where it lies, or a ``data:`` address that holds it.
        file_id: what the provider calls it.
        content: it itself in base64, or a ``data:`` address.
        mime_type: what it is.
    """
    for address in (uri, content):
        if isinstance(address, str) and address.startswith("data:"):
            return _inline(modality, address, mime_type)
    about = {"modality": modality, **({"mime_type": mime_type} if mime_type else {})}
    if isinstance(uri, str) and uri:
        return {"type": "uri", **about, "uri": uri}
    if file_id:
        return {"type": "file", **about, "file_id": file_id}
    if content:
        return {"type": "blob", **about, "content": _bytes_of(content)}
    return None


def _inline(modality: str, address: str, mime_type: Any) -> Part:
    head, _, body = address.partition(",")
    if not head.endswith(_BASE64):
        return {"type": "uri", "modality": modality, "uri": address}
    said = head.removeprefix("data:").removesuffix(_BASE64) or mime_type
    about = {"modality": modality, **({"mime_type": said} if said else {})}
    return {"type": "blob", **about, "content": _bytes_of(body)}


def _bytes_of(content: Any) -> Any:
    if not isinstance(content, str):
        return content
    if len(content) > _DECODED:
        return {"type": "bytes", "size": len(content) * 3 // 4}
    try:
        return binascii.a2b_base64(content)
    except ValueError:  # it is none, or not all ASCII
        return content
