"""Live feedback in a simulated shop whose truth is known: worse versions go, others stay, however often one looks."""

import importlib

import numpy as np
import pytest

from occasion import Context, Event, Slate
from occasion.data import SlateEntry
from occasion.people import Consent
from occasion.privacy.guarded import open_guarded
from occasion.settings import load_settings
from occasion.training import LoopOptions, live_feedback, roll_back_if_worse
from occasion.training.live_feedback import SETTLE, LiveSlates, compare
from occasion.training.loop import LearningLoop
from occasion.versions import BLEND, Versions

DAY = 86_400.0
START = 1_790_000_000.0
ITEMS = ("a", "b", "c")


class Shop:
    """Answers of versions, to people of a given mood, at a given rate of clicks."""

    def __init__(self, home, monkeypatch):
        self.settings = load_settings(home=home)
        self.store = open_guarded(self.settings)
        self.versions = Versions(self.store, home)
        self.rng = np.random.default_rng(0)
        self.now = START
        self.count = 0
        monkeypatch.setattr("occasion.versions.time.time", lambda: self.now)

    def version(self):
        return self.versions.put(lambda folder: (folder.mkdir(parents=True), (folder / "model.json").write_text("{}"))).id

    def serve(self, version, rate, *, slates=600, days=7.0, people=150, impressions=False, type="click", hours=24.0):
        """Serve evenly over some days; the clock stands at the end of them afterwards."""
        events = []
        for at in self.now + np.sort(self.rng.random(slates)) * days * DAY:
            at -= (at % DAY) * (1 - hours / 24)
            person, self.count = f"u{self.rng.integers(people)}", self.count + 1
            slate = Slate(
                id=f"s{self.count}", context=Context(user=person, at=at), entries=tuple(SlateEntry(item=i, score=1.0) for i in ITEMS),
                version=f"{version}/usem3", policy="diverse",
            )  # fmt: skip
            self.store.put_slate(slate)
            seen = self.rng.random() < 0.5 if impressions else True
            if impressions and seen:
                events.append(Event(user=person, item="a", type="impression", at=at + 1, slate=slate.id))
            if seen and self.rng.random() < rate:
                events.append(Event(user=person, item=ITEMS[self.rng.integers(3)], type=type, at=at + 60, slate=slate.id))
        self.store.append(events)
        self.now += days * DAY


@pytest.fixture
def shop(tmp_path, monkeypatch):
    made = Shop(tmp_path, monkeypatch)
    yield made
    made.store.close()


def test_a_worse_version_goes_and_the_logs_say_why(shop):
    shop.serve("blend-1", 0.3)
    version = shop.version()
    shop.versions.promote(version, "passed the gate")
    shop.serve(version, 0.1)
    found = roll_back_if_worse(shop.store, shop.settings, now=shop.now + SETTLE)
    assert found.worse
    assert found.rolled_back_to == BLEND == shop.versions.in_service()
    assert found.slates == (600, 600)
    assert found.difference[2] < 0
    assert found.difference[0] == pytest.approx(-0.2, abs=0.07)
    last = shop.versions.log()[-1]
    assert last["back"]
    assert "live feedback: worse than blend" in last["why"]
    entry = list(shop.store.audit())[-1]
    assert (entry.actor, entry.act, entry.target) == ("learn", "version.rollback", BLEND)
    assert version in entry.detail
    assert live_feedback(shop.store, shop.settings, now=shop.now) is None, "what came back is not judged again"


@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_an_equal_or_better_version_stays(shop, rate):
    shop.serve("blend-1", 0.3)
    version = shop.version()
    shop.versions.promote(version)
    shop.serve(version, rate)
    found = roll_back_if_worse(shop.store, shop.settings, now=shop.now + SETTLE)
    assert not found.worse
    assert shop.versions.in_service() == version
    assert found.difference[1] < rate - 0.3 < found.difference[2]


def test_between_two_versions_only_their_own_time_counts(shop):
    shop.serve("blend-1", 0.9)
    first, second = shop.version(), shop.version()
    shop.versions.promote(first)
    shop.serve(first, 0.3)
    shop.versions.promote(second)
    shop.serve(second, 0.3, days=3)
    shop.serve(first, 0.9, days=0.1)  # a worker that was late to change over
    found = live_feedback(shop.store, shop.settings, now=shop.now + SETTLE)
    assert (found.version, found.before) == (second, first)
    assert found.reward_before == pytest.approx(0.3, abs=0.06)
    assert 300 < found.slates[1] <= 600, "those on days and at hours like the new ones"


def test_days_and_hours_are_compared_with_their_like(shop):
    """The night earns little with every version: a version that has met nights alone so far is not blamed for them."""
    shop.serve("blend-1", 0.5, days=14, hours=24)
    shop.now -= 14 * DAY
    shop.serve("blend-1", 0.05, days=14, hours=5.9)
    version = shop.version()
    shop.versions.promote(version)
    shop.serve(version, 0.05, days=5, hours=5.9)
    found = live_feedback(shop.store, shop.settings, now=shop.now + SETTLE)
    assert found.reward_before < 0.2, "mostly nights, not the 0.28 of all its answers"
    assert found.slates[1] < 1200


def test_weights_and_dislikes(shop):
    shop.serve("blend-1", 0.3, type="purchase")
    version = shop.version()
    shop.versions.promote(version)
    shop.serve(version, 0.3, type="dislike")
    found = live_feedback(shop.store, shop.settings, now=shop.now + SETTLE)
    assert found.reward_before == pytest.approx(0.9, abs=0.2)
    assert found.reward == pytest.approx(-0.6, abs=0.15)
    assert found.worse


def test_what_was_not_seen_does_not_count(shop):
    shop.serve("blend-1", 0.3, impressions=True)
    version = shop.version()
    shop.versions.promote(version)
    shop.serve(version, 0.3, impressions=True)
    found = live_feedback(shop.store, shop.settings, now=shop.now + SETTLE)
    assert found.reward == pytest.approx(0.3, abs=0.1)
    assert all(200 < n < 400 for n in found.slates)


def test_late_reactions_and_young_answers_do_not_count(shop):
    shop.serve("blend-1", 0.3)
    version = shop.version()
    shop.versions.promote(version)
    shop.serve(version, 0.3, days=1)
    none = live_feedback(shop.store, shop.settings, now=shop.now + SETTLE, settle=30)
    assert none.reward == none.reward_before == 0
    early = live_feedback(shop.store, shop.settings, now=shop.now - DAY + 5 * SETTLE)
    assert early.reward is None
    assert "too early" in early.reason


def test_a_version_is_new_for_four_weeks(shop):
    shop.serve("blend-1", 0.3)
    version = shop.version()
    shop.versions.promote(version)
    shop.serve(version, 0.3, slates=300, days=28)
    shop.serve(version, 0.0, slates=300, days=28)
    found = live_feedback(shop.store, shop.settings, now=shop.now + SETTLE)
    assert found.slates[0] <= 300
    assert found.reward == pytest.approx(0.3, abs=0.1)


def test_of_very_many_answers_those_next_to_the_change_are_read(shop, monkeypatch):
    monkeypatch.setattr(importlib.import_module("occasion.training.live_feedback"), "MOST", 150)
    shop.serve("blend-1", 0.9, days=7)
    shop.serve("blend-1", 0.2, days=7, slates=150)
    version = shop.version()
    shop.versions.promote(version)
    shop.serve(version, 0.2, slates=150, days=7)
    shop.serve(version, 0.9, days=7)
    found = live_feedback(shop.store, shop.settings, now=shop.now + SETTLE)
    assert all(100 <= n <= 150 for n in found.slates)
    assert found.reward == pytest.approx(0.2, abs=0.12)
    assert found.reward_before == pytest.approx(0.2, abs=0.12)


def test_nothing_to_compare(shop):
    assert live_feedback(shop.store, shop.settings) is None
    shop.versions.promote(shop.version())
    found = roll_back_if_worse(shop.store, shop.settings)
    assert "too early" in found.reason
    assert not found.rolled_back_to


def test_those_who_refuse_analysis_are_left_out(shop):
    shop.serve("blend-1", 0.3, people=60)
    version = shop.version()
    shop.versions.promote(version)
    shop.serve(version, 0.3, people=60)
    shop.store.put_consents([Consent(user=f"u{n}", purpose="analyse", granted=False, at=shop.now) for n in range(20)])
    assert live_feedback(shop.store, shop.settings, now=shop.now + SETTLE).people == (40, 40)


def test_false_alarms_are_rare_and_worse_versions_are_found():
    """People with rates of their own come again and again; the log is looked at twenty times."""
    rng = np.random.default_rng(2)

    def slates(n, rate):
        users = rng.integers(0, 300, n)
        own = np.random.default_rng(7).beta(2 * rate, 2 * (1 - rate), 300)
        return LiveSlates(
            reward=rng.binomial(1, own[users]).astype(float), users=users.astype(str), kind=rng.integers(0, 8, n).astype(str)
        )

    def blamed(rate):
        old, new = slates(2000, 0.2), slates(2000, rate)
        return any(
            compare(
                LiveSlates(reward=new.reward[:n], users=new.users[:n], kind=new.kind[:n]), old, version="new", before="old"
            ).worse
            for n in range(100, 2001, 100)
        )

    assert sum(blamed(0.2) for _ in range(60)) <= 3
    assert sum(blamed(0.3) for _ in range(20)) == 0
    assert sum(blamed(0.1) for _ in range(20)) >= 19


def test_a_four_is_liked_although_these_answers_got_no_less(shop):
    shop.store.append([Event(user="x", item="a", type="rating", value=1.0, at=START - DAY)])
    shop.serve("blend-1", 0.3)
    version = shop.version()
    shop.versions.promote(version)
    shop.serve(version, 0.0)
    rated = [s for s in shop.store.slates() if s.version.startswith(version)]
    shop.store.append(
        Event(user=s.context.user, item="a", type="rating", value=4.0 + k % 2, at=s.context.at + 1, slate=s.id)
        for k, s in enumerate(rated)
    )
    found = live_feedback(shop.store, shop.settings, now=shop.now + SETTLE)
    assert found.reward == pytest.approx(1.5, abs=0.01), "4 of 1 to 5 counts 1, and 5 counts 2"


def test_a_worse_version_goes_although_the_one_before_was_retired(shop):
    first, second = shop.version(), shop.version()
    shop.versions.promote(first)
    shop.serve(first, 0.3)
    shop.versions.promote(second)
    shop.serve(second, 0.05)
    shop.versions.remove(first)
    found = roll_back_if_worse(shop.store, shop.settings, now=shop.now + SETTLE)
    assert found is not None
    assert found.rolled_back_to == BLEND
    assert shop.versions.in_service() == BLEND


def test_a_look_that_fails_does_not_keep_the_loop_from_learning(shop):
    shop.serve("blend-1", 0.3)
    first, second = shop.version(), shop.version()
    shop.versions.promote(first)
    shop.serve(first, 0.3)
    shop.versions.promote(second)
    shop.serve(second, 0.05)
    (shop.settings.home / "versions" / first / "manifest.json").write_text("damaged")
    loop = LearningLoop(shop.store, shop.settings, LoopOptions.of(shop.settings, events=10**9, minutes=60))
    for quarter in range(2):
        looked, decision = loop.step(shop.now + SETTLE + 900 * quarter)
        assert looked.act == "failed"
        assert decision.act == "waits"
        assert "new events" in decision.why, "no fit has failed, so none is waited for"
