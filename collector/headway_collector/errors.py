"""The collector's exceptions.

    HeadwayError
    ├── StoreError                  the database cannot be opened; the line says why
    │   └── StoreInUseError             another process has it open
    └── RequestError                a request gets no for an answer; carries status and code
        ├── NotNdjsonError              400
        ├── MalformedBodyError          400
        ├── UnauthorizedError           401
        ├── ForbiddenError              403
        ├── ForeignOriginError          403
        ├── NotFoundError               404
        ├── AmbiguousError              409
        ├── BodyTooLargeError           413
        ├── UnsupportedMediaError       415
        ├── InvalidRequestError         422
        ├── ErasedError                 422
        ├── UnstorableError             422
        ├── TooBroadError               422
        ├── QueueFullError              429, with Retry-After
        ├── RateLimitedError            429, with Retry-After
        ├── StoreUnavailableError       503, with Retry-After
        │   ├── CheckpointPostponedError    nothing is wrong, it is done later
        │   └── CopyError                   a copy of the database cannot be made
        └── MapperLostError             503, with Retry-After

DuckDB's exceptions are translated in ``store/outages.py`` and nowhere else.
"""

from typing import ClassVar

from headway.errors import HeadwayError


class StoreError(HeadwayError):
    """The database cannot be opened or is not ours to open."""


class StoreInUseError(StoreError):
    """Another process has the database open, such as the collector that runs on it."""


class RequestError(HeadwayError):
    """A request that is refused.

    ``code`` is the word for programs, the message the sentence for people.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    retry_after_s: int | None = None


class NotNdjsonError(RequestError):
    """The body holds no line of JSON, or cannot be decompressed."""

    status = 400
    code = "not_ndjson"


class MalformedBodyError(RequestError):
    """The body is not the OTLP request that its ``Content-Type`` and path say it is."""

    status = 400
    code = "malformed_body"


class UnauthorizedError(RequestError):
    """The request brings no key, or none that is known and still good."""

    status = 401
    code = "unauthorized"


class ForbiddenError(RequestError):
    """The key is good, but not for this."""

    status = 403
    code = "forbidden"


class ForeignOriginError(RequestError):
    """A page of another machine sent this, through a browser on ours."""

    status = 403
    code = "foreign_origin"


class NotFoundError(RequestError):
    """There is no such trace, run or comparison."""

    status = 404
    code = "not_found"


class AmbiguousError(RequestError):
    """Several projects have one of that id, and the request does not say which."""

    status = 409
    code = "ambiguous"


class BodyTooLargeError(RequestError):
    """The body is over the limit, before or after decompression."""

    status = 413
    code = "body_too_large"


class UnsupportedMediaError(RequestError):
    """The ``Content-Type`` is none that this path reads."""

    status = 415
    code = "unsupported_media"


class InvalidRequestError(RequestError):
    """A parameter or a field has a value that cannot be used."""

    status = 422
    code = "invalid_request"


class ErasedError(RequestError):
    """The record is of somebody or something that was erased."""

    status = 422
    code = "erased"


class UnstorableError(RequestError):
    """The database refuses these records, whatever is done; sending them again will not help."""

    status = 422
    code = "unstorable"


class TooBroadError(RequestError):
    """A question that takes longer than an answer may; a narrower one will be answered."""

    status = 422
    code = "too_broad"


class QueueFullError(RequestError):
    """The writer is behind; the client keeps the batch and comes back."""

    status = 429
    code = "queue_full"
    retry_after_s = 1


class RateLimitedError(RequestError):
    """A key sends more than it is allowed.

    Args:
        message: which key, and what it sends too much of.
        retry_after_s: when that much will be allowed.
    """

    status = 429
    code = "rate_limited"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(f"{message}: try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class MapperLostError(RequestError):
    """The process that mapped the request's spans is gone; nothing of it is stored."""

    status = 503
    code = "mapper_lost"
    retry_after_s = 1


class StoreUnavailableError(RequestError):
    """The database cannot write or read at the moment, for example because the disk is full."""

    status = 503
    code = "store_unavailable"
    retry_after_s = 5


class CheckpointPostponedError(StoreUnavailableError):
    """A checkpoint has to wait for a read; what is written stays in the log until then."""


class CopyError(StoreUnavailableError):
    """A copy of the database is not what the store is, or cannot become it."""
