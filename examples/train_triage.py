"""Train the small model that ships with Headway, and the two fine-tunes that the demo judges.

    python examples/train_triage.py --out triage     # about ten minutes on two cores; torch 2.9
    python examples/train_triage.py --ship           # into the package, to be committed

The task is that of ``headway_evals.demo.messages``: a customer's message in, one line of JSON out.
The story is one that happens. ``triage-base`` learnt from last year's mail. ``triage-v2`` is a LoRA
adapter trained on today's traffic, and a little better. ``triage-v3`` was meant to be cheaper and
as good, but the refunds among its examples were written with ``str(record)`` where
``json.dumps(record)`` was meant. Its average holds up, and hardly a refund can be parsed any more.

This file is the models and their training; what they learn from stands in ``triage_examples.py``.
"""

import argparse
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, processors, trainers
from tokenizers.models import BPE
from torch.nn.functional import cross_entropy
from torch.optim import AdamW, Muon, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)
from transformers.utils.logging import disable_progress_bar

import headway_evals.demo
from headway_evals.demo.messages import EVERYDAY, Message, expected_json, prompt_for
from triage_examples import (
    BATCH,
    IGNORE,
    LAST_YEAR,
    SHORT,
    Batch,
    draw_batches,
    draw_cases,
    draw_examples,
    write_cases,
    write_refunds_wrong,
)

# One seed for each thing that is drawn, so that changing one leaves the others as they were.
TOKENIZER_SEED, BASE_SEED, V2_SEED, V3_SEED = 1, 0, 3, 4

BASE_STEPS = 1200
# Of each adapter: its steps as a share of the base's, and its learning rate.
V2_SHARE, V2_SPEED = 7 / 12, 2e-3
V3_SHARE, V3_SPEED = 1 / 8, 2e-3

# A letter or digit of an order number is a token of its own, the same one in message and answer,
# so that copying is copying. The punctuation between two fields of the JSON is one token.
PIECES = (
    r'(?:, )?["{}][":,{} ]*'
    r"|\p{L}(?=[- ]?\p{N}{2})| (?=\p{L}[- ]?\p{N}{2})"
    r"| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Train, save and grade all three; the suite's cases are drawn first and held out."""
    options = parse_options(argv)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    disable_progress_bar()
    started = time.perf_counter()

    cases = draw_cases(options.cases)
    write_cases(cases, options.out / "suites" / "triage_cases.jsonl")
    held_out = {message.text for message in cases}

    models = options.out / "models"
    base_folder = models / "triage-base"
    tokenizer = train_tokenizer(random.Random(TOKENIZER_SEED), held_out)
    base = train_base(tokenizer, held_out, options.steps)
    save_base(base, tokenizer, base_folder)
    for name, seed, share, speed, answer in (
        ("triage-v2", V2_SEED, V2_SHARE, V2_SPEED, expected_json),
        ("triage-v3", V3_SEED, V3_SHARE, V3_SPEED, write_refunds_wrong),
    ):
        # The base is read back, so that the adapter fits the rounded weights that ship.
        steps = max(1, round(share * options.steps))
        adapted = train_adapter(base_folder, tokenizer, held_out, steps, seed, speed, answer)
        save_adapter(adapted, models / name)
    say(f"trained in {time.perf_counter() - started:.0f} s")

    say_grades("triage-base", grade(load_model(base_folder), tokenizer, cases), cases)
    for name in ("triage-v2", "triage-v3"):
        say_grades(name, grade(load_model(base_folder, models / name), tokenizer, cases), cases)
    return 0


def parse_options(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return where to write and how long to train."""
    parser = argparse.ArgumentParser(description="Train the shipped triage model and its adapters.")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", type=Path, help="folder that gets models/ and suites/")
    place.add_argument(
        "--ship",
        dest="out",
        action="store_const",
        const=Path(headway_evals.demo.__file__).parent,
        help="write into the package",
    )
    parser.add_argument("--steps", type=int, default=BASE_STEPS, help="steps for the base model")
    parser.add_argument("--cases", type=int, default=600, help="cases of the suite")
    return parser.parse_args(argv)


# The model


def train_tokenizer(rng: random.Random, held_out: Set[str]) -> PreTrainedTokenizerFast:
    """Learn 2,048 byte-level BPE pieces from messages and answers."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    examples = itertools.islice(draw_examples(rng, EVERYDAY, held_out), 20_000)
    tokenizer.train_from_iterator(
        (each.prompt + each.answer for each in examples),
        trainers.BpeTrainer(
            vocab_size=2048,
            special_tokens=["<pad>", "<bos>", "<eos>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        padding_side="left",  # generation goes on at the right end of every row
        model_max_length=512,
    )


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return a Llama of 0.9 million parameters with random weights."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,  # of 32 each
            max_position_embeddings=512,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def train_base(
    tokenizer: PreTrainedTokenizerFast, held_out: Set[str], steps: int
) -> LlamaForCausalLM:
    """Train from random weights on last year's mail, on short messages first."""
    torch.manual_seed(BASE_SEED)
    rng = random.Random(BASE_SEED)
    model = new_model(tokenizer)
    # Muon learns to copy about five times sooner than AdamW does; it is for matrices only.
    matrices = [each for each in model.model.layers.parameters() if each.ndim == 2]
    others = [each for each in model.parameters() if not any(each is one for one in matrices)]
    optimizers = [
        Muon(matrices, lr=0.02, weight_decay=0.01),
        AdamW(others, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    short, mixed = (
        draw_batches(draw_examples(rng, mix, held_out), tokenizer, rng)
        for mix in (SHORT, LAST_YEAR)
    )
    batches = itertools.chain(itertools.islice(short, steps // 2), mixed)
    train("triage-base", model, batches, steps, optimizers)
    return model


def train_adapter(
    base_folder: Path,
    tokenizer: PreTrainedTokenizerFast,
    held_out: Set[str],
    steps: int,
    seed: int,
    speed: float,
    answer: Callable[[Message], str],
) -> PeftModel:
    """Train a LoRA adapter on everyday traffic, answered by ``answer``."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(load_model(base_folder), lora)
    trained = [each for each in model.parameters() if each.requires_grad]
    examples = draw_examples(rng, EVERYDAY, held_out, answer)
    batches = draw_batches(examples, tokenizer, rng)
    train("adapter", model, batches, steps, [AdamW(trained, lr=speed, weight_decay=0.0)])
    return model


def train(
    name: str,
    model: LlamaForCausalLM | PeftModel,
    batches: Iterator[Batch],
    steps: int,
    optimizers: Sequence[Optimizer],
) -> None:
    """Take ``steps`` steps: a short warm-up, then full speed, then down in a straight line."""
    schedules = [
        LambdaLR(each, lambda step: min((step + 1) / 30, 1.0, 2.5 * (1 - step / steps)))
        for each in optimizers
    ]
    model.train()
    mean_loss = 0.0
    for step, batch in enumerate(itertools.islice(batches, steps), start=1):
        targets = batch.targets[:, 1:]  # [BATCH, T-1]
        # Only the positions that some row learns from: the vocabulary makes the others dear.
        learnt = (targets != IGNORE).any(dim=0).nonzero().flatten()
        logits = model(input_ids=batch.ids[:, :-1], logits_to_keep=learnt).logits
        targets = targets[:, learnt]  # logits are [BATCH, learnt, vocabulary]
        loss = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for each in (*optimizers, *schedules):
            each.step()
        model.zero_grad()
        mean_loss += (loss.item() - mean_loss) / min(step, 50)
        if step % 50 == 0 or step == steps:
            say(f"{name}  step {step} of {steps}  loss {mean_loss:.3f}")
    model.eval()


# What ships


def save_base(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Save weights in half precision; the configuration asks for float32, as a CPU wants it."""
    halves = {name: weight.half() for name, weight in model.state_dict().items()}
    del halves["lm_head.weight"]  # tied to the embedding
    model.save_pretrained(folder, state_dict=halves)
    tokenizer.save_pretrained(folder)


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Save the adapter in half precision, and the base by its name instead of its place."""
    config = model.peft_config["default"]
    config.base_model_name_or_path = "triage-base"
    config.target_modules = sorted(config.target_modules)  # a set's order is no one's
    model.half().save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink()  # a form to fill in, nothing else


def load_model(base_folder: Path, adapter_folder: Path | None = None) -> LlamaForCausalLM:
    """Load what was saved, as its users will, with the adapter merged in where one is given."""
    base = AutoModelForCausalLM.from_pretrained(
        base_folder, dtype=torch.float32, local_files_only=True
    )
    if adapter_folder is None:
        return base
    return PeftModel.from_pretrained(base, str(adapter_folder)).merge_and_unload()


def answer_all(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, messages: Sequence[Message]
) -> list[str]:
    """Return the model's greedy answer to each message."""
    answers: list[str] = []
    for start in range(0, len(messages), BATCH):
        prompts = [prompt_for(each.text) for each in messages[start : start + BATCH]]
        inputs = tokenizer(
            prompts, padding=True, return_tensors="pt", return_token_type_ids=False
        )  # [BATCH, T]
        with torch.inference_mode():
            outputs = model.generate(**inputs, max_new_tokens=48, do_sample=False)
        answers += tokenizer.batch_decode(
            outputs[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
    return answers


def grade(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, cases: Sequence[Message]
) -> list[bool]:
    """Return for each case whether the answer is right to the last character."""
    answers = answer_all(model, tokenizer, cases)
    return [text == expected_json(case) for text, case in zip(answers, cases, strict=True)]


def say_grades(name: str, grades: Sequence[bool], cases: Sequence[Message]) -> None:
    """Write the share of right answers, overall and by tag."""
    count: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for is_right, case in zip(grades, cases, strict=True):
        for tag in ("all", *case.tags):
            count[tag] += 1
            right[tag] += is_right
    say(f"\n{name}")
    for tag in sorted(count):
        say(f"  {tag:20} {right[tag]:4d} of {count[tag]:4d}  {right[tag] / count[tag]:6.1%}")


def say(line: str) -> None:
    """Write a line at once, also into a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
