"""Requests of real clients to servers on loopback: which headers arrive where."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import httpx2
import msgspec
import pytest
import requests
import urllib3

import headway
from headway.client_settings import read_settings
from headway.clients import Client
from headway.contexts import Labels
from headway.errors import SettingsError
from headway.lifecycle import install
from headway.outgoing import headers_for
from headway.propagation import read_baggage
from headway.settings import Sources
from headway.testing import Captured, MemoryTransport

CLIENTS = ("httpx", "httpx2", "urllib3")
_IN_MEMORY = {"journal_dir": None, "is_raising": True}


class Server:
    """Answers everything with 200, or sends on to ``next_url``, and keeps the headers."""

    def __init__(self) -> None:
        self.seen: list[list[tuple[str, str]]] = []
        self.next_url: str | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.seen.append([(name.lower(), text) for name, text in self.headers.items()])
                self.send_response(302 if server.next_url else 200)
                if server.next_url:
                    self.send_header("Location", server.next_url)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.port = self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/path?x=1"

    def headers(self, name: str) -> list[str]:
        """All headers of that name, of all requests."""
        return [text for headers in self.seen for each, text in headers if each == name]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def get_httpx(url: str, headers: Mapping[str, str] | None = None) -> str:
    with httpx.Client(follow_redirects=True) as client:
        response = client.get(url, headers=headers)
        assert "traceparent" not in response.request.headers or headers
        return response.text


def get_async_httpx(url: str, headers: Mapping[str, str] | None = None) -> str:
    async def main() -> str:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            return (await client.get(url, headers=headers)).text

    return asyncio.run(main())


def get_httpx2(url: str, headers: Mapping[str, str] | None = None) -> str:
    with httpx2.Client(follow_redirects=True) as client:
        return client.get(url, headers=headers).text


def get_async_httpx2(url: str, headers: Mapping[str, str] | None = None) -> str:
    async def main() -> str:
        async with httpx2.AsyncClient(follow_redirects=True) as client:
            return (await client.get(url, headers=headers)).text

    return asyncio.run(main())


def get_requests(url: str, headers: Mapping[str, str] | None = None) -> str:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers=dict(headers or {}), timeout=10).text


def get_urllib3(url: str, headers: Mapping[str, str] | None = None) -> str:
    with urllib3.PoolManager(headers={"X-Own": "kept"}) as pool:
        return pool.request("GET", url, headers=headers).data.decode()


each_client = pytest.mark.parametrize(
    "get",
    [get_httpx, get_async_httpx, get_httpx2, get_async_httpx2, get_requests, get_urllib3],
)
Get = Callable[..., str]


@pytest.fixture
def start() -> Iterator[Callable[..., Captured]]:
    """Start a client with settings, and instrument what speaks HTTP."""
    made: list[Client] = []

    def start(**settings: Any) -> Captured:
        chosen = read_settings(Sources({}, {}), **settings)
        transport = MemoryTransport()
        made.append(Client(msgspec.structs.replace(chosen, **_IN_MEMORY), transport=transport))
        install(made[-1])
        headway.instrument(*CLIENTS)
        return Captured(made[-1], transport)

    yield start
    headway.uninstrument()
    install(None)
    for client in made:
        client.close()


@pytest.fixture(scope="module")
def started() -> Iterator[list[Server]]:
    made = [Server(), Server()]
    yield made
    for server in made:
        server.stop()


@pytest.fixture
def servers(started: list[Server]) -> list[Server]:
    for server in started:
        server.seen.clear()
        server.next_url = None
    return started


@each_client
def test_a_request_names_its_span_once_and_says_nothing_of_people(
    get: Get, start: Callable[..., Captured], servers: list[Server]
) -> None:
    start()
    server = servers[0]
    with headway.context(user="ada"), headway.span("asking") as asking:
        text = get(server.url, {"X-Own": "kept"})

    assert text == "ok"
    assert server.headers("traceparent") == [f"00-{asking.trace_id}-{asking.span_id}-01"]
    assert server.headers("baggage") == []
    assert server.headers("x-own") == ["kept"]


@each_client
def test_outside_of_spans_a_request_is_as_it_was(
    get: Get, start: Callable[..., Captured], servers: list[Server]
) -> None:
    start()
    get(servers[0].url)

    assert servers[0].headers("traceparent") == []


@each_client
def test_headers_that_the_program_set_stay(
    get: Get, start: Callable[..., Captured], servers: list[Server]
) -> None:
    start(baggage_hosts="127.0.0.1")
    own = f"00-{'a' * 32}-{'b' * 16}-01"
    with headway.context(user="ada"), headway.span("asking"):
        get(servers[0].url, {"Traceparent": own, "Baggage": "tenant=7"})

    assert servers[0].headers("traceparent") == [own]
    assert servers[0].headers("baggage") == ["tenant=7,headway.user=ada"]


@each_client
def test_who_is_redirected_to_another_host_takes_no_baggage_there(
    get: Get, start: Callable[..., Captured], servers: list[Server]
) -> None:
    start(baggage_hosts="127.0.0.1")
    first, second = servers
    first.next_url = second.url.replace("127.0.0.1", "localhost")
    with headway.context(session="s1", tags=["beta"]), headway.span("asking") as asking:
        get(first.url)

    (carried,) = first.headers("baggage")
    assert read_baggage(carried) == Labels(session="s1", tags=("beta",))
    assert second.headers("baggage") == []
    assert second.headers("traceparent") == [f"00-{asking.trace_id}-{asking.span_id}-01"]


@each_client
def test_the_collector_gets_no_headers(
    get: Get, start: Callable[..., Captured], servers: list[Server]
) -> None:
    start(url=f"http://127.0.0.1:{servers[0].port}", baggage_hosts="*")
    with headway.context(user="ada"), headway.span("asking"):
        get(servers[0].url)

    assert servers[0].headers("traceparent") == servers[0].headers("baggage") == []


@each_client
def test_uninstrumented_clients_are_as_they_were(
    get: Get, start: Callable[..., Captured], servers: list[Server]
) -> None:
    start()
    headway.uninstrument()
    with headway.span("asking"):
        get(servers[0].url)

    assert servers[0].headers("traceparent") == []


def test_headers_with_several_values_keep_them(
    start: Callable[..., Captured], servers: list[Server]
) -> None:
    start()
    given = urllib3.HTTPHeaderDict([("X-Own", "1"), ("X-Own", "2")])
    with headway.span("asking"), urllib3.PoolManager() as pool:
        pool.request("GET", servers[0].url, headers=given)

    assert servers[0].headers("x-own") == ["1", "2"]
    assert len(servers[0].headers("traceparent")) == 1
    assert list(given) == ["X-Own"]


def test_a_proxy_is_not_whom_a_request_is_for(
    start: Callable[..., Captured], servers: list[Server]
) -> None:
    start(baggage_hosts="127.0.0.1")
    proxy = servers[0].url.removesuffix("/path?x=1")
    with headway.context(user="ada"), headway.span("asking"), urllib3.ProxyManager(proxy) as pool:
        pool.request("GET", "http://elsewhere.example/")

    assert servers[0].headers("host") == ["elsewhere.example"]
    assert len(servers[0].headers("traceparent")) == 1
    assert servers[0].headers("baggage") == []


def test_a_request_that_fails_fails_as_it_did(start: Callable[..., Captured]) -> None:
    start()
    request = httpx.Request("GET", "http://127.0.0.1:1/")
    with (
        headway.span("asking"),
        httpx.Client(trust_env=False) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.send(request)

    assert "traceparent" not in request.headers


def test_hosts_are_named_whole_or_by_what_they_end_with(start: Callable[..., Captured]) -> None:
    start(trace_hosts="*.internal,api.example.org", baggage_hosts="Api.example.org")
    names = ["a.internal", "API.example.org", "api.example.org.evil.net", "internal"]
    with headway.context(user="ada"), headway.span("asking"):
        got = {name: set(headers_for("https", name, None)) for name in names}

    assert got == {
        "a.internal": {"traceparent"},
        "API.example.org": {"traceparent", "baggage"},
        "api.example.org.evil.net": set(),
        "internal": set(),
    }


def test_what_is_no_host_is_refused() -> None:
    for text in ("https://api.example.org", "api.example.org:443"):
        with pytest.raises(SettingsError, match="give hosts such as"):
            read_settings(Sources({"HEADWAY_BAGGAGE_HOSTS": text}, {}))
