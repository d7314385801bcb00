"""The audit log on its page: what the API tells, newest first, in words."""

from __future__ import annotations

import httpx


def rows(tab):
    return tab.script(
        "return [...document.querySelectorAll('.acts-done tbody tr')].map(r => [...r.children].map(c => c.innerText))"
    )


def test_acts_are_listed_newest_first_and_by_kind(tab, shop):
    with httpx.Client(base_url=shop.url) as client:
        for n in range(3):
            client.put(f"/v1/scenarios/act{n}", json={"k": n + 1, "about": "<b>bold</b>"}).raise_for_status()
        client.get("/v1/people/export", params={"user": "u1"}).raise_for_status()
        told = client.get("/v1/audit", params={"newest": "true", "limit": 1000}).json()["acts"]
        assert [one["seq"] for one in told] == sorted((one["seq"] for one in told), reverse=True)
        assert [one["act"] for one in told[:2]] == ["person.export", "scenario.put"]
        assert client.get("/v1/audit", params={"newest": "true", "limit": 2}).json()["acts"] == told[:2]
        tab.open("/audit")
        tab.until(lambda: len(rows(tab)) == min(100, len(told)), "the acts")
        assert rows(tab)[0][1:4] == ["this machine", "person's data exported", told[0]["target"]]
        assert rows(tab)[1][3] == "act2"
        assert tab.violations() == []
        tab.click(".by")
        tab.until(lambda: next(o for o in tab.all(".q-menu .q-item") if o.text == "People").click() is None, "the kinds")
        tab.until(lambda: {row[2] for row in rows(tab)} <= {"person's data exported", "person erased"}, "people alone")
        for n in range(3):
            client.delete(f"/v1/scenarios/act{n}")
