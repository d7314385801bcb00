"""What benchmarks/service.py is made of: the service as a process, kept connections, what to send, and tallies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import latency

TICK = os.sysconf("SC_CLK_TCK")

PEOPLE = latency.people_of(200_000)


def _command(pid: int | str) -> bytes:
    """Return how a process was called; nothing for one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


class Server:
    """`occasion serve` in processes of its own."""

    def __init__(self, home: Path, workers: int) -> None:
        self.home, self.workers, self.port = home, workers, 0

    def start(self) -> float:
        """Start it; return the seconds until it was ready."""
        begun = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "occasion",
            "serve",
            "--home",
            str(self.home),
            "--workers",
            str(self.workers),
            "--port",
            str(self.port),
        ]
        environment = {**os.environ, "OCCASION_QUEUE": "256"}
        log = (self.home / "serve.log").open("a+")
        mark = log.tell()
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        while not self.port:
            log.seek(mark)
            for line in log:
                if "serving http" in line:
                    self.port = int(line.split("/v1")[0].rpartition(":")[2])
            time.sleep(0.02)
        while asyncio.run(self.ready()) != 200:
            if self.process.poll() is not None:
                raise RuntimeError((self.home / "serve.log").read_text()[-2000:])
            time.sleep(0.02)
        took = time.monotonic() - begun
        while (self.home / "serve.log").read_text()[mark:].count('"event": "ready"') < self.workers:
            time.sleep(0.05)
        return took

    async def ready(self) -> int:
        """Return the status of the ready route, 0 where nobody answers, or who was asked ends before the answer."""
        try:
            async with Connection(self.port) as connection:
                return (await connection.send("GET", "/v1/health/ready"))[0]
        except (OSError, EOFError):
            return 0

    def pids(self) -> list[int]:
        """Return the workers' process ids, copies of their parent; the service's own where it is its only one."""
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        return [int(p) for p in children if _command(p) == _command(own)] or [own]

    def memory(self) -> dict[str, float]:
        """Return the resident, private and proportional megabytes of workers and parent, summed; Rss counts shared ones often."""
        out = {"Rss": 0.0, "Private_Dirty": 0.0, "Pss": 0.0}
        for pid in {*self.pids(), self.process.pid}:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in out:
                    out[name] += int(rest.split()[0]) / 1024
        return {name: round(value) for name, value in out.items()}

    def processor(self) -> float:
        """Return the processor seconds that the service has used so far, workers and parent together."""
        total = 0
        for pid in {*self.pids(), self.process.pid}:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def stop(self) -> None:
        """Stop it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


class Connection:
    """One kept connection; as little work as possible, since it shares the cores with the service."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def __aenter__(self) -> Connection:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def send(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Return status and body of an answer."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        )
        self.writer.write(head.encode() + data)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.split(b"content-length: ")[1].split(b"\r\n")[0])
        found = await self.reader.readexactly(length)
        if b"\r\nconnection: close" in answer:
            self.writer.close()
            await self.__aenter__()
        return int(answer[9:12]), found


class Pool:
    """Kept connections; a request takes a free one, or waits for it."""

    def __init__(self, port: int, size: int) -> None:
        self.port, self.size = port, size
        self.free: asyncio.Queue[Connection] = asyncio.Queue()

    async def __aenter__(self) -> Pool:
        self.all = [await Connection(self.port).__aenter__() for _ in range(self.size)]
        for connection in self.all:
            self.free.put_nowait(connection)
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self.all:
            connection.writer.close()

    async def send(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Send over a free connection."""
        connection = await self.free.get()
        try:
            return await connection.send(method, path, body)
        finally:
            self.free.put_nowait(connection)


class Tally:
    """Times, failures and stages of some requests, and the processor time they took.

    Parameters
    ----------
    processor : callable, optional
        Returns the processor seconds of the service so far; where it is given, figures say what one answer costs, and what two
        cores would carry that do nothing else.
    """

    def __init__(self, processor: Callable[[], float] | None = None) -> None:
        self.seconds: list[float] = []
        self.failed = 0
        self.stages: dict[str, float] = {}
        self.begun = time.perf_counter()
        self._processor = processor
        self._used = processor() if processor else 0.0
        self._own = time.process_time()

    def add(self, seconds: float, status: int, body: bytes) -> None:
        """Count one answer."""
        if status != 200:
            self.failed += 1
            return
        self.seconds.append(seconds)
        if len(self.seconds) % 10 == 0:
            for name, value in json.loads(body)["timing"].items():
                self.stages[name] = self.stages.get(name, 0.0) + value

    def figures(self) -> dict[str, Any]:
        """Return the figures."""
        took = time.perf_counter() - self.begun
        sampled = max(1, len(self.seconds) // 10)
        figures = {
            "answers": len(self.seconds),
            "failed": self.failed,
            "per second": round(len(self.seconds) / took, 1),
            **percentiles(self.seconds),
            "stages ms": {name: round(value / sampled, 2) for name, value in self.stages.items()},
        }
        if self._processor and self.seconds:
            each = (self._processor() - self._used) / len(self.seconds)
            figures |= {
                "service cpu ms each": round(1000 * each, 2),
                "client cpu ms each": round(1000 * (time.process_time() - self._own) / len(self.seconds), 2),
                "two idle cores would carry": round(2 / each),
            }
        return figures


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return p50, p95 and p99 in milliseconds."""
    if not seconds:
        return {}
    return {f"p{q} ms": round(float(np.percentile(seconds, q)) * 1000, 1) for q in (50, 95, 99)}


def called(n: int) -> str:
    """Return a name that no other number has: a long number instead would be looked at as if it were a phone's."""
    letters = []
    while n or not letters:
        n, one = divmod(n, 75)
        letters.append("bdfghjklmnprstv"[one % 15] + "aeiou"[one // 15])
    return "".join(letters).capitalize()


def sentences(start: int) -> Iterator[dict[str, Any]]:
    """Yield requests, each with a sentence never sent before."""
    known = latency.titles(None)
    rng = np.random.default_rng(start)
    n = start
    while True:
        pick = [group[rng.integers(len(group))] for group in (latency.TIMES, latency.PLACES, latency.MOODS)]
        wish = known[rng.integers(len(known))]
        n += 1
        yield {
            "user": f"user-{rng.integers(PEOPLE)}",
            "text": f"{pick[0]}, {pick[1]}, {pick[2]}, maybe a {wish} for {called(n)}",
            "signals": {"weather": latency.WEATHER[rng.integers(5)], "device": latency.DEVICES[rng.integers(4)]},
        }


def rotating(count: int = 200) -> Iterator[dict[str, Any]]:
    """Yield requests out of a number of known contexts, of changing people."""
    source = sentences(10**9)
    some = [next(source) for _ in range(count)]
    rng = np.random.default_rng(5)
    while True:
        yield {**some[rng.integers(count)], "user": f"user-{rng.integers(PEOPLE)}"}


def batches(name: str, size: int = 100, items: int = 2000) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Yield batches of events about the first `items` items, with their ids."""
    rng = np.random.default_rng(abs(hash(name)) % 2**32)
    n = 0
    while True:
        ids = [f"{name}-{n + e}" for e in range(size)]
        who, what = rng.integers(PEOPLE, size=size), rng.zipf(1.3, size=size) % items
        n += size
        yield (
            ids,
            {
                "events": [
                    {"user": f"user-{u}", "item": f"item-{i}", "type": "click", "id": e}
                    for u, i, e in zip(who, what, ids, strict=True)
                ]
            },
        )


async def open_loop(pool: Pool, requests: Iterator[dict[str, Any]], rate: float, seconds: float, tally: Tally) -> None:
    """Send recommendations at random moments at a mean rate; times count from the moment each was due."""
    rng = np.random.default_rng(7)
    running: set[asyncio.Task[None]] = set()
    due = time.perf_counter()
    end = due + seconds

    async def one(body: bytes, at: float) -> None:
        status, answer = await pool.send("POST", "/v1/recommend", body)
        tally.add(time.perf_counter() - at, status, answer)

    while due < end:
        due += rng.exponential(1 / rate)
        body = json.dumps(next(requests)).encode()
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(one(body, due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)


async def closed_loop(pool: Pool, requests: Iterator[dict[str, Any]], seconds: float, tally: Tally) -> None:
    """Send the next recommendation of each connection as soon as the last one is answered."""
    end = time.perf_counter() + seconds

    async def one() -> None:
        while time.perf_counter() < end:
            body = json.dumps(next(requests)).encode()
            begun = time.perf_counter()
            status, answer = await pool.send("POST", "/v1/recommend", body)
            tally.add(time.perf_counter() - begun, status, answer)

    await asyncio.gather(*(one() for _ in range(pool.size)))


async def send_events(pool: Pool, name: str, seconds: float, tally: Tally, items: int) -> None:
    """Send batches one after another."""
    end = time.perf_counter() + seconds
    source = batches(name, items=items)
    while time.perf_counter() < end:
        _, batch = next(source)
        body = json.dumps(batch).encode()
        begun = time.perf_counter()
        status, answer = await pool.send("POST", "/v1/events", body)
        if status == 200 and json.loads(answer)["received"] == 100:
            tally.seconds.append(time.perf_counter() - begun)
        else:
            tally.failed += 1
