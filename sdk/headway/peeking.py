"""Looking at a stranger's object without running a line of its code.

A property, ``__getattr__``, ``__len__`` or a metaclass can raise, take seconds, or ask a database.
So a class is read from its own dict, and an attribute where it is stored: in the instance's dict
or in a slot.
"""

from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final

MISSING: Final = object()
"""What there is where nothing is stored."""

# Of ``type`` itself, since a metaclass may answer as it likes.
_lineage = type.__dict__["__mro__"].__get__
_namespace = type.__dict__["__dict__"].__get__
_module = type.__dict__["__module__"].__get__
_qualname = type.__dict__["__qualname__"].__get__


def lineage_of(kind: type) -> tuple[type, ...]:
    """Return a class and its bases, in the order in which attributes are looked up."""
    lineage: tuple[type, ...] = _lineage(kind)
    return lineage


def module_of(kind: type) -> str:
    """Return the module that a class says it is from, or nothing."""
    try:
        module = _module(kind)
    except AttributeError:
        return ""
    return module if type(module) is str else ""


def library_of(kind: type) -> str:
    """Return the package that a class says it is from, or nothing."""
    return module_of(kind).partition(".")[0]


def qualname_of(kind: type) -> str:
    """Return the name of a class inside its module."""
    qualname: str = _qualname(kind)
    return qualname


def found(kind: type, name: str) -> Any:
    """Return what stands in a class or its bases under a name, unbound, or ``MISSING``."""
    for base in _lineage(kind):
        namespace = _namespace(base)
        if name in namespace:
            return namespace[name]
    return MISSING


def stored(value: object, name: str) -> Any:
    """Return an attribute that is plainly stored, or ``MISSING``; properties are not."""
    attribute = found(type(value), name)
    if type(attribute) is MemberDescriptorType:
        return _slot(attribute, value)
    instance = instance_dict(value)
    if name in instance:
        return instance[name]
    is_computed = attribute is MISSING or found(type(attribute), "__get__") is not MISSING
    return MISSING if is_computed else attribute


def slots_beside(value: object, name: str) -> list[Any]:
    """Return what is in the slots of the class that defines ``name``; it may be a base."""
    for base in _lineage(type(value)):
        namespace = _namespace(base)
        if name in namespace:
            members = namespace.values()
            return [_slot(each, value) for each in members if type(each) is MemberDescriptorType]
    return []


def asked(value: object, base: type, name: str) -> Any:
    """Return an attribute as ``base``, whose code is trusted, defines it, or ``MISSING``.

    What a subclass makes of it is passed over.
    """
    attribute = found(base, name)
    get = found(type(attribute), "__get__")
    if get is MISSING:
        return stored(value, name)
    return get(attribute, value, type(value))


def field_names(kind: type) -> tuple[str, ...] | None:
    """Return the names of the fields of a pydantic, dataclasses or attrs class; None of others."""
    for marker in ("__pydantic_fields__", "__dataclass_fields__", "__attrs_attrs__"):
        fields = found(kind, marker)
        if isinstance(fields, dict):
            return tuple(fields)
        if isinstance(fields, tuple):
            return tuple(field.name for field in fields)
    return None


def instance_dict(value: object) -> dict[str, Any]:
    """Return the attributes that an instance has of its own."""
    descriptor = found(type(value), "__dict__")
    if type(descriptor) not in (GetSetDescriptorType, MemberDescriptorType):
        return {}
    instance: dict[str, Any] = descriptor.__get__(value)
    return instance if type(instance) is dict else {}


def _slot(descriptor: MemberDescriptorType, value: object) -> Any:
    try:
        return descriptor.__get__(value)
    except AttributeError:
        # Never set, or deleted.
        return MISSING
