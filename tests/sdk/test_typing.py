"""What type checkers see of decorated functions: all that they saw before.

A program with deliberate mistakes is checked once. Behind ``# E:`` stands the code of the error
that is expected on a line, behind ``# R:`` the type that is revealed there.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = """
import functools
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import headway


@headway.observe
def plain(message: str, *, limit: int = 3) -> str:
    return message[:limit]

reveal_type(plain)  # R: def (message: str, *, limit: int = ...) -> str
plain("a", limit=1)
plain(1)  # E: arg-type
plain("a", size=1)  # E: call-arg
plain()  # E: call-arg
number: int = plain("a")  # E: assignment


@headway.observe(kind="llm", model="support-7b", reduce=len)
def configured(message: str, /, *others: int, **more: float) -> bytes:
    return b""

reveal_type(configured)  # R: def (str, *others: int, **more: float) -> bytes
configured("a", 1, 2, size=0.5)
configured(message="a")  # E: call-arg arg-type
configured("a", "b")  # E: arg-type


@headway.observe
async def later(message: str) -> str:
    return message

reveal_type(later)  # R: def (message: str) -> Coroutine[Any, Any, str]


async def use() -> None:
    reveal_type(await later("a"))  # R: str
    text: str = later("a")  # E: assignment
    async for chunk in astream(3):
        reveal_type(chunk)  # R: str
    astream("3")  # E: arg-type


@headway.observe(name="stream")
def stream(count: int) -> Generator[str, None, int]:
    yield "a"
    return count

reveal_type(stream)  # R: def (count: int) -> Generator[str, None, int]


@headway.observe
async def astream(count: int) -> AsyncIterator[str]:
    yield "a"

reveal_type(astream)  # R: def (count: int) -> AsyncIterator[str]


class Desk:
    @headway.observe
    def method(self, message: str) -> int:
        return 1

    @headway.observe(kind="chain")
    async def amethod(self, message: str) -> int:
        return 1

    @classmethod
    @headway.observe
    def of_class(cls, message: str) -> "Desk":
        return cls()

    @staticmethod
    @headway.observe
    def static(message: str) -> float:
        return 0.5

    @property
    @headway.observe
    def size(self) -> int:
        return 1

    def __call__(self, message: str) -> str:
        return message


reveal_type(Desk().method)  # R: def (message: str) -> int
reveal_type(Desk().amethod)  # R: def (message: str) -> Coroutine[Any, Any, int]
reveal_type(Desk.of_class)  # R: def (message: str) -> Desk
reveal_type(Desk.static)  # R: def (message: str) -> float
reveal_type(Desk().size)  # R: int
Desk().method(1)  # E: arg-type
Desk.of_class(1)  # E: arg-type
Desk.static()  # E: call-arg


reveal_type(headway.observe(Desk()))  # R: def (message: str) -> str
headway.observe(Desk())(1)  # E: arg-type

half = headway.observe(functools.partial(plain, limit=1))
reveal_type(half("a"))  # R: str

headway.observe(kind="lm")  # E: call-overload
headway.observe(1)  # E: call-overload
headway.observe(reduce=1)  # E: call-overload


def wrapped(function: Callable[[str], str]) -> None: ...

wrapped(later)  # E: arg-type
"""


@dataclass(frozen=True)
class Said:
    """What mypy said of each line."""

    errors: dict[int, set[str]]
    types: dict[int, str]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    folder = tmp_path_factory.mktemp("typing")
    program = folder / "program.py"
    program.write_text(PROGRAM)
    configuration = Path(__file__).parents[2] / "pyproject.toml"
    ran = subprocess.run(
        [
            # With the cache of `make check`, which has read all that the program imports.
            *(sys.executable, "-m", "mypy", "--config-file", configuration),
            *("--no-error-summary", program),
        ],
        capture_output=True,
        text=True,
        cwd=configuration.parent,
    )
    assert not ran.stderr, ran.stderr
    errors: dict[int, set[str]] = {}
    types = {}
    for line in ran.stdout.splitlines():
        if error := re.search(r"program\.py:(\d+): error: .*\[([a-z-]+)\]$", line):
            errors.setdefault(int(error[1]), set()).add(error[2])
        elif note := re.search(r'program\.py:(\d+): note: Revealed type is "(.+)"$', line):
            types[int(note[1])] = shortened(note[2])
    return Said(errors, types)


def shortened(revealed: str) -> str:
    # Without modules, and a default as every version of mypy writes it.
    return re.sub(r" =(?: \.\.\.)?", " = ...", re.sub(r"\b(?:\w+\.)+(?=\w)", "", revealed))


def expected(mark: str) -> dict[int, str]:
    lines = enumerate(PROGRAM.splitlines(), 1)
    return {
        number: line.partition(f"# {mark}: ")[2] for number, line in lines if f"# {mark}: " in line
    }


def test_decorated_functions_keep_their_types(said: Said) -> None:
    assert said.types == expected("R")


def test_wrong_calls_of_decorated_functions_are_found_and_right_ones_are_not(said: Said) -> None:
    assert said.errors == {line: set(codes.split()) for line, codes in expected("E").items()}
