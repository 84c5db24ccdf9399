"""Clients that are silent or slow, against a real socket."""

import asyncio
import socket
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn

from fsrcnn.serving import connections

LARGE = 2**25  # bytes: more than two sockets hold


async def application(scope, receive, send):
    """Answers a whole request, slowly, with as many bytes as its path says."""
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] == "http.disconnect":
        return
    await asyncio.sleep(2 * connections.PATIENCE)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(int(scope["path"][1:]))})


@pytest.fixture
def port(monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 0.5)
    monkeypatch.setattr(connections, "MOST", 8)
    config = uvicorn.Config(
        application, port=0, http=connections.Connection, ws="none", lifespan="off", log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()
    assert not connections.Connection.waiting


@contextmanager
def connected(port, sent=b""):
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(("127.0.0.1", port))
        client.sendall(sent)
        yield client


def received(client):
    """All that comes until the end, or until the connection is cut."""
    parts = []
    try:
        while part := client.recv(2**16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /1 HTTP/1.1\r\nHost",
        b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_who_does_not_send_a_whole_request_is_cut(port, sent):
    with connected(port, sent) as client:
        assert received(client) == b""


def test_a_trickle_is_cut(port):
    start = time.monotonic()
    head = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
    with connected(port, head) as client, pytest.raises(OSError):  # reset, or a broken pipe
        while time.monotonic() < start + 30:
            client.sendall(b"a")
            time.sleep(0.05)


def test_who_does_not_read_is_cut(port):
    with connected(port, b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % LARGE) as client:
        while not connections.unsent():  # until the answer is there, and long after
            time.sleep(0.05)
        while connections.unsent():
            time.sleep(0.05)
        assert len(received(client)) < LARGE


def test_who_waits_for_the_server_is_not_cut(port):
    with connected(port, b"GET /5 HTTP/1.1\r\nHost: a\r\n\r\n" * 2) as client:  # one after the other
        assert received(client).count(b"200 OK") == 2


def test_the_longest_silent_makes_room(port):
    with ExitStack() as held:
        silent = [held.enter_context(connected(port, b"GET")) for _ in range(3 * connections.MOST)]
        with connected(port, b"GET /5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as client:
            assert b"200 OK" in received(client)
        assert received(silent[0]) == b""
