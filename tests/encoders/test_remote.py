import json
import socket
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from encoder_contract import EncoderContract

from occasion.encoders import load_encoder
from occasion.encoders.remote import RemoteEncoder
from occasion.errors import EncoderError
from occasion.settings import load_settings

KEY = "sk-test-secret-0123456789"
DIM = 12


def vector(text, dim):
    rng = np.random.default_rng(list(text.encode("utf-8", "replace")))
    return (3 * rng.normal(size=dim)).tolist()


class Handler(BaseHTTPRequestHandler):
    """Speaks the embeddings API; answers what the server's `script` says first, then rightly."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append((time.monotonic(), self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        step = self.server.script.pop(0) if self.server.script else {}
        if "sleep" in step:
            self.server.free.wait(step["sleep"])
        dim = body.get("dimensions", DIM)
        data = [{"object": "embedding", "index": n, "embedding": vector(t, dim)} for n, t in enumerate(body["input"])]
        good = {"object": "list", "data": data[::-1], "usage": {"prompt_tokens": 5 * len(data), "total_tokens": 5 * len(data)}}
        content = step["change"](good) if "change" in step else step.get("body", good)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        try:
            self.send_response(step.get("status", 200))
            for name, value in step.get("headers", {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(raw) + step.get("promise_more", 0)))
            self.end_headers()
            self.wfile.write(raw)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def running():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.script, server.free = [], [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    running.seen.clear()
    running.script.clear()
    running.free.clear()
    return running


def address(server):
    return f"http://127.0.0.1:{server.server_address[1]}/v1"


def made(server, **options):
    return RemoteEncoder("small", base_url=address(server), **({"dimensions": DIM, "pause": 0.01} | options))


class TestRemoteEncoder(EncoderContract):
    @pytest.fixture
    def encoder(self, server):
        return made(server, batch=3)


def expected(texts, dim=DIM):
    vectors = np.array([vector(t, dim) for t in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_what_is_sent_and_counted(server):
    encoder = made(server, batch=2, price=20.0)
    texts = ["one", "two", "", "three"]
    vectors = encoder.encode(texts)
    assert np.abs(vectors[[0, 1, 3]] - expected(["one", "two", "three"])).max() < 1e-6
    assert not vectors[2].any()
    (_, path, headers, body), second = server.seen
    assert path == "/v1/embeddings"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body == {"model": "small", "input": ["one", "two"], "encoding_format": "float", "dimensions": DIM}
    assert second[3]["input"] == ["three"]
    assert (encoder.requests, encoder.tokens, encoder.cost) == (2, 15, pytest.approx(15 * 20 / 1e6))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(server, status):
    server.script[:] = [{"status": status, "body": {"error": {"code": "overloaded"}}}, {"status": status, "body": b"<html>"}]
    encoder = made(server)
    assert np.abs(encoder.encode(["one"]) - expected(["one"])).max() < 1e-6
    assert encoder.requests == 3


BROKEN = {
    "garbage": {"body": b"\x00\xffnot json"},
    "empty": {"body": b""},
    "a list": {"body": []},
    "null": {"body": None, "change": lambda good: None},
    "no data": {"body": {"object": "list"}},
    "too few": {"change": lambda good: good | {"data": good["data"][1:]}},
    "an index twice": {"change": lambda good: good | {"data": [e | {"index": 0} for e in good["data"]]}},
    "no index": {"change": lambda good: good | {"data": [{"embedding": e["embedding"]} for e in good["data"]]}},
    "ragged": {"change": lambda good: good | {"data": [good["data"][0] | {"embedding": [1.0]}, *good["data"][1:]]}},
    "text for numbers": {"change": lambda good: good | {"data": [e | {"embedding": ["a"] * DIM} for e in good["data"]]}},
    "not a number": {"change": lambda good: good | {"data": [e | {"embedding": [float("nan")] * DIM} for e in good["data"]]}},
    "nothing in it": {"change": lambda good: good | {"data": []}},
    "cut off": {"promise_more": 50},
}


@pytest.mark.parametrize("what", list(BROKEN))
def test_a_broken_answer_is_tried_again_then_one_clear_error(server, what):
    encoder = made(server, attempts=2, timeout=60)
    server.script[:] = [dict(BROKEN[what])]
    assert np.abs(encoder.encode(["one", "two"]) - expected(["one", "two"])).max() < 1e-6
    assert encoder.requests == 2
    server.script[:] = [dict(BROKEN[what]) for _ in range(2)]
    with pytest.raises(EncoderError, match="no usable answer in 2 tries") as caught:
        encoder.encode(["a private sentence", "two"])
    assert_says_nothing_private(caught.value)


def assert_says_nothing_private(error):
    while error is not None:
        assert KEY not in str(error)
        assert "private" not in str(error)
        error = error.__cause__


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request_error"),
        (401, "invalid_api_key"),
        (403, None),
        (404, "model_not_found"),
        (429, "insufficient_quota"),
        (302, None),
    ],
)
def test_a_refusal_is_one_clear_error_at_once(server, status, code):
    message = f"Incorrect API key provided: {KEY}; input: a private sentence"
    headers = {"location": "http://127.0.0.1:1/elsewhere"} if status == 302 else {}
    server.script[:] = [
        {"status": status, "headers": headers, "body": {"error": {"message": message, "code": code, "type": message}}}
    ]
    encoder = made(server)
    with pytest.raises(EncoderError, match=f"status {status}" + (f" .{code}" if code else "")) as caught:
        encoder.encode(["a private sentence"])
    assert_says_nothing_private(caught.value)
    assert encoder.requests == 1


def test_waits_grow_and_retry_after_goes_before(server):
    server.script[:] = [{"status": 500}] * 3
    made(server, pause=0.04).encode(["one"])
    times = [seen[0] for seen in server.seen]
    waits = np.diff(times)
    assert waits[0] >= 0.04
    assert waits[1] >= 0.08
    assert waits[2] >= 0.16
    server.seen.clear()
    server.script[:] = [
        {"status": 429, "headers": {"retry-after": "0.3"}},
        {"status": 503, "headers": {"retry-after": formatdate(usegmt=True)}},
    ]
    made(server, pause=20).encode(["one"])
    waits = np.diff([seen[0] for seen in server.seen])
    assert 0.3 <= waits[0] < 15
    assert waits[1] < 15


def test_a_slow_server_runs_into_the_timeout(server):
    server.script[:] = [{"sleep": 60.0}]
    encoder = made(server, timeout=1.0)
    assert np.abs(encoder.encode(["one"]) - expected(["one"])).max() < 1e-6
    assert encoder.requests == 2
    server.free.set()


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        encoder = RemoteEncoder("m", base_url=f"http://127.0.0.1:{free.getsockname()[1]}", dimensions=3, attempts=2, pause=0.01)
        with pytest.raises(EncoderError, match="ConnectError"):
            encoder.encode(["one"])


def test_dimensions(server):
    assert made(server, dimensions=0).dim == DIM
    assert server.seen[0][3] == {"model": "small", "input": ["dimension"], "encoding_format": "float"}
    assert made(server, dimensions=5).encode(["one"]).shape == (1, 5)
    assert RemoteEncoder("text-embedding-3-large", base_url=address(server)).dim == 3072
    with pytest.raises(EncoderError, match="12 dimensions, 1536 were due"):
        RemoteEncoder("text-embedding-3-small", base_url=address(server)).encode(["one"])


def test_versions_tell_models_places_and_dimensions_apart(server):
    encoders = [made(server), made(server, dimensions=5), RemoteEncoder("other", base_url=address(server), dimensions=DIM)]
    encoders.append(RemoteEncoder("small", base_url="http://localhost:1/v1", dimensions=DIM))
    assert len({e.version for e in encoders}) == 4
    assert not any(KEY in e.version for e in encoders)


def test_from_a_spec(server, monkeypatch):
    settings = load_settings(openai_base_url=address(server) + "/", openai_dimensions=7)
    encoder = load_encoder("openai:small", settings=settings)
    assert encoder.encode(["one"]) == pytest.approx(expected(["one"], 7), abs=1e-6)
    assert server.seen[0][1] == "/v1/embeddings"
    monkeypatch.delenv("OPENAI_API_KEY")
    load_encoder("openai:small", settings=settings).encode(["one"])
    assert "authorization" not in server.seen[-1][2]
    with pytest.raises(EncoderError, match="OPENAI_API_KEY"):
        load_encoder("openai:small", settings=load_settings())
    with pytest.raises(EncoderError, match="names no model"):
        load_encoder("openai", settings=settings)


@pytest.mark.parametrize("url", ["", "localhost:80", "ftp://x", "file:///etc/passwd", "http://"])
def test_an_address_that_is_none(url, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(EncoderError, match="openai_base_url"):
        RemoteEncoder("m", base_url=url)


@pytest.mark.parametrize("key", ["schlüssel-private", "line\nbreak-private"])
def test_a_key_that_no_header_can_carry(server, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(EncoderError, match="Cure") as caught:
        made(server, attempts=2).encode(["one"])
    assert_says_nothing_private(caught.value)
