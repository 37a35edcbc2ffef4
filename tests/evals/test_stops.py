"""An answer ends with an end token, a stop text or at its longest, and its text stops there."""

from pathlib import Path
from typing import Any

import pytest
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from headway_evals.engine.sampling import NAN_TOKEN
from headway_evals.engine.stops import Endings, end_tokens_of
from headway_evals.engine.token_rows import Answer, TokenPrompt, TokenRow


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """One of bytes, with a few longer tokens, so that stop texts cross the borders of tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    longer = ["ab", "cd", "bc", "ĊĊ", "Ġx"]
    vocabulary = {token: index for index, token in enumerate(["<end>", *letters, *longer])}
    raw = Tokenizer(models.BPE(vocabulary, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>")
    made.add_special_tokens({"additional_special_tokens": ["<turn>"]})
    return made


def told(
    tokenizer: Any, tokens: list[int], stop: tuple[str, ...] = (), most: int = 50
) -> tuple[Answer | None, int]:
    """Return the answer that the tokens end, and how many of them were taken."""
    endings = Endings(tokenizer, frozenset({tokenizer.eos_token_id}))
    row = TokenRow(0, TokenPrompt([1], most, stop), started=2.0)
    for count, token in enumerate(tokens, start=1):
        answer = endings.take(row, token, 2.5)
        if answer is not None:
            return answer, count
    return None, len(tokens)


def ids(tokenizer: Any, *pieces: str) -> list[int]:
    return [int(tokenizer.convert_tokens_to_ids(piece)) for piece in pieces]


@pytest.mark.parametrize(
    ("pieces", "stop", "text", "taken"),
    [
        (("ab", "cd", "a"), "bc", "a", 2),  # begins in one token and ends in the next
        (("a", "b", "c", "d"), "bcd", "a", 4),
        (("ab", "cd", "a"), "abcd", "", 2),
        (("a", "ĊĊ", "b"), "\n", "a", 2),  # inside a longer token
        (("a", "Ġ", "b", "c"), "a b", "", 3),
        (("a", "Ġ", "b"), "a ", "", 2),  # ends in a space
        (("a", "Ã", "©", "b"), "é", "a", 3),  # a character of two tokens
    ],
)
def test_a_stop_text_is_found_across_tokens(
    tokenizer: Any, pieces: tuple[str, ...], stop: str, text: str, taken: int
) -> None:
    answer, count = told(tokenizer, ids(tokenizer, *pieces), ("never", stop))

    assert answer is not None
    assert (answer.text, count, answer.is_full) == (text, taken, False)
    assert answer.latency_ms == 500.0


def test_of_two_stop_texts_the_earlier_one_counts(tokenizer: Any) -> None:
    answer, _ = told(tokenizer, ids(tokenizer, "a", "b", "c"), ("c", "bc"))

    assert answer is not None
    assert answer.text == "a"


def test_a_stop_text_that_is_a_token_of_its_own_ends_the_answer(tokenizer: Any) -> None:
    tokens = ids(tokenizer, "a", "<turn>", "b")

    ended, count = told(tokenizer, tokens, ("<turn>",))
    going, _ = told(tokenizer, tokens)

    assert ended is not None
    assert (ended.text, count) == ("a", 2)
    assert going is None


def test_an_end_token_is_counted_but_not_told(tokenizer: Any) -> None:
    answer, count = told(tokenizer, ids(tokenizer, "a", "<end>", "b"))

    assert answer is not None
    assert (answer.text, answer.token_count, answer.is_full, count) == ("a", 2, False, 2)


def test_the_longest_answer_is_full(tokenizer: Any) -> None:
    answer, count = told(tokenizer, ids(tokenizer, "a", "b", "c"), most=2)

    assert answer is not None
    assert (answer.text, answer.is_full, count) == ("ab", True, 2)


def test_an_end_token_in_the_last_place_is_an_end(tokenizer: Any) -> None:
    answer, _ = told(tokenizer, ids(tokenizer, "a", "<end>"), most=2)

    assert answer is not None
    assert (answer.text, answer.is_full) == ("a", False)


def test_nan_ends_an_answer_without_a_text(tokenizer: Any) -> None:
    answer, _ = told(tokenizer, [*ids(tokenizer, "a"), NAN_TOKEN])

    assert answer is not None
    assert (answer.text, answer.is_nan, answer.token_count) == ("", True, 1)


def test_most_tokens_are_not_decoded(tokenizer: Any) -> None:
    decoded: list[int] = []

    class Counting:
        def __len__(self) -> int:
            return len(tokenizer)

        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

        def decode(self, tokens: list[int], **settings: Any) -> str:
            decoded.append(len(tokens))
            return str(tokenizer.decode(tokens, **settings))

    told(Counting(), ids(tokenizer, *"abababab", "c", *"ababab"), ("xyzc",))

    assert decoded == [9]


def test_a_model_may_declare_several_end_tokens(checkpoint: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    model.generation_config.eos_token_id = [2, 9]

    assert end_tokens_of(model, tokenizer) == {2, 9}
    model.generation_config.eos_token_id = None
    assert end_tokens_of(model, tokenizer) == {2}
