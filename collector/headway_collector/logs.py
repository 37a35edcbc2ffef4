"""What the process says of itself, line by line: as text, or as JSON for whoever collects it.

No line holds a secret or what was logged. Messages of our own are made for that. An exception of
somebody else's may quote the value that it failed on, such as a prompt, so of those the type and
the places in the code are written and the words left out.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, get_args

from headway.errors import HeadwayError

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
FORMATS: tuple[LogFormat, ...] = get_args(LogFormat)
LEVELS: tuple[LogLevel, ...] = get_args(LogLevel)

ACCESS_LOGGER = "headway_collector.access"

# Whose words are ours, or are of files, addresses and errno.
_PLAIN = (HeadwayError, OSError, MemoryError)
_LEFT_OUT = "words left out: they may quote what was logged"
_MOST_CAUSES = 5
# These say at DEBUG and INFO what they read and write.
_TALKATIVE = ("uvicorn.error", "uvicorn.asgi", "asyncio", "concurrent.futures")


def parse_format(text: str) -> LogFormat:
    """Read the name of a format.

    Raises:
        ValueError: there is none of that name.
    """
    for each in FORMATS:
        if text == each:
            return each
    raise ValueError(f"not one of {', '.join(FORMATS)}")


def parse_level(text: str) -> LogLevel:
    """Read the name of a level.

    Raises:
        ValueError: there is none of that name.
    """
    for each in LEVELS:
        if text.lower() == each:
            return each
    raise ValueError(f"not one of {', '.join(LEVELS)}")


def start_logging(
    log_format: LogFormat = "text",
    level: LogLevel = "warning",
    *,
    has_access_log: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Write all that this process logs, warnings of Python included, to one stream.

    Args:
        log_format: lines for people or for programs.
        level: the least that is written.
        has_access_log: whether each request is a line, whatever the level.
        stream: standard error where it is not given.
    """
    handler = logging.StreamHandler(stream) if stream else _StandardError()
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.getLogger(ACCESS_LOGGER).setLevel(logging.INFO if has_access_log else logging.CRITICAL)
    logging.captureWarnings(True)


class JsonLines(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and ``exception``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON, whatever its arguments are."""
        said: dict[str, Any] = {
            "time": _format_time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _say(record),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            said["exception"] = describe_exception(record.exc_info[1])
        return json.dumps(said, default=str, ensure_ascii=False)


class TextLines(logging.Formatter):
    """One line for people, and an exception below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as text; line ends in a message make no lines of their own."""
        message = _say(record).replace("\r", "\\r").replace("\n", "\\n")
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = f"{_format_time(record)} {record.levelname} {record.name}: {message}{fields}"
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + describe_exception(record.exc_info[1])
        return line


def describe_exception(error: BaseException) -> str:
    """Return an exception with its causes and where each came from, without foreign words."""
    told: list[str] = []
    current: BaseException | None = error
    while current is not None and len(told) < _MOST_CAUSES:
        frames = traceback.extract_tb(current.__traceback__)
        places = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        name = f"{type(current).__module__}.{type(current).__qualname__}"
        words = str(current) if isinstance(current, _PLAIN) else f"({_LEFT_OUT})"
        told.append("\n".join([*places, f"{name}: {words}"]))
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return "\ncaused by\n".join(told)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields


def _say(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # a wrong placeholder must not lose the line
        return str(record.msg)


def _format_time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to standard error as it is at the moment, which may be another by then."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)
