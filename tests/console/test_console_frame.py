"""What all pages have in common: they load without a fault at every width, theme and language, and can be used without a mouse."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import pytest

from occasion.console import parts
from occasion.console.mounting import load_pages
from occasion.console.words import FRAME, say
from occasion.service import beside

PAGES = load_pages()
PARTS = [import_module(f"{parts.__name__}.{found.name}") for found in iter_modules(parts.__path__)]
TABLES = (
    {page.path: page.words for page in PAGES}
    | {"frame": FRAME, "beside": beside.WORDS}
    | {part.__name__: part.WORDS for part in PARTS if hasattr(part, "WORDS")}
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
@pytest.mark.parametrize(("width", "dark"), [(1600, False), (400, True)])
def test_every_page_loads(tab, page, width, dark):
    tab.open(page.path, width=width, dark=dark)
    assert tab.one("h1").text == page.words["title"][0]
    assert not tab.overflows()
    assert tab.all(".state.failed") == []
    assert tab.script("return document.body.classList.contains('body--dark')") is dark


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
@pytest.mark.parametrize("dark", [False, True])
def test_every_page_is_accessible(tab, page, dark):
    tab.open(page.path, dark=dark)
    assert tab.violations() == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_every_page_speaks_chinese(tab, page):
    tab.open(f"{page.path}")
    tab.click("a[href*='locale=zh']")
    tab.until(lambda: tab.one("h1").text == page.words["title"][1], "the Chinese heading")
    assert tab.script("return document.documentElement.lang") == "zh-CN"
    # A value that was not filled in; routes that the page of live figures names have such parts.
    assert not re.search(r"(?<!/)\{\w+\}", tab.text())


@pytest.mark.parametrize("name", TABLES)
def test_words_are_there_in_both_languages(name):
    for key, (english, chinese) in TABLES[name].items():
        assert english.strip(), key
        assert chinese.strip(), key
        assert sorted(re.findall(r"\{(\w+)", english)) == sorted(re.findall(r"\{(\w+)", chinese)), key
        assert re.search(r"[\u4e00-\u9fff]", chinese) or english == chinese or chinese == "English", key


def test_pages_have_what_the_frame_shows():
    assert len({page.path for page in PAGES}) == len(PAGES)
    for page in PAGES:
        assert say(page.words, "zh", "title")
        assert say(page.words, "en", "about")


def test_the_keyboard_reaches_everything(tab):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    tab.open("/moment")
    ActionChains(tab.driver).send_keys(Keys.TAB).perform()
    skip = tab.driver.switch_to.active_element
    assert skip.get_attribute("class") == "skip"
    assert skip.location["x"] >= 0
    assert tab.script("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    skip.send_keys(Keys.ENTER)
    assert tab.script("return document.activeElement.id") == "content"


def test_the_theme_is_turned_and_stays(tab):
    tab.open("/moment")
    tab.click("button.theme")
    tab.until(lambda: tab.script("return document.body.classList.contains('body--dark')"), "the dark theme")
    tab.until(lambda: tab.driver.get_cookie("occasion_theme"), "the cookie")
    tab.open("/moment")
    assert tab.script("return document.body.classList.contains('body--dark')")


def test_help_loads_no_web_interface():
    code = "import sys, occasion.cli as c\ntry: c.main()\nexcept SystemExit: pass\nassert 'nicegui' not in sys.modules"
    for arguments in (["--help"], ["console", "--help"], ["serve", "--help"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_list_of_pages_opens_on_a_narrow_screen(tab):
    tab.open("/moment", width=400)
    first = "return document.querySelector('.pages a').getBoundingClientRect().x"
    assert tab.script(first) < 0
    tab.click("button.menu")
    tab.until(lambda: tab.script(first) >= 0, "the list of pages")
    tab.click(".pages a[href$='/people']")
    tab.until(lambda: tab.one("h1").text == "People", "the page")
    tab.open("/moment", width=1200)
    tab.until(lambda: tab.script(first) >= 0, "the list of pages")
