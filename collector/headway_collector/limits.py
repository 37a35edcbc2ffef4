"""How large the parts of a record may be: far above what is real, far below what breaks a sum.

One absurd span must not take the measures of all others with it. Content (``input``, ``output``,
``attributes`` and the like) has no limit but the body's.
"""

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
