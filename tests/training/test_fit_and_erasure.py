"""What was learnt from a person: a real fit, an erasure, a fit without them, and no byte of theirs once the old version is retired."""

from contextlib import closing

import numpy as np

from occasion import Event, Item
from occasion.privacy.erasure import erase, receipts, retire
from occasion.privacy.guarded import open_guarded
from occasion.settings import load_settings
from occasion.training import fit
from occasion.versions import Versions

WHO, WORD, START = "ann-of-elm-street", "xylophonophobia", 1_780_000_000.0


def fill(store):
    rng = np.random.default_rng(0)
    store.put_items([Item(id=f"i{n}", text={"title": f"kind {n % 4} model {n}"}) for n in range(40)])
    events = [
        Event(user=f"u{u}", item=f"i{rng.integers(40)}", at=START + 3600.0 * (u + 40 * step), signals={"mood": "calm"})
        for u in range(80)
        for step in range(8)
    ]
    mine = {"text": f"against {WORD}", "signals": {"mood": WORD, f"fear of {WORD}": True}}
    events += [Event(user=WHO, item=f"i{n % 7}", at=START + 9000.0 * n, id=f"{WORD}-{n}", **mine) for n in range(60)]
    store.append(sorted(events, key=lambda e: e.at))


def files_with(home):
    return [
        str(p.relative_to(home)) for p in home.rglob("*") if p.is_file() and any(w.encode() in p.read_bytes() for w in (WHO, WORD))
    ]


def test_from_a_fit_to_no_trace(tmp_path):
    settings = load_settings(home=tmp_path / "home")
    options = {"settings": settings, "budget": 900, "queries": 50, "without": ("sequence",), "promote": False}
    with closing(open_guarded(settings)) as store:
        fill(store)
        first = fit(store, **options)
        Versions(store, settings.home).promote(first.id)
        done = erase(store, settings, user=WHO)
        assert done.held.versions == (first.id,)
        second = fit(store, **options)
        assert second.data["withdrawals"] == done.removed.withdrawals
        assert second.data["users"] == first.data["users"] - 1
        Versions(store, settings.home).promote(second.id)
        retire(store, settings, first.id)
        assert receipts(store, settings.home)[0]["still_holding"] == []
        assert store.purge()
        assert files_with(settings.home) == []
        # Whoever is erased now is in the second version, but ann is not.
        assert erase(store, settings, user="u1").held.versions == (second.id,)
