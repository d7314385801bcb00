"""Who gets into the console: sessions, cookies, other sites, other hosts."""

from __future__ import annotations

import time
from contextlib import closing

import httpx
import pytest
from console_browser import Tab
from console_shop import serving
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse

from occasion.console.guard import Guard
from occasion.console.sessions import COOKIE, Sessions
from occasion.service.control import ControlFile
from occasion.service.core import Service
from occasion.service.keys import KeyRing
from occasion.settings import Settings


@pytest.fixture(scope="module")
def ring(home):
    control = ControlFile(home)
    yield KeyRing(control)
    control.close()


@pytest.fixture(scope="module")
def locked(home, ring):
    """A service with an admin key and a read key of another tenant."""
    tokens = {"admin": ring.create("admin", name="boss")[1], "read": ring.create("read", "acme")[1]}
    tokens["reader"] = ring.create("read")[1]
    with serving(home) as shop:
        shop.tokens = tokens
        yield shop


def client(shop, **headers):
    return httpx.Client(base_url=shop.url, headers=headers, follow_redirects=False, timeout=10)


def signed_in(shop, role="admin"):
    visitor = client(shop)
    answer = visitor.post("/console/sign-in", data={"key": shop.tokens[role], "next": "/console/moment"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/moment")
    return visitor, answer.headers["set-cookie"]


def test_nobody_gets_in_without_a_key(locked):
    with client(locked) as visitor:
        answer = visitor.get("/console/moment?user=u1")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/console/sign-in?next=/console/moment%3Fuser%3Du1"
        assert visitor.get("/console/_nicegui_ws/socket.io/?EIO=4&transport=polling").status_code == 401
        assert visitor.post("/console/sign-out").status_code == 401
        assert visitor.post("/console/_nicegui/client/x/upload/1").status_code == 401
        wrong = visitor.post("/console/sign-in", data={"key": "occ_" + "0" * 12 + "_" + "x" * 43})
        assert wrong.status_code == 401
        assert COOKIE not in wrong.cookies
        assert "not known" in wrong.text


def test_the_cookie_is_kept_from_scripts_and_other_sites(locked):
    visitor, cookie = signed_in(locked)
    with closing(visitor):
        assert {"HttpOnly", "SameSite=strict", "Path=/console", "Max-Age=28800"} <= set(cookie.split("; "))
        assert locked.tokens["admin"] not in cookie
        page = visitor.get("/console/moment")
        assert page.status_code == 200
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert page.headers["x-frame-options"] == "DENY"


def test_signing_out_ends_every_copy_of_the_cookie(locked):
    visitor, _ = signed_in(locked)
    with closing(visitor):
        copy = dict(visitor.cookies)
        assert visitor.post("/console/sign-out").headers["location"] == "/console/sign-in"
        assert visitor.get("/console/moment").status_code == 303
    with client(locked, cookie=f"{COOKIE}={copy[COOKIE]}") as thief:
        assert thief.get("/console/moment").status_code == 303


def test_a_revoked_key_ends_its_sessions(locked, ring):
    key, token = ring.create("read")
    locked.tokens["short"] = token
    visitor, _ = signed_in(locked, "short")
    with closing(visitor):
        assert visitor.get("/console/moment").status_code == 200
        ring.revoke(key.id)
        assert visitor.get("/console/moment").status_code == 303


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_forms_of_other_sites_are_refused(locked, headers):
    with client(locked, **headers) as visitor:
        answer = visitor.post("/console/sign-in", data={"key": locked.tokens["admin"]})
        assert answer.status_code == 403
        assert COOKIE not in answer.cookies
    visitor, _ = signed_in(locked)
    with closing(visitor):
        visitor.headers.update(headers)
        assert visitor.post("/console/sign-out").status_code == 401
        visitor.headers.clear()
        assert visitor.get("/console/moment").status_code == 200


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/console//evil.example", "/console/\\evil", "/v1/info"]
)
def test_the_way_back_stays_inside(locked, wanted):
    with client(locked) as visitor:
        answer = visitor.post("/console/sign-in", data={"key": locked.tokens["admin"], "next": wanted})
        assert answer.headers["location"] == "/console/"


def test_an_open_console_answers_to_this_machines_name_alone(shop):
    with client(shop) as visitor:
        assert visitor.get("/console/moment").status_code == 200
        assert visitor.get("/console/moment", headers={"host": "evil.example"}).status_code == 303
        socket = "/console/_nicegui_ws/socket.io/?EIO=4&transport=polling"
        assert visitor.get(socket, headers={"host": "evil.example"}).status_code == 401
        assert visitor.post(socket, headers={"origin": "https://evil.example"}).status_code == 401


def test_a_session_expires_and_cannot_be_made_up(tmp_path, monkeypatch):
    control = ControlFile(tmp_path)
    ring = KeyRing(control)
    key, _ = ring.create("read")
    sessions, others = Sessions(ring, 1), Sessions(ring, 1)
    cookie = sessions.begin(key)
    found = sessions.read(cookie)
    assert found is not None
    assert sessions.key(found) == key
    assert others.read(cookie) is None
    body, _, mark = cookie.partition(".")
    for forged in ("", ".", "x", body, f"{body}.{'0' * 64}", f"{body[:-4]}AAAA.{mark}", f"é.{mark}", "A" * 5000):
        assert sessions.read(forged) is None
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3601)
    assert sessions.read(cookie) is None
    control.close()


def test_signing_in_and_out_with_a_browser(driver, locked):
    tab = Tab(driver, locked.url)
    for dark in (False, True):
        tab.open("/moment", dark=dark)
        assert tab.violations() == []
    tab.fill("#key", locked.tokens["admin"])
    tab.click("button[type=submit]")
    tab.until(tab.titles, "cards")
    tab.says("Tenant default, role admin")
    assert driver.execute_script("return document.cookie").find(COOKIE) == -1
    tab.click("form[action$='sign-out'] button")
    tab.one("#key")
    assert tab.faults() == []


def test_an_open_page_ends_with_its_key(driver, locked, ring):
    key, token = ring.create("read")
    tab = Tab(driver, locked.url)
    tab.open("/moment")
    tab.fill("#key", token)
    tab.click("button[type=submit]")
    tab.until(tab.titles, "cards")
    assert tab.all(".acts") == [], "a reader cannot act"
    ring.revoke(key.id)
    tab.click("button.show")
    tab.one("#key")
    driver.delete_all_cookies()


def test_an_upload_is_no_larger_than_an_import_may_be(tmp_path):
    async def library(scope, receive, send):
        read, more = 0, True
        while more:
            message = await receive()
            read, more = read + len(message.get("body", b"")), message.get("more_body", False)
        await PlainTextResponse(str(read))(scope, receive, send)

    service = Service(Settings(home=tmp_path, max_upload_mb=1))
    guard = Guard(library, service=service, sessions=Sessions(service.keys, 1))
    upload = "/_nicegui/client/x/upload/1"
    visitor = TestClient(guard, base_url="http://127.0.0.1")
    assert visitor.post(upload, content=b"x" * 1_000_000).text == "1000000"
    assert visitor.post(upload, content=b"x" * 2_000_000).status_code == 413
    assert visitor.post(upload, content=iter([b"x" * 700_000] * 3)).status_code == 413
    assert visitor.post("/other", content=b"x" * 2_000_000).text == "2000000"
    service.close()


def test_a_reader_sees_nothing_of_who_refuses_it(driver, locked):
    with httpx.Client(base_url=locked.url, headers={"authorization": f"Bearer {locked.tokens['admin']}"}) as boss:
        boss.put("/v1/people/consent", json={"user": "u2", "purpose": "analyse", "granted": False}).raise_for_status()
    tab = Tab(driver, locked.url)
    tab.open("/people?user=u2")
    tab.fill("#key", locked.tokens["reader"])
    tab.click("button[type=submit]")
    tab.one(".kept-back")
    assert tab.all(".timeline li") == []
    tab.open("/people?user=u3")
    tab.one(".timeline li")
    driver.delete_all_cookies()


def test_another_tenants_key_sees_nothing_of_this_one(driver, locked):
    tab = Tab(driver, locked.url)
    tab.open("/moment")
    tab.fill("#key", locked.tokens["read"])
    tab.click("button[type=submit]")
    tab.says("The catalogue is empty.")
    assert tab.titles() == []
    driver.delete_all_cookies()
