"""Where a setting comes from: argument, then environment, then ``headway.toml``, then default.

A setting has a dotted key. ``collector.port`` is the variable ``HEADWAY_COLLECTOR_PORT`` and, in
``headway.toml`` (searched from the working folder upwards):

    project = "support-bot"
    [collector]
    port = 4318
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from headway.errors import SettingsError
from headway.known_keys import sounds_private, strange_keys

T = TypeVar("T")

FILE_NAME = "headway.toml"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})
_MANY_BRACKETS = 100
_UNITS = {
    **{f"{prefix}ib": 1 << 10 * power for power, prefix in enumerate("kmgt", start=1)},
    **{f"{prefix}b": 1000**power for power, prefix in enumerate("kmgt", start=1)},
    "b": 1,
}


class Sources(msgspec.Struct, frozen=True):
    """The two places outside the program that hold settings."""

    environment: Mapping[str, str]
    file: Mapping[str, Any]
    file_name: str = FILE_NAME
    problems: dict[str, str] | None = None
    """What cannot be used, by key: it is noted here and gives way to the default. None raises."""

    def get(
        self, key: str, argument: T | None, default: T, parse: Callable[[str], T] | None = None
    ) -> T:
        """Return the setting ``key`` by precedence.

        Args:
            key: dotted, for example ``collector.port``.
            argument: what the caller was given; None means not given.
            default: what holds where nobody says anything.
            parse: text to value; without it the text is the value.

        Raises:
            SettingsError: the value cannot be used; the message names its source and value.
        """
        try:
            return self._find(key, argument, default, parse)
        except SettingsError as error:
            if self.problems is None:
                raise
            self.problems[key] = str(error)
            return default

    def get_list(self, key: str, argument: Any, read: Callable[[Sequence[Any]], T]) -> T:
        """Return a setting that is a list: in a text its parts stand between commas.

        Args:
            key: as in ``get``.
            argument: what the caller was given; None means not given.
            read: the parts to the value; it is given none where nobody says anything.

        Raises:
            SettingsError: the value cannot be used; the message names its source.
        """
        variable = _variable(key)
        if argument is not None:
            source, given = f"the argument for {key}", argument
        elif variable in self.environment:
            source, given = variable, self.environment[variable]
        else:
            source, given = f"{key} in {self.file_name}", self._in_file(key)
        try:
            return read(_parts_of(given))
        except ValueError as error:
            said = f"{source} cannot be used: {error}"
        if self.problems is None:
            raise SettingsError(said)
        self.problems[key] = said
        return read(())

    def _find(
        self, key: str, argument: T | None, default: T, parse: Callable[[str], T] | None
    ) -> T:
        if argument is not None:
            return _parse_argument(key, argument, parse)
        variable = _variable(key)
        if variable in self.environment:
            return _parse(variable, self.environment[variable], parse)
        node = self._in_file(key)
        if node is None:
            return default
        source = f"{key} in {self.file_name}"
        if isinstance(node, (Mapping, list)):
            kind = "a list" if isinstance(node, list) else "a table"
            raise SettingsError(f"{source} is {kind}: give a plain value, {key} = ...")
        return _parse(source, _as_text(node), parse)

    def strange(self) -> tuple[str, ...]:
        """Return a line for each key of the file that nobody knows, to be told and passed over.

        Raises:
            SettingsError: one may have been meant to keep something out of the log.
        """
        lines = []
        for key, advice in strange_keys(self.file).items():
            said = f"{key} in {self.file_name} is no setting: {advice}"
            if not sounds_private(key):
                lines.append(said)
            elif self.problems is None:
                raise SettingsError(said)
            else:
                self.problems[key] = said
        return tuple(lines)

    def origin(self, key: str) -> str:
        """Return which of the two says what ``key`` is, by name; "default" where neither does."""
        if _variable(key) in self.environment:
            return _variable(key)
        return "default" if self._in_file(key) is None else self.file_name

    def _in_file(self, key: str) -> Any:
        node: Any = self.file
        for part in key.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        return node


def load_sources(
    folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Sources:
    """Read the nearest ``headway.toml`` at or above ``folder`` beside the environment.

    Raises:
        SettingsError: the file is there but cannot be read, or is not TOML.
    """
    environment = os.environ if environment is None else environment
    try:
        start = Path.cwd() if folder is None else folder
    except OSError:
        # The working folder is gone, and no file with it.
        return Sources(environment, {})
    for place in (start, *start.parents):
        path = place / FILE_NAME
        if os.path.isfile(path):
            return Sources(environment, _read_toml(path), str(path))
    return Sources(environment, {})


def parse_bool(text: str) -> bool:
    """Read 1/true/yes/on or 0/false/no/off."""
    lowered = text.strip().lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise ValueError("not one of 1, true, yes, on, 0, false, no, off")


def parse_port(text: str) -> int:
    """Read a TCP port; 0 asks the system for a free one."""
    port = int(text) if text.strip().isascii() and text.strip().isdecimal() else -1
    if not 0 <= port <= 65535:
        raise ValueError("not a port between 0 and 65535")
    return port


def parse_bytes(text: str) -> int:
    """Read a size: a number of bytes, or of KB, MB, GB, TB, KiB, MiB, GiB or TiB."""
    number, size = text.strip().lower(), 1
    for unit, unit_bytes in _UNITS.items():
        if number.endswith(unit):
            number, size = number.removesuffix(unit), unit_bytes
            break
    try:
        whole = int(number)
    except ValueError:
        whole = 0
    if whole < 1:
        raise ValueError("not a size above zero, such as 500000000, 500MB or 1GiB")
    return whole * size


def _parts_of(given: Any) -> Sequence[Any]:
    if given is None:
        return ()
    if isinstance(given, str):
        return [part.strip() for part in given.split(",") if part.strip()]
    if isinstance(given, (list, tuple, set, frozenset)):
        return list(given)
    if callable(given):
        return [given]
    raise ValueError(f"it is of type {type(given).__name__}: give a list")


def _variable(key: str) -> str:
    return "HEADWAY_" + key.replace(".", "_").upper()


def _parse_argument(key: str, argument: T, parse: Callable[[str], T] | None) -> T:
    # By the rules of a variable, so that "no" for a truth value is no, and "1GB" is told.
    source = f"the argument for {key}"
    if parse is None and not isinstance(argument, str):
        raise SettingsError(f"{source} is of type {type(argument).__name__}: give a text")
    return _parse(source, _as_text(argument), parse)


def _parse(source: str, text: str, parse: Callable[[str], T] | None) -> T:
    if parse is None:
        return text  # type: ignore[return-value]  # without a parser T is str
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(f"{source} is {text!r}: {error}") from error


def _as_text(node: Any) -> str:
    return str(node).lower() if isinstance(node, bool) else str(node)


def _read_toml(path: Path) -> Mapping[str, Any]:
    import tomllib  # most programs have no such file

    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    except RecursionError as error:
        if text.count("[") + text.count("{") < _MANY_BRACKETS:
            # It is the program's stack that is deep.
            raise
        raise SettingsError(f"{path} is nested too deeply: a setting is a plain value") from error
