"""What a model in this very process says about itself: name, place, adapters, its tokenizer.

All of it is read from attributes that are there already. A model's device is asked of its first
parameter, and none of this touches a tensor's content.
"""

import threading
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, WeakValueDictionary, ref

from headway.instruments.checkpoints import fingerprint_of

PROVIDER = "transformers"

_lock = threading.Lock()
_tokenizers: WeakValueDictionary[str, Any] = WeakValueDictionary()
_parameters: WeakKeyDictionary[Any, ReferenceType[Any]] = WeakKeyDictionary()
"""Of a model the first of its parameters."""
_tuned: WeakKeyDictionary[Any, ReferenceType[Any]] = WeakKeyDictionary()
"""Of a model with adapters, the first of its layers that has them."""


def name_of_model(model: Any) -> str:
    """Return what the model was loaded from; the name of its class where it was made here."""
    return _path_of(model) or type(model).__name__


def describe_model(model: Any) -> dict[str, Any]:
    """Return the attributes of a span that tell which model ran, and where."""
    parameter = _first_parameter(model)
    adapters = active_adapters(model)
    path = _path_of(model)
    return {
        "transformers.class": type(model).__name__,
        "transformers.device": None if parameter is None else str(parameter.device),
        "transformers.dtype": None if parameter is None else str(parameter.dtype)[6:],
        "transformers.adapters": adapters or None,
        "transformers.checkpoint": fingerprint_of(model, path).value if path else None,
    }


def active_adapters(model: Any) -> list[str]:
    """Return the names of the adapters of PEFT that change what the model says now."""
    if not vars(model).get("peft_config"):
        return []
    known = _tuned.get(model)
    layer: Any = known() if known else None
    if layer is None:
        layer = next((each for each in model.modules() if _has_adapters(each)), None)
        if layer is None:
            return []
        _tuned[model] = ref(layer)
    if layer.disable_adapters:
        return []
    return list(layer.merged_adapters or layer.active_adapters)


def remember_tokenizer(tokenizer: Any) -> None:
    """Keep in mind, without keeping it alive, which tokenizer belongs to a name or path."""
    name = tokenizer.name_or_path
    if name:
        with _lock:
            _tokenizers[str(name)] = tokenizer


def tokenizer_of(model: Any) -> Any:
    """Return the tokenizer that was loaded from where the model was, or None."""
    return _tokenizers.get(_path_of(model))


def _first_parameter(model: Any) -> Any:
    # To look for it takes longer than all else here. It stays the same where a model is moved.
    known = _parameters.get(model)
    parameter = known() if known else None
    if parameter is None:
        parameter = next(model.parameters(), None)
        if parameter is not None:
            _parameters[model] = ref(parameter)
    return parameter


def _path_of(model: Any) -> str:
    config = getattr(model, "config", None)
    path = getattr(config, "__dict__", {}).get("_name_or_path")
    return path if isinstance(path, str) else ""


def _has_adapters(module: Any) -> bool:
    kind = type(module)
    return hasattr(kind, "merged_adapters") and hasattr(kind, "active_adapters")
