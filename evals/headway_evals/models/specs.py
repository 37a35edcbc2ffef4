"""From what a user types to a model.

hf:PATH, hf:PATH+ADAPTER      a checkpoint from disk, or one that comes with Headway by name
python:module:function        any callable that turns a prompt into text
log:key=value,key=value       answers that are already logged
openai:MODEL@URL              a model behind an OpenAI-compatible API
vllm:PATH, vllm:PATH+ADAPTER  a checkpoint from disk, run by vLLM where that is installed
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from headway.apis import ApiClient
from headway.records import DEFAULT_URL
from headway_evals.errors import ModelError
from headway_evals.models.digests import Digests
from headway_evals.models.folders import check_adapter, check_base, find_folder
from headway_evals.models.functions import Function
from headway_evals.models.logs import Log
from headway_evals.models.paces import Pace, parse_rate
from headway_evals.models.requests import Model
from headway_evals.models.server_addresses import parse_address
from headway_evals.models.server_calls import Calls
from headway_evals.models.servers import Server
from headway_evals.models.vllm_engines import require_vllm

_EXAMPLES = (
    "hf:PATH, hf:PATH+ADAPTER, python:module:function, log:key=value, openai:MODEL@URL, vllm:PATH"
)

# As torch has them, which takes seconds to import.
_DTYPES = ("float32", "bfloat16", "float16")
_DEVICE = re.compile(r"cpu(:0)?|(cuda|mps|xpu|hpu|npu)(:\d+)?")
# The schemes that have a use for an option, and its flag where that is named otherwise.
_FOR_CHECKPOINTS = ("device", "dtype", "quantise", "allow_pickle", "batch_tokens", "noise_floor")
_USES = {
    **dict.fromkeys(_FOR_CHECKPOINTS, ("hf",)),
    "dtype": ("hf", "vllm"),
    "cache_functions": ("python",),
    "concurrency": ("openai", "python"),
    **dict.fromkeys(("retries", "rate", "timeout_s"), ("openai",)),
}


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise ModelError("the working folder is gone: change to one that is there") from error


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What a spec does not say.

    Args:
        device: for ``hf:``; None takes the GPU where there is one.
        dtype: for ``hf:`` and ``vllm:``; None takes what suits the device.
        quantise: for ``hf:``; ``int8``, ``int4`` or ``nf4``.
        allow_pickle: for ``hf:``; whether weights may be pickled, where there are no safetensors.
        batch_tokens: for ``hf:``; the most tokens of a batch.
        self_check: for ``hf:``; on how many requests the engine is checked before its answers
            count; 0 checks none.
        noise_floor: for ``hf:``; whether all is asked a second time, to see what batches change.
        drafts: for ``hf:``; whether models on one base find equal answers faster, and are no longer
            to be judged by their latency.
        digests_dir: for ``hf:``; where the digests of large files are written down, if anywhere.
        cache_functions: for ``python:``; whether earlier answers may stand for new calls.
        folder: where relative paths and Python modules are looked for.
        url: the collector that ``log:`` reads.
        api_key: its key.
        project: the project that ``log:`` reads; None reads all.
        concurrency: for ``openai:``, how many requests are under way at once; for ``python:``,
            how many calls of an async function.
        retries: for ``openai:``; how often a request that failed is tried again.
        rate: for ``openai:``; the most requests of a time, for example ``600/min``.
        timeout_s: for ``openai:``; the longest wait for a whole answer.
    """

    device: str | None = None
    dtype: str | None = None
    quantise: str | None = None
    allow_pickle: bool = False
    batch_tokens: int | None = None
    self_check: int = 4
    noise_floor: bool = False
    drafts: bool = False
    digests_dir: Path | None = None
    cache_functions: bool = False
    folder: Path = field(default_factory=_working_folder)
    url: str = DEFAULT_URL
    api_key: str | None = None
    project: str | None = None
    concurrency: int = 16
    retries: int = 5
    rate: str | None = None
    timeout_s: float = 300.0


MakeModel = Callable[[], Model]
"""Makes a model that was found; for ``hf:`` this imports torch."""


def make_model(spec: str, options: ModelOptions) -> Model:
    """Return the model of a spec; its weights are loaded with its first request.

    Raises:
        ModelError: the spec names nothing that is here, or its device or dtype are not.
    """
    return find_model(spec, options)()


def find_model(spec: str, options: ModelOptions) -> MakeModel:
    """Check that a spec names something that is here, and return what makes its model.

    Raises:
        ModelError: it does not, or its options are none; the message says what could be meant.
    """
    _check_numerics(options)
    scheme, _, rest = spec.partition(":")
    if scheme not in SCHEMES:
        raise ModelError(f"{spec!r} is no model: its scheme must be one of {_EXAMPLES}")
    if not rest:
        raise ModelError(f"{spec!r} names nothing: write one of {_EXAMPLES}")
    return SCHEMES[scheme](rest, options)


def idle_flags(spec: str, options: ModelOptions) -> str | None:
    """Return a line about the flags that were given and that a spec's model has no use for."""
    scheme = spec.partition(":")[0]
    usual = ModelOptions(folder=options.folder)
    names = [
        f"--{name.removesuffix('_s').replace('_', '-')}"
        for name, schemes in _USES.items()
        if scheme not in schemes and getattr(options, name) != getattr(usual, name)
    ]
    return f"{spec} has no use for {' and '.join(names)}" if names else None


def _check_numerics(options: ModelOptions) -> None:
    """Refuse what is no device and no dtype, also where the model has neither."""
    if options.device is not None and not _DEVICE.fullmatch(options.device):
        raise ModelError(f"there is no device {options.device!r}; give cpu, cuda or cuda:N")
    if options.dtype is not None and options.dtype not in _DTYPES:
        raise ModelError(f"there is no dtype {options.dtype!r}; known: {', '.join(_DTYPES)}")


@dataclass(frozen=True, slots=True)
class _Folders:
    base: Path
    adapter: Path | None


def _folders(scheme: str, path: str, options: ModelOptions, *, allow_pickle: bool) -> _Folders:
    """Return the folders that PATH or PATH+ADAPTER names, checked."""
    # A folder's own name may hold a plus.
    base_name, *adapter_names = [path] if (options.folder / path).is_dir() else path.split("+")
    if len(adapter_names) > 1:
        raise ModelError(
            f"{scheme}:{path} names {len(adapter_names)} adapters: give one, merge the rest"
        )
    base = find_folder(base_name, [options.folder])
    check_base(base, allow_pickle=allow_pickle)
    adapter = None
    if adapter_names:
        adapter = find_folder(adapter_names[0], [options.folder, base.parent])
        check_adapter(adapter, allow_pickle=allow_pickle)
    return _Folders(base, adapter)


def _checkpoint(path: str, options: ModelOptions) -> MakeModel:
    found = _folders("hf", path, options, allow_pickle=options.allow_pickle)

    def make() -> Model:
        # torch and transformers take seconds to import, and the other schemes do without them.
        from headway_evals.models.checkpoints import Checkpoint

        return Checkpoint(
            found.base,
            found.adapter,
            device=options.device,
            dtype=options.dtype,
            quantise=options.quantise,
            allow_pickle=options.allow_pickle,
            batch_tokens=options.batch_tokens,
            self_check=options.self_check,
            noise_floor=options.noise_floor,
            drafts=options.drafts,
            digests=Digests(options.digests_dir),
        )

    return make


def _function(target: str, options: ModelOptions) -> MakeModel:
    function = Function(
        target,
        folder=options.folder,
        is_cached=options.cache_functions,
        concurrency=options.concurrency,
    )
    return lambda: function


def _log(filters: str, options: ModelOptions) -> MakeModel:
    api = ApiClient(options.url, api_key=options.api_key)
    log = Log(
        filters,
        fetch=lambda query: api.pages("/v1/spans", "spans", query),
        project=options.project,
    )
    return lambda: log


def _server(rest: str, options: ModelOptions) -> MakeModel:
    address = parse_address(rest, os.environ)
    try:
        interval_s = parse_rate(options.rate) if options.rate else 0.0
    except ValueError as error:
        raise ModelError(f"openai:{rest} cannot be asked at that rate: {error}") from error
    calls = Calls(
        address.base_url,
        api_key=address.api_key,
        concurrency=options.concurrency,
        retries=options.retries,
        timeout_s=options.timeout_s,
        pace=Pace(interval_s),
    )
    return lambda: Server(address, calls, concurrency=options.concurrency)


def _vllm(rest: str, options: ModelOptions) -> MakeModel:
    require_vllm(f"vllm:{rest}")
    path, _, query = rest.partition("?")
    found = _folders("vllm", path, options, allow_pickle=False)

    def make() -> Model:
        # torch and transformers take seconds to import, and the other schemes do without them.
        from headway_evals.models.vllm_models import VllmModel, parse_options

        return VllmModel(
            found.base,
            found.adapter,
            dtype=options.dtype,
            options=parse_options(f"vllm:{rest}", query),
            digests=Digests(options.digests_dir),
        )

    return make


SCHEMES: dict[str, Callable[[str, ModelOptions], MakeModel]] = {
    "hf": _checkpoint,
    "python": _function,
    "log": _log,
    "openai": _server,
    "vllm": _vllm,
}
