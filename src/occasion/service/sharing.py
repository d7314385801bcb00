"""Sharing a port: the parent takes connections and hands each to a worker that is ready, in turn, over a socket pair.

Workers that listen on one socket themselves take connections as chance has it, and a client that keeps a few open may find all
of them with one worker. Here each worker has its share, a worker that still loads gets none, and no worker holds the port.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import deque
from collections.abc import Iterable
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from occasion.service.core import Service

__all__ = ["Door", "WorkerServer"]

READY = b"r"
HANDED = b"c"
PAUSE_SECONDS = 0.05
AT_ONCE = 64


class Door:
    """The parent's side. It has no thread: the parent is forked, and calls `serve` whenever it has nothing else to do.

    Parameters
    ----------
    listening : socket
        Bound and listening.
    """

    def __init__(self, listening: socket.socket) -> None:
        listening.setblocking(False)
        self._listening = listening
        self._channels: set[socket.socket] = set()
        self._ready: deque[socket.socket] = deque()
        self._taken: socket.socket | None = None
        """A connection that no worker could be handed yet."""

    def channel(self) -> socket.socket:
        """Return a new worker's end of its channel; it is handed connections from when it says that it is ready."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        # A worker that hangs must not hold up the others.
        ours.setblocking(False)
        self._channels.add(ours)
        return theirs

    def serve(self, others: Iterable[int], seconds: float) -> None:
        """Hand connections over until a file of `others` can be read, at most for so long."""
        others, end = set(others), time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            waited: list[socket.socket | int] = [*self._channels, *others]
            if self._taken is not None:
                left = min(left, PAUSE_SECONDS)
            elif self._ready:
                waited.append(self._listening)
            readable = wait(waited, left)
            for channel in self._channels.intersection(readable):
                self._hear(channel)
            self._hand_over()
            if others.intersection(readable):
                return

    def _hear(self, channel: socket.socket) -> None:
        """Take notice that a worker is ready, or of its end."""
        said = b""
        with contextlib.suppress(OSError):
            said = channel.recv(1)
        if said == READY:
            self._ready.append(channel)
            return
        self._channels.remove(channel)
        with contextlib.suppress(ValueError):
            self._ready.remove(channel)
        channel.close()

    def _hand_over(self) -> None:
        """Hand the connections that wait to the workers by turns, so many at most that the parent sees to other things too."""
        for _ in range(AT_ONCE):
            if not self._ready:
                return
            if self._taken is None:
                try:
                    self._taken, _ = self._listening.accept()
                except BlockingIOError:
                    return
                except OSError:
                    # Out of files, or a client that went away already: only a door that was closed takes no more.
                    time.sleep(PAUSE_SECONDS)
                    return
            if not self._handed(self._taken):
                return
            self._taken.close()
            self._taken = None

    def _handed(self, taken: socket.socket) -> bool:
        """Hand a connection to the worker whose turn it is, or the next; False where none could take it."""
        for channel in list(self._ready):
            self._ready.rotate(-1)
            with contextlib.suppress(OSError):
                socket.send_fds(channel, [HANDED], [taken.fileno()])
                return True
        return False

    def leave(self) -> None:
        """Let go of everything: at the end, and in a worker that was forked, as it must hold neither port nor others' channels."""
        for held in (self._listening, self._taken, *self._channels):
            if held is not None:
                held.close()

    def close(self) -> None:
        """Take no more connections; the channels stay, as their end tells a worker that it is alone."""
        self._listening.close()
        if self._taken is not None:
            self._taken.close()


class WorkerServer(uvicorn.Server):
    """A server that is handed its connections.

    Parameters
    ----------
    config : uvicorn.Config
    channel : socket
        The worker's end.
    service : Service
        The parent is told once it has settled.
    """

    def __init__(self, config: uvicorn.Config, channel: socket.socket, service: Service) -> None:
        super().__init__(config)
        self._channel, self._service = channel, service
        self._taking: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start without a port, and take connections once answers can be given."""
        await super().startup(sockets=[])
        loop = asyncio.get_running_loop()
        self._channel.setblocking(False)
        loop.add_reader(self._channel.fileno(), self._take)
        waiting = loop.create_task(asyncio.to_thread(self._service.settled.wait))
        waiting.add_done_callback(lambda _: self._say_ready())
        self._taking.add(waiting)

    def _say_ready(self) -> None:
        with contextlib.suppress(OSError):
            self._channel.send(READY)

    def _take(self) -> None:
        try:
            said, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            said, descriptors = b"", []
        if not said:
            # The parent is gone.
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self.should_exit = True
        for descriptor in descriptors:
            connection = socket.socket(fileno=descriptor)
            connection.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._connected(connection))
            self._taking.add(task)
            task.add_done_callback(self._taking.discard)

    async def _connected(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        made: asyncio.Protocol = make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        return made

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, finish what is under way, stop."""
        with contextlib.suppress(OSError, ValueError):
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
        await super().shutdown(sockets=[])
        self._channel.close()
