"""The user's functions asked about calls: the sample, the budget, the rests, and what they cost.

Whatever a function does costs its own values alone. One whose process is lost three times in a row
rests for a minute, so that describing goes on.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from headway.errors import CommandError
from headway_collector.errors import StoreUnavailableError
from headway_collector.own_calls import FunctionError, Value
from headway_collector.own_processes import FunctionProcess
from headway_collector.own_settings import FunctionSetting
from headway_collector.sampling import Budget, is_sampled

REST_S = 60.0
"""How long a function rests whose process was lost so many times in a row."""

_MOST_LOST = 3
_CHUNK_S = 5.0
# Before it is known how long a call takes.
_FIRST_CALLS = 50

_log = logging.getLogger(__name__)


class ClosedError(StoreUnavailableError):
    """The functions were closed while calls were asked about; nothing of those may be kept."""

    def __init__(self) -> None:
        super().__init__("the collector ends")


class _Function:
    """One function with its process, and what came of it since the start."""

    def __init__(self, setting: FunctionSetting, clock_ns: Callable[[], int]) -> None:
        self.setting = setting
        self.process = FunctionProcess(setting)
        self._left_out = 0
        self._calls = 0
        self._spent_s = 0.0
        self._budget = Budget(setting.budget_s_per_hour, clock_ns)
        self._clock_ns = clock_ns
        self._faults = 0
        self._last_fault: str | None = None
        self._lost = 0
        self._rests_until_ns = 0

    def ask(self, span_key: int, prompt: str, answer: str | None) -> Value:
        """Return what it says of a call; None where it is not asked, or fails."""
        if not is_sampled(span_key, self.setting.sample):
            return None
        if self._clock_ns() < self._rests_until_ns or self._budget.left_s <= 0:
            self._left_out += 1
            return None
        self._calls += 1
        began_s = time.monotonic()
        try:
            value = self.process.ask(prompt, answer)
        except FunctionError as error:
            if self.process.is_closed:
                raise ClosedError from error
            self._note(error)
            return None
        finally:
            took_s = time.monotonic() - began_s
            self._spent_s += took_s
            self._budget.spend(took_s)
        self._lost = 0
        return value

    @property
    def mean_s(self) -> float | None:
        """Return how long it takes a call, asked or not; None before the first one."""
        return self._spent_s / self._calls * self.setting.sample if self._calls else None

    def tell(self) -> dict[str, Any]:
        """Return its settings and its counts."""
        return {
            "name": self.setting.name,
            "kind": self.setting.kind,
            "version": self.setting.version,
            "calls": self._calls,
            "faults": self._faults,
            "last_fault": self._last_fault,
            "left_out": self._left_out,
        }

    def _note(self, error: FunctionError) -> None:
        if not self._faults:
            # Why stands in the answer alone: it may quote what was asked.
            _log.warning("descriptor %s failed: see GET /v1/descriptors", self.setting.name)
        self._faults += 1
        self._last_fault = str(error)
        self._lost = self._lost + 1 if error.is_lost else 0
        if self._lost >= _MOST_LOST:
            self._rests_until_ns = self._clock_ns() + int(REST_S * 1e9)


class OwnFunctions:
    """All functions of the user; asked by one thread, told of and closed by any.

    Args:
        settings: which there are.
        clock_ns: the time of day.
    """

    def __init__(
        self,
        settings: Sequence[FunctionSetting] = (),
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._functions = [_Function(setting, clock_ns) for setting in settings]
        self._closing = threading.Event()

    def start(self) -> None:
        """Start the processes, and return once every function is imported.

        Raises:
            CommandError: one cannot be; the message names it and says what to do.
        """
        try:
            for function in self._functions:
                function.process.start()
            for function in self._functions:
                _wait(function)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the processes; who asks meanwhile gets `ClosedError`."""
        self._closing.set()
        for function in self._functions:
            function.process.close()

    @property
    def versions(self) -> dict[str, int]:
        """Return each function's version by its name."""
        return {each.setting.name: each.setting.version for each in self._functions}

    @property
    def most_calls(self) -> int | None:
        """Return about how many calls take a few seconds; None where nothing bounds them.

        What is measured by others waits for what is asked of these.
        """
        if not self._functions:
            return None
        means_s = [each.mean_s for each in self._functions if each.mean_s is not None]
        return max(1, int(_CHUNK_S / max(sum(means_s), 1e-6))) if means_s else _FIRST_CALLS

    def describe(
        self, calls: Sequence[dict[str, Any]], texts: Sequence[dict[str, str | None] | None]
    ) -> list[str | None]:
        """Return what the functions say of each call, as a JSON object; None where nothing.

        Args:
            calls: with their keys.
            texts: prompt and answer of each; None where they cannot be read.

        Raises:
            ClosedError: the functions were closed.
        """
        if not self._functions:
            return [None] * len(calls)
        return [
            None if text is None else self._ask(call["span_key"], text)
            for call, text in zip(calls, texts, strict=True)
        ]

    def tell(self) -> list[dict[str, Any]]:
        """Return each function's settings and its counts."""
        return [function.tell() for function in self._functions]

    def _ask(self, span_key: int, text: dict[str, str | None]) -> str | None:
        prompt, answer = text["prompt"] or "", text["answer"]
        values = {}
        for function in self._functions:
            if self._closing.is_set():
                raise ClosedError
            value = function.ask(span_key, prompt, answer)
            if value is not None:
                values[function.setting.name] = value
        return msgspec.json.encode(values).decode() if values else None


def _wait(function: _Function) -> None:
    setting = function.setting
    try:
        function.process.wait_until_ready()
    except FunctionError as error:
        raise CommandError(
            f"the descriptor {setting.name!r} cannot be imported from {setting.target!r}: {error}; "
            f"correct descriptors.{setting.kind}.{setting.name} in headway.toml (modules are "
            f"looked for in {setting.folder} first), or take it out"
        ) from error
