"""Objects of known libraries are told by shape, size or path, never by their data."""

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from PIL import Image
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.websockets import WebSocket

from headway.limits import Limits
from headway.values import capture


def captured(value: object, limits: Limits | None = None) -> Any:
    return json.loads(bytes(capture(value, limits or Limits())))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class OwnArray(np.ndarray[Any, Any]):
    def _refuse(self) -> Any:
        raise AssertionError("a subclass's own property is not asked")

    shape: Any = property(_refuse)


FRAME = {"city": ["Oslo", "Bern"], "n": [1, 2]}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (
            np.zeros((2, 3)).view(OwnArray),
            {"type": f"{__name__}.OwnArray", "shape": [2, 3], "dtype": "float64"},
        ),
        (np.datetime64("2026-11-22"), "2026-11-22"),
        (np.str_("text"), "text"),
        (
            torch.zeros(2, 3, dtype=torch.bfloat16),
            {"type": "torch.Tensor", "shape": [2, 3], "dtype": "torch.bfloat16"},
        ),
        (
            torch.nn.Parameter(torch.zeros(4)),
            {"type": "torch.nn.parameter.Parameter", "shape": [4], "dtype": "torch.float32"},
        ),
        (
            pl.DataFrame(FRAME),
            {
                "type": "polars.dataframe.frame.DataFrame",
                "shape": [2, 2],
                "dtypes": {"city": "String", "n": "Int64"},
            },
        ),
        (
            pl.Series([1.5]),
            {"type": "polars.series.series.Series", "shape": [1], "dtype": "Float64"},
        ),
        (pl.LazyFrame(FRAME), "<polars.lazyframe.frame.LazyFrame>"),
        (
            pa.table(FRAME),
            {
                "type": "pyarrow.lib.Table",
                "shape": [2, 2],
                "dtypes": {"city": "string", "n": "int64"},
            },
        ),
    ],
)
def test_arrays_and_tables_are_told_by_shape_and_dtype(value: object, kept: object) -> None:
    assert captured([value]) == [kept]


def test_a_frame_of_pandas_is_told_by_its_columns_unless_there_are_too_many() -> None:
    small = captured(pd.DataFrame(FRAME))
    wide = captured(pd.DataFrame(np.zeros((1, 101))))

    assert small["shape"] == [2, 2]
    assert small["dtypes"]["n"] == "int64"
    assert wide["shape"] == [1, 101]
    assert "dtypes" not in wide


def test_an_image_is_told_by_size_mode_and_hash() -> None:
    image = Image.new("RGB", (4, 2), "red")

    assert captured(image) == {
        "type": "PIL.Image.Image",
        "size": [4, 2],
        "mode": "RGB",
        "sha256": sha256(image.tobytes()),
    }


def test_an_image_of_many_pixels_is_not_hashed() -> None:
    assert "sha256" in captured(Image.new("L", (512, 512)))
    assert "sha256" not in captured(Image.new("L", (513, 512)))


def test_an_image_from_a_file_is_not_decoded(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    Image.new("RGB", (4, 2), "red").save(path)
    with Image.open(path) as image:
        kept = captured(image)
        is_decoded = not image.tile

    assert kept["format"] == "PNG"
    assert kept["size"] == [4, 2]
    assert not is_decoded


@pytest.mark.parametrize("value", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_bytes_are_written_only_where_that_was_asked_for(value: Any) -> None:
    described = captured(value)
    written = captured(value, Limits(has_data=True))

    assert described == {"type": type(value).__name__, "size": 3, "sha256": sha256(b"abc")}
    assert written == {**described, "data": base64.b64encode(b"abc").decode()}


def test_bytes_that_do_not_fit_are_not_written_in_part() -> None:
    kept = captured({"audio": b"x" * 5000, "question": "why?"}, Limits(4096, has_data=True))

    assert kept["audio"]["data"] == "[cut 5,000 bytes: too large to keep]"
    assert kept["question"] == "why?"


@pytest.mark.parametrize("size", [8 << 20, (8 << 20) + 1])
def test_bytes_that_take_long_to_hash_are_told_by_size(size: int) -> None:
    content, limits = bytes(size), Limits(clock_s=lambda: 0.0)

    for value in (content, io.BytesIO(content)):
        assert captured(value, limits)["size"] == size
        assert ("sha256" in captured(value, limits)) is (size <= 8 << 20)


def test_a_memoryview_with_gaps_or_rows_is_hashed_as_it_is_read() -> None:
    every_other = memoryview(b"a.b.c.")[::2]
    rows = memoryview(bytes(6)).cast("B", (2, 3))

    assert captured(every_other)["sha256"] == sha256(b"abc")
    assert captured(rows) == {"type": "memoryview", "size": 6, "sha256": sha256(bytes(6))}


def test_files_are_told_by_name_mode_and_size_and_never_read(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with path.open() as text, path.open("rb") as raw:
        kept = captured({"text": text, "raw": raw})
        position = raw.tell()

    assert kept["text"] == {
        "type": "_io.TextIOWrapper",
        "name": str(path),
        "mode": "rb",
        "size": 5,
    }
    assert kept["raw"]["type"] == "_io.BufferedReader"
    assert position == 0
    assert captured(raw) == {"type": "_io.BufferedReader", "name": str(path), "is_closed": True}


def test_a_buffer_in_memory_is_told_by_size_and_hash() -> None:
    assert captured(io.BytesIO(b"abc")) == {
        "type": "_io.BytesIO",
        "size": 3,
        "sha256": sha256(b"abc"),
    }


SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/chat",
    "query_string": b"token=swordfish",
    "headers": [(b"cookie", b"swordfish"), (b"authorization", b"swordfish")],
}


def test_a_request_of_starlette_is_told_by_method_and_path() -> None:
    kept = captured({"request": Request(SCOPE), "question": "why?"})

    assert kept["request"] == {
        "type": "starlette.requests.Request",
        "method": "POST",
        "path": "/chat",
    }
    assert "swordfish" not in json.dumps(kept)


def test_a_websocket_and_an_upload_are_told_in_words() -> None:
    async def nothing(*args: Any) -> Any: ...

    socket = WebSocket({"type": "websocket", "path": "/live", "headers": []}, nothing, nothing)
    upload = UploadFile(io.BytesIO(b"abc"), filename="a.txt", size=3)

    assert captured(socket) == {"type": "starlette.websockets.WebSocket", "path": "/live"}
    assert captured(upload) == {
        "type": "starlette.datastructures.UploadFile",
        "filename": "a.txt",
        "size": 3,
    }


def shaped_like(module: str, name: str) -> type:
    def touch(self: Any) -> Any:
        raise AssertionError("nobody may read a request")

    def __init__(self: Any) -> None:
        self.__dict__.update(method="GET", path="/orders/3", META={"HTTP_COOKIE": "swordfish"})

    hidden = dict.fromkeys(
        ("body", "headers", "COOKIES", "POST", "user", "session"), property(touch)
    )
    base = type(name, (), {"__module__": module, "__init__": __init__, "__iter__": touch, **hidden})
    return type("OwnRequest", (base,), {"__module__": "shop.web"})


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("django.http.request", "HttpRequest"),
        ("werkzeug.sansio.request", "Request"),
        ("flask.wrappers", "Request"),
    ],
)
def test_a_request_of_django_or_flask_is_told_by_method_and_path(module: str, name: str) -> None:
    request = shaped_like(module, name)()

    assert captured([request]) == [
        {"type": "shop.web.OwnRequest", "method": "GET", "path": "/orders/3"}
    ]
