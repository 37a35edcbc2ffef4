"""How large the parts of a record may be: far above what is real, far below what breaks a sum.

One absurd span must not take the measures of all others with it. Content (``input``, ``output``,
``attributes`` and the like) has the limits of ``Caps``, which an operator may move.
"""

from dataclasses import dataclass

MAX_INT = 2**63 - 1
"""The largest whole number that the store has room for."""

MAX_COUNT = 10**12
MAX_COST_USD = 1e9
MAX_SCORE = 1e290
MAX_MS = 1e12

MAX_NAME_CHARS = 200
"""Of a project, as the client limits it too."""

MAX_HOST_CHARS = 256
MAX_TEXT_CHARS = 1024
MAX_LIST_TEXTS = 64
MAX_LIST_TEXT_CHARS = 256

MAX_PROMPT_BYTES = 1024 * 1024
"""Of the template of a prompt, as JSON."""

MAX_LINES = 100_000
"""Of one body; a client sends a few hundred."""

MAX_REJECTS = 1000
"""Of one body that are kept line by line; one more stands for all others."""


MAX_ATTRIBUTES = 25_000
"""Of a span with its events and links, or of a log record; OpenTelemetry's own limit is 128."""

MAX_CUT_BYTES = 64 * 1024
"""As much is kept of a record that is refused for its size, and of what surrounds an item."""

MAX_REFUSED_BYTES = 32 * 1024 * 1024
"""Of one request, as much is kept of what was refused in it."""

MAX_REJECTS_BYTES = 256 * 1024 * 1024
"""Of a project, as much is kept of what was refused; then the oldest goes."""


@dataclass(frozen=True, slots=True)
class Caps:
    """How large what comes may be, within the limit of a body.

    Args:
        record_bytes: of one record: a line, or what a foreign span becomes.
        field_bytes: of one field of it, as JSON; no client of ours sends more.
        attributes: of one span or log record.
    """

    record_bytes: int = 16 * 1024 * 1024
    field_bytes: int = 8 * 1024 * 1024
    attributes: int = MAX_ATTRIBUTES


CAPS = Caps()
