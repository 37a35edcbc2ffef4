"""Large bodies of JSON, made into their models piece by piece.

A thread alone keeps no event loop free: one call that parses or checks megabytes holds the
interpreter from its first byte to its last. So the long lists of a body are cut into their items
first, which is fast, and each item is parsed and checked by calls of its own.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, get_args, get_origin

import msgspec
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from headway_collector.errors import BodyTooLargeError, InvalidRequestError

MAX_ITEMS = 100_000
"""Of all lists of one body: cases of a run, slices and flips of a comparison."""

ITEM_BYTES = 600
"""Of each item as an object, beside its values; it is made plain data later, once more."""

_MAX_FAULTS = 100
"""So many are told apart; to list a million takes seconds, and three of them are shown."""

_cut_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_cut_list = msgspec.json.Decoder(list[msgspec.Raw])

_Place = tuple[str | int, ...]


@cache
def find_lists(model: type[BaseModel]) -> Mapping[str, type[BaseModel]]:
    """Return the fields of a model that are lists of models, and of which."""
    found = {}
    for name, field in model.model_fields.items():
        arguments = get_args(field.annotation)
        if get_origin(field.annotation) is list and _is_model(arguments[0]):
            found[name] = arguments[0]
    return found


def decode_pieces(body: bytes, model: type[BaseModel], grow: Callable[[int], object]) -> BaseModel:
    """Return the body as its model; for threads, and bodies that are large.

    Args:
        body: UTF-8.
        model: what it should be.
        grow: told of the bytes that items take, before they are made; may raise.

    Raises:
        BodyTooLargeError: the lists have more than ``MAX_ITEMS``.
        InvalidRequestError: it is no JSON, or the model refuses it as a whole.
        RequestValidationError: the model refuses parts of it.
    """
    try:
        fields = _cut_object.decode(body)
        lists = {name: _cut(fields.pop(name)) for name in find_lists(model) if name in fields}
        count = sum(len(pieces) for pieces in lists.values() if isinstance(pieces, list))
        if count > MAX_ITEMS:
            raise BodyTooLargeError(f"the body holds {count} items; {MAX_ITEMS} are allowed")
        grow(ITEM_BYTES * count)
        data = {name: json.loads(bytes(raw)) for name, raw in fields.items()}
        for name, pieces in lists.items():
            data[name] = _make_items(find_lists(model)[name], name, pieces)
    except (msgspec.DecodeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidRequestError(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidRequestError("the body is nested too deeply") from error
    return _validate(model, data, ("body",))


def dump_pieces(body: BaseModel) -> dict[str, Any]:
    """Return a model's fields as plain data, item by item, as ``model_dump`` does at once."""
    lists = find_lists(type(body))
    return {
        **body.model_dump(exclude=set(lists)),
        **{name: [each.model_dump() for each in getattr(body, name)] for name in lists},
    }


def _cut(raw: msgspec.Raw) -> list[msgspec.Raw] | msgspec.Raw:
    if bytes(memoryview(raw)[:1]) != b"[":
        return raw  # what it should have been is the model's to say
    return _cut_list.decode(raw)


def _make_items(model: type[BaseModel], name: str, pieces: list[msgspec.Raw] | msgspec.Raw) -> Any:
    if isinstance(pieces, msgspec.Raw):
        return json.loads(bytes(pieces))
    return [
        _validate(model, json.loads(bytes(piece)), ("body", name, number))
        for number, piece in enumerate(pieces)
    ]


def _validate(model: type[BaseModel], data: Any, place: _Place) -> BaseModel:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise RequestValidationError(_list_faults(error, place)) from error


def _list_faults(error: ValidationError, place: _Place) -> list[dict[str, Any]]:
    count = error.error_count()
    if count > _MAX_FAULTS:
        return [{"type": "faults", "loc": place, "msg": f"{count} faults", "input": "..."}]
    faults = error.errors(include_url=False)
    return [{**fault, "loc": (*place, *fault["loc"])} for fault in faults]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
