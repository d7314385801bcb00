"""What is kept of the items: opened, it answers as what was built and as what was never closed; damaged or strange, it is not read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from occasion.catalogue import Catalogue
from occasion.context import ContextExtractor
from occasion.data import Item
from occasion.errors import EncoderError
from occasion.indexes.files import read_about
from occasion.indexes.hnsw import HnswIndex
from occasion.live import LiveState
from occasion.protocols import StoredItem
from occasion.rules import parse_filter
from occasion.settings import load_settings
from occasion.stores import open_store
from occasion.textindex import TextIndex
from occasion.titles import Titles

DIM = 16
WORDS = "red green blue phone phones camera 手机 相机 tea Ärger straße x\0y 😀".split(" ")
TIMES = (0.0, 1e9, 2e9)
QUERIES = ("red phone", "手机 tea", "camera", "strasse")


class Hashing:
    """Vectors that depend on the text alone, and cost nothing."""

    dim = DIM

    def __init__(self, version: str = "hashing-1") -> None:
        self.version, self.trouble, self.encoded = version, False, 0

    def encode(self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Any = None) -> NDArray[np.float32]:
        """Return unit vectors (n, dim)."""
        if self.trouble:
            raise EncoderError("no connection")
        self.encoded += len(texts)
        seeds = [int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") for text in texts]
        rows = [np.random.default_rng(seed).standard_normal(DIM) for seed in seeds]
        out = np.array(rows, np.float32).reshape(-1, DIM)
        return out / np.linalg.norm(out, axis=1, keepdims=True)


@contextlib.contextmanager
def opened(home: Path, encoder: Hashing | None = None, items: Sequence[Item] = (), **options: Any) -> Iterator[LiveState]:
    """Open a home whose catalogue counts as a large one, some items put into it before."""
    chosen = load_settings(home=home, exact_limit=2, **options)
    store = open_store(chosen.resolved_store_url)
    with contextlib.closing(store):
        store.put_items(items)
        live = LiveState(store, encoder or Hashing(), ContextExtractor(settings=chosen), chosen)
        live.refresh()
        yield live


@contextlib.contextmanager
def built(home: Path, encoder: Hashing | None = None) -> Iterator[LiveState]:
    """Open the same store with nothing kept of it."""
    with TemporaryDirectory() as other, opened(Path(other), encoder, store_url=f"sqlite:///{home / 'occasion.db'}") as live:
        yield live


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything kept at once."""
    monkeypatch.setattr("occasion.snapshot.SAVE_AFTER", 1)
    monkeypatch.setattr("occasion.snapshot.SAVE_SHARE", 0.0)


def goods(count: int, **more: Any) -> list[Item]:
    return [
        Item(
            id=f"i{n}",
            text={"title": f"{WORDS[n % 8]} number {n}", "description": WORDS[n // 8 % 8]},
            attributes={"brand": f"b{n % 5}", "size": n % 4},
            **more,
        )
        for n in range(count)
    ]


def told(live: LiveState) -> dict[str, Any]:
    """Return what a state answers to all kinds of questions."""
    catalogue, columns = live.catalogue, live.catalogue.columns
    n = len(catalogue)
    ids = [catalogue.id(key) for key in range(n)]
    keys = np.arange(n, dtype=np.int32)
    words = {query: live.text_index.search(live.text_index.query(query), n + 1) for query in QUERIES}
    # One that had a field once knows its name; what has none of it any more need not.
    names = [name for name in columns.names if columns.mask(parse_filter({"field": name, "exists": True}), n).any()]
    filters = [{"field": name, "exists": True} for name in names]
    filters += [{"field": name, "contains": one} for name in names if columns.is_text(name) for one in ("1", "手", "Ä")]
    filters += [{"field": name, "eq": one} for name in names for one in (True, 1, "1", 2.5, "red", "b1")]
    vectors = live.vectors(keys)
    assert live.index is not None
    near = [live.index.search(vector, 5) for vector in vectors[:5]]
    return {
        "ids": ids,
        "keys": [catalogue.key(one) for one in ids],
        "known": catalogue.known.tolist(),
        "size": catalogue.size,
        "revision": catalogue.revision,
        "masks": {str(one): columns.mask(parse_filter(one), n).tolist() for one in filters},
        "facets": {name: columns.facet(name, catalogue.known, 50) for name in names},
        "first": {name: [columns.first(key, name) for key in range(n)] for name in names},
        "available": [columns.availability(at, n).tolist() for at in TIMES],
        "titles": live.titles(range(n)),
        "words": {
            query: dict(zip(found.keys.tolist(), found.scores.round(5).tolist(), strict=True)) for query, found in words.items()
        },
        "vectors": vectors.tolist(),
        "near": [(found.keys.tolist(), found.scores.tolist()) for found in near],
    }


def told_vectors(live: LiveState) -> NDArray[np.float32]:
    return live.vectors(np.arange(len(live.catalogue), dtype=np.int32))


def same(one: dict[str, Any], other: dict[str, Any], but: Sequence[str] = ()) -> None:
    for name in one:
        if name not in but:
            assert one[name] == other[name], name


texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
attribute = st.one_of(
    texts, st.integers(-2, 3), st.sampled_from([0.5, 2.5, 1.0]), st.booleans(), st.lists(texts, max_size=2).map(tuple),
    st.sampled_from([2**60, 1e300]),
)  # fmt: skip
item = st.builds(
    Item,
    id=st.integers(0, 9).map("item/{}".format) | st.sampled_from(["ü", "手"]),
    text=st.dictionaries(st.sampled_from(["title", "name", "描述"]), texts, max_size=3),
    attributes=st.dictionaries(st.sampled_from(["brand", "size", "half \ud800", "new"]), attribute, max_size=3),
    categories=st.lists(texts, max_size=2).map(tuple),
    price=st.none() | st.floats(0, 12),
    available_from=st.none() | st.just(5e8),
    available_until=st.none() | st.just(1.5e9),
)
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""A failing example is not made smaller: each takes a tenth of a second."""
steps = st.lists(st.one_of(item, st.integers(0, 9).map("item/{}".format)), max_size=12)


def take(store: Any, todo: Sequence[Item | str]) -> None:
    for one in todo:
        if isinstance(one, Item):
            store.put_items([one])
        else:
            store.delete_items([one])


@settings(max_examples=40, deadline=None, phases=PHASES)
@given(steps, steps, steps)
def test_opened_it_answers_as_what_was_never_closed(first: list[Any], second: list[Any], third: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr("occasion.snapshot.SAVE_AFTER", 1)
        patch.setattr("occasion.snapshot.SAVE_SHARE", 0.0)
        home = Path(folder)
        with opened(home, items=goods(8)) as live:
            take(live.store, first)
            live.refresh()
            told(live)
            take(live.store, second)
            live.refresh()
            encoder = Hashing()
            with opened(home, encoder) as again:
                assert encoder.encoded == 0
                same(told(again), told(live))
                with built(home) as anew:
                    # Which values a field had makes it what it is, and which vectors came first the mean.
                    same(told(again), told(anew), but=("facets", "first", "vectors", "near"))
                patch.setattr("occasion.snapshot.SAVE_AFTER", 1000)
                take(live.store, third)
                live.refresh()
                again.refresh()
                same(told(again), told(live))
            with opened(home) as behind:
                # A graph of changed vectors is another one; how rare a word is was counted at another time.
                same(told(behind), told(live), but=("near", "words"))


def test_opened_it_is_what_is_built_of_a_store(tmp_path: Path, soon: None) -> None:
    with opened(tmp_path, items=goods(3000, categories=("a", "b"))):
        pass
    with opened(tmp_path) as again, built(tmp_path) as anew:
        assert isinstance(again.index, HnswIndex)
        assert again.index.kept_in is not None
        same(told(again), told(anew), but=("near",))
        assert again.some_titles(10) == anew.some_titles(10)


# -- what has changed since -----------------------------------------------------------------------------------------------
def files(home: Path, name: str) -> set[str]:
    return {path.name for path in (home / "derived" / name).iterdir() if "-" in path.name}


def test_new_prices_write_no_graph_and_lose_none(tmp_path: Path) -> None:
    manifest = tmp_path / "derived" / "index" / "manifest.json"
    with opened(tmp_path, items=goods(2500)) as live:
        written = manifest.stat().st_mtime_ns
        live.store.put_items(goods(2500, price=5.0))
        live.refresh()
        assert live.catalogue.revision == 5000
    with opened(tmp_path) as again:
        assert manifest.stat().st_mtime_ns == written
        assert again.catalogue.columns.facet("price", again.catalogue.known, 9) == [5.0, 5.0]


def test_a_few_changed_vectors_write_no_graph_and_are_not_lost(tmp_path: Path, soon: None) -> None:
    with opened(tmp_path, items=goods(400)) as live:
        graph, catalogue = files(tmp_path, "index"), files(tmp_path, "catalogue")
        live.store.put_items([Item(id="i7", text={"title": "blue umbrella"}), Item(id="new", text={"title": "old umbrella"})])
        live.store.delete_items(["i9"])
        live.refresh()
        assert files(tmp_path, "index") == graph
        assert not files(tmp_path, "catalogue") & catalogue
        now = told(live)
    with opened(tmp_path) as again:
        assert sorted(again.index.unsaved_keys().tolist()) == [7, 9, 400]
        same(told(again), now, but=("near",))
        found = again.index.search(again.vectors(np.array([400], np.int32))[0], 1)
        assert found.keys.tolist() == [400]
        # The same keys are told of again.
        again.store.put_items([Item(id="newer", text={"title": "a pencil"})])
        again.refresh()
        now = told(again)
    with opened(tmp_path) as later:
        assert later.index.told["revision"] == 400
        same(told(later), now, but=("near",))


def test_an_encoder_that_fails_at_the_start_leaves_no_hole(tmp_path: Path, soon: None) -> None:
    encoder = Hashing()
    with opened(tmp_path, items=goods(400)) as live:
        live.store.put_items([Item(id="new", text={"title": "umbrella"})])
        live.refresh()
        now = told(live)
    shutil.rmtree(tmp_path / "derived" / "vectors")
    chosen = load_settings(home=tmp_path, exact_limit=2)
    with contextlib.closing(open_store(chosen.resolved_store_url)) as store:
        again = LiveState(store, encoder, ContextExtractor(settings=chosen), chosen)
        encoder.trouble = True
        with pytest.raises(EncoderError):
            again.refresh()
        encoder.trouble = False
        again.refresh()
        assert encoder.encoded == 1
        same(told(again), now, but=("near",))


def test_one_new_item_writes_nothing_and_a_deleted_one_at_the_next_start(tmp_path: Path) -> None:
    private = Item(id="private", text={"title": "Elizabeth's"}, attributes={"brand": "Elizabeth & Sons"})
    with opened(tmp_path, items=[*goods(2100), private]) as live:
        before = files(tmp_path, "catalogue")
        live.store.put_items([Item(id="new")])
        live.refresh()
        live.store.delete_items(["private"])
        live.refresh()
        assert files(tmp_path, "catalogue") == before
    (kept,) = (tmp_path / "derived" / "catalogue").glob("*-arrays.npys")
    assert b"lizabeth" in kept.read_bytes()
    with opened(tmp_path) as again:
        assert again.catalogue.size == 2101
        assert not files(tmp_path, "catalogue") & before
    (kept,) = (tmp_path / "derived" / "catalogue").glob("*-arrays.npys")
    assert b"lizabeth" not in kept.read_bytes()


def test_a_small_catalogue_is_not_kept(tmp_path: Path, soon: None) -> None:
    chosen = load_settings(home=tmp_path)
    with contextlib.closing(open_store(chosen.resolved_store_url)) as store:
        store.put_items(goods(50))
        LiveState(store, Hashing(), ContextExtractor(settings=chosen), chosen).refresh()
    assert not (tmp_path / "derived" / "catalogue").exists()


# -- what must not be read ------------------------------------------------------------------------------------------------
def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def told_otherwise(**changes: Any) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        manifest = json.loads(path.read_text())
        about = manifest["about"].get("told") or manifest["about"]
        about.update(changes)
        path.write_text(json.dumps(manifest))

    return damage


DAMAGES: dict[str, tuple[str, str, Callable[[Path], None]]] = {
    **{
        f"{kind} {folder} {name}": (folder, name, damage)
        for folder, name in (
            ("catalogue", "arrays.npys"),
            ("catalogue", "manifest.json"),
            ("index", "matrix.npy"),
            ("index", "manifest.json"),
        )
        for kind, damage in {
            "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
            "empty": lambda path: path.write_bytes(b""),
            "flipped": flipped,
            "missing": lambda path: path.unlink(),
        }.items()
    },
    "older tokens": ("catalogue", "manifest.json", told_otherwise(kind="catalogue-1, tfidf-0")),
    "a strange catalogue": ("catalogue", "manifest.json", told_otherwise(mark="0123456789abcdef")),
    "a strange index": ("index", "manifest.json", told_otherwise(mark="0123456789abcdef")),
    "another encoder": ("index", "manifest.json", told_otherwise(encoder="hashing-0")),
    "an index of before": ("index", "manifest.json", told_otherwise(revision=100)),
    "a list": ("catalogue", "manifest.json", lambda path: path.write_text("[]")),
    "nothing told": ("catalogue", "manifest.json", lambda path: path.write_text('{"about": {}, "files": {}}')),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_what_is_damaged_or_strange_is_built_anew(tmp_path: Path, soon: None, damage: str) -> None:
    with opened(tmp_path, items=goods(300)) as live:
        now = told(live)
    folder, name, harm = DAMAGES[damage]
    (path,) = [p for p in (tmp_path / "derived" / folder).iterdir() if p.name.endswith(name)]
    harm(path)
    with opened(tmp_path) as again:
        same(told(again), now, but=("near",))
    encoder = Hashing()
    with opened(tmp_path, encoder) as mended:
        assert mended.index.kept_in is not None
        assert encoder.encoded == 0
        same(told(mended), now, but=("near",))
    assert read_about(tmp_path / "derived" / "catalogue")["mark"] != "0123456789abcdef"


def test_an_older_copy_of_the_store_meets_no_later_snapshot(tmp_path: Path, soon: None) -> None:
    """Not even when it has come as far as the other had: it was another way."""
    database = tmp_path / "occasion.db"
    with opened(tmp_path, items=goods(300)) as live:
        live.store.copy_to(tmp_path / "copy.db")
        live.store.put_items([Item(id=f"lost {n}", text={"title": f"lost {n}"}) for n in range(50)])
        live.store.delete_items(["i3"])
        live.refresh()
    for path in tmp_path.glob("occasion.db*"):
        path.unlink()
    (tmp_path / "copy.db").rename(database)
    with contextlib.closing(open_store(f"sqlite:///{database}")) as store:
        store.put_items([Item(id=f"other {n}", text={"title": f"other {n}"}) for n in range(80)])
    with opened(tmp_path) as again, built(tmp_path) as anew:
        assert again.catalogue.key("lost 3") is None
        assert again.catalogue.known[3]
        # The index had not been written since; its mean is of fewer vectors.
        same(told(again), told(anew), but=("near", "vectors"))
        assert np.abs(told_vectors(again) - told_vectors(anew)).max() < 0.2
    # A copy that was made after the snapshot is what the snapshot became.
    with opened(tmp_path) as again:
        again.store.copy_to(tmp_path / "copy.db")
    for path in tmp_path.glob("occasion.db*"):
        path.unlink()
    (tmp_path / "copy.db").rename(database)
    before = files(tmp_path, "index")
    with opened(tmp_path):
        assert files(tmp_path, "index") == before


def test_a_store_begun_anew_meets_none_of_the_old_one(tmp_path: Path, soon: None) -> None:
    with opened(tmp_path, items=goods(300)):
        pass
    for path in tmp_path.glob("occasion.db*"):
        path.unlink()
    with contextlib.closing(open_store(f"sqlite:///{tmp_path / 'occasion.db'}")) as store:
        store.put_items([Item(id=f"other {n}", text={"title": f"other {n}"}) for n in range(500)])
    with opened(tmp_path) as again:
        assert again.catalogue.key("i3") is None
        assert again.catalogue.size == 500
        assert np.any(again.vectors(np.arange(500, dtype=np.int32)), axis=1).all()


def test_the_mark_of_an_index_outlives_many_snapshots(tmp_path: Path, soon: None) -> None:
    with opened(tmp_path, items=goods(300)) as live:
        graph = files(tmp_path, "index")
        for price in range(40):
            live.store.put_items(goods(1, price=price))
            live.refresh()
        assert len(json.loads(live.store.get_state("snapshots"))) == 16
    (tmp_path / "derived" / "catalogue" / "manifest.json").unlink()
    with opened(tmp_path) as again:
        assert files(tmp_path, "index") == graph
        assert again.catalogue.size == 300


def test_discarded_nothing_is_left_of_it(tmp_path: Path, soon: None) -> None:
    with opened(tmp_path, items=goods(300)) as live:
        (tmp_path / "derived" / "catalogue" / "0123456789ab-arrays.npys").write_bytes(b"what a crash left")
        live.discard()
    assert {path.name for name in ("index", "catalogue") for path in (tmp_path / "derived" / name).iterdir()} == {"lock"}
    with opened(tmp_path) as again:
        assert again.catalogue.size == 300


def test_a_disk_that_takes_nothing_stops_no_answer(tmp_path: Path, soon: None, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "derived").mkdir()
    (tmp_path / "derived" / "catalogue").write_text("in the way")
    with opened(tmp_path, items=goods(300)) as live:
        assert live.catalogue.size == 300
        told(live)
    assert "the next start takes longer" in caplog.text


# -- several processes, and their ends ------------------------------------------------------------------------------------
def test_two_processes_keep_one_state_and_both_go_on(tmp_path: Path, soon: None) -> None:
    with opened(tmp_path, items=goods(300)) as one, opened(tmp_path) as two:
        for step in range(4):
            one.store.put_items([Item(id=f"new {step}", text={"title": f"new {step}"})])
            first, second = (one, two) if step % 2 else (two, one)
            first.refresh()
            there = files(tmp_path, "catalogue")
            second.refresh()
            assert files(tmp_path, "catalogue") == there
            with opened(tmp_path) as third:
                same(told(third), told(second), but=("near", "words"))
        same(told(two), told(one), but=("near", "words"))


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import occasion.snapshot
occasion.snapshot.SAVE_AFTER, occasion.snapshot.SAVE_SHARE = 1, 0.0
from test_snapshot import goods, opened
home = Path(sys.argv[1])
with opened(home) as live:
    print("ready", flush=True)
    for n in range(10_000):
        live.store.put_items(goods(600, price=float(n % 7)))
        if n % 3 == 0:
            live.store.put_items([item for item in goods(600) if int(item.id[1:]) % 7 == n % 5])
        live.store.delete_items([f"i{n % 600}"])
        live.refresh()
"""


@pytest.mark.parametrize("seconds", [0.02, 0.15, 0.5])
def test_killed_at_any_time_the_next_start_finds_one_state_or_none(tmp_path: Path, seconds: float) -> None:
    with opened(tmp_path, items=goods(600)):
        pass
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
    with opened(tmp_path) as again, built(tmp_path) as anew:
        same(told(again), told(anew), but=("facets", "first", "vectors", "near", "words"))
        assert np.abs(told_vectors(again) - told_vectors(anew)).max() < 0.2


@pytest.mark.parametrize("name", ["catalogue", "index"])
def test_a_crash_between_the_two_states_is_no_mix(tmp_path: Path, soon: None, name: str) -> None:
    """One of the two is the newer one; together they are what the store holds."""
    with opened(tmp_path, items=goods(300)) as live:
        shutil.copytree(tmp_path / "derived" / name, tmp_path / "before")
        live.store.put_items([Item(id=f"i{n}", text={"title": f"changed {n}"}) for n in range(0, 1500)])
        live.store.delete_items(["i7"])
        live.refresh()
        now = told(live)
        assert live.index.told["revision"] == live.catalogue.revision
    shutil.rmtree(tmp_path / "derived" / name)
    (tmp_path / "before").rename(tmp_path / "derived" / name)
    with opened(tmp_path) as again:
        same(told(again), now, but=("near",))


# -- what files mean ------------------------------------------------------------------------------------------------------
def test_what_kept_arrays_hold_changes_with_their_name_alone() -> None:
    """Fails when tokens, titles, fields or their packing change: then `KIND` of textindex or snapshot needs a new number."""
    catalogue, text_index, titles = Catalogue(), TextIndex(), Titles()
    some = [
        *goods(20, categories=("Home > Garden",), price=2.5),
        Item(id="u", text={"name": "Die Straße der Ärgernisse, 12 glasses 高性能手机"}),
    ]
    some.append(Item(id="v", attributes={"new": True, "many": ("a", "B"), "size": 1.5, "code": 2**60}))
    for key, one in enumerate(some):
        catalogue.apply([StoredItem(key, one.id, key + 1, one)])
        text_index.add(key, one.sentence())
        titles.put(key, one.title)
    parts = {**catalogue.arrays(), **text_index.arrays(), **titles.arrays()}
    whole = [name.encode() + array.tobytes() for name, array in sorted(parts.items()) if array.dtype.kind != "f"]
    assert hashlib.sha256(b"".join(whole)).hexdigest()[:16] == "10d4eecd9838c1e6"
