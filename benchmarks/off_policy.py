"""Off-policy estimates next to the truth, on the groceries of the demo.

The last fifth of the log is kept away. Answers of three places are served by Plackett-Luce to people at moments of that time; an
item is "clicked" if the person really bought it within the next 30 days. This reward is known for every item, shown or not, so what a
target would have earned can be worked out, and the estimates from the log held against it.

    python benchmarks/off_policy.py --slates 1500 --temperature 0.1
"""

from __future__ import annotations

import argparse
import bisect
import tempfile
import time
from pathlib import Path

import numpy as np

from occasion import Context, Event, Recommender
from occasion.demo.loading import load
from occasion.evaluation import evaluate_off_policy
from occasion.evaluation.heldout import recommender_until
from occasion.policies import make_policy
from occasion.settings import load_settings
from occasion.stores import open_store

MONTH = 30 * 86_400.0
PLACES = 3
LISTS = 10


def main() -> None:
    """Read the options and run in a folder that goes away."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--slates", type=int, default=1500)
    parser.add_argument("--temperature", type=float, default=0.1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), options.slates, options.temperature)


def run(folder: Path, slates: int, temperature: float) -> None:
    """Serve, then print a row for each target."""
    full = load_settings(home=folder / "full")
    source = open_store(full.resolved_store_url)
    load(source)
    settings = load_settings(home=folder / "served")
    store = open_store(settings.resolved_store_url)
    events = [e for e in source.read_events() if e.at is not None]
    cut = float(np.quantile([e.at for e in events], 0.8))
    store.put_items(s.item for s in source.items() if s.item is not None)
    store.append([e for e in events if e.at < cut])
    bought: dict[tuple[str | None, str], list[float]] = {}
    for e in events:
        bought.setdefault((e.user, e.item), []).append(e.at)
    for times in bought.values():
        times.sort()

    def reward(user: str | None, item: str, at: float) -> bool:
        times = bought.get((user, item), [])
        n = bisect.bisect_left(times, at)
        return n < len(times) and times[n] < at + MONTH

    serve(settings, store, [e for e in events if e.at >= cut], slates, temperature, reward, cut)
    targets = {
        f"plackett-luce {temperature} (served)": ("plackett-luce", {"temperature": temperature}, None),
        f"plackett-luce {temperature / 2:g}": ("plackett-luce", {"temperature": temperature / 2}, None),
        "epsilon .3": ("epsilon", {"epsilon": 0.3}, None),
        "greedy": ("greedy", {}, None),
        f"plackett-luce {temperature} without again, together": (
            "plackett-luce",
            {"temperature": temperature},
            ("semantic", "taste", "words", "lookalike", "moment", "popular", "explore"),
        ),
    }
    print("| target | truth | logged | IPS | SNIPS | DR | effective | mean weight |\n|---|---|---|---|---|---|---|---|")
    for name, (policy, level, sources) in targets.items():
        truth = true_value(settings, store, cut, policy, level, sources, reward)
        report = evaluate_off_policy(
            settings, store=store, until=cut, policy=policy, policy_options=level, sources=sources, places=PLACES
        )
        cells = [
            f"{e.mean:.3f} [{e.low:.3f}, {e.high:.3f}]" for e in (report.estimates[n] for n in ("logged", "ips", "snips", "dr"))
        ]
        last = report.places[-1]
        print(f"| {name} | {truth:.3f} | {' | '.join(cells)} | {last.effective:.0f} | {last.weight:.2f} |", flush=True)
    store.close()
    source.close()


def serve(settings, store, moments, slates, temperature, reward, cut) -> None:  # noqa: ANN001
    """Serve answers at moments drawn from the time kept away, and store the clicks."""
    rng = np.random.default_rng(0)
    begun = time.monotonic()
    with Recommender(settings, store=store, until=cut) as recommender:
        for n in sorted(rng.choice(len(moments), slates, replace=False)):
            moment: Event = moments[n]
            context = Context(user=moment.user, at=moment.at, signals=moment.signals)
            slate = recommender.recommend(
                context, PLACES, policy="plackett-luce", policy_options={"temperature": temperature}, slate_id=f"s{n}"
            )
            clicks = [Event(user=moment.user, item=i, at=moment.at + 1, slate=slate.id) for i in slate.items]
            store.append([c for c in clicks if reward(c.user, c.item, moment.at)])
    print(f"{slates} answers served in {time.monotonic() - begun:.0f} s\n")


def true_value(settings, store, cut, policy, level, sources, reward) -> float:  # noqa: ANN001
    """Return what a target would have earned: lists of its own at the same moments, each item's reward being known."""
    recommender = recommender_until(settings, store, cut)
    made, rng, total = make_policy(policy, **level), np.random.default_rng(1), []
    for slate in store.slates():
        found = recommender.scored(slate.context, slate_id=slate.id, sources=sources)
        for _ in range(1 if made.certain else LISTS):
            chosen, _ = made.choose(found.scores, PLACES, rng=rng, similarity=found.similarity, spread=found.spread)
            items = [recommender.live.catalogue.id(int(found.keys[c])) for c in chosen]
            total.append(sum(reward(slate.context.user, i, slate.context.at) for i in items))
    return float(np.mean(total))


if __name__ == "__main__":
    main()
