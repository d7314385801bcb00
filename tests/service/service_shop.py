"""A small shop behind a service, for tests in process and over the network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from occasion.data import Event, Item
from occasion.settings import Settings
from occasion.stores import open_store

ITEMS = (
    Item(id="chips", text={"title": "Salted tortilla chips"}, categories=("snacks",), price=2.5),
    Item(id="dip", text={"title": "Tomato salsa dip for parties"}, categories=("snacks",), price=3.5),
    Item(id="syrup", text={"title": "Cough syrup with honey"}, categories=("pharmacy",), price=8.9),
    Item(id="pancakes", text={"title": "Buttermilk pancake mix"}, categories=("breakfast",), price=3.2),
    Item(id="soup", text={"title": "Hot chicken noodle soup"}, categories=("meals",), price=4.1),
    Item(id="beer", text={"title": "Cold lager beer, six bottles"}, categories=("drinks",), price=9.0),
    Item(id="a/b?c=%2F ü\n.", text={"title": "Item with an odd id"}, categories=("odd",), price=1.0),
    Item(id="..", text={"title": "Garden hose of ten metres"}, categories=("garden",), price=19.0),
)


def fill(home: Path) -> Path:
    """Put the shop's items and some events into a home."""
    store = open_store(Settings(home=home).resolved_store_url)
    store.put_items(ITEMS)
    store.append([Event(user=f"u{n}", item=ITEMS[n % 6].id, at=1_790_000_000.0 + n, id=f"old-{n}") for n in range(24)])
    store.close()
    return home


def bearer(token: str) -> dict[str, str]:
    """Return the header of a key."""
    return {"Authorization": f"Bearer {token}"}


class Running:
    """A service in processes of its own."""

    def __init__(self, home: Path, *options: str, **environment: str) -> None:
        self.home, self.options, self.environment = home, options, environment
        self.log = home / "log"

    def start(self, port: int = 0) -> Running:
        """Start it and wait until it is ready."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("OCCASION_")}
        command = [sys.executable, "-m", "occasion", "serve", "--home", str(self.home), "--port", str(port), *self.options]
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env={**clean, **self.environment})
        self.url = self._wait(lambda: re.search(r"serving (http://\S+)/v1", self.log.read_text()))[1]
        self._wait(self.ready)
        return self

    def ready(self) -> bool:
        """Return whether it says that it is ready."""
        try:
            return httpx.get(f"{self.url}/v1/health/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def _wait(self, what: Any) -> Any:
        end = time.monotonic() + 180
        while time.monotonic() < end:
            if found := what():
                return found
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def workers(self) -> list[int]:
        """Return the process ids of the workers (Linux): copies of their parent."""
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        return [int(p) for p in children if _command(p) == _command(own)]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(180)


def _command(pid: int | str) -> bytes:
    """Return how a process was called; nothing for one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextmanager
def running(home: Path, *options: str, **environment: str) -> Iterator[Running]:
    """Start a service and stop it; what fails meanwhile tells the end of its log."""
    service = Running(home, *options, **environment).start()
    try:
        yield service
    except BaseException as error:
        error.add_note(f"the end of its log:\n{service.log.read_text()[-6000:]}")
        raise
    finally:
        if service.process.poll() is None:
            service.stop()
