"""What a client does before its request is whole: nothing, too slowly, without end, or something that is no HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
import uvicorn
from service_shop import fill

from occasion.service import connections, create_app
from occasion.settings import Settings
from waiting import until


@pytest.fixture(scope="module")
def port(tmp_path_factory, encoder):
    """A service of one process behind a real socket, which waits half a second for the head of a request."""
    patched = pytest.MonkeyPatch()
    patched.setattr(connections, "HEAD_SECONDS", 0.5)
    app = create_app(Settings(home=fill(tmp_path_factory.mktemp("raw") / "home")), encoder=encoder, warm=False)
    kind = connections.connection_class()
    kind.most = 20
    server = uvicorn.Server(uvicorn.Config(app, http=kind, log_config=None, access_log=False, timeout_keep_alive=1))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()
    listening.close()
    patched.undo()


def said(port, *pieces, pause=0.0):
    """Send pieces; return everything that comes until the service closes, and after how long."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        try:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(pause)
        except OSError:
            pass
        out = b""
        try:
            while piece := client.recv(65_536):
                out += piece
        except ConnectionError:
            pass
    return out, time.monotonic() - begun


def refused(answer, status):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    error = json.loads(body)["error"]
    assert set(error) == {"code", "message", "cure", "request_id"}
    assert error["cure"]


LIVE = b"GET /v1/health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n"


def test_who_says_nothing_is_let_go(port):
    answer, took = said(port)
    assert answer == b""
    assert 0.4 < took < 30


def test_a_head_that_comes_too_slowly_is_refused(port):
    answer, took = said(port, *([LIVE] + [b"x: y\r\n"] * 400), pause=0.1)
    refused(answer, 408)
    assert took < 30


def test_a_head_without_end_is_refused_before_it_fills_the_memory(port):
    refused(said(port, LIVE, b"x: " + b"y" * 3_000_000)[0], 431)
    refused(said(port, b"GET /" + b"a" * 3_000_000)[0], 431)
    refused(said(port, LIVE, *[b"x: y\r\n" * 1000] * 30)[0], 431)


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\x01\r\n\r\n", b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n", b"GET http://[::1/ HTTP/1.1\r\nhost: a\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\n\r\n",
     b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nzz", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
)  # fmt: skip
def test_what_is_no_http_is_refused(port, garbage):
    refused(said(port, garbage)[0], 400)


def test_a_body_that_trickles_after_its_refusal_does_not_hold_the_connection(port):
    head = b"POST /v1/events HTTP/1.1\r\nhost: elsewhere.example\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n"
    answer, took = said(port, head, *[b"x"] * 400, pause=0.1)
    assert answer.startswith(b"HTTP/1.1 403")
    assert took < 30


def test_requests_one_after_another_and_in_one_piece_are_answered(port):
    answer, _ = said(port, LIVE + b"\r\n" + LIVE + b"\r\n" + LIVE + b"connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == 3


def test_connections_beyond_the_most_are_refused_and_the_others_served(port):
    held = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(40)]
    # The others are let go without a word, as they say nothing.
    assert {one.recv(12) for one in held} == {b"HTTP/1.1 503", b""}
    for one in held:
        one.close()
    until(lambda: said(port, LIVE + b"connection: close\r\n\r\n")[0].startswith(b"HTTP/1.1 200"))
