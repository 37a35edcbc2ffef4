"""What stands in ``deploy/``: units, container file and proxies, run as far as a machine can.

The units are verified by systemd's own tool and their commands run; nginx is started from its file,
with a certificate of its own. No container is built here: what its file names and runs is.
"""

import configparser
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from headway.apis import ApiClient
from headway_collector.store.connections import Store
from tests.collector.otlp_requests import PROTOBUF, encode, export_spans, make_span
from tests.e2e.processes import (
    START_TIMEOUT_S,
    CollectorProcess,
    clean_environment,
    read_line,
    run_headway,
)

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = ("headway.service", "headway-backup.service", "headway-backup.timer")
BIN = "/opt/headway/bin/"
HOST = "headway.example.com"
WAIT_S = 60.0

LOGGING = """
import headway

@headway.observe(kind="llm", model="support-7b")
def answer(message):
    return message.upper()

answer("through TLS")
assert headway.flush(timeout_s=30), headway.stats()
"""


def read_unit(name: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / name)
    return unit


def command_of(unit: str, **replaced: str) -> list[str]:
    """Return what a unit runs, with this environment's programs and the given words replaced."""
    text = read_unit(unit)["Service"]["ExecStart"].replace("%%", "%")
    for old, new in {BIN: f"{Path(sys.executable).parent}/", **replaced}.items():
        text = text.replace(old, new)
    return shlex.split(text)


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_no_fault_in_a_unit(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("units are verified by systemd-analyze, which is not here")
    for each in UNITS:
        text = (DEPLOY / each).read_text().replace(BIN, f"{Path(sys.executable).parent}/")
        (tmp_path / each).write_text(text)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / name],
        capture_output=True,
        text=True,
        check=False,
    )
    faults = [line for line in verified.stderr.splitlines() if "headway" in line]

    assert (verified.returncode, faults) == (0, []), verified.stderr


def test_the_service_serves_and_ends_within_the_time_that_it_is_given(tmp_path: Path) -> None:
    unit = read_unit("headway.service")["Service"]
    command = command_of(
        "headway.service", **{"/var/lib/headway": str(tmp_path), "--port 4318": "--port 0"}
    )
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=clean_environment()
    ) as process:
        try:
            bound = re.search(rb"http://\S+:\d+", read_line(process, START_TIMEOUT_S))
            assert bound is not None
            ready = urllib3.request("GET", f"{bound[0].decode()}/readyz", retries=False)
            process.terminate()
            code = process.wait(float(unit["TimeoutStopSec"]))
        finally:
            process.kill()

    assert (ready.status, code) == (200, 0)
    assert (tmp_path / "headway.duckdb").is_file()


def test_the_backup_service_writes_a_database_of_the_day(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    collector.api.post("/v1/scores", {"name": "helpful", "value": True, "trace_id": "ab" * 16})
    folder = tmp_path / "backups"
    folder.mkdir()
    for _ in range(2):
        done = subprocess.run(
            command_of("headway-backup.service"),
            env=clean_environment(STATE_DIRECTORY=str(folder), HEADWAY_URL=collector.url),
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_S,
        )
        assert done.returncode == 0, done.stderr
    (backup,) = folder.iterdir()
    store = Store(backup)
    scores = store.read("SELECT name FROM store.scores")
    store.close()

    assert re.fullmatch(r"headway-\w+\.duckdb", backup.name)
    assert scores == [{"name": "helpful"}]


@dataclass(frozen=True, slots=True)
class Instruction:
    """A line of a container file."""

    word: str
    text: str


def read_containerfile() -> list[Instruction]:
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [Instruction(*line.split(" ", 1)) for line in lines if line]


def text_of(word: str) -> str:
    (text,) = (each.text for each in read_containerfile() if each.word == word)
    return text


def test_what_the_container_file_copies_and_installs_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    run = text_of("RUN")
    pip = shlex.split(re.search(r"pip (install [^&]+)", run)[1])  # type: ignore[index]
    assert text_of("COPY") == ". /tmp/headway"
    assert (ROOT / pip[pip.index("-c") + 1].removeprefix("/tmp/headway/")).is_file()
    assert pip[-1] == "/tmp/headway[collector]"
    assert "collector" in project["optional-dependencies"]
    assert "headway" in project["scripts"]
    first, second = read_containerfile()[:2]
    assert first.word == "ARG"
    assert (second.word, second.text) == ("FROM", "${BASE}")
    assert f"--uid {text_of('USER')} " in run
    assert f"-m 0700 {text_of('VOLUME')}" in run


def test_the_container_refuses_to_listen_to_others_until_there_is_a_key(tmp_path: Path) -> None:
    command = json.loads(text_of("CMD"))
    command[command.index("--db") + 1] = str(tmp_path / "headway.duckdb")
    refused = run_headway(*command[1:], cwd=tmp_path, timeout_s=WAIT_S)

    assert command[0] == "headway"
    assert refused.returncode != 0
    assert "headway keys create" in refused.stderr


def test_the_container_is_healthy_while_the_collector_is_ready(
    collector: CollectorProcess,
) -> None:
    _, program = text_of("HEALTHCHECK").split("CMD ")
    word, *arguments = json.loads(program)
    here = [each.replace("http://127.0.0.1:4318", collector.url) for each in arguments]

    def check() -> int:
        return subprocess.run([sys.executable, *here], capture_output=True, check=False).returncode

    healthy = check()
    collector.stop()

    assert word == "python"
    assert healthy == 0
    assert check() != 0


def test_caddy_finds_no_fault_in_its_file() -> None:
    if shutil.which("caddy") is None:
        pytest.skip("its file is validated by caddy, which is not here")
    config = str(DEPLOY / "Caddyfile")
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", config]
    validated = subprocess.run(command, capture_output=True, text=True, check=False)

    assert validated.returncode == 0, validated.stderr


@dataclass(frozen=True, slots=True)
class Proxy:
    """An nginx that listens with TLS, as one of its names."""

    port: int
    certificate: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def request(self, method: str, path: str, **options: Any) -> "urllib3.BaseHTTPResponse":
        """Ask as a client does that knows the proxy by the name in its file."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        with urllib3.HTTPSConnectionPool(
            "127.0.0.1", self.port, ssl_context=context, server_hostname=HOST, timeout=WAIT_S
        ) as pool:
            headers = {"Host": HOST, **options.pop("headers", {})}
            return pool.request(method, path, headers=headers, retries=False, **options)


Proxying = Callable[[int], Proxy]


@pytest.fixture
def proxying(tmp_path: Path) -> Iterator[Proxying]:
    """Start nginx from its file, before whatever listens on a port of loopback."""
    nginx, openssl = (find_program(name) for name in ("nginx", "openssl"))
    started: list[subprocess.Popen[bytes]] = []

    def start(upstream: int) -> Proxy:
        key, certificate = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
        subprocess.run(
            [
                *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
                *("-keyout", key, "-out", certificate, "-subj", f"/CN={HOST}"),
                *("-addext", f"subjectAltName=DNS:{HOST},DNS:localhost"),
            ],
            check=True,
            capture_output=True,
        )
        port, plain = find_ports(2)
        text = (DEPLOY / "nginx.conf").read_text()
        for old, new in (
            ("server 127.0.0.1:4318;", f"server 127.0.0.1:{upstream};"),
            ("listen 80;", f"listen 127.0.0.1:{plain};"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
            ("/etc/ssl/headway/fullchain.pem", str(certificate)),
            ("/etc/ssl/headway/privkey.pem", str(key)),
        ):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (tmp_path / "headway.conf").write_text(text)
        (tmp_path / "nginx.conf").write_text(wrap(tmp_path))
        command = [nginx, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"]
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        wait_until_listening(port, started[0])
        return Proxy(port, certificate)

    yield start
    for process in started:
        process.terminate()
        process.wait(WAIT_S)


def find_program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"the proxy's file is tested with {name}, which is not here")
    return found


def find_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wrap(folder: Path) -> str:
    """Return what Debian's main file has around the files of sites, within one folder."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{places}include {folder}/headway.conf;\n}}\n"
    )


def wait_until_listening(port: int, process: "subprocess.Popen[bytes]") -> None:
    pause = threading.Event()
    for _ in range(int(WAIT_S / 0.05)):
        assert process.poll() is None, "nginx ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            pause.wait(0.05)
        else:
            return
    raise AssertionError("nginx does not listen")


@pytest.fixture
def api_key(tmp_path: Path) -> str:
    """A key of the collector's database, made before it starts."""
    made = run_headway(
        *("keys", "create", "--name", "tests", "--all-projects", "--scope", "admin"),
        *("--db", str(tmp_path / "headway.duckdb")),
        cwd=tmp_path,
    )
    found = re.search(r"hw_\S+", made.stdout)
    assert found is not None, made.stderr
    return found[0]


def test_calls_of_the_sdk_and_of_otlp_and_large_bodies_pass_through_nginx(
    api_key: str, proxying: Proxying, tmp_path: Path
) -> None:
    bearer = {"Authorization": f"Bearer {api_key}"}
    with CollectorProcess(tmp_path / "headway.duckdb") as collector:
        proxy = proxying(collector.port)
        logged = subprocess.run(
            [sys.executable, "-c", LOGGING],
            env=clean_environment(
                HEADWAY_URL=proxy.url,
                HEADWAY_API_KEY=api_key,
                HEADWAY_JOURNAL_DIR=str(tmp_path / "journal"),
                SSL_CERT_FILE=str(proxy.certificate),
            ),
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_S,
        )
        body = encode(export_spans(make_span(1)), PROTOBUF)
        headers = {"Content-Type": PROTOBUF, **bearer}
        exported = proxy.request("POST", "/v1/traces", body=body, headers=headers)
        large = make_large(60 << 20)
        taken = proxy.request("POST", "/v1/ingest", body=large, headers=bearer)
        refused = proxy.request("POST", "/v1/ingest", body=bytes((64 << 20) + 1), headers=bearer)
        nobody = proxy.request("GET", "/v1/spans")
        spans = ApiClient(collector.url, api_key=api_key).pages("/v1/spans", "spans", {})
        names = {span["name"] for span in spans}

    assert logged.returncode == 0, logged.stderr
    assert (exported.status, taken.status, nobody.status) == (200, 200, 401)
    assert taken.json()["accepted"] == 1
    # By the collector, in its own words.
    assert (refused.status, refused.json()["code"]) == (413, "body_too_large")
    assert names == {"answer", "chat 1", "large"}


def make_large(size_bytes: int) -> bytes:
    """Return the line of a span, and one of that many spaces behind it."""
    span = {
        "type": "span",
        "trace_id": "ab" * 16,
        "span_id": "cd" * 8,
        "name": "large",
        "start_ns": 1_763_800_000_000_000_000,
        "end_ns": 1_763_800_000_000_000_001,
    }
    return json.dumps(span).encode() + b"\n" + b" " * size_bytes


def test_nginx_passes_a_stream_on_as_it_comes(proxying: Proxying) -> None:
    is_read = threading.Event()
    heads: list[bytes] = []

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            heads.append(connection.recv(65536))
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
            )
            # A proxy that gathers would wait for more, and so would this.
            if is_read.wait(WAIT_S):
                connection.sendall(b"4\r\nlast\r\n0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = proxying(listener.getsockname()[1])
        upstream = threading.Thread(target=answer, args=(listener,))
        upstream.start()
        response = proxy.request("GET", "/v1/export", preload_content=False)
        first = response.read1(5)
        is_early = upstream.is_alive()
        is_read.set()
        rest = response.read()
        upstream.join(WAIT_S)

    assert (first, is_early, rest) == (b"first", True, b"last")
    assert f"host: {HOST}".encode() in heads[0].lower()


@pytest.mark.parametrize("file", sorted(each.name for each in DEPLOY.iterdir()))
def test_each_file_is_explained_on_the_page(file: str) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()

    assert f"../deploy/{file}" in page
