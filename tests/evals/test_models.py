"""Models from what a user types: found, checked, asked."""

import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import peft
import pytest
import transformers
from safetensors.torch import load_file, save_file

from headway_evals.errors import ModelError
from headway_evals.models.requests import Completion, Generate, Model, Request
from headway_evals.models.specs import ModelOptions, make_model
from headway_evals.prompts import Message, Prompt


def request(prompt: Prompt, most: int = 8, stop: tuple[str, ...] = ()) -> Request:
    return Request("c1", prompt, prompt, Generate(most, stop))


def ask(model: Model, requests: Sequence[Request]) -> list[Completion]:
    seen: dict[int, Completion] = {}
    completions = model.generate(requests, seen.__setitem__)
    assert [seen[index] for index in range(len(requests))] == completions
    return completions


def make(spec: str, folder: Path, **options: Any) -> Model:
    return make_model(spec, ModelOptions(folder=folder, **options))


def test_a_checkpoint_answers_and_counts_its_tokens(checkpoint: Path) -> None:
    model = make("hf:tiny", checkpoint.parent, device="cpu")

    short, long = ask(model, [request("hi", most=3), request("hello there", most=9)])

    assert (short.input_tokens, short.output_tokens) == (2, 3)
    assert (long.input_tokens, long.output_tokens) == (11, 9)
    assert short.latency_ms is not None
    assert model.settings["dtype"] == "float32"


def test_an_adapter_answers_as_peft_does_without_merging(checkpoint: Path, adapter: Path) -> None:
    base = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        tuned = peft.PeftModel.from_pretrained(base, adapter).eval()
    ids = tokenizer("where is it?", return_tensors="pt")
    expected = tuned.generate(**ids, do_sample=False, max_new_tokens=20)[0, 12:]

    model = make("hf:tiny+tuned", checkpoint.parent)
    (found,) = ask(model, [request("where is it?", most=20)])
    (plain,) = ask(make("hf:tiny", checkpoint.parent), [request("where is it?", most=20)])

    assert found.text == tokenizer.decode(expected, skip_special_tokens=True)
    assert found.text != plain.text
    assert model.name == "tiny+tuned"


def test_a_digest_knows_content_and_not_place(
    checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    shutil.copytree(checkpoint, tmp_path / "moved")
    digest = make("hf:tiny", checkpoint.parent).digest

    assert make("hf:moved", tmp_path).digest == digest
    assert make("hf:tiny+tuned", checkpoint.parent).digest != digest
    (tmp_path / "moved" / "tokenizer_config.json").write_text("{}")
    assert make("hf:moved", tmp_path).digest != digest


def test_a_prompt_that_does_not_fit_marks_its_case_alone(checkpoint: Path) -> None:
    model = make("hf:tiny", checkpoint.parent)

    too_long, empty, tight = ask(
        model, [request("x" * 200), request(""), request("x" * 126, most=50)]
    )

    assert too_long.error == "the prompt has 200 tokens, the model's context is 128"
    assert empty.error == "the prompt has no tokens"
    assert tight.output_tokens == 2


def test_a_chat_needs_a_template_and_follows_it(checkpoint: Path, tmp_path: Path) -> None:
    chat = request((Message("system", "s"), Message("user", "hi")))
    with pytest.raises(ModelError, match="has no chat template, and case 'c1' is a chat"):
        ask(make("hf:tiny", checkpoint.parent), [chat])
    shutil.copytree(checkpoint, tmp_path / "chatty")
    (tmp_path / "chatty" / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}"
        "{% if add_generation_prompt %}a:{% endif %}"
    )

    (templated,) = ask(make("hf:chatty", tmp_path), [chat])
    (written_out,) = ask(make("hf:tiny", checkpoint.parent), [request("s:s;u:hi;a:")])

    assert templated.text == written_out.text


def test_a_checkpoint_in_several_files_is_whole_or_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)
    shutil.copytree(checkpoint, tmp_path / "split", ignore=shutil.ignore_patterns("*.safetensors"))
    model.save_pretrained(tmp_path / "split", max_shard_size="40KB")
    shards = sorted((tmp_path / "split").glob("model-*.safetensors"))

    (whole,) = ask(make("hf:split", tmp_path), [request("hi")])
    shards[1].unlink()

    assert len(shards) > 1
    assert whole.text == ask(make("hf:tiny", checkpoint.parent), [request("hi")])[0].text
    with pytest.raises(ModelError, match=f"holds no {shards[1].name}"):
        make("hf:split", tmp_path)


def test_nan_marks_its_case_alone(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path / "poisoned")
    tensors = load_file(checkpoint / "model.safetensors")
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    tensors["model.embed_tokens.weight"][tokenizer("~")["input_ids"]] = float("nan")
    save_file(tensors, tmp_path / "poisoned" / "model.safetensors", metadata={"format": "pt"})

    bad, good = ask(make("hf:poisoned", tmp_path), [request("a~b"), request("abc")])

    assert (bad.text, bad.error) == (None, "the model gave NaN instead of a next token")
    assert good.error is None


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def _drop_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _other_architecture(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "nonesuch"}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, r"model.safetensors is damaged or cut short \(.*\): copy it again"),
        (_drop_a_tensor, "1 tensors are missing, model.layers.1.mlp.up_proj.weight for one"),
        (_pickle, "holds no model.safetensors; pickled weights are not read"),
        (_other_architecture, "cannot be loaded: .*nonesuch"),
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json, so it is no"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "tokenizer in .* cannot be"),
    ],
)
def test_a_damaged_checkpoint_says_what_is_wrong(
    checkpoint: Path, tmp_path: Path, damage: Any, message: str
) -> None:
    shutil.copytree(checkpoint, tmp_path / "broken")
    damage(tmp_path / "broken")

    with pytest.raises(ModelError, match=message):
        ask(make("hf:broken", tmp_path), [request("hi")])


def _aim_elsewhere(folder: Path) -> None:
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "target_modules": ["c_x"]}))


def _drop_half(folder: Path) -> None:
    tensors = load_file(folder / "adapter_model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "q_proj" in name}
    save_file(kept, folder / "adapter_model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("damage", [_aim_elsewhere, _drop_half])
def test_an_adapter_that_does_not_fit_is_refused(
    checkpoint: Path, adapter: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(adapter, tmp_path / "alien")
    damage(tmp_path / "alien")

    with pytest.raises(ModelError, match="alien does not fit its base"):
        ask(make(f"hf:{checkpoint}+alien", tmp_path), [request("hi")])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gpt-4", "'gpt-4' is no model: its scheme must be one of hf:PATH"),
        ("hf:", "'hf:' names nothing"),
        ("hf:tinny", "no model folder 'tinny'; did you mean 'tiny'?"),
        ("hf:tuned", "tuned is an adapter and needs its base: hf:.*[+]tuned"),
        ("hf:tiny+tiny", "tiny holds no adapter_config.json, so it is no adapter; it holds"),
        ("hf:tiny+tuned+tuned", "names 2 adapters"),
        ("hf:tiny/config.json", "is a file; a model is a folder"),
        ("python:", "names nothing"),
        ("python:math", "names no function: write python:module:function"),
        ("python:no_such_module:f", "cannot be imported .* No module named 'no_such_module'"),
        ("python:math:nonesuch", "has no attribute 'nonesuch'"),
        ("python:math:pi", "is 3.14159.*, which cannot be called"),
        ("log:color=red", "unknown key 'color'; known: project, kind"),
        ("log:name", "has 'name': write log:key=value"),
    ],
)
def test_a_spec_that_names_nothing_says_what_could_be_meant(
    checkpoint: Path, adapter: Path, spec: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        make(spec, checkpoint.parent)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda:99"}, "no device 'cuda:99' here"),
        ({"device": "gpu"}, "no device 'gpu'; give cpu, cuda"),
        ({"dtype": "float8"}, "no dtype 'float8'; known: float32"),
    ],
)
def test_a_device_or_dtype_that_is_not_there_is_refused(
    checkpoint: Path, options: dict[str, str], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        make("hf:tiny", checkpoint.parent, **options)


MODULE = """
    def one(prompt: str) -> str:
        return prompt.upper()

    def all_at_once(prompts: list[str]) -> list[str]:
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


def test_functions_are_called_with_one_prompt_or_with_all(tmp_path: Path, module: str) -> None:
    requests = [request("a"), request("b")]

    one = ask(make(f"python:{module}:one", tmp_path), requests)
    all_at_once = ask(make(f"python:{module}:all_at_once", tmp_path), requests)
    bot = ask(make(f"python:{module}:bot", tmp_path), requests)
    chat = ask(make(f"python:{module}:chat", tmp_path), [request((Message("user", "hi"),))])

    assert [each.text for each in one] == ["A", "B"]
    assert [each.text for each in all_at_once] == ["2 a", "2 b"]
    assert [each.text for each in bot] == ["bot", "bot"]
    assert [each.text for each in chat] == ["hi"]


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
