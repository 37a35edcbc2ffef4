"""How values read on a page: counts, durations, money, shares, times. Pure text, no Streamlit.

Every function takes None and answers with a dash, since a missing figure is not a zero.
Times are UTC and say so.
"""

import re
from datetime import UTC, datetime

MISSING = "–"
# Signs that mean something anywhere in a line, and those that do so only at its beginning.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#!|~<>$:&]|^[-+](?=\s)|(?<=^\d)\.)")


def count(number: float | None) -> str:
    """Return a whole number with thousands separators: ``12,480``."""
    return MISSING if number is None else f"{number:,.0f}"


def compact(number: float | None) -> str:
    """Return a number in at most four signs: ``980``, ``12.5k``, ``3.2M``."""
    if number is None:
        return MISSING
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            scaled = number / size
            return f"{scaled:.0f}{letter}" if abs(scaled) >= 100 else f"{scaled:.1f}{letter}"
    return f"{number:.0f}"


def duration(milliseconds: float | None) -> str:
    """Return a duration with a unit that fits: ``0.4 ms``, ``1.25 s``, ``2 min 5 s``."""
    if milliseconds is None:
        return MISSING
    if milliseconds < 10:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def money(dollars: float | None) -> str:
    """Return US dollars with two digits that say something: ``$0.0012``, ``$3.40``, ``$1,204``."""
    if dollars is None:
        return MISSING
    size = abs(dollars)
    if size >= 1000:
        return f"${dollars:,.0f}"
    if size >= 0.1 or size == 0:
        return f"${dollars:.2f}"
    return f"${dollars:.2g}" if size >= 0.0001 else "< $0.0001"


def share(fraction: float | None) -> str:
    """Return a fraction as a percentage: ``42.0 %``; never rounds something to nothing or all."""
    if fraction is None:
        return MISSING
    percent = fraction * 100
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.0f} %" if percent in (0, 100) else f"{percent:.1f} %"


def points(fraction: float | None, *, signed: bool = True) -> str:
    """Return a difference of two rates in percentage points: ``+1.2 points``."""
    if fraction is None:
        return MISSING
    sign = "+" if signed else ""
    return f"{fraction * 100:{sign}.1f} points".replace("-", "−")


def score(value: float | None) -> str:
    """Return a score's mean in three digits: ``0.971``, ``4.25``."""
    return MISSING if value is None else f"{value:.3g}"


def change(now: float | None, before: float | None) -> str | None:
    """Return the relative change as ``+12 %``, or None where there is nothing to compare with."""
    if now is None or not before:
        return None
    percent = (now / before - 1) * 100
    if abs(percent) >= 1000:
        return f"{now / before:+,.0f}×"
    return f"{percent:+.0f} %" if round(percent) else "0"


def moment(text: str) -> datetime:
    """Read an RFC 3339 time; digits beyond microseconds are dropped."""
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def when(text: str | None) -> str:
    """Return a time to the second: ``22 Nov 2026, 10:00:05 UTC``."""
    return MISSING if text is None else f"{moment(text):%-d %b %Y, %H:%M:%S} UTC"


def to_minute(text: str) -> str:
    """Return a time to the minute: ``22 Nov 2026, 10:00 UTC``."""
    return f"{moment(text):%-d %b %Y, %H:%M} UTC"


def day_and_hour(text: str) -> str:
    """Return a time to the minute, without its year: ``22 Nov, 10:00 UTC``."""
    return f"{moment(text):%-d %b, %H:%M} UTC"


def bucket_label(text: str, bucket: str) -> str:
    """Return the name of a time bucket that starts at ``text``: ``22 Nov, 10:00 UTC``."""
    start = moment(text)
    if bucket in ("minute", "hour"):
        return day_and_hour(text)
    return f"{start:%-d %b %Y}" if bucket == "day" else f"week of {start:%-d %b %Y}"


def plural(number: float, word: str, words: str | None = None) -> str:
    """Return ``1 call`` or ``1,204 calls``."""
    return f"{count(number)} {word if number == 1 else words or word + 's'}"


def plain(text: str) -> str:
    """Escape ``text`` so that Markdown shows it as it is.

    Logged text is never rendered as Markdown: an image in it would make the browser call out.
    """
    return _MARKDOWN.sub(r"\\\1", text.replace("\n", " "))


def shorten(text: str, limit: int = 80) -> str:
    """Return one line of at most ``limit`` characters, with an ellipsis where it was cut."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def from_milliseconds(epoch_ms: float) -> str:
    """Return a browser's time (milliseconds since 1970) as RFC 3339."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
