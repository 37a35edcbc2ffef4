"""Python functions as models: called, checked, and no fault of theirs ends the run."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import pytest

from headway_evals.errors import ModelError
from headway_evals.models.functions import Function
from headway_evals.models.requests import Completion, Generate, Model, Request
from headway_evals.models.specs import ModelOptions, make_model
from headway_evals.prompts import Message, Prompt


def request(prompt: Prompt) -> Request:
    return Request("c1", prompt, prompt, Generate(8))


def ask(model: Model, requests: Sequence[Request]) -> list[Completion]:
    seen: dict[int, Completion] = {}
    completions = model.generate(requests, seen.__setitem__)
    assert [seen[index] for index in range(len(requests))] == completions
    return completions


def make(spec: str, folder: Path) -> Model:
    return make_model(spec, ModelOptions(folder=folder))


MODULE = """
    def one(prompt: str) -> str:
        return prompt.upper()

    def many(prompts: list[str]) -> list[str]:
        if "fault" in prompts:
            raise ValueError("no")
        return [f"{len(prompts)} {prompt}" for prompt in prompts]

    def chat(messages: list[dict[str, str]]) -> str:
        return messages[-1]["content"]

    def fussy(prompt):
        if prompt == "zero":
            return 1 / 0
        return {"bad": 7, "torn": "\\ud800"}.get(prompt, prompt)

    def lazy(prompts: list[str]) -> list[str]:
        return prompts[1:]

    class Bot:
        def __call__(self, prompt): return "bot"
    bot = Bot()

    class Mumbler(Exception):
        def __str__(self): raise RuntimeError("no words")
        __repr__ = __str__

    def hostile(prompt):
        if prompt == "exit":
            raise SystemExit(0)
        if prompt == "mumble":
            raise Mumbler
        return Mumbler() if prompt == "unshown" else prompt

    class Closed:
        def __getattr__(self, name): raise RuntimeError("hands off")
        def __call__(self, prompt): return "closed"
    closed = Closed()

    def odd(prompt: "list[") -> str: return "odd"
"""


@pytest.fixture
def module(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A module of its own name, since Python imports a name once."""
    name = f"answers_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{name}.py").write_text(dedent(MODULE))
    return name


def test_functions_are_called_with_one_prompt_or_with_many(tmp_path: Path, module: str) -> None:
    requests = [request("a"), request("b")]

    one = ask(make(f"python:{module}:one", tmp_path), requests)
    many = ask(make(f"python:{module}:many", tmp_path), requests)
    bot = ask(make(f"python:{module}:bot", tmp_path), requests)
    chat = ask(make(f"python:{module}:chat", tmp_path), [request((Message("user", "hi"),))])

    assert [each.text for each in one] == ["A", "B"]
    assert [each.text for each in many] == ["2 a", "2 b"]
    assert [each.text for each in bot] == ["bot", "bot"]
    assert [each.text for each in chat] == ["hi"]


def test_a_function_for_many_gets_them_in_chunks_and_a_fault_costs_one(
    tmp_path: Path, module: str
) -> None:
    function = Function(f"{module}:many", folder=tmp_path, most_prompts=2)
    requests = [request(each) for each in ("a", "b", "c", "fault", "e")]

    answered = ask(function, requests)

    assert [each.text for each in answered] == ["2 a", "2 b", None, None, "1 e"]
    assert answered[2].error == f"python:{module}:many raised ValueError: no"


def test_a_chunk_is_told_before_the_next_is_asked_for(tmp_path: Path) -> None:
    told: list[int] = []
    told_before: list[int] = []

    def many(prompts: list[str]) -> list[str]:
        told_before.append(len(told))
        return prompts

    function = Function(many, folder=tmp_path, most_prompts=2)
    function.generate([request(each) for each in "abcde"], lambda index, _: told.append(index))

    assert told_before == [0, 2, 4]


def test_what_a_function_raises_or_misreturns_marks_its_case_alone(
    tmp_path: Path, module: str
) -> None:
    model = make(f"python:{module}:fussy", tmp_path)

    good, bad, zero, torn = ask(model, [request(each) for each in ("ok", "bad", "zero", "torn")])

    assert good.text == "ok"
    assert bad.error == f"python:{module}:fussy returned 7, which is not text"
    assert zero.error == f"python:{module}:fussy raised ZeroDivisionError: division by zero"
    assert torn.text is None


def test_no_fault_of_a_function_ends_the_run(tmp_path: Path, module: str) -> None:
    prompts = [request(each) for each in ("exit", "mumble", "unshown", "ok")]

    left, mumbled, unshown, good = ask(make(f"python:{module}:hostile", tmp_path), prompts)

    assert left.error == f"python:{module}:hostile raised SystemExit: 0"
    assert str(mumbled.error).endswith(f"[{module}.Mumbler.__str__ raised RuntimeError]")
    assert "<Mumbler whose repr raised RuntimeError>, which is not text" in str(unshown.error)
    assert good.text == "ok"


@pytest.mark.parametrize("name", ["closed", "odd"])
def test_a_function_that_cannot_be_looked_into_is_called_with_one_prompt(
    tmp_path: Path, module: str, name: str
) -> None:
    model = make(f"python:{module}:{name}", tmp_path)

    assert model.digest
    assert [each.text for each in ask(model, [request("a"), request("b")])] == [name, name]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("raise SystemExit(0)", "raised SystemExit: 0"),
        (
            "raise type('E', (ImportError,), {'__str__': lambda self: 1 / 0})",
            r"E.__str__ raised ZeroDivisionError\]",
        ),
    ],
)
def test_no_fault_of_a_module_ends_the_run(
    tmp_path: Path, module: str, line: str, told: str
) -> None:
    (tmp_path / f"{module}.py").write_text(line)

    with pytest.raises(ModelError, match=f"python:{module}:one cannot be imported.*{told}"):
        make(f"python:{module}:one", tmp_path)


def test_a_function_for_all_must_answer_all(tmp_path: Path, module: str) -> None:
    with pytest.raises(ModelError, match=r"got 2 prompts and returned \['b'\]"):
        ask(make(f"python:{module}:lazy", tmp_path), [request("a"), request("b")])


def test_a_functions_digest_follows_its_file(tmp_path: Path, module: str) -> None:
    model = make(f"python:{module}:one", tmp_path)
    before = model.digest

    path = tmp_path / f"{module}.py"
    path.write_text(path.read_text() + "\n# changed\n")

    assert model.digest != before


def test_async_functions_are_awaited_together_on_one_loop(tmp_path: Path) -> None:
    under_way, loops = [0], set()
    most = [0]

    async def answer(prompt: str) -> str:
        loops.add(id(asyncio.get_running_loop()))
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        await asyncio.sleep(0)
        under_way[0] -= 1
        return prompt.upper()

    function = Function(answer, folder=tmp_path, concurrency=2)

    answered = ask(function, [request(each) for each in "abcde"])

    assert [each.text for each in answered] == list("ABCDE")
    assert (most, len(loops)) == ([2], 1)


def test_async_functions_for_many_and_objects_with_an_async_call_are_awaited(
    tmp_path: Path,
) -> None:
    class Bot:
        async def __call__(self, prompt: str) -> str:
            return f"bot {prompt}"

    async def many(prompts: list[str]) -> list[str]:
        return [f"{len(prompts)} {prompt}" for prompt in prompts]

    requests = [request("a"), request("b")]

    assert [each.text for each in ask(Function(Bot(), folder=tmp_path), requests)] == [
        *("bot a", "bot b")
    ]
    assert [each.text for each in ask(Function(many, folder=tmp_path), requests)] == ["2 a", "2 b"]


def test_what_an_async_function_raises_marks_its_case_alone(tmp_path: Path) -> None:
    faults = {
        "fault": ValueError("no"),
        "exit": SystemExit(0),
        "cancelled": asyncio.CancelledError(),
    }

    async def fussy(prompt: str) -> str:
        await asyncio.sleep(0)
        if prompt in faults:
            raise faults[prompt]
        return prompt

    function = Function(fussy, folder=tmp_path)

    answered = ask(function, [request(each) for each in ("fault", "ok", "exit", "cancelled")])

    assert [each.text for each in answered] == [None, "ok", None, None]
    errors = [str(each.error).partition(" raised ")[2] for each in answered]
    assert errors == ["ValueError: no", "", "SystemExit: 0", "CancelledError: "]
