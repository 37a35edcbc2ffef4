"""One call of ``generate``, read: what went in, what came out, why it stopped and how fast it was.

Tensors are only read after ``generate`` gave back its result, when it has waited for all of the
tokens itself: before that, on a GPU, reading one would make the caller wait for the device.
"""

import math
from collections.abc import Sequence
from itertools import compress, pairwise
from typing import Any

from headway.instruments.local_models import describe_model
from headway.instruments.messages import Message, text_part
from headway.instruments.model_calls import Fields
from headway.limits import Limits

_MS = 1e6
_TIMED_STEPS = 10_000
_MOST_REASONS = 64
_LETTERS = 4
PARAMS = (
    "do_sample",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "top_h",
    "epsilon_cutoff",
    "eta_cutoff",
    "max_new_tokens",
    "max_length",
    "min_new_tokens",
    "min_length",
    "max_time",
    "stop_strings",
    "num_beams",
    "num_return_sequences",
    "early_stopping",
    "length_penalty",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "guidance_scale",
    "prompt_lookup_num_tokens",
    "num_assistant_tokens",
    "cache_implementation",
    "use_cache",
)
"""What is logged of a generation's settings: those of the call, its config and the checkpoint's."""

Row = list[int]


class Pace:
    """When each step of a generation began: as the first one ends, the first token is there."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._steps_ns: list[int] = []

    def step(self, now_ns: int) -> None:
        """Take the beginning of a step, or of the question whether there is another."""
        if len(self._steps_ns) <= _TIMED_STEPS:
            self._steps_ns.append(now_ns)

    def fields(self, end_ns: int, tokens: int | None, rows: int, *, is_streamed: bool) -> Fields:
        """Return what the times tell.

        Args:
            end_ns: when the call came back.
            tokens: that it made, in all of its rows.
            rows: sequences that it made at once.
            is_streamed: whether the application got each token as it came.
        """
        attributes: dict[str, Any] = {}
        if tokens and end_ns > self._start_ns:
            attributes["transformers.tokens_per_second"] = _rate(tokens, end_ns - self._start_ns)
        if len(self._steps_ns) < 2:  # the first is the beginning
            return {"attributes": attributes}
        first_ns = self._steps_ns[1]
        attributes["transformers.prefill_ms"] = (first_ns - self._start_ns) / _MS
        attributes["transformers.decode_ms"] = max(0, end_ns - first_ns) / _MS
        if tokens and tokens > rows and end_ns > first_ns:
            attributes["transformers.decode_tokens_per_second"] = _rate(
                tokens - rows, end_ns - first_ns
            )
        return {
            "ttft_ms": (first_ns - self._start_ns) / _MS,
            **(self._chunks() if is_streamed else {}),
            "attributes": attributes,
        }

    def _chunks(self) -> dict[str, Any]:
        times_ns = self._steps_ns[1:]
        gaps_ns = sorted(later - sooner for sooner, later in pairwise(times_ns))
        if not gaps_ns:
            return {"chunk_count": len(times_ns)}
        return {
            "chunk_count": len(times_ns),
            "chunk_p50_ms": gaps_ns[math.ceil(0.5 * len(gaps_ns)) - 1] / _MS,
            "chunk_p95_ms": gaps_ns[math.ceil(0.95 * len(gaps_ns)) - 1] / _MS,
        }


class Request:
    """What ``generate`` was called with.

    Args:
        model: whose ``generate`` it is.
        given: its arguments by name.
        tokenizer: makes texts of tokens; None where none is known.
        messages: that the tokens were made of, where a pipeline made them.
    """

    def __init__(
        self, model: Any, given: dict[str, Any], tokenizer: Any, messages: list[Any] | None
    ) -> None:
        self.model = model
        self._given = given
        self.tokenizer = tokenizer
        self._messages = messages
        # Read as they are: to ask a config takes ten times as long, and there are many settings.
        configs = given.get("generation_config"), getattr(model, "generation_config", None)
        self._sources: list[dict[str, Any]] = [
            given,
            *(getattr(config, "__dict__", {}) for config in configs),
        ]
        self.is_streamed = given.get("streamer") is not None
        self._past = _length(given.get("past_key_values"))

    def params(self) -> dict[str, Any]:
        """Return the settings that are not left to the library."""
        found: dict[str, Any] = {}
        for source in self._sources:
            for name in PARAMS:
                if name not in found and source.get(name) is not None:
                    found[name] = source[name]
        return found

    @property
    def ends(self) -> set[int]:
        """The tokens that end a sequence."""
        ends = self._setting("eos_token_id")
        ends = getattr(ends, "tolist", lambda: ends)()
        return set() if ends is None else {ends} if isinstance(ends, int) else set(ends)

    @property
    def is_on_cpu(self) -> bool:
        """Whether what went in can be read at any time."""
        ids = self._ids()
        return ids is None or ids.device.type == "cpu"

    def fields(self, limits: Limits) -> Fields:
        """Return the fields that tell what went in, and which model took it."""
        ids = self._ids()
        attributes = {
            **describe_model(self.model),
            "transformers.batch_size": None if ids is None else len(ids),
            "transformers.assistant": _class_name(self._given.get("assistant_model")),
        }
        if ids is None:
            return {"attributes": attributes, "input": self._messages}
        count, rows = self._prompts(ids)
        messages = self._messages
        if messages is None and rows is not None:
            messages = prompt_messages(self.tokenizer, rows, limits)
        return {
            "input": messages,
            "input_tokens": count,
            "cache_read_tokens": min(self._past * len(ids), count) or None,
            "attributes": attributes,
        }

    def answer(self, result: Any, limits: Limits) -> tuple[Fields, int, int]:
        """Return the fields that tell what came out, how many tokens and how many sequences."""
        sequences = getattr(result, "sequences", result)
        if not _are_ids(sequences):
            return {}, 0, 0  # audio, or what a decoding loop of the user's own returns
        start, ends, pad = self._prompt_length(), self.ends, self._setting("pad_token_id")
        rows, reasons = [], []
        for row in sequences.tolist():
            new, is_ended = _cut(row[start:], ends, pad)
            rows.append(new)
            reasons.append("stop" if is_ended else self._reason(len(new)))
        fields = answer_fields(self.tokenizer, rows, reasons, limits)
        return fields, sum(map(len, rows)), len(rows)

    def _prompts(self, ids: Any) -> tuple[int, list[Row] | None]:
        # How many tokens they are, and the tokens themselves where a text is wanted of them.
        is_text = self._messages is None and self.tokenizer is not None
        mask, pad = self._given.get("attention_mask"), self._setting("pad_token_id")
        if mask is not None and mask.dim() == 2:
            # With a cache that is filled it is longer than the ids, which are what is new.
            count = int(mask.sum())
            is_padded = mask.shape == ids.shape and count < mask.numel()
            if not is_text:
                return count, None
            rows = ids.tolist()
            if is_padded:
                pairs = zip(rows, mask.tolist(), strict=True)
                rows = [list(compress(row, marks)) for row, marks in pairs]
            return count, rows
        rows = ids.tolist()
        if pad is not None and pad not in self.ends:
            rows = [[token for token in row if token != pad] for row in rows]
        return sum(map(len, rows)), rows if is_text else None

    def _reason(self, count: int) -> str:
        # Without a token that ends it, only a limit can, or what the user asked for beside.
        if not self._setting("stop_strings") and not self._given.get("stopping_criteria"):
            return "length"
        limit = self._setting("max_new_tokens")
        if limit is None:
            whole = self._setting("max_length")
            limit = None if whole is None else whole - self._prompt_length()
        return "length" if limit is not None and count >= limit else "stop"

    def _ids(self) -> Any:
        ids = self._given.get("input_ids")
        ids = self._given.get("inputs") if ids is None else ids
        return ids if _are_ids(ids) else None

    def _prompt_length(self) -> int:
        if self.model.config.is_encoder_decoder:
            ids = self._given.get("decoder_input_ids")
            return 1 if ids is None else int(ids.shape[1])
        ids = self._ids()
        if ids is not None:
            return int(ids.shape[1])
        return 0 if self._given.get("inputs_embeds") is not None else 1

    def _setting(self, name: str) -> Any:
        return next(
            (source[name] for source in self._sources if source.get(name) is not None), None
        )


def prompt_messages(tokenizer: Any, rows: Sequence[Row], limits: Limits) -> list[Message] | None:
    """Return a message for each prompt; None where the tokenizer is not known."""
    if tokenizer is None:
        return None
    # With the special tokens, which tell who speaks.
    texts = [_text(tokenizer, row, limits, is_whole=True) for row in rows]
    return [{"role": "user", "parts": [text_part(text)]} for text in texts]


def answer_fields(
    tokenizer: Any, rows: Sequence[Row], reasons: Sequence[str], limits: Limits
) -> Fields:
    """Return the fields of a span for the sequences that a model made."""
    output = None
    if tokenizer is not None:
        texts = [_text(tokenizer, row, limits, is_whole=False) for row in rows]
        output = [
            {"role": "assistant", "parts": [text_part(text)], "finish_reason": reason}
            for text, reason in zip(texts, reasons, strict=True)
        ]
    return {
        "output": output,
        "output_tokens": sum(map(len, rows)),
        "finish_reasons": list(reasons[:_MOST_REASONS]),
    }


def _text(tokenizer: Any, row: Row, limits: Limits, *, is_whole: bool) -> str:
    # What is longer than a value may be is not even made: a token is four letters or so.
    most = limits.max_bytes // _LETTERS
    text: str = tokenizer.decode(row[:most], skip_special_tokens=not is_whole)
    return f"{text}…[cut {len(row) - most:,} of {len(row):,} tokens]" if len(row) > most else text


def _cut(row: Row, ends: set[int], pad: int | None) -> tuple[Row, bool]:
    # Up to the token that ends it, or to the padding of one that ended otherwise.
    for index, token in enumerate(row):
        if token in ends:
            return row[: index + 1], True
    length = len(row)
    while length and row[length - 1] == pad:
        length -= 1
    return row[:length], False


def _are_ids(value: Any) -> bool:
    dim = getattr(value, "dim", None)
    return callable(dim) and dim() == 2 and not value.is_floating_point()


def _length(cache: Any) -> int:
    # Of a static cache it is a tensor, which is not read for this.
    ask = getattr(cache, "get_seq_length", None)
    length = ask() if ask else 0
    return length if isinstance(length, int) else 0


def _class_name(value: Any) -> str | None:
    return None if value is None else type(value).__name__


def _rate(tokens: int, span_ns: int) -> float:
    return round(tokens / (span_ns / 1e9), 2)
