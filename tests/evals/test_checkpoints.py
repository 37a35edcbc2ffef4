"""What a checkpoint makes of each kind of request, and of those that it cannot answer."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from headway_evals.errors import ModelError
from headway_evals.models.bases import find_base
from headway_evals.models.checkpoints import Checkpoint
from headway_evals.models.requests import (
    Ask,
    Choices,
    Completion,
    Generate,
    Likelihood,
    Request,
    Rolling,
)
from headway_evals.prompts import Message, Prompt

CHATTY = (
    "{% for m in messages %}{% if m.role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}{{ m.content }};{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}"
)
KINDS: list[Ask] = [Generate(4), Choices(("b", "c")), Likelihood("b"), Rolling()]


def ask(model: Checkpoint, *asked: tuple[Prompt, Ask]) -> list[Completion]:
    requests = [
        Request(f"c{number}", prompt, prompt, each) for number, (prompt, each) in enumerate(asked)
    ]
    seen: dict[int, Completion] = {}
    completions = model.generate(requests, seen.__setitem__)
    assert [seen[index] for index in range(len(requests))] == completions
    return completions


def logprob(checkpoint: Path, text: str, measured: int) -> float:
    """Return how likely the last characters of a text are, by transformers alone."""
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint).eval()
    ids = transformers.AutoTokenizer.from_pretrained(checkpoint)(text)["input_ids"]
    with torch.inference_mode():
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(dim=-1)
    places = range(len(ids) - measured, len(ids))
    return sum(float(logprobs[place - 1, ids[place]]) for place in places)


@pytest.fixture
def chatty(checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint, with a chat template that knows no system role."""
    folder = Path(shutil.copytree(checkpoint, tmp_path / "chatty"))
    (folder / "chat_template.jinja").write_text(CHATTY)
    return folder


def test_a_choice_is_the_likeliest_option_and_holds_each_likelihood(checkpoint: Path) -> None:
    options = ("xy", "q", "abc")

    (found,) = ask(Checkpoint(checkpoint), ("where is", Choices(options, unconditional=True)))

    expected = [logprob(checkpoint, "where is" + each, len(each)) for each in options]
    values = found.likelihoods
    assert [value.logprob for value in values[:3]] == pytest.approx(expected, abs=1e-3)
    assert [value.token_count for value in values] == [2, 1, 3, 2, 1, 3]
    assert found.text == options[expected.index(max(expected))]
    assert found.input_tokens == 8


def test_one_call_takes_requests_of_every_kind(checkpoint: Path) -> None:
    generated, chosen, likely, rolled = ask(
        Checkpoint(checkpoint), *(("abcabc", each) for each in KINDS)
    )

    assert (generated.output_tokens, generated.likelihoods) == (4, ())
    assert chosen.text in ("b", "c")
    assert (likely.text, rolled.text) == ("", "")
    expected = logprob(checkpoint, "abcabcb", 1)
    assert likely.likelihoods[0].logprob == pytest.approx(expected, abs=1e-3)
    assert (rolled.likelihoods[0].token_count, rolled.likelihoods[0].byte_count) == (6, 6)


def test_an_answer_that_the_context_cuts_short_says_so(checkpoint: Path) -> None:
    cut, full = ask(Checkpoint(checkpoint), ("x" * 126, Generate(50)), ("x" * 100, Generate(2)))

    assert (cut.output_tokens, cut.is_cut) == (2, True)
    assert (full.output_tokens, full.is_cut) == (2, False)


def test_draws_follow_seed_and_sample_and_not_the_batch(checkpoint: Path) -> None:
    drawn: list[tuple[Prompt, Ask]] = [
        ("hello", Generate(16, temperature=1.5, seed=seed, sample=sample))
        for seed in (1, 2)
        for sample in (0, 1)
    ]

    together = ask(Checkpoint(checkpoint), *drawn)
    apart = ask(Checkpoint(checkpoint, batch_tokens=16), *drawn)

    assert [each.text for each in together] == [each.text for each in apart]
    assert len({each.text for each in together}) == 4


def test_a_chat_that_the_template_refuses_marks_its_case_alone(chatty: Path) -> None:
    refused, answered = ask(
        Checkpoint(chatty),
        ((Message("system", "s"), Message("user", "hi")), Generate(3)),
        ((Message("user", "hi"),), Generate(3)),
    )

    assert refused.error == "the chat template refuses the prompt: System role not supported"
    assert answered.output_tokens == 3


def test_the_tokenizer_begins_a_text_and_not_what_a_template_wrote(chatty: Path) -> None:
    tokenizer = Tokenizer.from_file(str(chatty / "tokenizer.json"))
    tokenizer.post_processor = TemplateProcessing(
        single="<start> $A", special_tokens=[("<start>", 1)]
    )
    tokenizer.save(str(chatty / "tokenizer.json"))

    text, chat = ask(
        Checkpoint(chatty), ("hi;a:", Generate(1)), ((Message("user", "hi"),), Generate(1))
    )

    assert (text.input_tokens, chat.input_tokens) == (6, 5)


def test_a_chat_is_measured_as_its_template_writes_it(chatty: Path) -> None:
    chat = (Message("user", "hi"),)

    likely, rolled = ask(Checkpoint(chatty), (chat, Likelihood("b")), (chat, Rolling()))

    expected = logprob(chatty, "hi;a:b", 1)
    assert likely.likelihoods[0].logprob == pytest.approx(expected, abs=1e-3)
    assert rolled.likelihoods[0].byte_count == len("hi;")


@pytest.mark.parametrize("each", KINDS, ids=lambda each: type(each).__name__)
def test_half_a_character_marks_its_case_alone(checkpoint: Path, each: Ask) -> None:
    torn, whole = ask(Checkpoint(checkpoint), ("a\ud800", each), ("abc", each))

    assert torn.error == "the prompt holds half a character (a lone surrogate)"
    assert whole.error is None


def test_a_choice_among_nothing_marks_its_case_alone(checkpoint: Path) -> None:
    empty, good = ask(Checkpoint(checkpoint), ("a", Choices(())), ("a", Choices(("b",))))

    assert empty.error == "there are no options to choose from"
    assert good.text == "b"


@contextmanager
def without_memory(checkpoint: Path) -> Iterator[None]:
    """Have the checkpoint's model run out of memory, however little is asked."""

    def run_out(module: Any, inputs: Sequence[Any]) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    model = find_base(checkpoint, torch.device("cpu"), "float32").wearing(None)
    handle = model.model.register_forward_pre_hook(run_out)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize("each", KINDS, ids=lambda each: type(each).__name__)
def test_a_prompt_that_does_not_fit_in_memory_ends_the_run_with_advice(
    checkpoint: Path, each: Ask
) -> None:
    model = Checkpoint(checkpoint, device="cpu", batch_tokens=1)

    with (
        without_memory(checkpoint),
        pytest.raises(
            ModelError, match="tiny runs out of memory on cpu with a single prompt: take"
        ),
    ):
        ask(model, ("abc", each))
