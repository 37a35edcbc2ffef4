"""``openai:`` models: any server that speaks OpenAI's API, such as vLLM, llama.cpp or Ollama.

Messages go to ``/chat/completions``, texts to ``/completions`` as they stand, where the address
does not say otherwise.
"""

import hashlib
import queue
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from headway_evals.errors import ModelError
from headway_evals.models.cache_keys import model_key
from headway_evals.models.requests import (
    Choices,
    Completion,
    Generate,
    Likelihood,
    OnProgress,
    Request,
)
from headway_evals.models.server_addresses import OPENAI_URL, Address
from headway_evals.models.server_bodies import (
    PATHS,
    Echo,
    Usage,
    echo_body,
    generate_body,
    read_answer,
)
from headway_evals.models.server_calls import CallFault, Calls, Reply, Stopped
from headway_measures.scores import LikelihoodValue

_NO_ECHO = (
    "log-likelihoods need a server whose /completions gives the prompt's own logprobs "
    "(`echo` with `logprobs`, as vLLM does)"
)


class Server:
    """A model behind an OpenAI-compatible API.

    Args:
        address: where it is.
        calls: what carries the requests there.
        concurrency: how many are under way at once.
    """

    def __init__(self, address: Address, calls: Calls, *, concurrency: int = 16) -> None:
        self._address = address
        self._calls = calls
        self._concurrency = concurrency
        # Under its old name OpenAI refuses it for newer models, and others know the old name only.
        is_openai = urlsplit(address.base_url).hostname == urlsplit(OPENAI_URL).hostname
        self._limit_name = "max_completion_tokens" if is_openai else "max_tokens"

    @property
    def name(self) -> str:
        """Return the spec, which says best what it is."""
        return self._address.spec

    @property
    def digest(self) -> str:
        """Return a digest of what is known of it: not its weights, only where it is."""
        return hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def cache_key(self) -> str:
        """Return the key that its answers are kept under: its name, its address and the API.

        That other weights are served under the same name, nobody knows but the user: for that
        there is ``--refresh``.
        """
        return model_key(self.digest, {})

    @property
    def settings(self) -> dict[str, Any]:
        """Return where the model is, without the key."""
        address = self._address
        return {"base_url": address.base_url, "served_model": address.model, "api": address.api}

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        """Ask the server, several requests at once.

        Raises:
            ModelError: it is gone, refuses the key or the model, or cannot do what is asked.
        """
        for request in requests:
            self._check(request)
        completions: dict[int, Completion] = {}
        stop = threading.Event()
        waiting = queue.SimpleQueue[int]()
        outcomes = queue.SimpleQueue[tuple[int, Completion | Exception]]()
        for index in range(len(requests)):
            waiting.put(index)

        def work() -> None:
            while not stop.is_set():
                try:
                    index = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    outcomes.put((index, self._answer(requests[index], stop)))
                except Stopped:
                    return
                except Exception as error:  # raised again where somebody listens
                    outcomes.put((index, error))
                    return

        # Daemons, so that one that waits for a silent server does not keep the process.
        count = min(self._concurrency, len(requests))
        threads = [threading.Thread(target=work, name="openai", daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            for _ in requests:
                index, outcome = outcomes.get()
                if isinstance(outcome, Exception):
                    raise outcome
                completions[index] = outcome
                on_progress(index, outcome)
        finally:
            stop.set()
            self._calls.close()
        return [completions[index] for index in range(len(requests))]

    def _check(self, request: Request) -> None:
        """Refuse what the server cannot do, before anything is paid for."""
        is_text = isinstance(request.prompt, str)
        if isinstance(request.ask, Generate):
            if not is_text and self._address.api == "completions":
                raise ModelError(
                    f"{self.name} takes texts only, and {request.case_id} is messages: leave out "
                    "?api=completions"
                )
        elif not isinstance(request.ask, Likelihood | Choices):
            raise ModelError(f"{self.name} cannot tell a text's perplexity: hf: models can")
        elif not is_text or self._address.api == "chat":
            raise ModelError(
                f"{self.name} cannot tell how likely an answer is in a chat: {_NO_ECHO}, and "
                "prompts that are text"
            )

    def _answer(self, request: Request, stop: threading.Event) -> Completion:
        try:
            match request.ask, request.prompt:
                case Generate() as ask, _:
                    return self._generate(request, ask, stop)
                case Likelihood(continuation=text), str() as prompt:
                    return self._weigh([prompt], (text,), stop)
                case Choices(options=options, unconditional=is_also_alone), str() as prompt:
                    contexts = [prompt, ""] if is_also_alone else [prompt]
                    found = self._weigh(contexts, options, stop)
                    values = found.likelihoods[: len(options)]
                    likeliest = max(range(len(values)), key=lambda place: values[place].logprob)
                    return replace(found, text=options[likeliest])
                case _:
                    raise ModelError(f"{self.name} cannot tell a text's perplexity: hf: models can")
        except CallFault as fault:
            return Completion(None, error=str(fault))

    def _generate(self, request: Request, ask: Generate, stop: threading.Event) -> Completion:
        api = self._address.api or ("completions" if isinstance(request.prompt, str) else "chat")
        body = generate_body(
            self._address.model,
            request.prompt,
            request.case_id,
            ask,
            api=api,
            limit_name=self._limit_name if api == "chat" else "max_tokens",
        )
        return read_answer(self._calls.post(PATHS[api], body, stop), ask)

    def _weigh(
        self, contexts: Sequence[str], continuations: Sequence[str], stop: threading.Event
    ) -> Completion:
        values: list[LikelihoodValue] = []
        usages: list[Usage] = []
        latency_ms = 0.0
        for is_alone, context in enumerate(contexts):
            # Spaces at a prompt's end are in one token with the word behind them.
            spaces = context[len(context.rstrip()) :]
            for continuation in continuations:
                body = echo_body(self._address.model, context + continuation)
                reply = self._calls.post(PATHS["completions"], body, stop)
                value = self._echo(reply).likelihood(spaces + continuation)
                if value is None:
                    fault = "the server does not say how likely a text's first token is"
                    raise ModelError(f"{self.name}: {fault}") if is_alone else CallFault(fault)
                values.append(value)
                usages.append(Usage.of(reply.data))
                latency_ms += reply.latency_ms
        costs = [each.cost_usd for each in usages if each.cost_usd is not None]
        return Completion(
            "",
            input_tokens=sum(each.input_tokens or 0 for each in usages) or None,
            latency_ms=round(latency_ms, 3),
            likelihoods=tuple(values),
            cost_usd=sum(costs) if costs else None,
        )

    def _echo(self, reply: Reply) -> Echo:
        echo = Echo.of(reply.data)
        if echo is None:
            raise ModelError(f"{self.name} does not give its prompts back: {_NO_ECHO}")
        return echo
