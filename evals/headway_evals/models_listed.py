"""``headway eval models``: what can be used here, and why the rest cannot.

Nothing is loaded, downloaded or paid for, and no key is shown. Servers are asked only where the
environment names one, or for the collector of the settings.
"""

import argparse
import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import urllib3
from rich.table import Table
from rich.text import Text
from urllib3.exceptions import HTTPError

from headway.apis import ApiClient
from headway.errors import ApiError
from headway.records import DEFAULT_URL
from headway.settings import Sources, load_sources
from headway_evals.desks import make_console
from headway_evals.errors import ModelError, RunError
from headway_evals.models.folders import (
    ADAPTER_CONFIG,
    CONFIG,
    SHIPPED,
    check_adapter,
    check_base,
    read_json,
)
from headway_evals.models.server_addresses import OPENAI_URL, parse_address
from headway_evals.models.vllm_engines import is_installed
from headway_evals.outcomes import EXIT_PASSED
from headway_evals.wordings import one_line

_WAIT_S = 2.0
_VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL")


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a model can be made of, or made with.

    Args:
        kind: ``device``, ``quantise``, ``scheme`` or ``folder``.
        name: what is written on the command line.
        is_usable: whether it can be used here.
        told: what it is, or why it cannot be used and what to do.
    """

    kind: str
    name: str
    is_usable: bool
    told: str


def show_models(arguments: argparse.Namespace) -> int:
    """List what can be used here."""
    found = list(list_models(load_sources(), os.environ, arguments.folder))
    console = make_console()
    if arguments.json:
        console.file.write(msgspec.json.encode(found).decode() + "\n")
        return EXIT_PASSED
    table = Table("", "what", "", box=None, header_style="bold", pad_edge=False, show_header=False)
    for each in found:
        mark = Text("yes", "green") if each.is_usable else Text("no", "red")
        table.add_row(mark, Text(one_line(each.name)), Text(one_line(each.told, 400)))
    console.print(table)
    return EXIT_PASSED


def list_models(
    sources: Sources, environment: Mapping[str, str], folder: str | None = None
) -> Iterator[Listed]:
    """Yield what can be used here, and what cannot.

    Args:
        sources: the settings, which name the collector.
        environment: the variables of the process.
        folder: whose checkpoints and adapters are listed besides the shipped ones.

    Raises:
        RunError: there is no such folder.
    """
    if folder is not None and not Path(folder).is_dir():
        raise RunError(f"--in {folder} is no folder")
    yield from _devices()
    yield from _quantisers()
    yield _server(environment)
    yield _scheme("python:module:function", True, "any function that turns a prompt into text")
    yield _collector(sources)
    yield _vllm()
    yield from _folders(SHIPPED, is_shipped=True)
    if folder is not None:
        yield from _folders(Path(folder), is_shipped=False)


def _devices() -> Iterator[Listed]:
    # Seconds to import, which nothing else here needs.
    import torch

    told = f"torch {torch.__version__}, transformers {version('transformers')}"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Listed(
        kind="device",
        name="hf: --device cpu",
        is_usable=True,
        told=f"{platform.machine()}, {os.cpu_count()} cores, {_gib(memory)}, float32; {told}",
    )
    if not torch.cuda.is_available():
        reason = "this torch is built without CUDA" if torch.version.cuda is None else "no driver"
        yield Listed(
            kind="device",
            name="hf: --device cuda",
            is_usable=False,
            told=f"torch sees no GPU: {reason}",
        )
        return
    for number in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(number)
        yield Listed(
            kind="device",
            name=f"hf: --device cuda:{number}",
            is_usable=True,
            told=f"{found.name}, {_gib(found.total_memory)}, bfloat16; {told}",
        )


def _quantisers() -> Iterator[Listed]:
    import torch

    from headway_evals.models.quantising import FORMS, find_quantisation

    for form in FORMS:
        try:
            quantisation = find_quantisation(form, torch.float32)
            told = quantisation.library if quantisation else ""
            is_usable = True
        except ModelError as error:
            told, is_usable = str(error), False
        yield Listed(kind="quantise", name=f"hf: --quantise {form}", is_usable=is_usable, told=told)


def _server(environment: Mapping[str, str]) -> Listed:
    """Return whether ``openai:`` has a key, or a server of one's own that answers."""
    given = [name for name in _VARIABLES if environment.get(name)]
    set_ = f"{' and '.join(given)} set" if given else f"neither {' nor '.join(_VARIABLES)} set"
    try:
        address = parse_address("MODEL", environment)
    except ModelError as error:
        return _scheme("openai:MODEL", False, f"{set_}: {error}")
    if address.base_url == OPENAI_URL:
        return _scheme("openai:MODEL", True, f"{set_}; {OPENAI_URL}, which was not asked")
    headers = {"Authorization": f"Bearer {address.api_key}"} if address.api_key else {}
    fault = _fault_of(f"{address.base_url}/models", headers)
    answers = f"{address.base_url} {fault or 'answers'}"
    return _scheme("openai:MODEL", fault is None, f"{set_}; {answers}")


def _fault_of(url: str, headers: Mapping[str, str]) -> str | None:
    """Return why a server is of no use, None where it answers."""
    try:
        with urllib3.PoolManager(retries=False, timeout=_WAIT_S) as pool:
            status = pool.request("GET", url, headers=dict(headers)).status
    except HTTPError as error:
        return f"does not answer: {type(error).__name__}"
    if status in (401, 403):
        return f"refuses the key ({status})"
    # Not every server lists its models.
    return f"answers with {status}" if status >= 500 else None


def _collector(sources: Sources) -> Listed:
    url = sources.get("url", None, DEFAULT_URL)
    api_key = sources.get("api_key", None, "") or None
    try:
        ApiClient(url, api_key=api_key, timeout_s=_WAIT_S).get("/healthz")
    except ApiError as error:
        return _scheme("log:key=value", False, f"no collector to read from: {error}")
    return _scheme("log:key=value", True, f"the collector at {url} answers")


def _vllm() -> Listed:
    import torch

    name = "vllm:PATH"
    if not is_installed():
        return _scheme(name, False, "vLLM is not installed: `pip install vllm`")
    try:
        told = f"vLLM {version('vllm')}"
    except PackageNotFoundError:
        told = "vLLM, in no version that it tells"
    if not torch.cuda.is_available():
        return _scheme(name, False, f"{told}, but torch sees no GPU for it")
    return _scheme(name, True, f"{told} on {torch.cuda.get_device_name()}")


def _folders(place: Path, *, is_shipped: bool) -> Iterator[Listed]:
    """Yield the checkpoints and adapters in a folder, and the folder where it is one itself."""
    for folder in (place, *sorted(path for path in place.iterdir() if path.is_dir())):
        name = folder.name if is_shipped else str(folder)
        if (folder / CONFIG).is_file():
            yield _folder(f"hf:{name}", folder, is_adapter=False)
        elif (folder / ADAPTER_CONFIG).is_file():
            yield _folder(f"hf:{_base_of(folder)}+{name}", folder, is_adapter=True)


def _folder(spec: str, folder: Path, *, is_adapter: bool) -> Listed:
    try:
        if is_adapter:
            check_adapter(folder)
            rank = read_json(folder / ADAPTER_CONFIG).get("r")
            told = f"an adapter of rank {rank}"
        else:
            check_base(folder)
            told = f"{_architecture(folder)}, {_gib(_weight_bytes(folder))} of weights"
    except ModelError as error:
        return Listed(kind="folder", name=spec, is_usable=False, told=str(error))
    return Listed(kind="folder", name=spec, is_usable=True, told=told)


def _architecture(folder: Path) -> str:
    """Return what a checkpoint is, if transformers can load it as a language model.

    Raises:
        ModelError: it cannot.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    from headway_evals.models.loading import load_config

    config = load_config(folder)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ModelError(f"model_type {config.model_type!r} is no causal language model")
    return str(config.model_type)


def _base_of(adapter: Path) -> str:
    """Return what to write for an adapter's base: its name, where that is in sight."""
    try:
        given = str(read_json(adapter / ADAPTER_CONFIG).get("base_model_name_or_path") or "")
    except ModelError:
        return "BASE"
    if not given:
        return "BASE"
    beside = adapter.parent / Path(given).name
    if Path(given).is_dir() or not beside.is_dir():
        return given
    return beside.name if adapter.parent == SHIPPED else str(beside)


def _weight_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _scheme(name: str, is_usable: bool, told: str) -> Listed:
    return Listed(kind="scheme", name=name, is_usable=is_usable, told=told)


def _gib(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**28 else f"{count / 2**20:,.1f} MiB"
