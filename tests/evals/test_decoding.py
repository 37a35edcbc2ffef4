"""Decoding in slots says what each prompt would get alone, whatever comes in beside it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.overrides import TorchFunctionMode

from headway_evals.engine.budgets import Budget, OutOfMemory
from headway_evals.engine.decoding import Decoder, shared_prefix
from headway_evals.engine.sampling import Sampling
from headway_evals.engine.slots import SlotCache, fits_slots, step
from headway_evals.engine.token_rows import Answer, TokenPrompt

TEXTS = ["a", "where is my parcel?", "Transfer: 12 EUR", "x" * 60, "refund please " * 3, "?"]
SYSTEM = "You sort the messages of a shop. "


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(checkpoint)


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Any:
    return loaded(checkpoint)


def loaded(checkpoint: Path, **settings: Any) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(checkpoint, **settings).eval()


@pytest.fixture(scope="module")
def sliding_model() -> Any:
    torch.manual_seed(3)
    config = transformers.MistralConfig(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=16,
        max_position_embeddings=256,
        initializer_range=0.5,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return transformers.MistralForCausalLM(config).eval()


@pytest.fixture(scope="module")
def tied_model() -> Any:
    torch.manual_seed(5)
    config = transformers.Qwen2Config(
        vocab_size=99,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=1,
        max_position_embeddings=256,
        initializer_range=0.5,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return transformers.Qwen2ForCausalLM(config).eval()


def prompt(tokenizer: Any, text: str, most: int = 24, stop: tuple[str, ...] = ()) -> TokenPrompt:
    return TokenPrompt(tokenizer(text)["input_ids"], most, stop)


def varied(tokenizer: Any, count: int = 30, before: str = "") -> list[TokenPrompt]:
    """Return prompts of many lengths whose answers have many lengths too."""
    return [
        prompt(tokenizer, f"{before}{TEXTS[i % 6]}{i}"[:80], most=1 + 7 * i % 23)
        for i in range(count)
    ]


def answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[TokenPrompt],
    *,
    slots: int | None = None,
    budget: Budget | None = None,
) -> list[Answer]:
    found: dict[int, Answer] = {}
    decoder = Decoder(model, tokenizer, budget=budget or Budget(100_000), slots=slots)
    decoder.generate(prompts, found.__setitem__)
    assert sorted(found) == list(range(len(prompts)))
    return [found[index] for index in range(len(prompts))]


def alone(model: Any, each: TokenPrompt) -> tuple[int, ...]:
    """Return what transformers itself answers to the prompt, one by one."""
    ids = torch.tensor([each.ids])
    whole = model.generate(ids, do_sample=False, max_new_tokens=each.max_new_tokens)
    return tuple(whole[0, len(each.ids) :].tolist())


@contextmanager
def watched(model: Any, on_ids: Any) -> Iterator[None]:
    """Show the ids of each forward pass to a function, before it."""
    handle = model.register_forward_pre_hook(
        lambda _, __, given: on_ids(given["input_ids"]), with_kwargs=True
    )
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize("slots", [1, 2, 7, 64])
def test_rows_that_come_and_go_answer_as_transformers_answers_one_by_one(
    model: Any, tokenizer: Any, slots: int
) -> None:
    prompts = varied(tokenizer)

    found = answers(model, tokenizer, prompts, slots=slots)

    assert [each.tokens for each in found] == [alone(model, each) for each in prompts]
    assert found[3].text == tokenizer.decode(found[3].tokens, skip_special_tokens=True)


def test_a_model_with_tied_embeddings_and_one_head_of_keys_answers_the_same(
    tied_model: Any, tokenizer: Any
) -> None:
    prompts = varied(tokenizer, before=SYSTEM)

    found = answers(tied_model, tokenizer, prompts, slots=5)

    assert [each.tokens for each in found] == [alone(tied_model, each) for each in prompts]


def test_eager_attention_answers_the_same(checkpoint: Path, tokenizer: Any) -> None:
    eager = loaded(checkpoint, attn_implementation="eager")
    prompts = varied(tokenizer, 12, before=SYSTEM)

    found = answers(eager, tokenizer, prompts, slots=3)

    assert [each.tokens for each in found] == [alone(eager, each) for each in prompts]


def test_a_model_with_a_short_window_is_decoded_in_batches_of_its_own_cache(
    sliding_model: Any, tokenizer: Any
) -> None:
    prompts = varied(tokenizer, 20)

    found = answers(sliding_model, tokenizer, prompts)

    assert not fits_slots(sliding_model, 17)
    assert [each.tokens for each in found] == [alone(sliding_model, each) for each in prompts]


def test_a_window_that_no_row_outgrows_is_no_hindrance(sliding_model: Any, tokenizer: Any) -> None:
    prompts = [prompt(tokenizer, text, most=16 - len(text)) for text in ("abc", "d", "efghij")]

    found = answers(sliding_model, tokenizer, prompts, slots=2)

    assert fits_slots(sliding_model, 16)
    assert [each.tokens for each in found] == [alone(sliding_model, each) for each in prompts]


def test_a_slot_is_taken_again_as_soon_as_its_row_ends(model: Any, tokenizer: Any) -> None:
    prompts = [prompt(tokenizer, "hello", most=40)]
    prompts += [prompt(tokenizer, f"no {i:02}", most=2) for i in range(15)]
    rows: list[int] = []

    with watched(model, lambda ids: rows.append(len(ids)) if ids.shape[1] == 1 else None):
        found = answers(model, tokenizer, prompts, slots=2)

    assert len(rows) == len(found[0].tokens)  # the others pass beside the longest
    assert sum(rows) == sum(len(each.tokens) for each in found)


def test_what_all_prompts_begin_with_is_computed_once(model: Any, tokenizer: Any) -> None:
    prompts = varied(tokenizer, 12, before=SYSTEM)
    whole = sum(len(each.ids) for each in prompts)
    seen: list[int] = []

    with watched(model, lambda ids: seen.append(ids.numel())):
        found = answers(model, tokenizer, prompts, slots=1)

    shared = len(tokenizer(SYSTEM)["input_ids"])
    new = sum(len(each.tokens) - 1 for each in found)
    assert sum(seen) == whole - (len(prompts) - 1) * shared + new


def test_a_prefix_leaves_each_prompt_a_token_of_its_own() -> None:
    system = list(range(20))

    assert shared_prefix([TokenPrompt(system, 1), TokenPrompt([*system, 7], 1)]) == system[:19]
    assert shared_prefix([TokenPrompt([1, 2], 1), TokenPrompt([1, 2, 3], 1)]) == ()
    assert shared_prefix([TokenPrompt(system, 1)]) == ()


def test_an_answer_says_whether_it_ended_by_itself(model: Any, tokenizer: Any) -> None:
    (plain,) = answers(model, tokenizer, [prompt(tokenizer, TEXTS[1], most=40)])
    stop = (plain.text[6:9],)

    (stopped,) = answers(model, tokenizer, [prompt(tokenizer, TEXTS[1], most=40, stop=stop)])

    assert plain.is_full
    assert not stopped.is_full
    assert stopped.text == plain.text[: plain.text.index(stop[0])]


def test_work_that_does_not_fit_halves_the_budget_and_loses_no_token(
    model: Any, tokenizer: Any
) -> None:
    texts = [f"{TEXTS[i % 6]}{i}" for i in range(20)]
    prompts = [prompt(tokenizer, text, most=90 - len(text)) for text in texts]
    expected = answers(model, tokenizer, prompts)
    budget = Budget(8 * 90)
    steps = taken = 0

    def run_out(ids: torch.Tensor) -> None:
        nonlocal steps, taken
        steps += 1
        # Full only after a while, when rows have tokens that must not be lost or asked again.
        if steps > 10 and len(ids) > 2:
            raise torch.OutOfMemoryError(f"{len(ids)} rows")
        taken += len(ids) if ids.shape[1] == 1 else 0

    with watched(model, run_out):
        found = answers(model, tokenizer, prompts, budget=budget)

    assert [each.tokens for each in found] == [each.tokens for each in expected]
    assert budget.halvings == 2
    assert taken == sum(len(each.tokens) for each in found)


@pytest.mark.parametrize("kind", ["model", "sliding_model"])
def test_a_single_prompt_that_does_not_fit_is_an_error(
    request: pytest.FixtureRequest, tokenizer: Any, kind: str
) -> None:
    model = request.getfixturevalue(kind)

    def run_out(_: torch.Tensor) -> None:
        raise torch.OutOfMemoryError("no room")

    with watched(model, run_out), pytest.raises(OutOfMemory, match="no room"):
        answers(model, tokenizer, [prompt(tokenizer, "ab", most=30)] * 3)


def test_a_padded_batch_that_does_not_fit_is_halved(sliding_model: Any, tokenizer: Any) -> None:
    prompts = varied(tokenizer, 12)
    expected = answers(sliding_model, tokenizer, prompts)

    def run_out(ids: torch.Tensor) -> None:
        if len(ids) > 3:
            raise torch.OutOfMemoryError(f"{len(ids)} rows")

    with watched(sliding_model, run_out):
        found = answers(sliding_model, tokenizer, prompts, budget=Budget(1_000))

    assert [each.tokens for each in found] == [each.tokens for each in expected]


def test_nan_ends_its_row_and_reaches_no_other_in_the_same_slot(
    checkpoint: Path, tokenizer: Any
) -> None:
    broken = loaded(checkpoint)
    (poison,) = tokenizer("~")["input_ids"]
    with torch.no_grad():
        broken.model.embed_tokens.weight[poison] = torch.nan
        broken.lm_head.weight[poison] = 0  # so that no answer has it
    prompts = [
        prompt(tokenizer, f"{'~' if i % 3 == 0 else 'b'}{TEXTS[i % 6]}", 1 + i) for i in range(12)
    ]

    found = answers(broken, tokenizer, prompts, slots=2)

    assert [each.is_nan for each in found] == [i % 3 == 0 for i in range(12)]
    assert found[0].tokens == ()
    assert [each.tokens for each in found if not each.is_nan] == [
        alone(broken, each) for i, each in enumerate(prompts) if i % 3
    ]


def test_sampled_answers_are_the_same_in_any_slot(model: Any, tokenizer: Any) -> None:
    prompts = [
        TokenPrompt(each.ids, each.max_new_tokens, sampling=Sampling(1.5, 0.95, seed=index))
        for index, each in enumerate(varied(tokenizer, 24))
    ]

    together = answers(model, tokenizer, prompts, slots=64)
    one_by_one = answers(model, tokenizer, prompts, slots=1)

    assert [each.tokens for each in together] == [each.tokens for each in one_by_one]
    assert together[5].tokens != alone(model, prompts[5])


def test_rows_half_as_long_get_twice_the_slots_where_memory_limits_them(
    model: Any, tokenizer: Any
) -> None:
    prompts = [prompt(tokenizer, "long", most=60)] * 4 + [prompt(tokenizer, "go", most=8)] * 16
    rows: list[int] = []

    with watched(model, lambda ids: rows.append(len(ids))):
        answers(model, tokenizer, prompts, budget=Budget(2 * 64))

    assert max(rows[:60]) == 2
    assert max(rows) == 12


def test_latencies_count_from_when_a_prompt_is_taken_up(model: Any, tokenizer: Any) -> None:
    seconds = iter(range(1_000))
    found: dict[int, Answer] = {}
    decoder = Decoder(
        model, tokenizer, budget=Budget(4096), slots=1, clock=lambda: float(next(seconds))
    )

    decoder.generate([prompt(tokenizer, text, most=5) for text in "abc"], found.__setitem__)

    assert [found[index].latency_ms for index in range(3)] == [5_000.0] * 3


def test_no_prompts_are_no_work(model: Any, tokenizer: Any) -> None:
    assert answers(model, tokenizer, []) == []


def test_a_step_writes_each_row_at_its_own_column_and_reads_no_further_than_the_span(
    model: Any,
) -> None:
    cache = SlotCache(2, slots=4, capacity=32, device=model.device)
    with torch.inference_mode():
        step(model, cache, torch.tensor([5, 6]), torch.tensor([0, 0]), 1)
        step(model, cache, torch.tensor([7]), torch.tensor([1]), 2)

    keys = cache.layers[0].keys
    written = keys.abs().sum(dim=(1, 3)) > 0
    assert written[:, :3].tolist() == [
        [True, True, False],
        [True, False, False],
        [False, False, False],
        [False, False, False],
    ]


class AttentionWatch(TorchFunctionMode):
    """Keeps the shapes of queries and keys."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, ...]] = set()

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is torch.nn.functional.scaled_dot_product_attention:
            self.seen.add((*args[0].shape[1:3], args[1].shape[1]))
        return function(*args, **kwargs or {})


def test_keys_that_heads_share_are_read_once_and_the_model_is_left_as_it_was(
    tied_model: Any, tokenizer: Any
) -> None:
    with AttentionWatch() as watch:
        answers(tied_model, tokenizer, [prompt(tokenizer, "a", most=4)])

    assert watch.seen == {(1, 4, 1)}  # four heads are the queries of the one that has keys
    assert tied_model.config._attn_implementation == "sdpa"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_graphs_answer_as_transformers_answers_one_by_one(
    checkpoint: Path, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    on_gpu = loaded(checkpoint).to("cuda")
    prompts = varied(tokenizer, before=SYSTEM)

    found = answers(on_gpu, tokenizer, prompts, slots=12)

    on_cpu = on_gpu.to("cpu")
    assert [each.tokens for each in found] == [alone(on_cpu, each) for each in prompts]
    assert not caplog.records
