"""The functions that describe calls besides ours, as ``headway.toml`` names them.

    [descriptors.own]
    tone = "mypkg.tones:tone"
    length = {function = "mypkg.tones:length", version = 2}

    [descriptors.model.toxicity]
    function = "mypkg.models:toxicity"
    sample = 0.05

Both tables say the same of a function; they differ in what holds where nothing is said.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headway.errors import SettingsError
from headway.settings import Sources
from headway_collector.store.described import CATEGORIES, NUMBERS, RATES
from headway_collector.store.own import MOST_NAME_CHARS

FunctionKind = Literal["own", "model"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_BUILT_IN = frozenset((*NUMBERS, *RATES, *CATEGORIES, "sketch_1", "sketch_2"))
_DEFAULTS: dict[FunctionKind, dict[str, float]] = {
    "own": {"version": 1, "sample": 1.0, "timeout_s": 1.0, "budget_s_per_hour": 600.0},
    "model": {"version": 1, "sample": 0.05, "timeout_s": 30.0, "budget_s_per_hour": 60.0},
}
_BOUNDS = {
    "version": (1, 2**31 - 1),
    "sample": (0.0, 1.0),
    "timeout_s": (0.01, 600.0),
    "budget_s_per_hour": (0.0, 3600.0),
}


@dataclass(frozen=True, slots=True)
class FunctionSetting:
    """A function that describes calls.

    Args:
        name: of its values.
        kind: the table that it stands in.
        target: where it is, as ``module:function``.
        folder: put before the path that modules are looked for on.
        version: raised by the user when it would say other things.
        sample: the share of calls that it is asked about.
        timeout_s: how long it may take for one call.
        budget_s_per_hour: how long for all calls of an hour.
    """

    name: str
    kind: FunctionKind
    target: str
    folder: Path
    version: int = 1
    sample: float = 1.0
    timeout_s: float = 1.0
    budget_s_per_hour: float = 600.0


def read_functions(sources: Sources) -> tuple[FunctionSetting, ...]:
    """Return the functions that the file names, in its order.

    Raises:
        SettingsError: one cannot be used; the message names it and says what to do.
    """
    table = sources.file.get("descriptors", {})
    _check_table("descriptors", table, sources)
    _check_keys("descriptors", table, tuple(_DEFAULTS), sources)
    found: dict[str, FunctionSetting] = {}
    for kind in _DEFAULTS:
        functions = table.get(kind, {})
        _check_table(f"descriptors.{kind}", functions, sources)
        for name, said in functions.items():
            key = f"descriptors.{kind}.{name}"
            if name in found:
                raise _refuse(key, sources, "is there twice: give one of the two another name")
            found[name] = _read(key, name, kind, said, sources)
    return tuple(found.values())


def _read(key: str, name: str, kind: FunctionKind, said: Any, sources: Sources) -> FunctionSetting:
    if not _NAME.fullmatch(name) or len(name) > MOST_NAME_CHARS:
        what = f"is no name: take at most {MOST_NAME_CHARS} of a-z, 0-9 and _, a letter first"
        raise _refuse(key, sources, what)
    if name in _BUILT_IN:
        raise _refuse(key, sources, f"would hide a descriptor of Headway: rename {name!r}")
    values = {"function": said} if isinstance(said, str) else said
    _check_table(key, values, sources)
    _check_keys(key, values, ("function", *_BOUNDS), sources)
    target = values.get("function")
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        what = f'is {target!r}: name a function, function = "package.module:function"'
        raise _refuse(f"{key}.function", sources, what)
    numbers: dict[str, Any] = {
        field: _read_number(f"{key}.{field}", field, values.get(field, default), sources)
        for field, default in _DEFAULTS[kind].items()
    }
    return FunctionSetting(name, kind, target, Path(sources.file_name).absolute().parent, **numbers)


def _read_number(key: str, field: str, value: Any, sources: Sources) -> float:
    lowest, highest = _BOUNDS[field]
    kinds = (int,) if field == "version" else (int, float)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_number or not lowest <= value <= highest:
        what = "a whole number" if field == "version" else "a number"
        raise _refuse(key, sources, f"is {value!r}: give {what} from {lowest} to {highest}")
    number: float = value
    return number


def _check_table(key: str, value: Any, sources: Sources) -> None:
    if not isinstance(value, Mapping):
        raise _refuse(key, sources, f"is {value!r}: it has to be a table, as in docs/drift.md")


def _check_keys(
    key: str, table: Mapping[str, Any], known: tuple[str, ...], sources: Sources
) -> None:
    for name in table:
        if name not in known:
            raise _refuse(f"{key}.{name}", sources, f"is unknown: there are {', '.join(known)}")


def _refuse(key: str, sources: Sources, what: str) -> SettingsError:
    return SettingsError(f"{key} in {sources.file_name} {what}")
