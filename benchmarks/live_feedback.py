"""How often live feedback blames a version, by how much worse it truly is, and after how many answers; looked at every 200 answers.

People have rates of their own and come again; with --plain a plain 95 % interval is made anew at each look instead.

    python benchmarks/live_feedback.py --runs 300
"""

from __future__ import annotations

import argparse

import numpy as np

from occasion.metrics import clustered_mean
from occasion.training.live_feedback import LiveSlates, compare

OLD, LONGEST, PEOPLE, RATE = 3000, 6000, 800, 0.15


def slates(rng: np.random.Generator, own: np.ndarray, n: int) -> LiveSlates:
    """Return n slates to people with click rates `own`."""
    users = rng.integers(0, PEOPLE, n)
    return LiveSlates(reward=rng.binomial(1, own[users]).astype(float), users=users, kind=np.full(n, "same"))


def first_blame(new: LiveSlates, old: LiveSlates, plain: bool) -> int | None:
    """Return after how many answers the new version is first called worse, None: never."""
    for n in range(100, len(new) + 1, 200):
        seen = LiveSlates(reward=new.reward[:n], users=new.users[:n], kind=new.kind[:n])
        if plain:
            a, b = (clustered_mean(s.reward.tolist(), s.users.tolist()) for s in (seen, old))
            if a.value - b.value + 1.96 * np.hypot(a.error, b.error) < 0:
                return n
        elif compare(seen, old, version="new", before="old").worse:
            return n
    return None


def main() -> None:
    """Print a row for each true change."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--changes", type=float, nargs="*", default=[1.2, 1.0, 0.9, 0.8, 0.7, 0.5])
    options = parser.parse_args()
    print("| true rate, before .15 | called worse | median answers until then |\n|---|---|---|")
    for change in options.changes:
        rng, found = np.random.default_rng(0), []
        for _ in range(options.runs):
            own = rng.beta(2 * RATE, 2 * (1 - RATE), PEOPLE)
            new, old = slates(rng, np.clip(own * change, 0, 1), LONGEST), slates(rng, own, OLD)
            found.append(first_blame(new, old, options.plain))
        when = [n for n in found if n is not None]
        middle = f"{np.median(when):.0f}" if when else "-"
        print(f"| {RATE * change:.3f} | {len(when) / len(found):.3f} | {middle} |", flush=True)


if __name__ == "__main__":
    main()
