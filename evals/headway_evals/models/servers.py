"""``openai:`` models: any server that speaks OpenAI's API, such as vLLM, llama.cpp or Ollama.

    openai:gpt-5-mini                               api.openai.com, or OPENAI_BASE_URL
    openai:my-model@http://127.0.0.1:8000/v1        a server of one's own
    openai:my-model@http://127.0.0.1:8000/v1?api=chat

Messages go to ``/chat/completions``, texts to ``/completions`` as they stand. ``?api=chat`` sends
texts as a user's message, for servers that only chat; ``?api=completions`` refuses messages.
OPENAI_API_KEY is sent where it is set.
"""

import hashlib
import queue
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args
from urllib.parse import parse_qsl, urlsplit

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
from headway_evals.models.server_bodies import (
    PATHS,
    Api,
    Echo,
    Usage,
    echo_body,
    generate_body,
    read_answer,
)
from headway_evals.models.server_calls import CallFault, Calls, Reply, Stopped
from headway_measures.scores import LikelihoodValue

OPENAI_URL = "https://api.openai.com/v1"

_AT = re.compile(r"(?P<model>.+?)@(?P<url>https?://.+)")
_NO_ECHO = (
    "log-likelihoods need a server whose /completions gives the prompt's own logprobs "
    "(`echo` with `logprobs`, as vLLM does)"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a model is served.

    Args:
        model: the server's name for it.
        base_url: the part of the URL before ``/chat/completions``.
        api: where requests go; None sends messages to the chat and texts to the completions.
        api_key: the server's key.
    """

    model: str
    base_url: str = OPENAI_URL
    api: Api | None = None
    api_key: str | None = field(default=None, repr=False)

    @property
    def spec(self) -> str:
        """Return what names it, with all but the key."""
        place = "" if self.base_url == OPENAI_URL else f"@{self.base_url}"
        return f"openai:{self.model}{place}{f'?api={self.api}' if self.api else ''}"


def parse_address(rest: str, environment: Mapping[str, str]) -> Address:
    """Return what ``openai:REST`` names.

    Raises:
        ModelError: it names nothing, or its address or the key cannot be used.
    """
    where, _, query = rest.partition("?")
    match = _AT.fullmatch(where)
    model = match["model"] if match else where
    base_url = match["url"] if match else environment.get("OPENAI_BASE_URL") or OPENAI_URL
    base_url = base_url.rstrip("/")
    api_key = environment.get("OPENAI_API_KEY") or None
    # A password in an address would be written into every run: neither used nor repeated.
    if re.match(r"https?://[^/]*@", base_url):
        raise ModelError("the address of an openai: model holds a password: set OPENAI_API_KEY")
    if not model or model.startswith("@") or "@http" in model:
        raise ModelError(f"openai:{rest} names no model: write openai:MODEL@http://host:8000/v1")
    if not _is_url(base_url):
        raise ModelError(
            f"openai:{rest} is at {base_url!r}, which is no address: one is http://host:8000/v1 "
            "(behind the model's name, or in OPENAI_BASE_URL)"
        )
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise ModelError("OPENAI_API_KEY holds a line break or a letter that no key has")
    if api_key is None and base_url == OPENAI_URL:
        raise ModelError(
            f"openai:{rest} is at {OPENAI_URL}, which needs a key: set OPENAI_API_KEY, or name a "
            "server of your own: openai:MODEL@http://host:8000/v1"
        )
    return Address(model, base_url, _parse_api(rest, query), api_key)


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
            return Completion(None, error=f"{self.name}: {fault}")

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


def _parse_api(rest: str, query: str) -> Api | None:
    pairs = parse_qsl(query, keep_blank_values=True)
    unknown = [key for key, _ in pairs if key != "api"]
    if unknown:
        raise ModelError(f"openai:{rest} has the unknown option {unknown[0]!r}; known: api")
    for api in get_args(Api):
        if pairs and pairs[-1][1] == api:
            found: Api = api
            return found
    if pairs:
        raise ModelError(
            f"openai:{rest} names the API {pairs[-1][1]!r}; there are chat and completions"
        )
    return None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_web = parts.scheme in ("http", "https") and not parts.query and not parts.fragment
        return is_web and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, or a port that is no number
        return False
