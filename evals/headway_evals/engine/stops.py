"""Where an answer ends: with an end token, with a stop text, or at its longest.

A stop text is looked for only after a token that can complete one, so most tokens are never
decoded while the answer grows.
"""

from collections.abc import Sequence
from typing import Any

from headway_evals.engine.sampling import NAN_TOKEN
from headway_evals.engine.token_rows import Answer, TokenRow


class Endings:
    """Recognises the end of answers.

    Args:
        tokenizer: of transformers.
        end_tokens: tokens that end any answer.
    """

    def __init__(self, tokenizer: Any, end_tokens: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._end_tokens = end_tokens
        self._texts: list[str] = []
        self._completing: dict[tuple[str, ...], frozenset[int]] = {}
        # A stop text that is one token of its own, say <|im_end|>, may not show in the text.
        self._added: dict[str, int] = tokenizer.get_added_vocab()

    def take(self, row: TokenRow, token: int, now: float) -> Answer | None:
        """Give a row its next token; return its answer where that is the last, else None."""
        if token != NAN_TOKEN:
            row.tokens.append(token)
        text = "" if token == NAN_TOKEN else self._stopped_text(row)
        is_full = text is None and len(row.tokens) >= row.prompt.max_new_tokens
        if is_full:
            text = self._decode(row.tokens)
        if text is None:
            return None
        row.has_ended = True
        latency_ms = (now - row.started) * 1000
        is_nan, drafted = token == NAN_TOKEN, min(row.drafted, len(row.tokens))
        return Answer(text, tuple(row.tokens), latency_ms, is_nan, is_full, drafted)

    def _stopped_text(self, row: TokenRow) -> str | None:
        """Return the text of a row that its newest token ends, None where it goes on."""
        stop, token = row.prompt.stop, row.tokens[-1]
        if stop and token in self._completing_tokens(stop):
            text = self._decode(row.tokens)
            places = [place for place in map(text.find, stop) if place >= 0]
            if places:
                return text[: min(places)]
        if token in self._end_tokens or any(self._added.get(each) == token for each in stop):
            return self._decode(row.tokens[:-1])
        return None

    def _completing_tokens(self, stop: tuple[str, ...]) -> frozenset[int]:
        """Return the tokens that can complete a stop text.

        A stop text is complete with its last character, so its last token holds that, or a
        part of it that does not decode alone. White space may vanish where a token is decoded
        alone, so for a stop text that ends in a space every token counts.
        """
        if stop not in self._completing:
            last = {each[-1] for each in stop if each}
            if not self._texts:
                alone = [[token] for token in range(len(self._tokenizer))]
                self._texts = self._tokenizer.batch_decode(alone)
            self._completing[stop] = frozenset(
                token
                for token, text in enumerate(self._texts)
                if " " in last or "\ufffd" in text or not last.isdisjoint(text)
            )
        return self._completing[stop]

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text


def end_tokens_of(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return every token that ends an answer: a chat model may have several."""
    declared = model.generation_config.eos_token_id
    declared = declared if isinstance(declared, list) else [declared]
    return frozenset(token for token in (*declared, tokenizer.eos_token_id) if token is not None)
