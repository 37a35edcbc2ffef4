"""What large or live objects are, in a few words instead of their data.

    {"type": "numpy.ndarray", "shape": [32, 768], "dtype": "float32"}
    {"type": "PIL.Image.Image", "size": [640, 480], "mode": "RGB"}
    {"type": "starlette.requests.Request", "method": "POST", "path": "/chat"}

They are known by the library that their class says it is from; none is imported. Of a request
only method and path are told: its headers, cookies and body hold what nobody meant to log.
"""

import io
import os
from binascii import b2a_base64
from collections.abc import Callable
from typing import Any

from headway.interruptions import forgiven
from headway.limits import Budget
from headway.peeking import MISSING, asked, library_of, lineage_of, module_of, qualname_of, stored
from headway.texts import clip, name_of

_HASHED_BYTES = 8 << 20
_HASH_STEP = 2 << 20
"""Between steps the clock is looked at; at each, a busy thread may take its turn."""
_HASHED_PIXELS = 1 << 18
_MOST_COLUMNS = 100
_LONGEST_WORD = 256
_PLAIN_SCALARS = {"b": bool, "i": int, "u": int, "f": float}
"""What a single value of numpy becomes, by the kind of its dtype."""

_BUFFERED = (io.BufferedReader, io.BufferedWriter, io.BufferedRandom)


def described(value: Any, kind: type, budget: Budget) -> Any:
    """Describe an object of a known library; None for any other."""
    for base in lineage_of(kind):
        describe = _LIBRARIES.get(library_of(base))
        if describe is not None and (known := describe(value, base, budget)) is not None:
            return {"type": name_of(kind), **known} if type(known) is dict else known
    return None


def bulk_of(value: object) -> int:
    """Return the bytes that an array holds; 0 of anything else."""
    for base in lineage_of(type(value)):
        if _LIBRARIES.get(library_of(base)) is _array:
            with forgiven():  # sparse ones have none
                return int(asked(value, base, "nbytes"))
    return 0


def is_library(kind: type) -> bool:
    """Whether a class itself is one of a known library."""
    return library_of(kind) in _LIBRARIES


def blob(value: Any, base: Any, budget: Budget, room: int | None) -> dict[str, Any]:
    """Describe bytes by size and hash.

    Args:
        value: bytes, a bytearray, a memoryview, or one of a subclass.
        base: which of them it is.
        budget: the time there is to hash it.
        room: how many characters of base64 may be added; None adds none.
    """
    size = value.nbytes if base is memoryview else base.__len__(value)
    known = {"type": name_of(type(value)), "size": size}
    if size <= _HASHED_BYTES:
        # A copy, since who looks into a bytearray keeps all others from changing its length.
        content = memoryview(value).tobytes()
        known["sha256"] = _hash(content, budget)
        if room is not None and (size + 2) // 3 * 4 <= room:
            return {**known, "data": b2a_base64(content, newline=False).decode()}
    if room is not None:
        known["data"] = f"[cut {size:,} bytes: too large to keep]"
    return known


def _hash(content: bytes, budget: Budget) -> str:
    # OpenSSL takes long to load, and most programs never log a byte.
    import hashlib

    digest = hashlib.sha256()
    for start in range(0, len(content), _HASH_STEP):
        if budget.is_spent():
            return "[cut: out of time]"
        digest.update(content[start : start + _HASH_STEP])
    return digest.hexdigest()


def _array(value: Any, base: type, budget: Budget) -> Any:
    # The data can be gigabytes, or on another device.
    shape, dtype = asked(value, base, "shape"), asked(value, base, "dtype")
    if shape is MISSING or dtype is MISSING:
        return None
    if library_of(base) == "numpy" and shape == ():
        if (plain := _PLAIN_SCALARS.get(dtype.kind)) is not None:
            return plain(value)
        if dtype.kind in "mM":
            return str(value)
    return {"shape": [int(size) for size in shape], "dtype": clip(str(dtype), _LONGEST_WORD)}


def _table(value: Any, base: type, budget: Budget) -> Any:
    shape = asked(value, base, "shape")
    if shape is MISSING:
        return None
    known: dict[str, Any] = {"shape": [int(size) for size in shape]}
    if len(known["shape"]) == 1:
        return {**known, "dtype": clip(str(asked(value, base, "dtype")), _LONGEST_WORD)}
    if known["shape"][-1] <= _MOST_COLUMNS:
        schema = asked(value, base, "dtypes" if library_of(base) == "pandas" else "schema")
        pairs = zip(schema.names, schema.types, strict=True) if _is_arrow(base) else schema.items()
        known["dtypes"] = {_column(name): clip(str(dtype), _LONGEST_WORD) for name, dtype in pairs}
    return known


def _column(name: Any) -> str:
    # The name of a column of pandas is any object, or several.
    parts = name if type(name) is tuple else (name,)
    if all(_is_word(part) for part in parts):
        return clip(str(name), _LONGEST_WORD)
    return f"<{name_of(type(name))}>"


def _is_arrow(base: type) -> bool:
    return library_of(base) == "pyarrow"


def _image(value: Any, base: type, budget: Budget) -> Any:
    size, mode = asked(value, base, "size"), asked(value, base, "mode")
    if size is MISSING or mode is MISSING:
        return None
    known = {"size": [int(side) for side in size], "mode": str(mode)}
    if (form := stored(value, "format")) is not MISSING and form is not None:
        known["format"] = str(form)
    # An image that comes from a file may not be decoded yet, which takes long.
    is_decoded = module_of(type(value)) == "PIL.Image"
    if is_decoded and size[0] * size[1] <= _HASHED_PIXELS:
        known["sha256"] = _hash(value.tobytes(), budget)
    return known


def _file(value: Any, base: type, budget: Budget) -> Any:
    known: dict[str, Any] = {}
    if base is io.BytesIO:
        content = io.BytesIO.getvalue(value)
        known["size"] = len(content)
        if len(content) <= _HASHED_BYTES:
            known["sha256"] = _hash(content, budget)
        return known
    if type(value) is io.TextIOWrapper:
        value = value.buffer
    if any(type(value) is kind for kind in _BUFFERED):
        value = value.raw
    if type(value) is not io.FileIO:
        return None
    if _is_word(value.name):
        known["name"] = clip(str(value.name), _LONGEST_WORD)
    if value.closed:
        return {**known, "is_closed": True}
    return {**known, "mode": value.mode, "size": os.fstat(value.fileno()).st_size}


def _starlette(value: Any, base: type, budget: Budget) -> Any:
    if qualname_of(base) == "HTTPConnection":
        scope = stored(value, "scope")
        return _words({name: scope[name] for name in ("method", "path") if name in scope})
    if qualname_of(base) == "UploadFile":
        return _words({name: stored(value, name) for name in ("filename", "size")})
    return None


def _request(value: Any, base: type, budget: Budget) -> Any:
    if qualname_of(base) not in ("HttpRequest", "Request"):
        return None
    return _words({name: stored(value, name) for name in ("method", "path")})


def _words(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: clip(field) if type(field) is str else field
        for name, field in fields.items()
        if _is_word(field)
    }


def _is_word(field: object) -> bool:
    return type(field) is str or type(field) is int


_LIBRARIES: dict[str, Callable[[Any, type, Budget], Any]] = {
    **dict.fromkeys(("numpy", "torch", "jax", "jaxlib", "tensorflow", "cupy", "mlx"), _array),
    **dict.fromkeys(("pandas", "polars", "pyarrow"), _table),
    **dict.fromkeys(("django", "werkzeug", "flask"), _request),
    "PIL": _image,
    "_io": _file,
    "starlette": _starlette,
}
