"""``vllm:`` models, by a stand-in for vLLM that answers as transformers does."""

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headway_evals.errors import ModelError
from headway_evals.models.requests import (
    Choices,
    Completion,
    Generate,
    Likelihood,
    Model,
    Request,
    Rolling,
)
from headway_evals.models.specs import ModelOptions, make_model
from headway_evals.prompts import Message
from tests.evals import vllm_stand_in
from tests.evals.vllm_stand_in import LLM
from tests.tiny_models import CHAT, make_checkpoint

REQUESTS = [
    Request("long", None, "where is my parcel?", Generate(20)),
    Request("stopped", None, "hello", Generate(20, stop=("e", "a"))),
    Request("short", None, "x" * 120, Generate(20)),
    Request("too long", None, "x" * 200, Generate(20)),
    Request("likelihood", None, "one and one is ", Likelihood("two")),
    Request("choice", None, "is it?", Choices((" yes", " no"), unconditional=True)),
    Request("rolling", None, "a text " * 30, Rolling()),
]


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[LLM]]:
    yield vllm_stand_in.install(monkeypatch)
    gc.collect()  # engines of earlier tests


def answers(model: Model, requests: list[Request] | None = None) -> list[Completion]:
    told: dict[int, Completion] = {}
    found = model.generate(requests or REQUESTS, told.__setitem__)
    assert [told[index] for index in range(len(found))] == found
    return found


def models(spec: str, **options: Any) -> tuple[Model, Model]:
    """The model by vLLM and by transformers."""
    given = ModelOptions(device="cpu", **options)
    plain = ModelOptions(**options)
    return make_model(f"vllm:{spec}", plain), make_model(f"hf:{spec}", given)


@pytest.mark.parametrize("is_tuned", [False, True])
def test_answers_are_those_of_hf(
    vllm: type[LLM], checkpoint: Path, adapter: Path, is_tuned: bool
) -> None:
    ours, plain = models(f"{checkpoint}+{adapter}" if is_tuned else str(checkpoint))

    found, wanted = answers(ours, REQUESTS[:6]), answers(plain, REQUESTS[:6])

    for one, other in zip(found, wanted, strict=True):
        assert (one.text, one.error, one.input_tokens) == (
            *(other.text, other.error, other.input_tokens),
        )
        assert (one.output_tokens, one.is_cut) == (other.output_tokens, other.is_cut)
        assert [value.token_count for value in one.likelihoods] == [
            value.token_count for value in other.likelihoods
        ]
        for value, expected in zip(one.likelihoods, other.likelihoods, strict=True):
            assert value.logprob == pytest.approx(expected.logprob, abs=1e-3)
            assert value.is_greedy == expected.is_greedy
    assert ours.name == plain.name
    assert ours.digest == plain.digest


def test_a_long_text_is_measured_in_windows_of_the_context(
    vllm: type[LLM], checkpoint: Path
) -> None:
    ours, _ = models(str(checkpoint))

    (found,) = answers(ours, [REQUESTS[6]])

    # Each token once, as by the plain model, in windows that are a little shorter.
    assert found.likelihoods[0].token_count == len("a text " * 30) == found.input_tokens
    assert found.likelihoods[0].logprob < 0


def test_base_and_adapters_share_one_engine_with_room_for_all(
    vllm: type[LLM], checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(adapter, tmp_path / "other"))
    specs = [f"vllm:{checkpoint}", f"vllm:{checkpoint}+{adapter}", f"vllm:{checkpoint}+{other}"]
    made = [make_model(spec, ModelOptions()) for spec in specs]

    first, second, third = ([each.text for each in answers(model)] for model in made)

    assert first != second
    assert second == third
    (given,) = LLM.made
    assert given["enable_lora"] is True
    assert (given["max_loras"], given["max_lora_rank"]) == (1, 8)


def test_draws_depend_on_the_case_and_the_seed(vllm: type[LLM], checkpoint: Path) -> None:
    model = make_model(f"vllm:{checkpoint}", ModelOptions())

    def drawn(case_id: str, seed: int) -> str | None:
        ask = Generate(12, temperature=1.0, seed=seed)
        return answers(model, [Request(case_id, None, "hello", ask)])[0].text

    assert drawn("a", 1) == drawn("a", 1)
    assert len({drawn("a", 1), drawn("a", 2), drawn("b", 1)}) == 3


def test_a_chat_is_templated_as_for_hf(vllm: type[LLM], tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "chatty", chat_template=CHAT)
    requests = [Request("c", None, (Message("user", "hello"),), Generate(8))]
    ours, plain = models(str(folder))

    (found,), (wanted,) = answers(ours, requests), answers(plain, requests)

    assert (found.text, found.input_tokens) == (wanted.text, wanted.input_tokens)


def test_options_go_to_the_engine_and_into_the_key(vllm: type[LLM], checkpoint: Path) -> None:
    plain: Any = make_model(f"vllm:{checkpoint}", ModelOptions())
    spec = f"vllm:{checkpoint}?max_model_len=64&gpu_memory_utilization=0.5&enforce_eager=true"
    model: Any = make_model(spec, ModelOptions(dtype="float16"))
    answers(model, REQUESTS[:1])

    (given,) = LLM.made
    assert given["model"] == str(checkpoint)
    assert (given["max_model_len"], given["gpu_memory_utilization"]) == (64, 0.5)
    assert (given["enforce_eager"], given["dtype"]) == (True, "float16")
    assert given["trust_remote_code"] is False
    assert model.cache_key != plain.cache_key
    assert model.settings["vllm"] == vllm_stand_in.VERSION


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("trust_remote_code=true", "has the unknown option 'trust_remote_code'; known: max_model"),
        ("max_model_len=many", "has max_model_len='many', which must be of type int"),
        ("enforce_eager=1", "has enforce_eager='1', which must be true or false"),
    ],
)
def test_an_option_that_is_none_is_refused(
    vllm: type[LLM], checkpoint: Path, query: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        make_model(f"vllm:{checkpoint}?{query}", ModelOptions())


def test_what_vllm_raises_is_told_in_a_line(
    vllm: type[LLM], checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: LLM, **given: Any) -> None:
        raise RuntimeError("Engine core initialization failed.\nSee root cause above.")

    monkeypatch.setattr(LLM, "__init__", fail)
    model = make_model(f"vllm:{checkpoint}", ModelOptions())

    with pytest.raises(ModelError, match=r"vLLM cannot load .*: Engine core initialization failed"):
        answers(model)


def test_without_vllm_it_says_what_to_do(checkpoint: Path) -> None:
    with pytest.raises(ModelError, match=r"needs vLLM, which is not installed: `pip install vllm`"):
        make_model(f"vllm:{checkpoint}", ModelOptions())


def test_a_name_that_is_not_in_sight_is_not_downloaded(vllm: type[LLM]) -> None:
    with pytest.raises(ModelError, match="there is no model folder 'org/model'"):
        make_model("vllm:org/model", ModelOptions())
