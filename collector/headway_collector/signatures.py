"""By what a client knows that it was a collector that answered, and not a proxy before it.

What a client drops for good it drops on a collector's word alone.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headway._version import __version__
from headway.records import COLLECTOR_HEADER

_SIGNATURE = (COLLECTOR_HEADER.lower().encode(), __version__.encode())


class Signature:
    """Middleware that puts the collector's version on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, signed."""

        async def send_signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], _SIGNATURE]
            await send(message)

        await self._app(scope, receive, send_signed)
