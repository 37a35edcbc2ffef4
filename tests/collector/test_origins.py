"""A collector on loopback answers this machine, and no page that a browser brings along."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import urllib3
from google.rpc.status_pb2 import Status
from starlette.testclient import TestClient

from headway.apis import ApiClient
from headway_collector.apps import create_app
from headway_collector.store.connections import Store
from tests.collector.otlp_requests import encode, export_spans, make_span

Lines = Callable[..., bytes]
Serve = Callable[..., Any]

HERE = "http://127.0.0.1:4318"
LOGGING = "import headway\nwith headway.span('shipped'): pass\nassert headway.flush(60)"
PATHS = ("/healthz", "/v1/spans", "/v1/ingest", "/v1/traces", "/v1/remap?all=true", "/nowhere")


@pytest.fixture
def local() -> Iterator[TestClient]:
    """The application as it answers on loopback."""
    store = Store()
    app = create_app(store, is_local=True)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        yield client
    store.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:4318"},
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1.evil.example:4318"},
        {"Host": "127.0.0.1@evil.example"},
        {"Host": "192.168.0.7:4318"},
        {"Host": "[::1"},
        {"Host": "\xe9vil"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "https://evil.example:8501"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "null"},
        {"Origin": "http://93.184.216.34"},
        {"Origin": "chrome-extension://abcdefgh"},
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_what_a_foreign_page_asks_for_is_refused(
    local: TestClient, path: str, headers: Mapping[str, str]
) -> None:
    encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    for method in ("GET", "POST", "OPTIONS"):
        response = local.request(method, path, headers=encoded)

        assert response.status_code == 403
        assert response.headers["Headway-Collector"]
        assert next(iter(headers)) in response.json()["message"]
        if method != "POST" or path != "/v1/traces":
            assert response.json()["code"] == "foreign_origin"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:9999"},
        {"Host": "127.9.9.9"},
        {"Host": "localhost:4318"},
        {"Host": "LocalHost"},
        {"Host": "localhost."},
        {"Host": "headway.localhost:4318"},
        {"Host": "[::1]:4318"},
        {"Host": "[::1]"},
        {"Host": "0.0.0.0:4318"},
        {"Origin": "http://localhost:8501"},
        {"Origin": "https://127.0.0.1"},
        {"Origin": "http://[::1]:8501"},
    ],
)
def test_what_this_machine_asks_for_is_answered(
    local: TestClient, span_line: Lines, headers: Mapping[str, str]
) -> None:
    posted = local.post("/v1/ingest", content=span_line(), headers=headers)
    listed = local.get("/v1/spans", headers=headers)

    assert posted.json()["accepted"] == 1
    assert len(listed.json()["spans"]) == 1


@pytest.mark.parametrize("media_type", ["application/json", "application/x-protobuf"])
def test_an_exporter_is_refused_in_its_own_protocol(local: TestClient, media_type: str) -> None:
    headers = {"Host": "evil.example", "Content-Type": media_type}
    response = local.post("/v1/traces", content=b"{}", headers=headers)

    assert response.status_code == 403
    assert response.headers["Content-Type"] == media_type
    if media_type == "application/json":
        assert response.json()["code"] == 7
        return
    status = Status.FromString(response.content)
    assert status.code == 7
    assert status.message.startswith("Host is 'evil.example'")


def test_a_body_that_is_refused_leaves_the_connection_usable(serve: Serve, tmp_path: Path) -> None:
    served = serve(tmp_path / "a.duckdb")
    pool = urllib3.connection_from_url(served.url, maxsize=1, block=True, retries=False)
    refused = pool.request("POST", "/v1/ingest", body=b"x" * 9_000_000, headers={"Host": "evil"})
    answered = pool.request("GET", "/readyz")

    assert (refused.status, answered.status) == (403, 200)


def test_a_request_without_a_host_is_answered(serve: Serve, tmp_path: Path) -> None:
    served = serve(tmp_path / "a.duckdb")
    port = urllib3.util.parse_url(served.url).port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        answer = connection.recv(100)

    assert b" 200 " in answer


@pytest.mark.parametrize(
    ("host", "names"), [("127.0.0.1", ["127.0.0.1", "localhost"]), ("::1", ["[::1]"])]
)
def test_our_clients_and_exporters_get_through(
    serve: Serve, tmp_path: Path, span_line: Lines, host: str, names: list[str]
) -> None:
    served = serve(tmp_path / "a.duckdb", "--host", host)
    port = urllib3.util.parse_url(served.url).port
    for number, name in enumerate(names, start=100):
        url = f"http://{name}:{port}"
        ApiClient(url).ingest([span_line(name="sent")], project="p", batch_id=name)
        export = encode(export_spans(make_span(number, name="exported")), "application/x-protobuf")
        headers = {"Content-Type": "application/x-protobuf"}
        urllib3.request("POST", f"{url}/v1/traces", body=export, headers=headers)
        journal = str(tmp_path / "journal")
        environment = {"HEADWAY_URL": url, "HEADWAY_JOURNAL_DIR": journal}
        subprocess.run([sys.executable, "-c", LOGGING], env=environment, cwd=tmp_path, check=True)
    found = [span["name"] for span in ApiClient(served.url).get("/v1/spans")["spans"]]

    assert sorted(found) == sorted(["exported", "sent", "shipped"] * len(names))


@pytest.mark.parametrize("options", [["--insecure"], ["--insecure", "--host", "0.0.0.0"]])
def test_without_security_every_name_is_answered(
    serve: Serve, tmp_path: Path, options: list[str]
) -> None:
    served = serve(tmp_path / "a.duckdb", *options)
    headers = {"Host": "headway.example", "Origin": "https://headway.example"}

    assert urllib3.request("GET", f"{served.url}/v1/spans", headers=headers).status == 200


def test_an_application_of_ones_own_answers_every_name(client: TestClient) -> None:
    assert client.get("/v1/spans", headers={"Origin": "http://evil.example"}).status_code == 200
