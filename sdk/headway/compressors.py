"""How a batch is made smaller before it leaves the machine: zstd where it is there, else gzip.

zstd takes a third of gzip's time for the same size. It comes with Python 3.14, or with the
package ``zstandard`` where something else has brought it.
"""

import importlib
import zlib
from collections.abc import Callable

import msgspec

_GZIP_WINDOW = 31
_GZIP_LEVEL = 1


class Compressor(msgspec.Struct, frozen=True):
    """A value of ``Content-Encoding`` and what makes it."""

    encoding: str
    compress: Callable[[bytes], bytes]


def find_compressor() -> Compressor:
    """Return the best there is."""
    try:
        return Compressor("zstd", importlib.import_module("compression.zstd").compress)
    except ImportError:
        pass
    try:
        return Compressor("zstd", importlib.import_module("zstandard").compress)
    except ImportError:
        return Compressor("gzip", _gzip)


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(level=_GZIP_LEVEL, wbits=_GZIP_WINDOW)
    return compressor.compress(body) + compressor.flush()
