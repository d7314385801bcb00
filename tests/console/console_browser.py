"""A real Chromium for tests: a thin layer that waits, and remembers what went wrong on the page."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVERS = ("chromedriver", "chromium.chromedriver")
SECONDS = 120.0
MOVES = "const moves = a => a.playState === 'running' && isFinite(a.effect.getComputedTiming().endTime);"
FADED = MOVES + "return !document.getAnimations().some(moves)"
RESTS = (
    MOVES
    + """
for (let e = arguments[0]; e; e = e.parentElement) {
    if (e.getAnimations().some(moves) || [...e.classList].some(name => name.endsWith('-enter-from'))) return false;
}
return true;
"""
)


def start() -> webdriver.Chrome:
    """Start a headless browser; skip the test where there is none."""
    browser, driver = (next(filter(None, map(shutil.which, names)), None) for names in (BROWSERS, DRIVERS))
    if browser is None or driver is None:
        pytest.skip("there is no Chromium with its driver here: apt-get install chromium chromium-driver")
    options = Options()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en-US"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(driver))
    made.set_script_timeout(SECONDS)
    return made


class Tab:
    """One page of a console, as a person uses it."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver, self.url = driver, url

    def open(self, path: str, *, width: int = 1600, height: int = 1000, dark: bool = False) -> Tab:
        """Open a page of the console, for example ``/moment``, and wait until it lives."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        theme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": theme})
        # The page before may belong to a service that has ended, and go on looking for it.
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get(f"{self.url}/console{path}")
        self.until(lambda: self.script("return !document.querySelector('#app') || !!window.socket?.connected"), "the socket")
        return self

    def script(self, code: str, *arguments: Any) -> Any:
        """Run a script in the page and return what it returns."""
        return self.driver.execute_script(code, *arguments)

    def until(self, what: Callable[[], Any], told: str = "", seconds: float = SECONDS) -> Any:
        """Wait until something is true, and return it."""
        end, last = time.monotonic() + seconds, None
        while time.monotonic() < end:
            try:
                if found := what():
                    return found
            except Exception as error:
                last = error
            time.sleep(0.03)
        raise AssertionError(f"{told or 'nothing'} did not come: {last}\n{self.text()[:2000]}")

    def all(self, css: str) -> list[WebElement]:
        """Return the elements of a selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        """Return the first shown element of a selector, once it is there."""
        return self.until(lambda: next((e for e in self.all(css) if e.is_displayed()), None), css)

    @staticmethod
    def gone(element: WebElement) -> bool:
        """Return whether an element has left the page."""
        try:
            element.is_enabled()
        except StaleElementReferenceException:
            return True
        return False

    def click(self, css: str) -> None:
        """Click once it can be clicked and has come to rest: a button of a dialog that opens would be elsewhere at the release."""
        self.until(lambda: self.script(RESTS, self.one(css)) and self.one(css).click() is None, css)

    def fill(self, css: str, text: str) -> None:
        """Replace what stands in a field."""
        field = self.one(css)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(Keys.DELETE)
        if text:
            field.send_keys(text)

    def text(self) -> str:
        """Return what the page says."""
        return self.script("return document.body ? document.body.innerText : ''")

    def says(self, text: str) -> None:
        """Wait until the page says something."""
        self.until(lambda: text in self.text(), repr(text))

    def titles(self) -> list[str]:
        """Return the titles of the cards, in order."""
        return self.script(
            "return [...document.querySelectorAll('.cards h3')].map(h => h.innerText.replace(/^\\s*\\d+\\s*/, '').trim())"
        )

    def overflows(self) -> bool:
        """Return whether the page is wider than its window."""
        return self.script("return document.documentElement.scrollWidth > window.innerWidth + 1")

    def violations(self) -> list[Any]:
        """Return what axe finds wrong for people who cannot see well or use no mouse: rule and places."""
        axe = pytest.importorskip("axe_core_python", reason="axe's package is not here")
        # What fades in has no colour yet; what turns for ever is not waited for.
        time.sleep(0.3)
        self.until(lambda: self.script(FADED), "the end of what fades")
        self.script((Path(axe.__file__).parent / "axe.min.js").read_text("utf-8"))
        found = "axe.run().then(r => arguments[0](r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 200))])))"
        return self.driver.execute_async_script(found)

    def faults(self) -> list[str]:
        """Return errors and warnings that the page left in the browser's log."""
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]
