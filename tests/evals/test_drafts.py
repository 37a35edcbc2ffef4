"""Answers with drafts are the answers without, in fewer steps."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from headway_evals.engine import drafts as drafting
from headway_evals.engine.budgets import Budget
from headway_evals.engine.drafts import DraftedGroup, Drafts
from headway_evals.engine.sampling import Sampling
from headway_evals.engine.token_rows import Answer, TokenPrompt, TokenRow
from headway_evals.models.checkpoints import Checkpoint
from headway_evals.models.requests import Generate, Request
from headway_evals.running import is_timed
from headway_evals.suites import Case, Suite
from headway_measures.scorers import make_scorer
from headway_measures.weights import Group, Weighed
from tests.evals.decoded_prompts import (
    SYSTEM,
    TEXTS,
    alone,
    answers,
    loaded,
    made_sliding_model,
    made_tied_model,
    prompt,
    varied,
    watched,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(checkpoint)


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Any:
    return loaded(checkpoint)


def drafted(
    prompts: Sequence[TokenPrompt], found: Sequence[Answer], change: Any = tuple
) -> list[TokenPrompt]:
    """Return prompts with their answers as drafts, changed in some way."""
    return [
        replace(each, draft=change(answer.tokens))
        for each, answer in zip(prompts, found, strict=True)
    ]


def tokens_of(found: Sequence[Answer]) -> list[tuple[int, ...]]:
    return [each.tokens for each in found]


def wrong_at(place: int) -> Callable[[Sequence[int]], list[int]]:
    """Return what puts another token into a draft, at that place or at its end."""

    def change(tokens: Sequence[int]) -> list[int]:
        at = min(place, len(tokens) - 1)
        return [*tokens[:at], (tokens[at] + 1) % 99, *tokens[at + 1 :]]

    return change


CHANGES: dict[str, Callable[[Sequence[int]], Sequence[int]]] = {
    "right": tuple,
    "wrong_at_once": wrong_at(0),
    "wrong_within": wrong_at(3),
    "wrong_at_the_end": wrong_at(99),
    "too_long": lambda tokens: [*tokens, *range(40, 80)],
    "too_short": lambda tokens: tokens[:-1],
    "one_token": lambda tokens: tokens[:1],
    "beyond_the_vocabulary": lambda tokens: [*tokens[:2], 100_000],
}


@pytest.mark.parametrize("slots", [1, 7, 64])
@pytest.mark.parametrize("change", CHANGES)
def test_any_draft_leaves_the_answer_as_it_is(
    model: Any, tokenizer: Any, change: str, slots: int
) -> None:
    prompts = varied(tokenizer, 18, before=SYSTEM if slots == 7 else "")
    plain = answers(model, tokenizer, prompts)

    found = answers(model, tokenizer, drafted(prompts, plain, CHANGES[change]), slots=slots)

    assert tokens_of(found) == tokens_of(plain)
    assert [each.text for each in found] == [each.text for each in plain]
    assert [each.is_full for each in found] == [each.is_full for each in plain]


@pytest.mark.parametrize("made", ["eager", "tied", "sliding"])
def test_drafts_suit_every_kind_of_model(checkpoint: Path, tokenizer: Any, made: str) -> None:
    if made == "eager":
        model = loaded(checkpoint, attn_implementation="eager")
    else:
        model = made_tied_model() if made == "tied" else made_sliding_model()
    prompts = varied(tokenizer, 12, before=SYSTEM)
    expected = [alone(model, each) for each in prompts]
    some = [
        replace(each, draft=CHANGES["wrong_within" if index % 2 else "right"](answer))
        for index, (each, answer) in enumerate(zip(prompts, expected, strict=True))
    ]

    found = answers(model, tokenizer, some, slots=5)

    assert tokens_of(found) == expected
    # A model with a short window keeps its own cache, and knows of no drafts.
    assert any(each.drafted for each in found) is (made != "sliding")


def test_what_is_right_in_a_draft_takes_no_steps(model: Any, tokenizer: Any) -> None:
    prompts = [prompt(tokenizer, text, most=20) for text in TEXTS]
    plain = answers(model, tokenizer, prompts)
    widths: list[int] = []

    with watched(model, lambda ids: widths.append(ids.shape[1])):
        found = answers(model, tokenizer, drafted(prompts, plain))
    rights, widths = list(widths), []
    with watched(model, lambda ids: widths.append(ids.shape[1])):
        halves = answers(model, tokenizer, drafted(prompts, plain, lambda tokens: tokens[:15]))

    assert len(rights) == 1
    assert [each.drafted for each in found] == [len(each.tokens) for each in plain]
    assert widths[1:] == [1] * (max(len(each.tokens) for each in plain) - 15)
    assert [each.drafted for each in halves] == [min(15, len(each.tokens)) for each in plain]


def test_a_row_whose_draft_was_its_answer_makes_room_for_the_next(
    model: Any, tokenizer: Any
) -> None:
    prompts = varied(tokenizer, 20)
    plain = answers(model, tokenizer, prompts)
    some = drafted(prompts, plain)
    mixed = [some[i] if i % 3 else prompts[i] for i in range(20)]

    found = answers(model, tokenizer, mixed, slots=3)

    assert tokens_of(found) == tokens_of(plain)


def test_stop_texts_and_end_tokens_end_an_answer_within_its_draft(
    checkpoint: Path, tokenizer: Any
) -> None:
    model = loaded(checkpoint)
    plain = answers(model, tokenizer, [prompt(tokenizer, text, most=30) for text in TEXTS])
    stops = [each.text[9:11] for each in plain]
    stopping = [
        prompt(tokenizer, text, most=30, stop=(stop,))
        for text, stop in zip(TEXTS, stops, strict=True)
    ]
    stopped = answers(model, tokenizer, stopping)
    model.generation_config.eos_token_id = plain[1].tokens[5]
    ended = answers(model, tokenizer, stopping)

    with_end = answers(model, tokenizer, drafted(stopping, plain))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    with_stop = answers(model, tokenizer, drafted(stopping, plain))

    assert [(each.tokens, each.text) for each in with_stop] == [
        (each.tokens, each.text) for each in stopped
    ]
    assert tokens_of(with_end) == tokens_of(ended)
    assert not any(each.is_full for each in with_stop)
    assert len(with_end[1].tokens) <= 6
    assert [each.drafted for each in with_stop] == [len(each.tokens) for each in stopped]


def test_sampled_rows_beside_drafted_ones_draw_as_ever(model: Any, tokenizer: Any) -> None:
    prompts = [
        replace(each, sampling=Sampling(1.5, 0.95, seed=index) if index % 2 else None)
        for index, each in enumerate(varied(tokenizer, 20))
    ]
    plain = answers(model, tokenizer, prompts)

    found = answers(model, tokenizer, drafted(prompts, plain), slots=4)

    assert tokens_of(found) == tokens_of(plain)
    assert [each.drafted > 0 for each in found] == [index % 2 == 0 for index in range(20)]


@pytest.mark.parametrize("most_rows", [2, 1, 0])
def test_running_out_of_memory_loses_no_token_and_no_prompt(
    model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch, most_rows: int
) -> None:
    # So few logits that drafts come in several groups, of which some are done when memory ends.
    monkeypatch.setattr(drafting, "_CPU_LOGITS_BYTES", 3 * 30 * 99 * 4)
    prompts = varied(tokenizer, 20)
    plain = answers(model, tokenizer, prompts)
    some = drafted(prompts, plain, wrong_at(6))
    passes = 0

    def run_out(ids: torch.Tensor) -> None:
        nonlocal passes
        passes += 1
        is_drafted = ids.shape[1] > max(len(each.ids) for each in prompts)
        if passes > 3 and (len(ids) > max(1, most_rows) or (is_drafted and not most_rows)):
            raise torch.OutOfMemoryError(f"{len(ids)} rows")

    with watched(model, run_out):
        found = answers(model, tokenizer, some, budget=Budget(16 * 90))

    assert tokens_of(found) == tokens_of(plain)


@pytest.mark.parametrize("slots", [1, 2, 12])
def test_nan_ends_its_row_and_one_in_a_draft_reaches_nobody(
    checkpoint: Path, tokenizer: Any, slots: int
) -> None:
    broken = loaded(checkpoint)
    (poison,) = tokenizer("~")["input_ids"]
    with torch.no_grad():
        broken.model.embed_tokens.weight[poison] = torch.nan
        broken.lm_head.weight[poison] = 0  # so that no answer has it
    prompts = [
        prompt(tokenizer, f"{'~' if i % 3 == 0 else 'b'}{TEXTS[i % 6]}", 1 + i) for i in range(12)
    ]
    plain = answers(broken, tokenizer, prompts)
    poisoned = [
        replace(each, draft=[*answer.tokens[:2], poison, *answer.tokens[3:], poison])
        for each, answer in zip(prompts, plain, strict=True)
    ]

    found = answers(broken, tokenizer, poisoned, slots=slots)

    assert [each.is_nan for each in found] == [i % 3 == 0 for i in range(12)]
    assert tokens_of(found) == tokens_of(plain)


def test_groups_are_no_larger_than_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting, "_CPU_LOGITS_BYTES", 40 * 10 * 4)
    sizes = [(3, 4), (3, 9), (5, 2), (20, 5), (21, 90)]
    rows = [
        TokenRow(place, TokenPrompt(range(length), 100, draft=range(size)))
        for place, (length, size) in enumerate(sizes)
    ]

    groups = list(DraftedGroup.of(rows, 10, CPU))

    assert [row.index for group in groups for row in group.rows] == [0, 1, 2, 3, 4]
    assert [len(group.rows) for group in groups] == [3, 1, 1]
    assert groups[0].places == range(2, 11)
    assert len(groups[2].drafts[0]) == 40
    assert all(len(group.rows) * len(group.places) <= 40 for group in groups)
    monkeypatch.setattr(drafting, "_CPU_PASS_TOKENS", 24)
    assert [len(group.rows) for group in DraftedGroup.of(rows, 10, CPU)] == [2, 1, 1, 1]


def test_a_model_that_only_gives_its_last_logits_goes_without_drafts(
    model: Any, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Older(type(model)):  # type: ignore[misc]
        def forward(self, *args: Any, logits_to_keep: int = 0, **others: Any) -> Any:
            assert isinstance(logits_to_keep, int)
            return super().forward(*args, logits_to_keep=logits_to_keep, **others)

    prompts = varied(tokenizer, 6)
    plain = answers(model, tokenizer, prompts)
    monkeypatch.setattr(model, "__class__", Older)

    found = answers(model, tokenizer, drafted(prompts, plain))

    assert tokens_of(found) == tokens_of(plain)
    assert not any(each.drafted for each in found)


def test_kept_answers_are_the_newest_and_no_more_than_there_is_room_for() -> None:
    drafts = Drafts(most_bytes=5 * 4)

    drafts.keep([1, 2], [7, 8, 9])
    drafts.keep([1], [5, 5, 5])
    drafts.keep([1, 2], [4, 4, 4, 4])

    assert list(drafts.find([1, 2])) == [4, 4, 4, 4]
    assert list(drafts.find([1])) == []
    assert list(drafts.find([1, 2, 3])) == []


def told(found: Any) -> list[tuple[str | None, int | None]]:
    return [(each.text, each.output_tokens) for each in found]


def test_adapters_on_one_base_answer_from_drafts_what_each_answers_alone(
    checkpoint: Path, adapter: Path
) -> None:
    texts = [f"{text[:30]}{number}" for number, text in enumerate(TEXTS)]
    asked = [Request(text, text, text, Generate(20)) for text in texts]
    asked.append(Request("drawn", "a", "a", Generate(20, temperature=1.0, seed=3)))

    def made(folder: Path | None, **options: Any) -> Checkpoint:
        return Checkpoint(checkpoint, folder, self_check=2, **options)

    def ask(model: Checkpoint) -> list[tuple[str | None, int | None]]:
        return told(model.generate(asked, lambda index, completion: None))

    alone = [ask(made(each)) for each in (None, adapter)]
    first, second, third = made(None, drafts=True), made(adapter, drafts=True), made(adapter)
    again = made(adapter, drafts=True, noise_floor=True)
    in_turn = [ask(first), ask(second), ask(third), ask(again)]

    assert in_turn == [alone[0], alone[1], alone[1], alone[1]]
    assert first.settings["drafts"] is third.settings["drafts"] is None
    offered = sum(count or 0 for _, count in alone[0][:-1])
    assert second.settings["drafts"]["tokens"] == offered
    assert second.settings["drafts"]["taken"] < offered
    whole = sum(count or 0 for _, count in alone[1][:-1])
    assert again.settings["drafts"] == {"tokens": whole, "taken": whole}
    assert again.settings["noise_floor"] == {"items": 7, "changed": 0, "difference": 0.0}


def test_only_a_suite_that_asks_for_no_time_is_swept_with_drafts(tmp_path: Path) -> None:
    (tmp_path / "my_drafted_checks.py").write_text(
        "def is_fast(output, latency_ms): return latency_ms < 9\n"
        "def is_short(output): return len(output) < 9\n"
    )

    def suite(*scorers: Any) -> Suite:
        cases = [
            Case("a", 1),
            *(Case(f"c{i}", 1, scorers={"s": each}) for i, each in enumerate(scorers)),
        ]
        return Suite("s", "v", tuple(cases))

    exact, latency = make_scorer("exact", {}), make_scorer("latency", {"at_most": 9})
    fast, short = (
        make_scorer("python", {"call": f"my_drafted_checks:{name}"}, folder=tmp_path)
        for name in ("is_fast", "is_short")
    )

    assert not is_timed(suite(exact, short))
    assert is_timed(suite(exact, latency))
    assert is_timed(suite(Group({"e": exact, "w": Weighed(latency, is_negated=True)})))
    assert is_timed(suite(Weighed(fast)))
