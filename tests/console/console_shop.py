"""A shop behind a service with a console, in a process of its own, for tests with a real browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from occasion.data import Event, Item, User
from occasion.settings import Settings
from occasion.stores import open_store

SHELVES = {
    "snacks": ["Salted tortilla chips", "Tomato salsa dip for parties", "Roasted peanuts", "Chocolate bar with nuts"],
    "breakfast": ["Buttermilk pancake mix", "Oat flakes", "Strawberry jam", "Dark coffee beans"],
    "pharmacy": ["Cough syrup with honey", "Throat lozenges", "Vitamin C tablets"],
    "meals": ["Hot chicken noodle soup", "Frozen pizza margherita", "Vegetable curry with rice"],
    "drinks": ["Cold lager beer, six bottles", "Orange juice", "Sparkling water", "Green tea"],
    "garden": ["Garden hose of ten metres", "Flower pot of clay"],
}
NASTY = '<img src=x onerror="window.hurt=1"> & "quoted" snack'
"""A title that must stay text."""
START = 1_790_000_000.0


def items() -> list[Item]:
    """Return the catalogue; ids are the first words."""
    rows = [(shelf, title) for shelf, titles in SHELVES.items() for title in titles]
    made = [
        Item(id=title.split()[0].lower() + str(n), text={"title": title}, categories=("food", shelf), price=1.5 + n)
        for n, (shelf, title) in enumerate(rows)
    ]
    picture = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/%3E"
    made[0] = replace(made[0], media={"image": picture})
    return [*made, Item(id="a/b?c=%2F ü", text={"title": NASTY}, categories=("snacks",), price=1.0)]


def fill(home: Path) -> Path:
    """Put the shop's items, people and events with contexts into a home."""
    store = open_store(Settings(home=home).resolved_store_url)
    goods = items()
    store.put_items(goods)
    store.put_users([User(id=f"u{n}", attributes={"age": 20 + n}) for n in range(12)])
    store.append(
        [
            Event(
                user=f"u{n % 12}",
                item=goods[(n * 5 + n % 3) % len(goods)].id,
                type=("purchase", "view", "click")[n % 3],
                at=START + 7000.0 * n,
                id=f"old-{n}",
                signals={"weather": ("sunny", "rain", "snow")[n % 3], "company": ("friends", "alone")[n % 2]},
                text="friends come over" if n % 10 == 0 else "",
            )
            for n in range(240)
        ]
    )
    store.close()
    return home


class Shop:
    """The running service."""

    def __init__(self, home: Path, *options: str, command: str = "serve") -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("OCCASION_")}
        self.home, self.log = home, home / "log"
        home.mkdir(parents=True, exist_ok=True)
        arguments = [sys.executable, "-m", "occasion", command, "--home", str(home), "--port", "0", *options]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(arguments, stderr=log, stdout=log, env=clean, cwd=home)
        self.url = self._wait(lambda: re.search(r"(?:serving|console) (http://[^/\s]+)/", self.log.read_text()))[1]
        self._wait(lambda: self._answers("/v1/health/ready"))

    def _answers(self, path: str) -> bool:
        try:
            return httpx.get(self.url + path, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def _wait(self, what):
        end = time.monotonic() + 180
        while time.monotonic() < end:
            if found := what():
                return found
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())


@contextmanager
def serving(home: Path, *options: str, command: str = "serve") -> Iterator[Shop]:
    """Start a service with its console, and stop it."""
    shop = Shop(home, *options, command=command)
    try:
        yield shop
    finally:
        shop.process.terminate()
        shop.process.wait(180)
