"""Set-up: an empty home is filled with demo data or a file, whose columns can be mapped; rejected rows come back."""

from __future__ import annotations

import json

import httpx
import pytest
from console_browser import Tab
from console_shop import serving

DEMO = 1045
"""Items of the demo."""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The console alone, on an empty home."""
    with serving(tmp_path_factory.mktemp("bare") / "home", command="console") as shop:
        yield shop


@pytest.fixture
def page(driver, bare, tmp_path):
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    tab = Tab(driver, bare.url)
    yield tab
    assert tab.faults() == []


def counts(shop):
    return httpx.get(f"{shop.url}/v1/info").json()["counts"]


def send(tab, path):
    tab.until(lambda: tab.all("input[type=file]"), "the uploader")[0].send_keys(str(path))
    tab.one(".plan")


def choose_price(tab):
    old = tab.one(".plan .kind")
    tab.click(".columns-of-file tr:nth-child(4) .role")
    tab.until(lambda: next(o for o in tab.all(".q-menu .q-item") if o.text == "price").click() is None, "the roles")
    # The plan is made anew: a click on a button of the old one is lost.
    tab.until(lambda: tab.gone(old), "the new plan")
    tab.until(lambda: "price" in tab.one(".columns-of-file tr:nth-child(4) .role").text, "the role")


def test_an_empty_store_leads_to_the_set_up(page):
    page.open("/moment")
    page.click(".state a[href$='/set-up']")
    page.says("The store is empty.")


def test_the_live_page_is_there_before_the_first_answer_and_follows(page, bare):
    page.open("/live")
    page.says("Nothing was recommended yet.")
    page.says("Nothing asks for anybody.")
    httpx.post(f"{bare.url}/v1/recommend", json={"text": "anything"}).raise_for_status()
    page.until(lambda: page.all(".key_figures .tile") and page.one(".key_figures .tile").is_displayed(), "the figures")
    assert "Nothing was recommended yet." not in page.text()


def test_demo_data_in_one_click(page, bare):
    page.open("/set-up")
    page.click("button.demo")
    page.until(lambda: len(page.all(".job.done")) == 3, "three imports")
    assert counts(bare)["items"] == DEMO
    page.until(lambda: not page.one(".ways").find_element("css selector", "button.demo").is_displayed(), "the end of the offer")
    page.open("/moment?user=404&text=pancakes%20for%20breakfast")
    page.until(page.titles, "cards")


def test_a_file_is_looked_at_mapped_imported_and_its_rejects_come_back(page, bare, tmp_path):
    goods = tmp_path / "goods.csv"
    rows = "".join(f"g{n},Blue thing number {n},about {n},{n}.5\n" for n in range(30))
    goods.write_text(f"sku,NAME,story,amount\n{rows},without an id,x,1\ng99,odd price,x,-4\n")
    page.open("/set-up")
    send(page, goods)
    columns = page.script("return [...document.querySelectorAll('.columns-of-file tbody th')].map(e => e.innerText)")
    assert columns == ["sku", "NAME", "story", "amount"]
    assert page.violations() == []
    choose_price(page)
    assert counts(bare)["items"] == DEMO
    page.click("button.check")
    page.says("nothing was written")
    assert counts(bare)["items"] == DEMO
    page.click(".job .remove")
    send(page, goods)
    choose_price(page)
    page.click("button.import")
    page.says("2 rejected")
    assert counts(bare)["items"] == DEMO + 30
    item = httpx.get(f"{bare.url}/v1/items", params={"id": "g7"}).json()["items"][0]
    assert (item["text"]["title"], item["price"]) == ("Blue thing number 7", 7.5)
    page.click("button.download")
    name = tmp_path / "goods.csv-rejected.jsonl"
    text = page.until(lambda: name.exists() and name.read_text(), "the rejected rows")
    assert [json.loads(line)["line"] for line in text.splitlines()] == [32, 33]


def test_an_import_tells_of_signals_that_cannot_be(page, tmp_path):
    log = tmp_path / "visits.csv"
    log.write_text("user,item,time,ctx_hour\nann,g1,2026-11-03,25\nann,g2,2026-11-03,7\n")
    page.open("/set-up")
    send(page, log)
    page.click("button.import")
    page.says("1 taken with signals that are not usable, and passed over: hour 25 (0 to 23)")


def test_the_name_of_a_column_is_no_script(page, tmp_path):
    odd = tmp_path / "odd.csv"
    name = 'x" :foo="window.x=1'
    odd.write_text('sku,NAME,"x"" :foo=""window.x=1",back\\\n1,one,a,b\n2,two,c,d\n')
    page.open("/set-up")
    send(page, odd)
    columns = page.script("return [...document.querySelectorAll('.columns-of-file tbody th')].map(e => e.innerText)")
    assert columns == ["sku", "NAME", name, "back\\"]
    assert page.script("return window.x") is None
    labels = page.script("return [...document.querySelectorAll('.columns-of-file .role [aria-label]')].map(e => e.ariaLabel)")
    assert any(label.endswith(name) for label in labels)
    page.click("button.drop")
    page.until(lambda: not page.all(".plan"), "the end of the plan")


def held(shop):
    jobs = httpx.get(f"{shop.url}/v1/imports").json()["imports"]
    return [job for job in jobs if job["state"] == "held" and job["name"] == "few.csv"]


def test_a_held_file_that_was_removed_leaves_the_page_usable_and_none_stays_held(page, bare, tmp_path):
    goods = tmp_path / "few.csv"
    goods.write_text("sku,NAME\nz1,One thing\n")
    page.open("/set-up")
    send(page, goods)
    httpx.delete(f"{bare.url}/v1/imports/{held(bare)[0]['id']}").raise_for_status()
    page.click("button.drop")
    page.until(lambda: not page.all(".plan"), "the end of the plan")
    send(page, goods)
    httpx.delete(f"{bare.url}/v1/imports/{held(bare)[0]['id']}").raise_for_status()
    page.click("button.import")
    page.until(lambda: not page.all(".plan"), "the end of the plan")
    send(page, goods)
    assert len(held(bare)) == 1
    page.open("/people")
    # A page may be reloaded: it counts as left after some seconds.
    page.until(lambda: held(bare) == [], "the end of the file", seconds=30)


def test_a_file_that_cannot_be_understood_says_what_to_do(page, tmp_path):
    odd = tmp_path / "odd.csv"
    odd.write_text("colour,size\nred,3\nblue,4\n")
    page.open("/set-up")
    send(page, odd)
    page.one(".plan .state.failed")
    assert page.all("button.import") == []
    page.click("button.drop")
    page.until(lambda: not page.all(".plan"), "the end of the plan")
