"""Real English for the load: every Python has megabytes of it in its own documentation."""

import pydoc_data.topics
import re
import sysconfig
from functools import cache
from pathlib import Path

_DOCSTRING = re.compile(r'"""(.+?)"""', re.DOTALL)
_STRIDE = 617
# Tests and installed packages are there or not, and the same texts are to be sent everywhere.
_SKIPPED = {"site-packages", "test", "tests", "idlelib", "lib2to3"}


def piece(number: int, size: int) -> str:
    """Return ``size`` characters of ASCII prose, others for each number."""
    text = _read_all()
    start = number * _STRIDE % (len(text) - size)
    return text[start : start + size]


@cache
def _read_all() -> str:
    folder = Path(sysconfig.get_path("stdlib"))
    files = sorted(
        path
        for path in folder.rglob("*.py")
        if not _SKIPPED.intersection(path.relative_to(folder).parts)
    )
    sources = (path.read_text(encoding="utf-8", errors="replace") for path in files)
    docstrings = (text for source in sources for text in _DOCSTRING.findall(source))
    texts = (*pydoc_data.topics.topics.values(), *docstrings)
    return "\n".join(text for text in texts if text.isascii())
