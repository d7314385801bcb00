"""How long pages of the console take in a real browser, from the address to their content, and what an act on a card takes.

Needs Chromium with its driver. Example: python benchmarks/console.py --home groceries --user 1000 --item 1082185
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import IO

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

ROUNDS = 7
TITLES = "return [...document.querySelectorAll('.cards h3')].map(h => h.innerText).join()"


def browser() -> webdriver.Chrome:
    """Start a headless browser."""
    options = Options()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1600,1000"):
        options.add_argument(argument)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def until(what: Callable[[], object], seconds: float = 60) -> float:
    """Wait for something and return when it was there."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        try:
            if what():
                return time.perf_counter()
        except Exception:  # noqa: S110  # It may be replaced while it is looked at.
            pass
        time.sleep(0.005)
    raise SystemExit(f"it did not come within {seconds:g} s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", required=True)
    parser.add_argument("--user", required=True, help="a person of the home")
    parser.add_argument("--item", required=True, help="an item of the home")
    given = parser.parse_args()
    command = [sys.executable, "-m", "occasion", "console", "--home", given.home, "--port", "0"]
    # Into a file: a pipe that nobody empties would hold the service up.
    with tempfile.TemporaryFile("w+") as log:
        measure(subprocess.Popen(command, stderr=log), log, given.user, given.item)


def address_of(log: IO[str]) -> str:
    """Return the address that the service told."""
    until(lambda: log.seek(0) == 0 and "/console\n" in log.read())
    log.seek(0)
    return re.search(r"http://\S+", log.readline())[0]


def measure(served: subprocess.Popen[bytes], log: IO[str], user: str, item: str) -> None:
    """Open each page some times, then act on cards."""
    driver = browser()
    try:
        address = address_of(log)
        pages = {
            "/moment": ".card",
            "/people": ".people a",
            f"/people?user={user}": ".timeline",
            "/catalogue": ".facet .value",
            f"/catalogue?item={item}": ".lifts",
            "/catalogue?view=map": "canvas[data-ready]",
            "/quality": "section.compare",
            "/live": ".follow",
            "/rules": ".choices",
            "/set-up": ".counts",
        }
        # Drawn once for all, aside; its first visitor waits for it.
        driver.get(f"{address}/catalogue?view=map")
        begun = time.perf_counter()
        drawn = until(lambda: driver.find_elements(By.CSS_SELECTOR, "canvas[data-ready]"), 300) - begun
        print(f"{'the map is drawn':28} {drawn:.1f} s, once")
        for path, css in pages.items():
            taken = []
            for _ in range(ROUNDS + 1):
                begun = time.perf_counter()
                driver.get(address + path)
                taken.append(until(lambda css=css: driver.find_elements(By.CSS_SELECTOR, css)) - begun)
            # The first visit loads the recommender and fills the browser's cache.
            told = f"median {statistics.median(taken[1:]):.2f} s, worst {max(taken[1:]):.2f} s, first {taken[0]:.2f} s"
            print(f"{path:28} {told}", flush=True)
        driver.get(f"{address}/moment?user={user}")
        taken = []
        for _ in range(ROUNDS):
            until(lambda: driver.find_elements(By.CSS_SELECTOR, ".card button.hide"))
            before, begun = driver.execute_script(TITLES), time.perf_counter()
            driver.find_element(By.CSS_SELECTOR, ".card button.hide").click()
            taken.append(until(lambda before=before: driver.execute_script(TITLES) not in ("", before)) - begun)
        print(f"{'hide a card, list is new':28} median {statistics.median(taken):.2f} s, worst {max(taken):.2f} s")
    finally:
        driver.quit()
        served.terminate()
        served.wait(60)


if __name__ == "__main__":
    main()
