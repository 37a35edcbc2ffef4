"""A tiny checkpoint with its adapter, made on the spot, and a collector's stand-in."""

import json
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import peft
import pytest
import torch
import transformers

from tests.evals.paid_projects import Project, Shell
from tests.tiny_models import make_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers with random weights, and a tokenizer with a token a character."""
    return make_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def adapter(checkpoint: Path) -> Path:
    """A LoRA adapter for the tiny checkpoint, lying beside it."""
    folder = checkpoint.parent / "tuned"
    torch.manual_seed(11)
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        peft.get_peft_model(model, config).save_pretrained(folder)
    return folder


@dataclass(slots=True)
class StandIn:
    """Answers as the collector's contract says, from memory, and keeps what is posted."""

    url: str = ""
    spans: list[dict[str, Any]] = field(default_factory=list)
    queries: list[dict[str, list[str]]] = field(default_factory=list)
    posts: list[tuple[str, str | None, Any]] = field(default_factory=list)
    page_size: int = 100
    refusal: dict[str, str] | None = None

    def page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """Return a page of the spans that the query's model filter leaves."""
        self.queries.append(query)
        models = query.get("request_model")
        found = [span for span in self.spans if models is None or span["request_model"] in models]
        start = int(query.get("cursor", ["0"])[0])
        end = start + self.page_size
        return {
            "spans": found[start:end],
            "next_cursor": str(end) if end < len(found) else None,
        }


@pytest.fixture
def collector() -> Iterator[StandIn]:
    """A stand-in for the collector, over real HTTP."""
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, stand_in.page(parse_qs(urlsplit(self.path).query)))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if stand_in.refusal is not None:
                self._answer(422, stand_in.refusal)
                return
            stand_in.posts.append((self.path, self.headers["Headway-Project"], body))
            self._answer(200, {})

        def _answer(self, status: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield stand_in
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A project of a thousand cases, and ``headway eval`` typed in it."""
    paid = tmp_path / "paid"
    descriptor = os.open(paid, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    monkeypatch.setenv("PAID", str(descriptor))
    project = Project(tmp_path / "project")
    monkeypatch.chdir(project.folder)
    yield Shell(project, paid, capsys)
    os.close(descriptor)
