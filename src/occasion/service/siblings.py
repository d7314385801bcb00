"""Siblings: a worker hands an answer to one that has clearly fewer to give, so that no request waits longer than it has to.

A client keeps its connections, and each of them belongs to one worker. So requests queue before one worker while another has
nothing to do: with two workers that are busy three quarters of the time, one request in a hundred waits for half a dozen others.
Nor is it enough that an idle one helps: behind three requests one waits longer than behind one.
Each worker shows how many requests it has in a table that all map into memory, and takes requests of the others over a socket
in a folder that only this user may enter. What is handed over is a checked request with its tenant; what comes back is the
answer. Whatever goes wrong on the way, the worker that took the request answers itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import mmap
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from pathlib import Path

__all__ = ["Handed", "Siblings"]

TABLE = "busy"
AWAY = 255
"""In the table: this worker takes nothing."""
FEWER = 2
"""To hand a request over takes half a millisecond: for one place in the queue it is not worth it, while all have work."""
MOST = 200
"""Workers that the table has room for."""
_SIZES = struct.Struct(">II")
_SIZE = struct.Struct(">i")
REFUSED = -1
"""In place of an answer's size: answer it yourself."""
SECONDS = 120.0
"""Longest wait for a sibling; its own limits are far below."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What is told of a request that is handed over: its route, tenant, key (None: open on loopback), id, and when it came."""

    path: str
    tenant: str
    key: str | None
    request_id: str
    begun: float


_TOLD = tuple(field.name for field in fields(Handed))
Perform = Callable[[Handed, bytes], Awaitable[bytes | None]]


class Siblings:
    """One worker among others.

    Parameters
    ----------
    folder : Path
        Shared by all workers of one service, and private to its user.
    slot : int
        This worker's number, 0 to `MOST` - 1. A worker that takes the place of a dead one has the same.
    """

    def __init__(self, folder: Path, slot: int) -> None:
        self.folder, self.slot = folder, slot
        self.handed = 0
        """Requests that siblings have answered for this worker."""
        with (folder / TABLE).open("r+b") as file:
            self._table = mmap.mmap(file.fileno(), MOST)
        self._table[slot] = AWAY
        self._server: asyncio.Server | None = None
        self._busy = 0
        self._free: dict[int, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {}

    # -- the table ------------------------------------------------------------------------------------------------------
    @staticmethod
    def prepare(folder: Path) -> None:
        """Make the table before the first worker starts."""
        (folder / TABLE).write_bytes(bytes([AWAY]) * MOST)

    @staticmethod
    def mourn(folder: Path, slot: int) -> None:
        """Show that a worker is gone which could not say so itself."""
        with (folder / TABLE).open("r+b") as file:
            file.seek(slot)
            file.write(bytes([AWAY]))

    def tell(self, busy: float) -> None:
        """Show how many requests this worker has; from any thread."""
        self._busy = min(int(busy), AWAY - 1)
        if self._server is not None:
            self._table[self.slot] = self._busy

    def freer(self) -> int | None:
        """Return the slot of the sibling with the fewest requests, where it is idle or has `FEWER` than this worker, else None."""
        if self._busy == 0:
            return None
        shown = self._table[:]
        least = min(shown)
        if least > max(self._busy - FEWER, 0):
            return None
        # Not always the first of several: all others would come to it at once.
        found = shown.find(least, self.slot + 1)
        return found if found >= 0 else shown.find(least)

    def longest(self) -> int:
        """Return how many requests the busiest worker has."""
        return max((busy for busy in self._table[:] if busy != AWAY), default=0)

    # -- taking over ----------------------------------------------------------------------------------------------------
    async def take(self, perform: Perform) -> None:
        """Take requests of siblings from now on; `perform` answers one, or returns None for one that it will not."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # A sibling that is gone ends this.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    head, body = _SIZES.unpack(await reader.readexactly(_SIZES.size))
                    handed = Handed(**json.loads(await reader.readexactly(head)))
                    answer = await perform(handed, await reader.readexactly(body))
                    writer.write(_SIZE.pack(REFUSED) if answer is None else _SIZE.pack(len(answer)) + answer)
                    await writer.drain()
            writer.close()

        path = self._path(self.slot)
        # A folder whose path is too long for a socket: then each worker answers for itself.
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(serve, path)
            self.tell(self._busy)

    def _path(self, slot: int) -> Path:
        return self.folder / f"worker-{slot}"

    # -- handing over ---------------------------------------------------------------------------------------------------
    async def ask(self, slot: int, handed: Handed, body: bytes) -> bytes | None:
        """Return a sibling's answer; None where it gives none."""
        head = json.dumps({name: getattr(handed, name) for name in _TOLD}).encode()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(SECONDS):
                reader, writer = await self._connected(slot)
                # Given back only when all went well: whatever is left on its way must not be taken for another's answer.
                try:
                    writer.write(_SIZES.pack(len(head), len(body)) + head + body)
                    (size,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
                    answer = None if size == REFUSED else await reader.readexactly(size)
                except BaseException:
                    writer.close()
                    raise
                self._free.setdefault(slot, []).append((reader, writer))
                self.handed += answer is not None
                return answer
        return None

    async def _connected(self, slot: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connection to a sibling that nobody uses, a new one where there is none."""
        kept = self._free.get(slot, [])
        while kept:
            reader, writer = kept.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
        return await asyncio.open_unix_connection(self._path(slot))

    async def close(self) -> None:
        """Take no more; idempotent."""
        self._table[self.slot] = AWAY
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connections in self._free.values():
            for _, writer in connections:
                writer.close()
        self._free.clear()
