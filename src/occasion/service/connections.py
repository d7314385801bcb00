"""Connections: what a client may do before its request is whole, where no route and no gate can see it yet.

The head of a request must come within some seconds and stay small, and a process holds only so many connections: else a few
clients that say nothing, or never stop saying it, would take a service's memory and files.
"""

from __future__ import annotations

import asyncio
import uuid

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from occasion.service.failures import CODES, error_body

__all__ = ["HEAD_BYTES", "HEAD_SECONDS", "BoundedConnection", "connection_class"]

HEAD_SECONDS = 10.0
"""From the first byte of a request, or from connecting, until its head is whole."""
HEAD_BYTES = 65_536
"""Of the address and the headers of a request together."""
SPARE_FILES = 128
"""Files that a process needs besides its connections."""
MOST_CONNECTIONS = 10_000
_PHRASES = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large", 503: b"Service Unavailable"}


def room_for_connections() -> int:
    """Raise this process's limit of open files as far as it may, and return how many connections it can hold at once."""
    try:
        import resource
    except ImportError:  # pragma: no cover - Windows
        return MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = MOST_CONNECTIONS + SPARE_FILES
    if soft != unlimited and soft < wanted:
        soft = wanted if hard == unlimited else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST_CONNECTIONS if soft == unlimited else max(1, min(MOST_CONNECTIONS, soft - SPARE_FILES))


class BoundedConnection(HttpToolsProtocol):
    """One connection of a client, with limits on the head of each request.

    Refusals have the one shape of errors. ``most`` is the number of connections of this process, set before it serves.
    """

    most = MOST_CONNECTIONS
    _patience: asyncio.TimerHandle | None = None
    _heading = True
    _head = _ended = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; refuse a connection beyond the most."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.most:
            self._refuse(503, "The service holds as many connections as it can.")

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request; count it where it belongs to a head."""
        if self.transport.is_closing():
            return
        # The rest of a body whose request was answered already (refused before it was read) must end some time, too.
        late = not self._heading and self.cycle is not None and self.cycle.response_complete
        if (self._heading or late) and self._patience is None:
            self._wait()
        ended = self._ended
        super().data_received(data)
        if self._heading and self._ended == ended:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._refuse(431, f"Address and headers are larger than {HEAD_BYTES:,} bytes.")

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._stop_waiting()
        self._heading = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Be ready for the head of the next request."""
        self._stop_waiting()
        self._heading, self._head = True, 0
        self._ended += 1
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, msg)

    # -- patience -------------------------------------------------------------------------------------------------------
    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self._heading or not self._head:
            self.transport.close()
            return
        self._refuse(408, f"The head of the request was not there within {HEAD_SECONDS:g} s.")

    def _refuse(self, status: int, message: str) -> None:
        self._stop_waiting()
        if self.transport.is_closing():
            return
        code, cure = CODES[status]
        body = to_json(error_body(code, message, cure, uuid.uuid4().hex))
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status, _PHRASES[status], len(body)) + body)
        self.transport.close()


def connection_class() -> type[BoundedConnection]:
    """Return the protocol of this process's connections, its number of them set by what the system allows."""
    return type("Connection", (BoundedConnection,), {"most": room_for_connections()})
