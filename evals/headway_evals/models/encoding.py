"""From requests to what the engine takes: tokens to go on from, or texts to measure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway_evals.engine.passages import Item
from headway_evals.engine.sampling import Sampling, seed_of
from headway_evals.engine.token_rows import TokenPrompt
from headway_evals.errors import ModelError
from headway_evals.models.requests import Choices, Generate, Likelihood, Request, Rolling
from headway_evals.prompts import Message
from headway_measures.scores import shortened

# Encoded at a time: enough to keep the tokenizer's threads busy, and few enough to hold as lists.
_TEXTS = 512


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request cannot be answered, while others can."""

    reason: str


Encoded = TokenPrompt | Item | Refusal


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    is_templated: bool


class RequestEncoder:
    """Encodes requests.

    Args:
        folder: the checkpoint's, for what is said of it.
        tokenizer: its tokenizer, of transformers.
        context: how many tokens its model sees at once.
    """

    def __init__(self, folder: Path, tokenizer: Any, context: int) -> None:
        self._folder = folder
        self._tokenizer = tokenizer
        self._context = context

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Return what the engine takes for each request, or why it cannot.

        Raises:
            ModelError: a prompt is a chat, and the tokenizer has no chat template.
        """
        encoded: list[Encoded] = []
        for start in range(0, len(requests), _TEXTS):
            some = requests[start : start + _TEXTS]
            texts = [self._text(request) for request in some]
            tokens = self._tokens(
                [
                    text
                    for request, text in zip(some, texts, strict=True)
                    if isinstance(text, _Text) and isinstance(request.ask, Generate)
                ]
            )
            for request, text in zip(some, texts, strict=True):
                if isinstance(text, Refusal):
                    encoded.append(text)
                elif isinstance(request.ask, Generate):
                    encoded.append(self._prompt(request.case_id, request.ask, tokens[text]))
                else:
                    encoded.append(_item(request.ask, text))
        return encoded

    def _text(self, request: Request) -> _Text | Refusal:
        text = self._templated(request)
        if isinstance(text, Refusal):
            return text
        try:
            text.text.encode()
        except UnicodeEncodeError:
            return Refusal("the prompt holds half a character (a lone surrogate)")
        return text

    def _templated(self, request: Request) -> _Text | Refusal:
        prompt = request.prompt
        if isinstance(prompt, str):
            return _Text(prompt, is_templated=False)
        if self._tokenizer.chat_template is None:
            raise ModelError(
                f"the tokenizer in {self._folder} has no chat template, and case "
                f"{request.case_id!r} is a chat, made one by {_chat_makers(prompt)}: leave that "
                "out, or take a model whose tokenizer has a template"
            )
        messages = [{"role": each.role, "content": each.content} for each in prompt]
        # What is measured itself is a chat as it was, with nobody about to answer.
        is_asking = not isinstance(request.ask, Rolling)
        try:
            text = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=is_asking
            )
        except Exception as error:  # a template is a program, and may refuse a role or an order
            reason = shortened(" ".join(str(error).split()), 300) or type(error).__name__
            return Refusal(f"the chat template refuses the prompt: {reason}")
        return _Text(text, is_templated=True)

    def _tokens(self, texts: Sequence[_Text]) -> dict[_Text, list[int]]:
        found: dict[_Text, list[int]] = {}
        for is_templated in (False, True):
            some = list(dict.fromkeys(text for text in texts if text.is_templated is is_templated))
            if some:
                rows = self._tokenizer(
                    [each.text for each in some],
                    # A template writes them itself.
                    add_special_tokens=not is_templated,
                    return_attention_mask=False,
                    return_token_type_ids=False,
                    verbose=False,
                )["input_ids"]
                found |= zip(some, rows, strict=True)
        return found

    def _prompt(self, case_id: str, ask: Generate, ids: list[int]) -> TokenPrompt | Refusal:
        room = self._context - len(ids)
        if not ids:
            return Refusal("the prompt has no tokens")
        if room < 1:
            return Refusal(
                f"the prompt has {len(ids)} tokens, the model's context is {self._context}"
            )
        sampling = None
        if ask.temperature > 0:
            seed = seed_of(ask.seed, case_id, ask.sample)
            sampling = Sampling(ask.temperature, ask.top_p, seed)
        return TokenPrompt(ids, min(ask.max_new_tokens, room), ask.stop, sampling)


def _chat_makers(messages: Sequence[Message]) -> str:
    """Return what in a suite can have made a chat of a case, by the roles in it."""
    roles = {each.role for each in messages}
    makers = ["chat: true", "messages", "an input of messages"]
    if "assistant" in roles:
        makers.insert(0, "few_shot as: turns")
    if "system" in roles:
        makers.insert(0, "system")
    return f"{', '.join(makers[:-1])} or {makers[-1]}"


def _item(ask: Likelihood | Choices | Rolling, text: _Text) -> Item | Refusal:
    match ask:
        case Likelihood(continuation):
            return Item(text.text, (continuation,), is_templated=text.is_templated)
        case Choices(options, unconditional):
            if not options:
                return Refusal("there are no options to choose from")
            return Item(
                text.text,
                options,
                is_unconditional=unconditional,
                is_templated=text.is_templated,
            )
        case Rolling():
            return Item(text.text, None, is_templated=text.is_templated)
