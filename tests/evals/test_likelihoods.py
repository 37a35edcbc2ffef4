import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from headway_evals.engine.budgets import Budget, OutOfMemory
from headway_evals.engine.likelihoods import Likelihoods
from headway_evals.engine.passages import Item, Measured, PassageEncoder
from headway_evals.engine.plain import plain_generate, plain_likelihood


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(checkpoint)


def _load(checkpoint: Path, **changes: Any) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(checkpoint, **changes).eval()


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Any:
    return _load(checkpoint)


def _items(seed: int = 7) -> list[Item]:
    """Return items of every kind: alike from the beginning, alike in part, and not at all."""
    draw = random.Random(seed)

    def text(least: int, most: int) -> str:
        return "".join(draw.choices("abcde ", k=draw.randint(least, most)))

    shared, other = text(60, 60), text(40, 40)
    items = []
    for number in range(36):
        prompt = (shared, other, "")[number % 3] + text(3, 20)
        options = tuple(text(1, 12) + "." for _ in range(draw.randint(1, 4)))
        items.append(Item(prompt, options, is_unconditional=number % 5 == 0))
    return [
        *items,
        items[0],
        Item("a" + shared, ("x", "y", "z")),
        Item("", ("longer than its prompt",)),
        Item(shared, None),
        Item(text(300, 300), None),
        Item(text(200, 200), ("too long",)),
    ]


def _measure(engine: Likelihoods, items: Sequence[Item]) -> list[Measured]:
    found: dict[int, Measured] = {}
    engine.measure(items, found.__setitem__)
    return [found[index] for index in range(len(items))]


def _assert_plain(model: Any, tokenizer: Any, items: Sequence[Item], found: list[Measured]) -> None:
    for encoded, measured in zip(PassageEncoder(tokenizer, 128).encode(items), found, strict=True):
        plain = plain_likelihood(model, encoded)
        assert measured.error == plain.error
        assert measured.input_tokens == plain.input_tokens
        for value, wanted in zip(measured.likelihoods, plain.likelihoods, strict=True):
            assert value.logprob == pytest.approx(wanted.logprob, rel=1e-5, abs=1e-4)
            assert value.token_count == wanted.token_count
            assert value.byte_count == wanted.byte_count
            assert value.is_greedy == wanted.is_greedy


@pytest.mark.parametrize("tokens", [30, 300, 8_192])
def test_likelihoods_are_those_of_each_text_alone(model: Any, tokenizer: Any, tokens: int) -> None:
    items = _items()

    found = _measure(Likelihoods(model, tokenizer, Budget(tokens)), items)

    _assert_plain(model, tokenizer, items, found)


def test_eager_attention_measures_the_same(checkpoint: Path, tokenizer: Any) -> None:
    model, items = _load(checkpoint, attn_implementation="eager"), _items()

    found = _measure(Likelihoods(model, tokenizer, Budget(300)), items)

    _assert_plain(model, tokenizer, items, found)


_SIZES: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "initializer_range": 0.5,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


@pytest.mark.parametrize(
    ("config", "is_sharing"),
    [
        (transformers.MistralConfig(**_SIZES, sliding_window=16), False),
        (transformers.Gemma2Config(**_SIZES, sliding_window=16), False),
        (transformers.CohereConfig(**_SIZES, logit_scale=0.25), True),
        (
            transformers.GPT2Config(
                vocab_size=99, n_positions=128, n_embd=32, n_layer=2, n_head=4, bos_token_id=1
            ),
            True,
        ),
        (
            transformers.BloomConfig(
                vocab_size=99, hidden_size=32, n_layer=2, n_head=4, bos_token_id=1
            ),
            False,
        ),
    ],
    ids=lambda value: getattr(value, "model_type", None),
)
def test_models_of_other_kinds_share_only_what_they_can(
    tokenizer: Any, config: Any, is_sharing: bool
) -> None:
    torch.manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    items = _items()
    engine = Likelihoods(model, tokenizer, Budget(400), context=128)

    found = _measure(engine, items)

    _assert_plain(model, tokenizer, items, found)
    encoded = PassageEncoder(tokenizer, 128).encode(items)
    rows = {tuple(passage.ids[:-1]) for item in encoded for passage in item.passages}
    assert (engine.computed_tokens < 0.6 * sum(map(len, rows))) is is_sharing


def test_what_texts_share_is_computed_once(model: Any, tokenizer: Any) -> None:
    draw = random.Random(5)
    shared = "".join(draw.choices("abcdefgh", k=50))
    questions = [f"{chr(65 + number)} is this a question?" for number in range(20)]
    items = [Item(shared + each, (" yes", " no", " maybe", " yes")) for each in questions]
    engine = Likelihoods(model, tokenizer, Budget(8_192))

    _measure(engine, items)

    # Of each option the last token is looked up, not read: " ye", " n" and " mayb" fork after " ".
    assert engine.computed_tokens == 50 + 20 * (len(questions[0]) + len(" ") + 2 + 1 + 4)


def test_a_text_that_the_model_would_write_is_greedy(model: Any, tokenizer: Any) -> None:
    prompt = "what comes next"
    ids = tokenizer(prompt)["input_ids"]
    tokens = plain_generate(model, ids, max_new_tokens=8, end_tokens={2})
    text = tokenizer.decode(tokens)
    other = ("b" if text[0] == "a" else "a") + text[1:]
    engine = Likelihoods(model, tokenizer, Budget(1_000))

    (found,) = _measure(engine, [Item(prompt, (text, other))])

    assert [value.is_greedy for value in found.likelihoods] == [True, False]


def test_plain_generation_is_that_of_transformers(model: Any, tokenizer: Any) -> None:
    ids = tokenizer("once upon")["input_ids"]

    tokens = plain_generate(model, ids, max_new_tokens=20, end_tokens={2})

    whole = model.generate(torch.tensor([ids]), max_new_tokens=20, do_sample=False)
    assert tokens == whole[0, len(ids) :].tolist()


def test_plain_generation_ends_with_a_token_that_ends(model: Any, tokenizer: Any) -> None:
    ids = tokenizer("once upon")["input_ids"]
    tokens = plain_generate(model, ids, max_new_tokens=20, end_tokens=())

    ended = plain_generate(model, ids, max_new_tokens=20, end_tokens={tokens[3]})

    assert ended == tokens[: tokens.index(tokens[3]) + 1]


def test_nan_marks_the_item_it_came_from_and_no_other(checkpoint: Path, tokenizer: Any) -> None:
    model = _load(checkpoint)
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer("~")["input_ids"][0]] = torch.nan
    shared = "a beginning that they all share, so that one row holds many of them: "
    items = [
        Item(
            f"{shared}{chr(65 + number)}{'~' if number == 6 else ''} so",
            ("x", "yes", "no"),
        )
        for number in range(16)
    ]

    found = _measure(Likelihoods(model, tokenizer, Budget(2_000)), items)

    _assert_plain(model, tokenizer, items, found)
    assert [number for number, each in enumerate(found) if each.error] == [6]
    assert "NaN" in str(found[6].error)


def _fails_above(model: Any, tokens: int) -> list[int]:
    """Let a model run out of memory with more tokens than these; return the list of its calls."""
    calls: list[int] = []

    def refuse(_: Any, args: Any, inputs: dict[str, Any]) -> None:
        calls.append(inputs["input_ids"].numel())
        if calls[-1] > tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    model.register_forward_pre_hook(refuse, with_kwargs=True)
    return calls


def test_running_out_of_memory_halves_the_budget_for_good(checkpoint: Path, tokenizer: Any) -> None:
    model, items = _load(checkpoint), _items()
    budget = Budget(8_192)
    calls = _fails_above(model, 50)

    found = _measure(Likelihoods(model, tokenizer, budget), items)

    failures = sum(count > 50 for count in calls)
    assert failures == budget.halvings > 0
    calls.clear()
    _measure(Likelihoods(model, tokenizer, budget), items)
    assert max(calls) <= 50
    _assert_plain(_load(checkpoint), tokenizer, items, found)


def test_a_model_that_fits_nothing_says_so(checkpoint: Path, tokenizer: Any) -> None:
    model = _load(checkpoint)
    _fails_above(model, 0)

    with pytest.raises(OutOfMemory):
        _measure(Likelihoods(model, tokenizer, Budget(64)), _items())


def test_nothing_is_measured_of_nothing(model: Any, tokenizer: Any) -> None:
    assert _measure(Likelihoods(model, tokenizer, Budget(64)), []) == []
