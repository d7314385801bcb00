"""Try a moment: what the page shows is what the API says, and an act changes the list at once."""

from __future__ import annotations

import httpx
from console_shop import NASTY


def test_an_act_changes_the_list_and_is_an_event(tab, shop):
    tab.open("/moment")
    tab.fill(".person input", "u1")
    tab.fill(".words textarea", "I caught a cold and my throat hurts")
    tab.click("button.show")
    tab.says("throat hurts")
    first = tab.until(tab.titles, "cards")[0]
    tab.click(".card button.hide")
    tab.until(lambda: tab.titles() and first not in tab.titles(), "a list without it")
    newest = httpx.get(f"{shop.url}/v1/events", params={"user": "u1", "limit": 1}).json()["events"][0]
    title = httpx.get(f"{shop.url}/v1/items", params={"id": newest["item"]}).json()["items"][0]["text"]["title"]
    assert (newest["type"], title) == ("hide", first)


def test_titles_stay_text(tab):
    tab.open("/moment")
    tab.fill(".person input", "")
    tab.fill(".words textarea", "a quoted snack with an ampersand")
    tab.click("button.show")
    tab.until(lambda: NASTY in tab.titles(), "the odd title")
    assert tab.script("return window.hurt") is None
