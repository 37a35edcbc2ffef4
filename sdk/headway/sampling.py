"""Sampling: a share of the traces is recorded whole, and whatever fails in the others.

    headway.init(sample=0.1)
    headway.init(sample={"triage": 0.05, "*": 1.0})

The first span of a trace in this process decides for all spans below it: by its name, which rate;
by the trace's id, whether. So processes with the same rate agree about a trace without a word, and
one with a higher rate has all the traces of one with a lower, by the rule of OpenTelemetry's
consistent probability sampling.

A span that fails is recorded in any case, and so is all that ends after it in its trace: its
ancestors do. A row that stands for others says for how many, in its attributes:

    {"headway.sample_rate": 0.05}                          one of twenty
    {"headway.sample_rate": 1.0, "headway.kept": "error"}  itself; the trace was left out
"""

import math
import threading
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from headway.contexts import CURRENT
from headway.errors import SettingsError
from headway.inheritances import Elsewhere
from headway.records import Span

ALL_NAMES = "*"

_RANDOM_DIGITS = 14
"""The last 56 bits of a trace id, which are random in ours and by W3C's second level."""
_RANGE = 1 << 4 * _RANDOM_DIGITS
_WHOLE = b'"headway.sample_rate":1.0'
_KEPT = _WHOLE + b',"headway.kept":"error"'


class Rates(msgspec.Struct, frozen=True):
    """Which share of the traces is recorded, by the name of their first span."""

    by_name: Mapping[str, float] = {}
    other: float = 1.0

    @property
    def are_whole(self) -> bool:
        """Whether everything is recorded."""
        return self.other == 1.0 and all(rate == 1.0 for rate in self.by_name.values())

    @property
    def as_text(self) -> str:
        """As it is written in a variable: a rate, or names with rates."""
        if not self.by_name:
            return f"{self.other:g}"
        pairs = {**self.by_name, ALL_NAMES: self.other}
        return ",".join(f"{name}={rate:g}" for name, rate in pairs.items())


class LeftOut:
    """How many spans were not recorded because their trace was sampled out."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Count from zero, as in a forked child: another thread may have held the lock there."""
        self.count = 0
        # Reentrant: a signal handler or a finalizer may end a span in the middle of it.
        self._lock = threading.RLock()

    def add_one(self) -> None:
        """Count one more."""
        with self._lock:
            self.count += 1


class Verdict(msgspec.Struct, gc=False):
    """What holds for the spans of one trace in this process."""

    trace_id: str
    rate: float
    is_in: bool
    left_out: LeftOut
    has_failed: bool = False

    def admits(self, record: Span) -> bool:
        """Whether a span that ended is recorded; it then says for how many it stands."""
        if record.status == "error":
            self.has_failed = True
        if self.rate == 1.0:
            return True
        if self.has_failed:
            # Recorded whatever the id had said, so it stands for itself.
            record.attributes = _with(record.attributes, _WHOLE if self.is_in else _KEPT)
            return True
        if self.is_in:
            record.attributes = _with(
                record.attributes, f'"headway.sample_rate":{self.rate}'.encode()
            )
            return True
        self.left_out.add_one()
        return False


class Sampler:
    """Decides about traces.

    Args:
        rates: some below 1.
        left_out: where spans are counted that are not recorded.
    """

    def __init__(self, rates: Rates, left_out: LeftOut) -> None:
        self._rates = rates
        self._left_out = left_out

    def verdict_on(self, record: Span) -> Verdict:
        """Return what holds for a span that begins: what holds for its parent, or its own."""
        inherited: Verdict | Elsewhere | None = getattr(CURRENT.get(), "verdict", None)
        if isinstance(inherited, Elsewhere):
            inherited = cast("Verdict | None", inherited.verdict)
        # An active span of OpenTelemetry may have led to another trace.
        if inherited is not None and inherited.trace_id == record.trace_id:
            return inherited
        rate = self._rates.by_name.get(record.name, self._rates.other)
        number = int(record.trace_id[-_RANDOM_DIGITS:], 16)
        return Verdict(record.trace_id, rate, number >= (1 - rate) * _RANGE, self._left_out)


def parse_rates(text: str) -> Rates:
    """Read a rate, pairs such as ``triage=0.05,*=1``, or a JSON object of them."""
    if text.lstrip().startswith("{"):
        try:
            pairs = list(msgspec.json.decode(text, type=dict[str, Any]).items())
        except msgspec.MsgspecError as error:
            raise ValueError(f"{error}; give names with rates from 0 to 1") from error
    else:
        pairs = [_pair_in(each) for each in text.split(",")]
    by_name = {name: _as_rate(name, rate) for name, rate in pairs}
    other = by_name.pop(ALL_NAMES, 1.0)
    return Rates(by_name, other)


def written_rates(given: Any) -> Any:
    """Return an argument of ``init`` as the text that ``parse_rates`` reads, or None.

    Raises:
        SettingsError: it is neither a number nor names with numbers.
    """
    if given is None or isinstance(given, str):
        return given
    try:
        if isinstance(given, Mapping):
            if strange := [name for name in given if not isinstance(name, str)]:
                raise TypeError(f"the name {strange[0]!r} is of type {type(strange[0]).__name__}")
            rates = {name: float(rate) for name, rate in given.items()}
            return msgspec.json.encode(rates).decode()
        return repr(float(given))
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"the argument for sample cannot be used: {error}; give a rate from 0 to 1, "
            'or names with rates such as {"triage": 0.05, "*": 1.0}'
        ) from error


def _pair_in(text: str) -> tuple[str, str]:
    name, sign, rate = text.rpartition("=")
    return (name.strip(), rate) if sign else (ALL_NAMES, text)


def _as_rate(name: str, given: Any) -> float:
    try:
        rate = float(given)
    except (TypeError, ValueError):
        rate = math.nan
    if not 0 <= rate <= 1:
        raise ValueError(f"the rate of {name!r} is {given!r}, not a number from 0 to 1")
    return rate


def _with(attributes: msgspec.Raw, members: bytes) -> msgspec.Raw:
    # They are an object, or empty, as a span encodes them.
    written = bytes(attributes)
    rest = written[1:].lstrip()
    return msgspec.Raw(b"{" + members + (b"}" if rest in (b"", b"}") else b"," + rest))
