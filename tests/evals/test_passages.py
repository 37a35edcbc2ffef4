from pathlib import Path
from typing import Any

import pytest
import transformers

from headway_evals.engine.passages import Encoded, Item, PassageEncoder


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(checkpoint)


def _encode(tokenizer: Any, *items: Item, context: int = 128) -> list[Encoded]:
    return list(PassageEncoder(tokenizer, context).encode(items))


def _split(tokenizer: Any, encoded: Encoded) -> list[list[str]]:
    """Return for each passage what is read before what is measured, and what is measured."""
    return [
        [
            tokenizer.decode(passage.ids[: -passage.measured]),
            tokenizer.decode(passage.ids[-passage.measured :]),
        ]
        for passage in encoded.passages
    ]


def test_spaces_that_end_the_prompt_belong_to_the_continuation(tokenizer: Any) -> None:
    (encoded,) = _encode(tokenizer, Item("ab  ", ("cd",)))

    assert _split(tokenizer, encoded) == [["ab", "  cd"]]
    assert encoded.input_tokens == 2
    assert encoded.targets[0].byte_count == 2


@pytest.mark.parametrize(("prompt", "measured"), [("", "cd"), (" ", " cd")])
def test_an_empty_prompt_is_the_token_that_begins_a_text(
    tokenizer: Any, prompt: str, measured: str
) -> None:
    (encoded,) = _encode(tokenizer, Item(prompt, ("cd",)))

    assert _split(tokenizer, encoded) == [["<start>", measured]]


def test_options_are_asked_for_without_the_prompt_where_that_is_wanted(tokenizer: Any) -> None:
    (encoded,) = _encode(tokenizer, Item("q", (" a", " bc"), is_unconditional=True))

    assert _split(tokenizer, encoded) == [
        ["q", " a"],
        ["q", " bc"],
        ["<start>", " a"],
        ["<start>", " bc"],
    ]


def test_a_text_rolls_by_in_windows_that_measure_each_token_once(tokenizer: Any) -> None:
    (encoded,) = _encode(tokenizer, Item("0123456789", None), context=4)

    assert _split(tokenizer, encoded) == [
        ["<start>", "0123"],
        ["3", "4567"],
        ["567", "89"],
    ]


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (Item("ab", ("",)), "'' adds no token"),
        (Item("", None), "the text is empty"),
        (Item("a" * 100, ("b" * 30,)), "have 130 tokens, the model's context is 128"),
        (Item("a\ud800", ("b",)), "lone surrogate"),
    ],
)
def test_what_cannot_be_measured_says_why_and_leaves_the_rest(
    tokenizer: Any, item: Item, error: str
) -> None:
    good = Item("a", ("b",))

    encoded, rest = _encode(tokenizer, item, good)

    assert error in str(encoded.error)
    assert not encoded.targets
    assert rest.error is None


def test_the_last_token_needs_no_room_in_the_context(tokenizer: Any) -> None:
    (encoded,) = _encode(tokenizer, Item("a" * 100, ("b" * 29,)))

    assert encoded.error is None
