"""Try a moment: what the page shows is what the API says, and an act changes the list at once."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import httpx
from console_shop import NASTY, items


def test_an_act_changes_the_list_and_is_an_event(tab, shop):
    tab.open("/moment")
    tab.fill(".person input", "u1")
    tab.fill(".words textarea", "I caught a cold and my throat hurts")
    tab.click("button.show")
    tab.says("throat hurts")
    first = tab.until(tab.titles, "cards")[0]
    tab.click(".card button.hide")
    tab.until(lambda: tab.titles() and first not in tab.titles(), "a list without it")
    tab.says(f"Stored: Hide, {first}.")
    newest = httpx.get(f"{shop.url}/v1/events", params={"user": "u1", "limit": 1}).json()["events"][0]
    title = httpx.get(f"{shop.url}/v1/items", params={"id": newest["item"]}).json()["items"][0]["text"]["title"]
    assert (newest["type"], title) == ("hide", first)


def newest(shop, user):
    return httpx.get(f"{shop.url}/v1/events", params={"user": user, "limit": 1}).json()["events"][0]


def test_an_act_belongs_to_whom_the_list_was_made_for(tab, shop):
    tab.open("/moment?user=u3&text=breakfast")
    tab.until(tab.titles, "cards")
    before = newest(shop, "u7")
    tab.fill(".person input", "u7")
    tab.fill(".words textarea", "a party")
    tab.click(".card button.like")
    tab.says("Stored: Like")
    assert newest(shop, "u7") == before
    told = newest(shop, "u3")
    assert (told["type"], told["text"]) == ("like", "breakfast")
    # The list stays that person's until somebody else is asked for.
    tab.says("Read as: breakfast")


def test_titles_stay_text(tab):
    tab.open("/moment")
    tab.fill(".person input", "")
    tab.fill(".words textarea", "a quoted snack with an ampersand")
    tab.click("button.show")
    tab.until(lambda: NASTY in tab.titles(), "the odd title")
    assert tab.script("return window.hurt") is None


def test_signals_filters_and_length_reach_the_request(tab):
    tab.open("/moment")
    tab.click(".options .q-item")
    tab.fill(".filter input", "categories = drinks")
    tab.fill(".k input", "3")
    tab.click(".signal-weather")
    tab.until(lambda: next(o for o in tab.all(".q-menu .q-item") if o.text == "rain").click() is None, "the options")
    tab.click("button.show")
    tab.until(lambda: len(tab.titles()) == 3, "three cards")
    drinks = {"Cold lager beer, six bottles", "Orange juice", "Sparkling water", "Green tea"}
    assert set(tab.titles()) <= drinks
    tab.click("button.copy")
    curl = tab.one("pre.copy_curl").text
    sent = json.loads(curl[curl.index("-d '") + 4 : -1])
    assert sent["signals"] == {"weather": "rain"}
    assert (sent["k"], sent["rules"]) == (3, {"filter": "categories = drinks"})


def test_a_wrong_filter_is_told_with_its_cure(tab, shop):
    tab.open("/moment")
    tab.click(".options .q-item")
    tab.fill(".filter input", "colour = red")
    tab.click("button.show")
    tab.one(".q-notification")
    tab.says("colour")
    assert "colour" not in shop.log.read_text()
    # The page stays usable.
    tab.fill(".filter input", "")
    tab.click("button.show")
    tab.until(lambda: len(tab.titles()) == 10, "cards")


def test_two_moments_side_by_side(tab):
    tab.open("/moment")
    tab.fill(".person input", "u2")
    tab.fill(".words textarea", "friends come over to watch the game")
    tab.click(".compare .q-item")
    tab.fill(".compare .words textarea", "I caught a cold and my throat hurts")
    tab.click("button.show")
    tab.one(".sides .after")
    before, after = (
        tab.script(f"return [...document.querySelectorAll('.{side} strong')].map(e => e.innerText)") for side in ("before", "after")
    )
    assert len(before) == len(after) == 10
    assert before != after
    marks = tab.script("return [...document.querySelectorAll('.after .mark')].map(e => e.className.split(' ')[1])")
    moved = [
        "new" if t not in before else "same" if before.index(t) == n else "up" if before.index(t) > n else "down"
        for n, t in enumerate(after)
    ]
    assert marks == moved
    tab.says("came,")
    assert tab.violations() == []


def test_two_moments_are_asked_for_with_filter_and_level_in_every_language(tab):
    tab.open("/moment")
    tab.click(".options .q-item")
    tab.fill(".filter input", "price < 12")
    tab.fill(".k input", "4")
    tab.one(".explore").click()
    tab.click(".compare .q-item")
    tab.fill(".compare .words textarea", "I caught a cold")
    tab.script("document.querySelector('button.copy').scrollIntoView({block: 'center'})")
    tab.click("button.copy")
    curl, code = tab.one("pre.copy_curl").text, tab.one("pre.copy_python").text
    sent = json.loads(curl[curl.index("-d '") + 4 : -1])
    assert sent["rules"] == {"filter": "price < 12"}
    level = "explore" if "explore" in sent else "diversity"
    assert sent[level] > 0
    assert f"{level}={sent[level]!r}" in code
    assert "rules={'filter': 'price < 12'}" in code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    before, after = ast.literal_eval(f"[{done.stdout.replace(') (', '), (')}]")
    cheap = {one.id for one in items() if one.price < 12}
    assert len(before) == len(after) == 4
    assert {*before, *after} <= cheap


def test_the_copied_python_runs(tab, shop):
    tab.open("/moment?user=u3&text=breakfast")
    tab.until(tab.titles, "cards")
    tab.click("button.copy")
    code = tab.one("pre.copy_python").text
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(ast.literal_eval(done.stdout)) == 10


def test_people_are_offered_while_one_types(tab):
    tab.open("/moment")
    tab.fill(".person input", "u1")
    offered = "return [...document.querySelectorAll('datalist option')].map(o => o.value)"
    tab.until(lambda: tab.script(offered) == ["u1", "u10", "u11"], "the people")


def test_an_item_with_a_picture_shows_it(tab):
    tab.open("/moment?text=salted%20tortilla%20chips")
    tab.until(lambda: tab.script("return document.querySelector('img.picture')?.naturalWidth") == 8, "the picture")
