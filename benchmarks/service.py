"""Load `occasion serve` from a second process over loopback and time what clients see.

Usage: python benchmarks/service.py [--items 100000] [--workers 2] [--seconds 20] [--soak SECONDS] [--kills N] [--home FOLDER] [--json FILE]

The service runs as a user starts it, with the default encoder; this process sends requests over kept connections. Arrivals of
recommendations are an open loop: they come at random moments at the rate asked for, and an answer's time counts from the moment
it was due, so waiting behind a slow one counts. Phases:

new       a sentence never sent before with each request, at each --rate, and as fast as 8 connections get answers
known     requests out of 200 known contexts, as fast as 8 connections get answers
events    batches of 100 events on 2 connections as fast as they are acknowledged, while recommendations come at 30 a second
visible   a person's dislike is acknowledged, then that person asks: how long, and is the item gone
soak      mixed load for --soak seconds: memory of the workers and p99 at the start and the end
kills     kill -9 of one worker or of the whole service by turns, while events are sent: what was lost, doubled, how long it took
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import numpy as np

import latency
from occasion.settings import load_settings
from occasion.stores import open_store
from serving import (
    PEOPLE,
    Connection,
    Pool,
    Server,
    Tally,
    batches,
    closed_loop,
    open_loop,
    percentiles,
    rotating,
    send_events,
    sentences,
)


# -- phases -----------------------------------------------------------------------------------------------------------------
async def new_sentences(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    """Sentences never sent before."""
    out = {}
    async with Pool(server.port, 8) as pool:
        await closed_loop(pool, sentences(0), 5, Tally())
        for rate in options.rate or [150]:
            tally = Tally(server.processor)
            await open_loop(pool, sentences(rate * 10**6), rate, options.seconds, tally)
            out[f"{rate} a second"] = tally.figures()
        tally = Tally(server.processor)
        await closed_loop(pool, sentences(9 * 10**8), options.seconds, tally)
        out["as fast as they come"] = tally.figures()
    return out


async def known_contexts(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    """Known contexts."""
    async with Pool(server.port, 8) as pool:
        await closed_loop(pool, rotating(), 4, Tally())
        tally = Tally(server.processor)
        await closed_loop(pool, rotating(), options.seconds, tally)
        return tally.figures()


async def events_meanwhile(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    """Events while recommendations come."""
    taken, answers = Tally(server.processor), Tally()
    async with Pool(server.port, 8) as pool, Pool(server.port, 2) as writers:
        name = f"load-{time.time_ns()}"
        await asyncio.gather(
            open_loop(pool, sentences(time.time_ns() % 10**8), 30, options.seconds, answers),
            *(send_events(writers, f"{name}-{n}", options.seconds, taken, options.items) for n in range(2)),
        )
    figures = taken.figures()
    figures["events per second"] = round(figures.pop("per second") * 100)
    figures.pop("stages ms")
    return {"batches": figures, "recommendations": answers.figures()}


async def visible(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    """An event of one worker in the next answer of any: each request over a connection of its own."""
    seconds, wrong = [], 0
    for n in range(100):
        user = f"visitor-{time.time_ns()}"
        moment = {"user": user, "text": "a classic lamp for the kitchen"}
        async with Connection(server.port) as one, Connection(server.port) as two, Connection(server.port) as three:
            first = json.loads((await one.send("POST", "/v1/recommend", moment))[1])["items"][0]["item"]
            await two.send("POST", "/v1/events", {"user": user, "item": first, "type": "dislike", "id": f"seen-{user}-{n}"})
            begun = time.perf_counter()
            after = json.loads((await three.send("POST", "/v1/recommend", moment))[1])["items"]
            seconds.append(time.perf_counter() - begun)
            wrong += first in [entry["item"] for entry in after]
    return {"asked": len(seconds), "event missing in the answer": wrong, **percentiles(seconds)}


async def soak(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    """Mixed load at two thirds of what was reached, in windows of a minute."""
    windows = []
    async with Pool(server.port, 8) as pool, Pool(server.port, 1) as writers:
        source, known = sentences(10**7), rotating()
        end, n = time.monotonic() + options.soak, 0
        while time.monotonic() < end:
            answers, other, taken = Tally(), Tally(), Tally()
            some = min(60.0, max(1.0, end - time.monotonic()))

            async def trickle(some: float = some, taken: Tally = taken) -> None:
                stream = batches(f"soak-{time.time_ns()}", items=options.items)
                until = time.perf_counter() + some
                while time.perf_counter() < until:
                    status, _ = await writers.send("POST", "/v1/events", next(stream)[1])
                    taken.failed += status != 200
                    taken.seconds.append(0.0)
                    await asyncio.sleep(0.2)

            await asyncio.gather(open_loop(pool, source, 40, some, answers), open_loop(pool, known, 20, some, other), trickle())
            figures = answers.figures()
            windows.append(
                {
                    "memory MB": server.memory(),
                    "p50 ms": figures.get("p50 ms"),
                    "p99 ms": figures.get("p99 ms"),
                    "failed": answers.failed + other.failed + taken.failed,
                }
            )
            print(f"  {windows[-1]}", file=sys.stderr, flush=True)
            n += 1
    return {"windows": windows}


class Attackers:
    """Clients of a service that is killed: what was not acknowledged is sent again with the same ids; what was is remembered."""

    def __init__(self, port: int) -> None:
        self.port, self.stop = port, False
        self.events: list[str] = []
        self.slates: list[str] = []

    async def _again_and_again(self, deed: Callable[[Connection], Awaitable[bool]]) -> None:
        while not self.stop:
            try:
                async with Connection(self.port) as connection:
                    while not self.stop and await asyncio.wait_for(deed(connection), 10):
                        pass
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                pass
            await asyncio.sleep(0.05)

    async def send_batches(self, name: str) -> None:
        """Send batches of 20 events."""
        source = batches(name, 20)
        ids, batch = next(source)

        async def deed(connection: Connection) -> bool:
            nonlocal ids, batch
            status, _ = await connection.send("POST", "/v1/events", batch)
            if status == 200:
                self.events.extend(ids)
                ids, batch = next(source)
            return status == 200

        await self._again_and_again(deed)

    async def ask(self) -> None:
        """Ask for recommendations."""
        source = sentences(time.time_ns() % 10**8)

        async def deed(connection: Connection) -> bool:
            status, body = await connection.send("POST", "/v1/recommend", next(source))
            if status == 200:
                self.slates.append(json.loads(body)["slate"])
            return status == 200

        await self._again_and_again(deed)


async def kill_one(server: Server, worker: int) -> float:
    """Kill a worker; return the seconds until the service is ready with as many as before."""
    begun = time.monotonic()
    os.kill(server.pids()[worker], signal.SIGKILL)
    while await server.ready() != 200 or len(server.pids()) < server.workers:
        await asyncio.sleep(0.02)
    return time.monotonic() - begun


async def kill_all(server: Server) -> tuple[float, float]:
    """Kill the service and start it again; return the seconds until it is ready, and until all workers are."""
    server.process.kill()
    server.process.wait()
    begun = time.monotonic()
    while True:
        with contextlib.suppress(RuntimeError):
            return await asyncio.to_thread(server.start), time.monotonic() - begun


async def kills(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    """Kill a worker and the whole service by turns under load; then compare what was acknowledged with what is stored."""
    clients = Attackers(server.port)
    name = time.time_ns()
    loads = [
        asyncio.create_task(load) for load in (clients.send_batches(f"k{name}"), clients.send_batches(f"l{name}"), clients.ask())
    ]
    seconds: dict[str, list[float]] = {"a worker killed": [], "all killed": [], "all killed, every worker there": []}
    end = time.monotonic() + options.limit
    for n in range(options.kills):
        if time.monotonic() > end:
            break
        await asyncio.sleep(0.5)
        if n % 2 == 0:
            seconds["a worker killed"].append(await kill_one(server, n // 2 % server.workers))
        else:
            first, every = await kill_all(server)
            seconds["all killed"].append(first)
            seconds["all killed, every worker there"].append(every)
    clients.stop = True
    await asyncio.gather(*loads)
    store = open_store(load_settings(home=server.home).resolved_store_url)
    stored = [event.id for event in store.read_events()]
    lost = [slate for slate in clients.slates if store.get_slate(slate) is None]
    store.close()
    return {
        "kills": sum(len(s) for who, s in seconds.items() if "every" not in who),
        "events acknowledged": len(clients.events),
        "events lost": len(set(clients.events) - set(stored)),
        "events stored twice": len(stored) - len(set(stored)),
        "answers given": len(clients.slates),
        "answers lost": len(lost),
        "ready again s": {
            who: {"median": round(float(np.median(s)), 2), "most": round(max(s), 2)} for who, s in seconds.items() if s
        },
    }


def build(home: Path, items: int) -> None:
    """Fill the home once, and encode."""
    settings = load_settings(home=home)
    store = open_store(settings.resolved_store_url)
    if store.counts()["items"] < items:
        known = latency.titles(None)
        for batch in latency.batches(latency.items(known, items)):
            store.put_items(batch)
        for some in latency.batches(latency.events(items, 200_000, PEOPLE)):
            store.append(some)
    store.close()
    subprocess.run([sys.executable, "-m", "occasion", "index", "--home", str(home)], check=True)


PHASES: dict[str, Callable[[Server, argparse.Namespace], Awaitable[dict[str, Any]]]] = {
    "new": new_sentences,
    "known": known_contexts,
    "events": events_meanwhile,
    "visible": visible,
    "soak": soak,
    "kills": kills,
}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument(
        "--rate", type=int, action="append", help="recommendations a second with new sentences; may be repeated; default 150"
    )
    parser.add_argument("--soak", type=float, default=0.0, help="seconds of mixed load; 0: leave it out")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds after which no more is killed")
    parser.add_argument("--only", action="append", choices=PHASES)
    parser.add_argument("--home", type=Path, help="keep the store here and use it again")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="occasion-service-"))
    home.mkdir(parents=True, exist_ok=True)
    build(home, options.items)
    server = Server(home, options.workers)
    results: dict[str, Any] = {"items": options.items, "workers": options.workers, "start s": round(server.start(), 2)}
    results["memory MB"] = server.memory()
    wanted = options.only or [name for name in PHASES if (name != "soak" or options.soak) and (name != "kills" or options.kills)]
    try:
        for name in wanted:
            results[name] = asyncio.run(PHASES[name](server, options))
            print(name, json.dumps(results[name], indent=1), flush=True)
        results["memory MB after"] = server.memory()
    finally:
        server.stop()
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
