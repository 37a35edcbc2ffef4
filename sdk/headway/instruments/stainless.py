"""What the generated clients of OpenAI and Anthropic (by Stainless) have in common.

All their methods, sync and async, parsed, raw and streaming, come down to one: ``request`` of the
client, with the path and the JSON body that is sent. It is the place to follow a call: the body is
what the provider gets, whatever types it was given as, and retries are inside.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from headway.instruments.model_calls import Fields, ModelCall, attempt, count_retry
from headway.instruments.patches import Patches
from headway.instruments.plain import plain
from headway.instruments.streams import FollowedAsyncStream, FollowedStream, Reader
from headway.wrapping import is_coroutine_function


class Endpoint(Protocol):
    """How requests to one path and the answers to them are read."""

    def open(self, client: Any, body: Mapping[str, Any], /) -> ModelCall | None:
        """Open the span of a call; None where nobody records it."""

    def read(self, answer: Mapping[str, Any], /) -> Fields:
        """Return what an answer says, given as the JSON that came."""

    def reader(self, room: int, /) -> Reader:
        """Return what puts a stream together, whose chunks it gets as plain data.

        Args:
            room: how many characters of a text are kept.
        """


class Streams(NamedTuple):
    """The two classes of a library's streams."""

    plain: type
    waited: type


def follow_requests(
    patches: Patches,
    client: type,
    streams: Streams,
    endpoints: Mapping[str, Endpoint],
) -> None:
    """Follow all requests of a class of clients to some paths, for example ``/responses``."""

    def make(request: Any) -> Any:
        if is_coroutine_function(request):

            async def waited(
                self: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any
            ) -> Any:
                followed = _begin(self, options, endpoints, streams)
                if followed is None:
                    return await request(self, cast_to, options, *args, **kwargs)
                with followed.call.running():
                    result = await request(self, cast_to, options, *args, **kwargs)
                followed.settle(result)
                return result

            return waited

        def call(self: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
            followed = _begin(self, options, endpoints, streams)
            if followed is None:
                return request(self, cast_to, options, *args, **kwargs)
            with followed.call.running():
                result = request(self, cast_to, options, *args, **kwargs)
            followed.settle(result)
            return result

        return call

    patches.wrap(client, "request", make)
    with suppress(AttributeError):  # without it retries are not counted
        patches.wrap(client, "_sleep_for_retry", _counted)


def _counted(pause: Any) -> Any:
    # Sync or not, it is called, and then waited for by the client.
    def paused(self: Any, *args: Any, **kwargs: Any) -> Any:
        attempt("counting retries", count_retry)
        return pause(self, *args, **kwargs)

    return paused


def address_of(client: Any) -> dict[str, Any]:
    """Return the attributes that say which server a client asks."""
    url = client.base_url
    return {"server.address": url.host or None, "server.port": url.port}


class _Followed(NamedTuple):
    """A call that runs, and who reads what comes back."""

    call: ModelCall
    endpoint: Endpoint
    streams: Streams

    def settle(self, result: Any) -> None:
        """Let the span end with a result, or with what the program reads of it later."""
        if not attempt("following an answer", lambda: self._settle(result)):
            self.call.span.close()

    def _settle(self, result: Any) -> bool:
        if isinstance(result, self.streams):
            self._follow(result)
            return True
        raw = getattr(result, "http_response", None)
        if raw is None:
            self.call.finish(lambda: self.endpoint.read(plain(result)))
            return True
        self.call.span.attributes["http.response.status_code"] = raw.status_code
        if raw.is_closed:
            self.call.finish(lambda: self.endpoint.read(raw.json()))
        else:
            _Unread(self, result)
        return True

    def _follow(self, stream: Any) -> None:
        reader = self.endpoint.reader(self.call.span.limits.max_bytes)
        # Closing the stream closes the response, which is what some helpers close alone.
        response, is_plain = stream.response, isinstance(stream, self.streams.plain)
        if is_plain:
            followed = FollowedStream(self.call, stream._iterator, reader)
            close = response.close

            def close_plain() -> None:
                try:
                    close()
                finally:
                    followed.leave()

            stream._iterator, response.close = followed, close_plain
            return
        waited = FollowedAsyncStream(self.call, stream._iterator, reader)
        aclose = response.aclose

        async def close_waited() -> None:
            try:
                await aclose()
            finally:
                waited.leave()

        stream._iterator, response.aclose = waited, close_waited


class _Unread:
    """A raw response whose body the program reads itself: parsed, closed, or never looked at."""

    def __init__(self, followed: _Followed, response: Any) -> None:
        self._followed = followed
        self._raw = response.http_response
        self._is_settled = False
        response.parse = self._reading(response.parse)
        if hasattr(response, "close"):
            response.close = self._closing(response.close)

    def __del__(self) -> None:
        if not self._is_settled:
            self._followed.call.span.close()

    def _reading(self, parse: Callable[..., Any]) -> Callable[..., Any]:
        if is_coroutine_function(parse):

            async def parse_waited(*args: Any, **kwargs: Any) -> Any:
                return self._settle(await parse(*args, **kwargs))

            return parse_waited
        return lambda *args, **kwargs: self._settle(parse(*args, **kwargs))

    def _closing(self, close: Callable[[], Any]) -> Callable[[], Any]:
        if is_coroutine_function(close):

            async def close_waited() -> None:
                self._end()
                await close()

            return close_waited

        def close_plain() -> None:
            self._end()
            close()

        return close_plain

    def _settle(self, result: Any) -> Any:
        if not self._is_settled:
            self._is_settled = True
            self._followed.settle(result)
        return result

    def _end(self) -> None:
        if self._is_settled:
            return
        self._is_settled = True
        if hasattr(self._raw, "_content"):  # it was read whole, by ``read`` or ``json``
            self._followed.call.finish(lambda: self._followed.endpoint.read(self._raw.json()))
        else:
            self._followed.call.span.close()


def _begin(
    client: Any, options: Any, endpoints: Mapping[str, Endpoint], streams: Streams
) -> _Followed | None:
    def begin() -> _Followed | None:
        endpoint = endpoints.get(options.url)
        if endpoint is None or not isinstance(options.json_data, Mapping):
            return None
        body = {**options.json_data, **(getattr(options, "extra_json", None) or {})}
        call = endpoint.open(client, body)
        return None if call is None else _Followed(call, endpoint, streams)

    return attempt("reading a request", begin)
