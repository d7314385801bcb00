"""The service in processes of its own: starting, sharing, stopping, dying."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from service_shop import Running, bearer, fill, running

from waiting import until

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the workers in /proc")


def occasion(home, *arguments):
    command = [sys.executable, "-m", "occasion", *arguments, "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_it_refuses_to_be_open_to_others(tmp_path):
    done = occasion(tmp_path / "home", "serve", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 2
    assert "occasion keys create" in done.stderr


def test_keys_on_the_command_line(tmp_path):
    home = tmp_path / "home"
    made = json.loads(occasion(home, "keys", "create", "--role", "admin", "--name", "me", "--json").stdout)
    assert made["key"].startswith("occ_")
    plain = occasion(home, "keys", "create", "--role", "read", "--tenant", "acme").stdout.strip()
    assert plain.startswith("occ_")
    listed = json.loads(occasion(home, "keys", "list", "--json").stdout)["keys"]
    assert [(k["role"], k["tenant"]) for k in listed] == [("admin", "default"), ("read", "acme")]
    assert made["key"] not in occasion(home, "keys", "list").stdout
    assert occasion(home, "keys", "rotate", made["id"]).stdout.startswith("occ_")
    assert occasion(home, "keys", "revoke", listed[1]["id"]).returncode == 0
    assert occasion(home, "keys", "revoke", "nothing").returncode == 3


def queue(measures):
    return {lane: float(number) for lane, number in re.findall(r'^occasion_queue{lane="(\w+)"} (\S+)$', measures, re.MULTILINE)}


@LINUX
def test_workers_share_everything_and_stop_cleanly(tmp_path):
    home = fill(tmp_path / "home")
    token = json.loads(occasion(home, "keys", "create", "--role", "admin", "--json").stdout)["key"]
    with running(home, "--workers", "2") as service:
        assert len(service.workers()) == 2
        for n in range(20):
            # A connection of its own each time, so that either worker may take it.
            with httpx.Client(base_url=service.url, headers=bearer(token)) as http:
                user = f"new-{n}"
                assert http.post("/v1/events", json={"user": user, "item": "chips", "type": "dislike"}).json()["new"] == 1
            with httpx.Client(base_url=service.url, headers=bearer(token)) as http:
                answer = http.post("/v1/recommend", json={"user": user, "text": "watching the game", "k": 8}).json()
                assert "chips" not in [e["item"] for e in answer["items"]]
        for n in range(5):
            item = {"id": f"lamp-{n}", "text": {"title": f"Blue ceiling lamp number {n}"}}
            httpx.put(f"{service.url}/v1/items", json={"items": [item]}, headers=bearer(token))
            found = [
                httpx.post(
                    f"{service.url}/v1/recommend", json={"text": "a blue ceiling lamp", "k": 6}, headers=bearer(token)
                ).json()
                for _ in range(4)
            ]
            assert all(f"lamp-{n}" in [e["item"] for e in answer["items"]] for answer in found)
        text = httpx.get(f"{service.url}/v1/metrics", headers=bearer(token)).text
        assert 'occasion_events_total{new="yes"} 20.0' in text
        assert queue(text) == {"answers": 0, "writes": 0}
        enough = threading.Event()

        def ask():
            with httpx.Client(base_url=service.url, headers=bearer(token)) as http:
                while not enough.is_set():
                    http.post("/v1/similar", json={"item": "chips", "k": 8}).raise_for_status()

        with ThreadPoolExecutor(3) as pool, httpx.Client(base_url=service.url, headers=bearer(token)) as http:
            asking = [pool.submit(ask) for _ in range(3)]
            try:
                until(lambda: queue(http.get("/v1/metrics").text)["answers"] > 0)
            finally:
                enough.set()
            assert [each.result() for each in asking] == [None] * 3
        assert queue(httpx.get(f"{service.url}/v1/metrics", headers=bearer(token)).text)["answers"] == 0
        assert service.stop() == 0
    log = service.log.read_text()
    assert token not in log
    assert "watching the game" not in log
    assert "new-1" not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    asked = [line for line in lines if line["event"] == "request" and line["route"] == "/v1/recommend"]
    assert len(asked) == 40
    assert all(line["request_id"] and line["status"] == 200 for line in asked)


@LINUX
def test_a_killed_worker_or_service_loses_and_doubles_nothing(tmp_path):
    home = fill(tmp_path / "home")
    service = Running(home, "--workers", "2").start()
    port = int(service.url.rpartition(":")[2])
    acknowledged, answered, stop = [], [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                done = httpx.post(f"{service.url}/v1/recommend", json={"user": "t0-1", "k": 2}, timeout=20)
            except httpx.HTTPError:
                time.sleep(0.02)
                continue
            if done.status_code == 200:
                answered.append(done.json()["slate"])

    def load(name):
        n = 0
        while not stop.is_set():
            batch = [{"user": f"{name}-{n % 7}", "item": "chips", "id": f"{name}-{n}-{e}"} for e in range(10)]
            try:
                done = httpx.post(f"{service.url}/v1/events", json={"events": batch}, timeout=20)
            except httpx.HTTPError:
                time.sleep(0.02)
                continue  # the same ids again
            if done.status_code == 200:
                acknowledged.extend(e["id"] for e in batch)
                n += 1

    threads = [threading.Thread(target=load, args=(f"t{n}",)) for n in range(2)] + [threading.Thread(target=ask)]
    for thread in threads:
        thread.start()

    def go_on():
        done = len(acknowledged), len(answered)
        until(lambda: len(acknowledged) > done[0] + 20 and len(answered) > done[1] + 1)
        time.sleep(0.2)  # in the middle of something

    def again():
        try:
            return service.start(port)
        except AssertionError:
            return None  # the workers of the dead service still hold the port

    try:
        for _ in range(2):
            go_on()
            os.kill(service.workers()[0], signal.SIGKILL)
            go_on()
            service.stop(signal.SIGKILL)
            until(again)
            assert service.ready()
        go_on()
        os.kill(service.workers()[1], signal.SIGKILL)
        go_on()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        service.stop()
    from occasion.settings import Settings
    from occasion.stores import open_store

    store = open_store(Settings(home=home).resolved_store_url)
    stored = [event.id for event in store.read_events()]
    lost = [slate for slate in answered if store.get_slate(slate) is None]
    store.close()
    assert lost == []
    assert len(stored) == len(set(stored))
    assert set(acknowledged) <= set(stored)


def test_requests_under_way_finish_when_it_is_told_to_stop(tmp_path):
    home = fill(tmp_path / "home")
    with running(home) as service:
        codes, told = [], threading.Event()
        lines = b"\n".join(b'{"user": "u", "item": "chips", "id": "d-%d"}' % n for n in range(3000))

        def slowly():
            yield lines[:60_000]
            assert told.wait(120)
            for start in range(60_000, len(lines), 30_000):
                yield lines[start : start + 30_000]
                time.sleep(0.1)

        def send():
            headers = {"content-type": "application/x-ndjson"}
            codes.append(httpx.post(f"{service.url}/v1/events/stream", content=slowly(), headers=headers, timeout=120).json())

        thread = threading.Thread(target=send)
        thread.start()
        # Some of it is stored, so it is under way.
        until(lambda: httpx.get(f"{service.url}/v1/info").json()["counts"]["events"] > 24)
        service.process.terminate()
        told.set()
        assert service.stop() == 0
        thread.join()
        assert codes[0]["new"] == 3000
