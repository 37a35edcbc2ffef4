"""What ``make bench-evals`` and ``make bench-gpu`` ask of a model, as files that both sides read.

The texts are the messages of the demo's suite. The model is a plain Llama checkpoint with random
weights, but for its head: after the token ``<|41|>`` it says ``<|40|>``, and so on down to the end
token. A prompt's last token thus sets the length of its answer, which no harness can know before.
"""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import transformers

import headway_evals

SHORTEST, LONGEST = 8, 256
_DEMO = Path(headway_evals.__file__).parent / "demo"
TRIAGE = _DEMO / "models" / "triage-base"
_END = 2
_LOGIT = 20.0
_SHOTS = 5
_CONTEXT = 2_048
_TYPICAL, _SPREAD = math.log(48), 0.9
_OPTIONS = (
    " it is about the bill",
    " it is a technical problem",
    " the parcel has not come yet",
    " the account is to be closed",
)
_SEED = 7


@dataclass(frozen=True, slots=True)
class Measuring:
    """How likely is each option after the context?"""

    context: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Writing:
    """What comes after the prompt?"""

    prompt: str
    max_new_tokens: int
    stop: tuple[str, ...] = ("\n\n",)


Item = Measuring | Writing


@dataclass(frozen=True, slots=True)
class Shape:
    """A Llama's size, its head not tied to its embeddings."""

    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int


TINY = Shape(64, 128, 2, 4, 2, 2_304)
SMALL = Shape(512, 1_536, 6, 8, 4, 2_304)
LLAMA_1B = Shape(2_048, 8_192, 16, 32, 8, 128_256)


def shared(count: int) -> list[Measuring]:
    """Return items with five examples before each message, the same ones, and four options."""
    messages = _messages()
    draw = random.Random(_SEED)
    shots = "".join(
        f"Message: {text[:200]}\nAnswer:{draw.choice(_OPTIONS)}\n\n" for text in messages[:_SHOTS]
    )
    return [
        Measuring(f"{shots}Message: {text}\nAnswer:", _OPTIONS)
        for text in _cycle(messages[_SHOTS:], count)
    ]


def apart(count: int) -> list[Measuring]:
    """Return items that share nothing, with one continuation each."""
    messages = _messages()
    return [
        Measuring(
            f"{number}. {text}\nAnd then:", (f" {messages[-1 - number % len(messages)][:200]}",)
        )
        for number, text in enumerate(_cycle(messages, count))
    ]


def options(count: int) -> list[Measuring]:
    """Return items with four options and no examples, for a model with a short context."""
    return [
        Measuring(f"Message: {text[:400]}\nAnswer:", _OPTIONS)
        for text in _cycle(_messages(), count)
    ]


def lengths(count: int) -> list[int]:
    """Return how long answers are, log-normal, the end token included."""
    draw = random.Random(_SEED)
    drawn = (round(math.exp(draw.gauss(_TYPICAL, _SPREAD))) for _ in range(count))
    return [min(LONGEST, max(SHORTEST, length)) for length in drawn]


def countdowns(count: int) -> list[Writing]:
    """Return prompts whose answers have those lengths, if the model is of ``make_model``."""
    return [
        Writing(f"{text}\n{_mark(length)}", LONGEST)
        for text, length in zip(_cycle(_messages(), count), lengths(count), strict=True)
    ]


def triages(count: int) -> list[Writing]:
    """Return prompts that the demo's models are made for."""
    return [
        Writing(f"Message:\n{text}\n\nTriage:\n", 48, stop=("\n",))
        for text in _cycle(_messages(), count)
    ]


def free(count: int) -> list[Writing]:
    """Return prompts that leave it to the model what it says, and until when."""
    return [Writing(text, 64) for text in _cycle(_messages(), count)]


def write_items(path: Path, items: Sequence[Item]) -> Path:
    """Write a task file."""
    path.write_text("".join(json.dumps(asdict(item)) + "\n" for item in items), encoding="utf-8")
    return path


@torch.inference_mode()
def make_model(
    folder: Path, shape: Shape, *, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> int:
    """Save such a model with a tokenizer, and return how many parameters it has."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(TRIAGE)
    tokenizer.model_max_length = _CONTEXT
    tokenizer.add_tokens([_mark(length) for length in range(1, LONGEST + 1)])
    tokenizer.save_pretrained(folder)
    assert len(tokenizer) <= shape.vocabulary

    torch.manual_seed(_SEED)
    with torch.device(device):
        model = transformers.LlamaForCausalLM(_config(shape)).to(dtype)
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    embeddings.weight.normal_()
    head.weight.normal_(std=shape.hidden**-0.5)
    ring = tokenizer.convert_tokens_to_ids([_mark(length) for length in range(1, LONGEST + 1)])
    # What a token adds to the stream outweighs what the layers add, so its own direction leads.
    following = torch.tensor([_END, *ring[:-1]], device=device)
    head.weight[following] = embeddings.weight[torch.tensor(ring, device=device)] * (
        _LOGIT / shape.hidden
    )
    model.save_pretrained(folder)
    return sum(each.numel() for each in model.parameters())


def _config(shape: Shape) -> transformers.LlamaConfig:
    return transformers.LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=_CONTEXT,
        tie_word_embeddings=False,
        initializer_range=0.45 * shape.hidden**-0.5,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=_END,
    )


def _mark(length: int) -> str:
    return f"<|{length}|>"


def _messages() -> list[str]:
    lines = (_DEMO / "suites" / "triage_cases.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [str(json.loads(line)["input"]) for line in lines]
    random.Random(_SEED).shuffle(texts)
    return texts


def _cycle(texts: Sequence[str], count: int) -> list[str]:
    return [texts[number % len(texts)] for number in range(count)]
