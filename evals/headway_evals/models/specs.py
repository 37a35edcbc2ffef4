"""From what a user types to a model.

hf:PATH, hf:PATH+ADAPTER      a checkpoint from disk, or one that comes with Headway by name
python:module:function        any callable that turns a prompt into text
log:key=value,key=value       answers that are already logged
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from headway.apis import ApiClient
from headway.records import DEFAULT_URL
from headway_evals.errors import ModelError
from headway_evals.models.folders import check_adapter, check_base, find_folder
from headway_evals.models.functions import Function
from headway_evals.models.logs import Log
from headway_evals.models.requests import Model

_EXAMPLES = "hf:PATH, hf:PATH+ADAPTER, python:module:function, log:key=value"


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
        dtype: for ``hf:``; None takes what suits the device.
        batch_tokens: for ``hf:``; the most tokens of a batch.
        cache_functions: for ``python:``; whether earlier answers may stand for new calls.
        folder: where relative paths and Python modules are looked for.
        url: the collector that ``log:`` reads.
        api_key: its key.
        project: the project that ``log:`` reads; None reads all.
    """

    device: str | None = None
    dtype: str | None = None
    batch_tokens: int | None = None
    cache_functions: bool = False
    folder: Path = field(default_factory=_working_folder)
    url: str = DEFAULT_URL
    api_key: str | None = None
    project: str | None = None


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
        ModelError: it does not; the message says what could be meant.
    """
    scheme, _, rest = spec.partition(":")
    if scheme not in SCHEMES:
        raise ModelError(f"{spec!r} is no model: its scheme must be one of {_EXAMPLES}")
    if not rest:
        raise ModelError(f"{spec!r} names nothing: write one of {_EXAMPLES}")
    return SCHEMES[scheme](rest, options)


def _checkpoint(path: str, options: ModelOptions) -> MakeModel:
    # A folder's own name may hold a plus.
    base_name, *adapter_names = [path] if (options.folder / path).is_dir() else path.split("+")
    if len(adapter_names) > 1:
        raise ModelError(f"hf:{path} names {len(adapter_names)} adapters: give one, merge the rest")
    base = find_folder(base_name, [options.folder])
    check_base(base)
    adapter = None
    if adapter_names:
        adapter = find_folder(adapter_names[0], [options.folder, base.parent])
        check_adapter(adapter)

    def make() -> Model:
        # torch and transformers take seconds to import, and the other schemes do without them.
        from headway_evals.models.checkpoints import Checkpoint

        return Checkpoint(
            base,
            adapter,
            device=options.device,
            dtype=options.dtype,
            batch_tokens=options.batch_tokens,
        )

    return make


def _function(target: str, options: ModelOptions) -> MakeModel:
    function = Function(target, folder=options.folder, is_cached=options.cache_functions)
    return lambda: function


def _log(filters: str, options: ModelOptions) -> MakeModel:
    api = ApiClient(options.url, api_key=options.api_key)
    log = Log(
        filters,
        fetch=lambda query: api.pages("/v1/spans", "spans", query),
        project=options.project,
    )
    return lambda: log


SCHEMES: dict[str, Callable[[str, ModelOptions], MakeModel]] = {
    "hf": _checkpoint,
    "python": _function,
    "log": _log,
}
