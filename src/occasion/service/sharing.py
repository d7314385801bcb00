"""Sharing a port: the parent takes connections and hands each to a worker that is ready, in turn, over a socket pair.

Workers that listen on one socket themselves take connections as chance has it, and a client that keeps a few open may find all
of them with one worker. Here each worker has its share, a worker that still loads gets none, and no worker holds the port.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from occasion.service.core import Service

__all__ = ["Door", "WorkerServer"]

READY = b"r"
HANDED = b"c"
WAIT_SECONDS = 0.5
PAUSE_SECONDS = 0.05


class Door:
    """The parent's side: takes connections in a thread of its own.

    Parameters
    ----------
    listening : socket
        Bound and listening.
    """

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._channels: list[socket.socket] = []
        self._ready: list[socket.socket] = []
        self._change = threading.Condition()
        self._open = True
        threading.Thread(target=self._take, daemon=True, name="door").start()

    @staticmethod
    def channel() -> tuple[socket.socket, socket.socket]:
        """Return the parent's and the worker's end of a new channel."""
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def add(self, channel: socket.socket) -> None:
        """Hand connections to a new worker from when it says that it is ready."""
        channel.settimeout(None)
        with self._change:
            self._channels.append(channel)
        threading.Thread(target=self._listen, args=(channel,), daemon=True, name="worker channel").start()

    def _listen(self, channel: socket.socket) -> None:
        """Wait for a worker to be ready, and for its end."""
        with contextlib.suppress(OSError):
            while channel.recv(1) == READY:
                with self._change:
                    self._ready.append(channel)
                    self._change.notify_all()
        with self._change:
            for held in (self._channels, self._ready):
                if channel in held:
                    held.remove(channel)
        channel.close()

    def _take(self) -> None:
        while self._open:
            try:
                taken, _ = self._listening.accept()
            except OSError:
                # Out of files, or a client that went away already: only a door that was closed takes no more.
                time.sleep(PAUSE_SECONDS)
                continue
            with taken:
                while self._open and not self._handed(taken):
                    pass

    def _handed(self, taken: socket.socket) -> bool:
        """Hand a connection to the worker whose turn it is; False where none could take it."""
        with self._change:
            if not self._ready:
                self._change.wait(WAIT_SECONDS)
                return False
            channel = self._ready.pop(0)
            self._ready.append(channel)
        try:
            socket.send_fds(channel, [HANDED], [taken.fileno()])
        except OSError:
            with self._change, contextlib.suppress(ValueError):
                self._ready.remove(channel)
            return False
        return True

    def close(self) -> None:
        """Take no more connections."""
        self._open = False
        with contextlib.suppress(OSError):
            # Closing alone would not wake the thread that waits for a connection.
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._change:
            self._change.notify_all()


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
