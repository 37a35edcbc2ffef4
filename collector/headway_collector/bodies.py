"""From the bytes of a request to the bytes of its records: decompression with a limit.

The limit holds while inflating, so a bomb of a few kilobytes never becomes gigabytes.
"""

import pyarrow as pa

from headway_collector.errors import BodyTooLargeError, InvalidRequestError, NotNdjsonError

BODY_LIMIT_BYTES = 64 * 1024 * 1024
ENCODINGS = ("identity", "gzip", "zstd")


def decompress(body: bytes, encoding: str, limit_bytes: int = BODY_LIMIT_BYTES) -> bytes:
    """Return the body without its ``Content-Encoding``.

    Raises:
        InvalidRequestError: the encoding is not one of ``ENCODINGS``.
        NotNdjsonError: the body is damaged or in another encoding than the header says.
        BodyTooLargeError: there is more than ``limit_bytes`` in it.
    """
    encoding = encoding.strip().lower() or "identity"
    if encoding not in ENCODINGS:
        raise InvalidRequestError(
            f"Content-Encoding is {encoding!r}; this collector reads {', '.join(ENCODINGS)}"
        )
    if encoding != "identity":
        body = _inflate(body, encoding, limit_bytes)
    check_size(len(body), limit_bytes)
    return body


def check_size(size_bytes: int, limit_bytes: int = BODY_LIMIT_BYTES) -> None:
    """Do nothing for a size within the limit.

    Raises:
        BodyTooLargeError: it is over the limit.
    """
    if size_bytes > limit_bytes:
        raise BodyTooLargeError(
            f"the body is over {limit_bytes} bytes after decompression: send smaller batches"
        )


def _inflate(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), encoding) as stream:
            inflated: bytes = stream.read(limit_bytes + 1)
    except OSError as error:
        raise NotNdjsonError(f"the body is not valid {encoding}: {error}") from error
    return inflated
