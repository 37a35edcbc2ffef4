"""Models from what a user types: found, checked, asked."""

import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
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
    with pytest.raises(
        ModelError, match="no chat template, and case 'c1' is a chat, made one by system, chat: tru"
    ):
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
        (_drop_a_tensor, "missing: 1 tensor, model.layers.1.mlp.up_proj.weight for one"),
        (_pickle, r"pytorch_model\.bin is pickled, and a pickle can hold any program"),
        (_other_architecture, "has model_type .nonesuch., which transformers .* does not know"),
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
