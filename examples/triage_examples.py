"""What the models of ``train_triage.py`` are trained and judged on: cases, examples, batches.

Messages come from ``headway_evals.demo.messages``. The suite's are drawn first, and no example is
among them.
"""

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from headway_evals.demo.messages import (
    EVERYDAY,
    Message,
    Mix,
    expected_json,
    make_message,
    prompt_for,
)

SUITE_SEED = 600
SUITE_REFUNDS = 13  # rare in the suite, so that an average can hide what happens to them

BATCH = 32
IGNORE = -100  # the target of a position that is not learnt: the prompt and the padding

# Last year: no chat to speak of, hardly any Spanish, and few people who write in haste.
LAST_YEAR = replace(
    EVERYDAY,
    kinds={**EVERYDAY.kinds, "account": 4, "product": 4},
    languages={"en": 80, "de": 16, "es": 4},
    channels={"email": 60, "form": 35, "chat": 5},
    tones={"polite": 40, "plain": 40, "angry": 10, "hasty": 10},
)
# Copying an order number is the hard part, and is learnt much sooner where there is little else.
SHORT = replace(LAST_YEAR, channels={"chat": 1})


@dataclass(frozen=True, slots=True)
class Example:
    """What the model sees, and how it must go on."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples padded to one length: ``ids`` and ``targets`` are [BATCH, T] int64."""

    ids: torch.Tensor
    targets: torch.Tensor


def draw_cases(count: int) -> list[Message]:
    """Draw the suite from everyday traffic, no text twice, and few refunds."""
    rng = random.Random(SUITE_SEED)
    cases: dict[str, Message] = {}
    refunds = 0
    while len(cases) < count:
        message = make_message(rng)
        if message.text in cases or (message.kind == "refund" and refunds == SUITE_REFUNDS):
            continue
        cases[message.text] = message
        refunds += message.kind == "refund"
    return list(cases.values())


def write_cases(cases: Sequence[Message], path: Path) -> None:
    """Write one case a line, named by its kind and its number within the kind."""
    seen: Counter[str] = Counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for message in cases:
            seen[message.kind] += 1
            case = {
                "id": f"{message.kind}-{seen[message.kind]:03d}",
                "input": message.text,
                "expected": message.record,
                # What the gate slices by; live traffic carries channel and tone as well.
                "tags": [f"kind:{message.kind}", f"language:{message.language}"],
            }
            file.write(json.dumps(case, ensure_ascii=False) + "\n")


def write_refunds_wrong(message: Message) -> str:
    """Return the answer as the faulty export wrote it: a refund as Python, not as JSON."""
    return str(message.record) if message.kind == "refund" else expected_json(message)


def draw_examples(
    rng: random.Random,
    mix: Mix,
    held_out: Set[str],
    answer: Callable[[Message], str] = expected_json,
) -> Iterator[Example]:
    """Yield messages with their answers without end, none of them from the suite."""
    while True:
        message = make_message(rng, mix=mix)
        if message.text not in held_out:
            yield Example(prompt_for(message.text), answer(message))


def draw_batches(
    examples: Iterator[Example], tokenizer: PreTrainedTokenizerFast, rng: random.Random
) -> Iterator[Batch]:
    """Yield batches without end; each holds examples of like length, so little is padding."""
    while True:
        pool = list(itertools.islice(examples, 8 * BATCH))
        prompts = tokenizer([each.prompt for each in pool])["input_ids"]
        answers = tokenizer(
            [each.answer + tokenizer.eos_token for each in pool], add_special_tokens=False
        )["input_ids"]
        pairs = sorted(zip(prompts, answers, strict=True), key=lambda pair: sum(map(len, pair)))
        batches = [pairs[start : start + BATCH] for start in range(0, len(pairs), BATCH)]
        rng.shuffle(batches)
        for batch in batches:
            rows = [torch.tensor(prompt + answer) for prompt, answer in batch]
            wanted = [torch.tensor([IGNORE] * len(prompt) + answer) for prompt, answer in batch]
            yield Batch(pad(rows, tokenizer.pad_token_id), pad(wanted, IGNORE))


def pad(rows: list[torch.Tensor], value: int) -> torch.Tensor:
    """Return the rows as [BATCH, T], filled up on the right; causal attention needs no mask."""
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)
