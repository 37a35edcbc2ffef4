"""A client that has closed his half may be gone: a read does not go on for him for ever."""

import asyncio
import socket
import threading
from typing import Any

import pytest
import uvicorn

from headway_collector.protocols import PatientProtocol
from headway_collector.serving import Server


class Hasty(PatientProtocol):
    left_s = 0.1


@pytest.mark.parametrize(("method", "is_told"), [("GET", True), ("POST", False)])
def test_a_read_learns_that_its_client_may_have_left_and_a_write_goes_on(
    method: str, is_told: bool
) -> None:
    told: list[bool] = []

    async def wait_for_the_client(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] != "http.disconnect" and message["more_body"]:
            pass
        leaving = asyncio.ensure_future(receive())
        done, _ = await asyncio.wait({leaving}, timeout=60 if is_told else 3 * Hasty.left_s)
        told.append(bool(done) and leaving.result()["type"] == "http.disconnect")
        leaving.cancel()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    listens = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            wait_for_the_client, http=Hasty, log_level="error", lifespan="off", access_log=False
        )
        server = Server(config, listens.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert listens.wait(60)
        try:
            with socket.create_connection(listener.getsockname(), 60) as asking:
                asking.sendall(f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                asking.shutdown(socket.SHUT_WR)
                answer = asking.recv(1000)
        finally:
            server.should_exit = True
            thread.join()

    assert told == [is_told]
    assert answer.startswith(b"" if is_told else b"HTTP/1.1 204 ")
